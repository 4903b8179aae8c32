import { assertEquals, assertRejects } from "@std/assert";
import { WeightFileError } from "../../src/core/errors.ts";
import { unpickle } from "../../src/weights/pickle.ts";
import { openTorchFile } from "../../src/weights/torch_file.ts";
import { assertUnreadable, FILES, NUMBERS, readAll } from "./_arrays.ts";
import { inMemory } from "./_files.ts";

const eighths = (...numerators: number[]) => numerators.map((n) => n / 8);

Deno.test("openTorchFile() reads every number format, strides and storages that tensors share", async () => {
  assertEquals(await readAll(await openTorchFile(FILES, "tensors.pt")), {
    ...NUMBERS,
    bfloat16: NUMBERS.float16,
    parameter: { dtype: "float32", shape: [6], data: eighths(6, 7, 8, 9, 10, 11) },
    transposed: {
      dtype: "float32",
      shape: [6, 4],
      data: Array.from({ length: 24 }, (_, i) => (i % 4 * 6 + Math.floor(i / 4)) / 8),
    },
    columns: {
      dtype: "float32",
      shape: [4, 3],
      data: eighths(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23),
    },
    permuted: {
      dtype: "float32",
      shape: [4, 2, 3],
      data: Array.from({ length: 24 }, (_, i) => i % 6 * 4 + Math.floor(i / 6)),
    },
    expanded: { dtype: "float32", shape: [3, 2], data: eighths(0, 1, 0, 1, 0, 1) },
  });
});

Deno.test("openTorchFile() reads state dicts, ordered and nested dictionaries, and plain values", async () => {
  const file = await openTorchFile(FILES, "nested.pt");
  assertEquals(file.names, ["model.weight", "model.bias", "ordered.a"]);
  assertEquals((await file.read("model.weight")).shape, [3, 2]);
  assertEquals(Object.fromEntries(file.values), {
    "config.k": 32,
    "config.rate": 0.25,
    "config.name": "relu",
    "config.none": null,
    "config.flag": true,
    "config.list.0": 1,
    "config.list.1": 2,
    "shape.0": 2,
    "shape.1": 3,
    "big": 2 ** 40,
    "steps.0": 1,
    "steps.1": "two",
  });
});

Deno.test("openTorchFile() reads pickles of protocol 4", async () => {
  assertEquals(await readAll(await openTorchFile(FILES, "protocol_4.pt")), {
    plain: NUMBERS.plain,
  });
});

Deno.test("openTorchFile() builds nothing but tensors and plain values, and names what it refuses", async () => {
  const only = "and only tensors, dictionaries, lists and plain values are read";
  await assertUnreadable(
    () => openTorchFile(FILES, "module.pt"),
    `Cannot read "module.pt": its pickle refers to "torch.nn.modules.linear.Linear", ${only}`,
  );
  await assertUnreadable(
    () => openTorchFile(FILES, "function.pt"),
    `Cannot read "function.pt": its pickle refers to "__builtin__.getattr", ${only}`,
  );
});

Deno.test("openTorchFile() says how to bring old files, and what isn't one, into a form that it reads", async () => {
  await assertUnreadable(
    () => openTorchFile(FILES, "legacy.pt"),
    'Cannot read "legacy.pt": it is of PyTorch before 1.6, wanted a zip archive: load it and save it again with a newer ' +
      "PyTorch, or as safetensors",
  );
  await assertUnreadable(
    () => openTorchFile(FILES, "arrays.npz"),
    'Cannot read "arrays.npz": its archive has no "data.pkl", which torch.save writes',
  );
});

Deno.test("A file of torch.save gives the bytes of tensors that lie row by row", async () => {
  const file = await openTorchFile(FILES, "tensors.pt");
  assertEquals(await file.readRaw("uint8"), Uint8Array.of(0, 255));
  const error = await assertRejects(() => file.readRaw("transposed"), WeightFileError);
  assertEquals(
    error.message,
    'Cannot read the bytes of "transposed" in "tensors.pt": they don\'t lie row by row',
  );
});

/** The bytes of a pickle's texts and codes. */
const pickle = (...parts: (string | number)[]) =>
  Uint8Array.from(
    parts.flatMap((part) =>
      typeof part === "number" ? [part] : [...new TextEncoder().encode(part)]
    ),
  );

/** A torch file whose pickle has one text replaced by another of the same length. */
async function withText(from: string, to: string) {
  const bytes = await FILES.read("protocol_4.pt");
  const [find, put] = [from, to].map((text) => new TextEncoder().encode(text));
  const at = bytes.findIndex((_, i) => find.every((byte, j) => bytes[i + j] === byte));
  bytes.set(put, at);
  return inMemory(bytes, "x.pt");
}

