import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  ConfigError,
  HookedTransformer,
  type LoadOptions,
  memoryUsage,
  setMemoryLimit,
  type StateDict,
  Tensor,
} from "../../mod.ts";
import { fixtureUrl } from "../_fixtures.ts";

const TOKENS = Tensor.from([[153, 268, 221, 58, 163, 64, 46, 9], [184, 252, 63, 110, 19, 7, 8, 9]]);

/** The formats, the twins that are stored in them, and their numbers' precision. */
const FORMATS = [["float16", "gpt2/model_f16"], ["bfloat16", "gpt2/model_bf16"]] as const;

function loadRaw(folder: string, options?: LoadOptions): Promise<HookedTransformer> {
  return HookedTransformer.fromPretrainedNoProcessing(fixtureUrl(folder), options);
}

function logitsOf(
  model: HookedTransformer,
  rows: readonly number[][] = TOKENS.toArray(),
): number[] {
  return [...model.forward(rows as number[][]).data()];
}

/** Bytes that the parameters of the core hold with a model loaded. */
function weightBytesOf(model: HookedTransformer): number {
  const loaded = memoryUsage().weightBytes;
  model[Symbol.dispose]();
  return loaded - memoryUsage().weightBytes;
}

Deno.test("a checkpoint in half precision is held so, with the bits of its weights widened beforehand", async () => {
  for (const [dtype, folder] of FORMATS) {
    using held = await loadRaw(folder);
    using wide = await loadRaw(folder, { dtype: "float32" });
    assertEquals([held.cfg.dtype, wide.cfg.dtype], [dtype, "float32"]);
    for (const [name, tensor] of wide.stateDict()) {
      assertEquals(held.stateDict().get(name)?.data(), tensor.data(), name);
    }
    assertEquals([...held.stateDict().keys()], [...wide.stateDict().keys()]);
    // One row, two, a few and many of them take ways of their own through the kernels.
    for (const rows of [[[153]], [[153, 268]], [[153, 268, 221]], TOKENS.toArray()]) {
      assertEquals(logitsOf(held, rows), logitsOf(wide, rows));
    }
  }
});

Deno.test("a checkpoint in half precision takes half the memory", async () => {
  const full = weightBytesOf(await loadRaw("gpt2/model_f16", { dtype: "float32" }));
  for (const [, folder] of FORMATS) {
    const half = weightBytesOf(await loadRaw(folder));
    // Vectors stay float32: 2 % of this small model.
    assert(half < 0.53 * full, `${half} of ${full} bytes`);
  }
});

Deno.test("gradients through weights in half precision are those of the weights widened", async () => {
  for (const [, folder] of FORMATS) {
    const gradients = [];
    for (const dtype of ["auto", "float32"] as const) {
      using model = await loadRaw(folder, { dtype });
      const [logits, cache] = model.runWithCache(TOKENS, { watch: "hook_embed" });
      logits.at(":", -1, 5).sum().backward();
      gradients.push(cache.get("hook_embed").grad?.data());
    }
    assert(gradients[0] !== undefined);
    assertEquals(gradients[0], gradients[1]);
  }
});

Deno.test("an embedding that the unembedding is tied to is held once", async () => {
  using model = await loadRaw("gpt2/model");
  const { dVocab, dModel } = model.cfg;
  assertEquals(model.W_E.shape, [dVocab, dModel]);
  assertEquals(model.W_E.transpose(0, 1).data(), model.W_U.data());
  assertEquals(model.W_E.at(7).data(), model.W_E.data().slice(7 * dModel, 8 * dModel));
  assertEquals(model.W_E.at(-1, 3).item(), model.W_E.toArray()[dVocab - 1][3]);
  const [, cache] = model.runWithCache([[7, dVocab - 1]], { namesFilter: "hook_embed" });
  assertEquals(cache.get("hook_embed").at(0, 0).data(), model.W_E.at(7).data());
  const untied: StateDict = new Map(
    [...model.stateDict()].map(([name, tensor]) => [
      name,
      { shape: tensor.shape, data: tensor.data() as Float32Array },
    ]),
  );
  const twice = new HookedTransformer(model.cfg, { stateDict: untied });
  assertEquals(logitsOf(twice), logitsOf(model));
  const saved = weightBytesOf(twice) - weightBytesOf(model);
  // The last panel of the matrix [dVocab, dModel] is whole, as dModel is a multiple of 16.
  assertEquals(saved, dVocab * dModel * 4);
});

