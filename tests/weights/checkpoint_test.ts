import { assertEquals, assertRejects } from "@std/assert";
import { WeightFileError } from "../../src/core/errors.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";
import { MemorySource } from "../../src/weights/memory_source.ts";
import { fixture, floats, safetensors } from "./_files.ts";

const INDEX = "model.safetensors.index.json";
const A = safetensors({ a: floats([1], [1]), b: floats([2], [2, 3]) });
const B = safetensors({ c: floats([1], [4]) });

/** A checkpoint of two shards with an index. */
function sharded(index: unknown, files: Record<string, Uint8Array> = { A, B }): MemorySource {
  const text = new TextEncoder().encode(JSON.stringify(index));
  return new MemorySource(new Map([[INDEX, text], ...Object.entries(files)]));
}

Deno.test("openCheckpoint() reads shards through their index", async () => {
  const checkpoint = await openCheckpoint(
    sharded({ metadata: { total_size: 16 }, weight_map: { c: "B", a: "A", b: "A" } }),
  );
  assertEquals(checkpoint.label, INDEX);
  assertEquals(checkpoint.names, ["c", "a", "b"]);
  assertEquals(checkpoint.has("b"), true);
  assertEquals(checkpoint.info("b"), { dtype: "F32", shape: [2], byteLength: 8 });
  assertEquals([...(await checkpoint.read("b")).data], [2, 3]);
  assertEquals((await checkpoint.readRaw("c")).byteLength, 4);
  assertEquals(
    (await assertRejects(() => checkpoint.read("d"), WeightFileError)).message,
    `Cannot read "d" in "${INDEX}": there is no such tensor; the nearest names are "c", "a", "b"`,
  );
});

Deno.test("openCheckpoint() gives the same tensors from one file and from shards", async () => {
  const single = await openCheckpoint(fixture("gpt2/model"));
  const shards = await openCheckpoint(fixture("gpt2/model_sharded"));
  assertEquals([...shards.names].sort(), [...single.names].sort());
  for (const name of single.names) {
    assertEquals(shards.info(name), single.info(name), name);
    assertEquals(await shards.readRaw(name), await single.readRaw(name), name);
  }
});

Deno.test("openCheckpoint() tells how index and shards disagree", async () => {
  const disagree = `Cannot read "${INDEX}": index and shards disagree: `;
  const cases: [unknown, string][] = [
    [{ weight_map: { a: "A", b: "A", c: "A" } }, `${disagree}"c" isn't in "A"`],
    [{ weight_map: { a: "A", c: "B" } }, `${disagree}"b" is in "A", but listed nowhere`],
    [
      { weight_map: { a: "B", b: "A", c: "B" } },
      `${disagree}"a" isn't in "B"; "a" is in "A", but listed in "B"`,
    ],
    [{}, `Cannot read "${INDEX}": wanted an object "weight_map"`],
    [[], `Cannot read "${INDEX}": wanted an object "weight_map"`],
    [
      { weight_map: { a: 1 } },
      `Cannot read "${INDEX}": "weight_map" has 1 under "a", wanted a file name`,
    ],
    [{ weight_map: { a: "C" } }, 'Cannot read "C" in memory: there is no such file'],
    [
      { weight_map: { a: "../A" } },
      'Cannot read "../A" in memory: wanted a relative path that stays in its folder',
    ],
  ];
  for (const [index, message] of cases) {
    const error = await assertRejects(() => openCheckpoint(sharded(index)), WeightFileError);
    assertEquals(error.message, message);
  }
});

Deno.test("openCheckpoint() tells what it looked for where there are no weights", async () => {
  const error = await assertRejects(
    () => openCheckpoint(new MemorySource(new Map())),
    WeightFileError,
  );
  assertEquals(
    error.message,
    `Cannot find weights in memory: wanted "model.safetensors", "${INDEX}" and its shards, ` +
      '"pytorch_model.bin", "pytorch_model.bin.index.json" and its shards or "model_final.pth"',
  );
});

Deno.test("openCheckpoint() takes torch's files where there are none of safetensors", async () => {
  const folder = fixture("toy/attn_only_2l");
  const pickled = await folder.read("model_final.pth");
  const plain = await openCheckpoint(folder);
  const index = { weight_map: Object.fromEntries(plain.names.map((name) => [name, "a.bin"])) };
  const layouts: Record<string, Uint8Array>[] = [
    { "model_final.pth": pickled },
    { "pytorch_model.bin": pickled },
    {
      "pytorch_model.bin.index.json": new TextEncoder().encode(JSON.stringify(index)),
      "a.bin": pickled,
    },
  ];
  for (const files of layouts) {
    const checkpoint = await openCheckpoint(new MemorySource(new Map(Object.entries(files))));
    assertEquals([...checkpoint.names].sort(), [...plain.names].sort());
    for (const name of plain.names) {
      assertEquals(await checkpoint.read(name), await plain.read(name), name);
    }
  }
});