Deno.test("openTorchFile() checks tensors against their storages", async () => {
  // The count of the storage, 24, and the shape, (4, 6), are single bytes behind the opcode BININT1.
  await assertUnreadable(
    async () => openTorchFile(await withText("K\x18", "K\x19"), "x.pt"),
    'Cannot read "x.pt": the storage of its tensor "plain" has 96 bytes, but 25 of F32 need 100',
  );
  await assertUnreadable(
    async () => openTorchFile(await withText("K\x04K\x06", "K\x05K\x06"), "x.pt"),
    'Cannot read "x.pt": a tensor of shape [5,6] with strides [6,1] from element 0 on leaves its storage of 24',
  );
});

const NOTHING = { makers: {}, persistent: () => null };

/** Asserts that a pickle is refused for a reason. */
async function assertRefused(bytes: Uint8Array, reason: string): Promise<void> {
  const error = await assertRejects(async () => await unpickle(bytes, NOTHING), Error);
  assertEquals(error.message, reason);
}

Deno.test("unpickle() reads plain values of every opcode", () => {
  const read = (...parts: (string | number)[]) => unpickle(pickle(...parts), NOTHING);
  assertEquals(read("N."), null);
  assertEquals(read("K", 200, "M", 1, 2, 0x86, "."), [200, 513]);
  assertEquals(read("J", 0xff, 0xff, 0xff, 0xff, "."), -1);
  assertEquals(read(0x8a, 3, 0, 0, 1, "."), 2 ** 16);
  assertEquals(read(0x8a, 0, "."), 0);
  assertEquals(read("G", 0x40, 0x04, 0, 0, 0, 0, 0, 0, "."), 2.5);
  assertEquals(read("X", 2, 0, 0, 0, "ab."), "ab");
  assertEquals(read("U", 2, "ab."), "ab");
  assertEquals(read("C", 2, 1, 2, "."), Uint8Array.of(1, 2));
  assertEquals(read("(K", 1, "K", 2, "l."), [1, 2]);
  assertEquals(read("](K", 1, "K", 2, "eK", 3, "a."), [1, 2, 3]);
  assertEquals(read("}K", 1, "K", 2, "s."), new Map([[1, 2]]));
  assertEquals(read("(K", 1, "K", 2, "d."), new Map([[1, 2]]));
  assertEquals(read("K", 1, "2", 0x86, "."), [1, 1]);
  assertEquals(read("K", 1, "q", 7, "0h", 7, "."), 1);
  assertEquals(read("(K", 1, "1", 0x88, "."), true);
});

Deno.test("unpickle() refuses what it can't build, and pickles that contradict themselves", async () => {
  await assertRefused(
    pickle("cos\nsystem\n."),
    'its pickle refers to "os.system", and only tensors, dictionaries, lists and plain values are read',
  );
  await assertRefused(
    pickle("N)", 0x81, "."),
    "its pickle has the opcode NEWOBJ at byte 2, which isn't read",
  );
  await assertRefused(
    pickle(0xff),
    'its pickle has the opcode "0xff" at byte 0, which isn\'t read',
  );
  await assertRefused(pickle("K"), "its pickle is cut off: wanted 1 bytes at byte 1");
  await assertRefused(pickle("K", 1), "its pickle is cut off: wanted 1 bytes at byte 2");
  await assertRefused(
    pickle("X", 255, 255, 255, 255, "ab"),
    "its pickle is cut off: wanted 4294967295 bytes at byte 5",
  );
  await assertRefused(
    pickle("U", 1, 0xff, "."),
    "its pickle has a text at byte 2 that isn't UTF-8",
  );
  await assertRefused(pickle("."), "its pickle takes from an empty stack");
  await assertRefused(pickle("(."), "its pickle takes a mark for a value");
  await assertRefused(pickle("t."), "its pickle has no mark where one is wanted");
  await assertRefused(pickle("h", 3, "."), "its pickle refers to value 3, which there isn't");
  await assertRefused(pickle("NNa."), "its pickle appends to something that isn't a list");
  await assertRefused(pickle("}(Nu."), "its pickle sets a key without a value");
  await assertRefused(pickle("}NNs."), "its pickle has a key that is neither a text nor a number");
  await assertRefused(pickle("NNR."), "its pickle calls something that has no name");
  await assertRefused(pickle("NNb."), "its pickle gives a state to something that has none");
  await assertRefused(
    pickle(0x8a, 8, 0, 0, 0, 0, 0, 0, 0, 0x40, "."),
    "its pickle has a number beyond 2^53 at byte 2",
  );
  await assertRefused(pickle(0x80, 9, "."), "its pickle has protocol 9, wanted at most 5");
});