Deno.test('fromPretrained() with a dtype rounds processed weights once, and "auto" leaves them float32', async () => {
  using float32 = await HookedTransformer.fromPretrained(fixtureUrl("gpt2/model_bf16"));
  assertEquals(float32.cfg.dtype, "float32");
  for (const [dtype] of FORMATS) {
    using rounded = await HookedTransformer.fromPretrained(fixtureUrl("gpt2/model_bf16"), {
      dtype,
    });
    assertEquals(rounded.cfg.dtype, dtype);
    // Half a unit in the last place: 2^-11 for float16 (whose subnormal numbers are 2^-24 apart), 2^-8 for bfloat16.
    const [relative, absolute] = dtype === "float16" ? [2 ** -11, 2 ** -25] : [2 ** -8, 0];
    let differing = 0;
    const exact = float32.W_in.data();
    rounded.W_in.data().forEach((x, i) => {
      assert(Math.abs(x - exact[i]) <= relative * Math.abs(exact[i]) + absolute);
      if (x !== exact[i]) differing++;
    });
    assert(differing > exact.length / 2);
    assertEquals(rounded.b_in.data(), float32.b_in.data());
  }
});

Deno.test("fromPretrained() refuses a dtype that there isn't", async () => {
  await assertRejects(
    () => loadRaw("gpt2/model", { dtype: "int4" as "auto" }),
    ConfigError,
    'Cannot load with the dtype "int4": expected "auto", "float32", "float16", "bfloat16", "int8".',
  );
});

Deno.test("a model that doesn't fit leaves no memory taken", async () => {
  const before = memoryUsage().liveBytes;
  const { length } = [...Deno.readFileSync(new URL("model.safetensors", fixtureUrl("gpt2/model")))];
  setMemoryLimit(before + length / 2);
  try {
    await assertRejects(() => loadRaw("gpt2/model"), RangeError, "Out of memory budget");
    await assertRejects(
      () => HookedTransformer.fromPretrained(fixtureUrl("gpt2/model")),
      RangeError,
      "Out of memory budget",
    );
  } finally {
    setMemoryLimit(Infinity);
  }
  assertEquals(memoryUsage().liveBytes, before);
});

Deno.test("weights in eight bits have the bits of their numbers in float32, in little more than a quarter of the memory", async () => {
  const folder = "gpt2/model";
  const weightBytes = async (dtype: LoadOptions["dtype"]) =>
    weightBytesOf(await loadRaw(folder, { dtype }));
  const [byte, full] = [await weightBytes("int8"), await weightBytes("float32")];
  // Of this small model's columns the scales are a ninth; its positions, which are looked up, stay as they are.
  assert(byte < 0.34 * full, `${byte} of ${full} bytes`);
  using held = await loadRaw(folder, { dtype: "int8" });
  using exact = await loadRaw(folder);
  assertEquals([held.cfg.dtype, exact.cfg.dtype], ["int8", "float32"]);
  using wide = new HookedTransformer({ ...held.cfg, dtype: "float32" }, {
    stateDict: new Map(
      [...held.stateDict()].map(([name, value]) => [name, {
        shape: value.shape,
        data: value.data() as Float32Array,
      }]),
    ) as StateDict,
  });
  for (const rows of [[[153]], [[153, 268]], [[153, 268, 221]], TOKENS.toArray()]) {
    assertEquals(logitsOf(held, rows), logitsOf(wide, rows));
  }
  for (const [name, value] of exact.stateDict()) {
    const error = held.stateDict().get(name)!.sub(value).abs().max().item();
    // Half a step: a 254th of the largest number of a column, which none of the whole matrix exceeds.
    assert(error <= value.abs().max().item() / 253, `${name} is off by ${error}`);
  }
});
