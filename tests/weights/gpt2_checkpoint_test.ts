import { assert, assertEquals, assertRejects } from "@std/assert";
import { WeightFileError } from "../../src/core/errors.ts";
import {
  configFromHuggingFace,
  type LoadedConfigOptions,
  stateDictFromHuggingFace,
} from "../../src/model/architectures/hugging_face.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";
import { openSource } from "../../src/weights/open_source.ts";
import type { StateDict } from "../../src/weights/state_dict.ts";
import { fixture, floats, inMemory, safetensors, seeded, type Written } from "./_files.ts";

const CONFIG = {
  model_type: "gpt2",
  vocab_size: 5,
  n_positions: 4,
  n_embd: 6,
  n_layer: 2,
  n_head: 3,
  n_inner: 7,
};

/** The tensors of a checkpoint of {@linkcode CONFIG}. */
function tensors(): Record<string, Written> {
  const block = {
    "ln_1.weight": [6],
    "ln_1.bias": [6],
    "attn.c_attn.weight": [6, 18],
    "attn.c_attn.bias": [18],
    "attn.c_proj.weight": [6, 6],
    "attn.c_proj.bias": [6],
    "ln_2.weight": [6],
    "ln_2.bias": [6],
    "mlp.c_fc.weight": [6, 7],
    "mlp.c_fc.bias": [7],
    "mlp.c_proj.weight": [7, 6],
    "mlp.c_proj.bias": [6],
  };
  const blocks = [0, 1].flatMap((l) =>
    Object.entries(block).map(([name, shape]) => [`h.${l}.${name}`, shape] as const)
  );
  const next = seeded(11);
  const shapes: (readonly [string, number[]])[] = [
    ["wte.weight", [5, 6]],
    ["wpe.weight", [4, 6]],
    ...blocks,
    ["ln_f.weight", [6]],
    ["ln_f.bias", [6]],
  ];
  return Object.fromEntries(shapes.map(([name, shape]) => {
    const size = shape.reduce((product, dim) => product * dim, 1);
    return [name, floats(shape, Array.from({ length: size }, next))];
  }));
}

async function loadTensors(
  written: Record<string, Written>,
  config: Record<string, unknown> = CONFIG,
  options: LoadedConfigOptions = {},
): Promise<StateDict> {
  const checkpoint = await openCheckpoint(inMemory(safetensors(written)));
  return await stateDictFromHuggingFace(config, configFromHuggingFace(config, options), checkpoint);
}

async function loadFixture(name: string): Promise<StateDict> {
  const source = fixture(name);
  const json = await source.readJson("config.json");
  return await stateDictFromHuggingFace(
    json,
    configFromHuggingFace(json),
    await openCheckpoint(source),
  );
}

function valuesOf({ bytes }: Written): Float32Array {
  return new Float32Array(bytes.slice().buffer);
}

Deno.test("stateDictFromHuggingFace() lays GPT-2's tensors out as TransformerLens does", async () => {
  const written = tensors();
  const dict = await loadTensors(written);
  const shapes = Object.fromEntries([...dict].map(([name, { shape }]) => [name, shape]));
  const block = (l: number) => ({
    [`blocks.${l}.ln1.w`]: [6],
    [`blocks.${l}.ln1.b`]: [6],
    [`blocks.${l}.attn.W_Q`]: [3, 6, 2],
    [`blocks.${l}.attn.W_K`]: [3, 6, 2],
    [`blocks.${l}.attn.W_V`]: [3, 6, 2],
    [`blocks.${l}.attn.b_Q`]: [3, 2],
    [`blocks.${l}.attn.b_K`]: [3, 2],
    [`blocks.${l}.attn.b_V`]: [3, 2],
    [`blocks.${l}.attn.W_O`]: [3, 2, 6],
    [`blocks.${l}.attn.b_O`]: [6],
    [`blocks.${l}.ln2.w`]: [6],
    [`blocks.${l}.ln2.b`]: [6],
    [`blocks.${l}.mlp.W_in`]: [6, 7],
    [`blocks.${l}.mlp.b_in`]: [7],
    [`blocks.${l}.mlp.W_out`]: [7, 6],
    [`blocks.${l}.mlp.b_out`]: [6],
  });
  assertEquals(shapes, {
    "embed.W_E": [5, 6],
    "unembed.W_U": [6, 5],
    "pos_embed.W_pos": [4, 6],
    "ln_final.w": [6],
    "ln_final.b": [6],
    ...block(0),
    ...block(1),
    "unembed.b_U": [5],
  });

  // Query, key and value heads lie side by side in the columns: W[h, m, d] = c_attn[m, part * 6 + h * 2 + d].
  const [packed, bias] = ["weight", "bias"].map((part) =>
    valuesOf(written[`h.1.attn.c_attn.${part}`])
  );
  ["Q", "K", "V"].forEach((letter, part) => {
    for (let h = 0; h < 3; h++) {
      for (let d = 0; d < 2; d++) {
        const column = part * 6 + h * 2 + d;
        assertEquals(dict.get(`blocks.1.attn.b_${letter}`)?.data[h * 2 + d], bias[column]);
        for (let m = 0; m < 6; m++) {
          const weight = dict.get(`blocks.1.attn.W_${letter}`)?.data[(h * 6 + m) * 2 + d];
          assertEquals(weight, packed[m * 18 + column]);
        }
      }
    }
  });
  const embedding = valuesOf(written["wte.weight"]);
  const unembedding = Array.from(
    { length: 30 },
    (_, i) => embedding[(i % 5) * 6 + Math.floor(i / 5)],
  );
  assertEquals([...dict.get("unembed.W_U")?.data ?? []], unembedding);
});

Deno.test("stateDictFromHuggingFace() takes either spelling of names, and passes over buffers", async () => {
  const plain = await loadTensors(tensors());
  const mask: Written = { dtype: "U8", shape: [1, 1, 4, 4], bytes: new Uint8Array(16) };
  const prefixed = Object.entries(tensors()).map((
    [name, tensor],
  ) => [`transformer.${name}`, tensor]);
  const dict = await loadTensors({
    ...Object.fromEntries(prefixed),
    "transformer.h.0.attn.bias": mask,
    "h.1.attn.masked_bias": floats([], [-1e4]),
    "lm_head.weight": tensors()["wte.weight"],
  });
  assertEquals(dict, plain);
  assertEquals(await loadFixture("gpt2/model_hubkeys"), await loadFixture("gpt2/model"));
});

Deno.test("stateDictFromHuggingFace() reads the unembedding where it isn't tied", async () => {
  const untied = { ...CONFIG, tie_word_embeddings: false };
  const head = floats([5, 6], Array.from({ length: 30 }, (_, i) => i));
  const dict = await loadTensors({ ...tensors(), "lm_head.weight": head }, untied);
  assertEquals([...dict.get("unembed.W_U")?.data.subarray(0, 5) ?? []], [0, 6, 12, 18, 24]);
  assertEquals(
    (await assertRejects(() => loadTensors(tensors(), untied), WeightFileError)).message,
    'Cannot load "model.safetensors" as a gpt2 model: missing: "lm_head.weight"',
  );
});

Deno.test("stateDictFromHuggingFace() leaves out layers and positions that aren't wanted", async () => {
  const whole = await loadTensors(tensors());
  const part = await loadTensors(tensors(), CONFIG, { firstNLayers: 1, nCtx: 3 });
  assert(![...part.keys()].some((name) => name.startsWith("blocks.1.")));
  assertEquals(part.size, whole.size - 16);
  const { shape, data } = part.get("pos_embed.W_pos")!;
  assertEquals([shape, data], [[3, 6], whole.get("pos_embed.W_pos")!.data.slice(0, 18)]);
});

Deno.test("stateDictFromHuggingFace() names all tensors that don't fit in one error", async () => {
  const written = tensors();
  delete written["ln_f.bias"];
  delete written["h.0.ln_1.weight"];
  written["wpe.weight"] = floats([6, 4], Array(24).fill(0));
  written["h.1.ln_2.bias"] = { dtype: "I32", shape: [6], bytes: new Uint8Array(24) };
  written["h.2.ln_2.bias"] = floats([6], Array(6).fill(0));
  written["transformer.ln_f.weight"] = floats([6], Array(6).fill(0));
  const error = await assertRejects(() => loadTensors(written), WeightFileError);
  assertEquals(
    error.message,
    'Cannot load "model.safetensors" as a gpt2 model: "wpe.weight" is [6, 4], wanted [4, 6]; ' +
      '"h.1.ln_2.bias" is I32, wanted one of F64, F32, F16, BF16; ' +
      '"h.2.ln_2.bias" is unknown (the nearest is "h.0.ln_2.bias"); ' +
      '"ln_f.weight" and "transformer.ln_f.weight" are the same tensor; ' +
      'missing: "ln_f.bias", "h.0.ln_1.weight"',
  );
});

Deno.test("stateDictFromHuggingFace() widens the float16 and bfloat16 twins", async () => {
  const full = await loadFixture("gpt2/model");
  // Half a unit in the last place: 2^-11 of a float16's value (2^-25 among its subnormals), 2^-8 of a bfloat16's.
  for (
    const [name, rtol, atol] of [["model_f16", 2 ** -11, 2 ** -25], [
      "model_bf16",
      2 ** -8,
      0,
    ]] as const
  ) {
    for (const [parameter, { shape, data }] of await loadFixture(`gpt2/${name}`)) {
      const expected = full.get(parameter);
      assertEquals(shape, expected?.shape);
      const fits = data.every((value, i) => {
        const wanted = expected?.data[i] ?? NaN;
        return Math.abs(value - wanted) <= atol + rtol * Math.abs(wanted);
      });
      assert(fits, `${name} ${parameter}`);
    }
  }
});

Deno.test("stateDictFromHuggingFace() reads the embedded model", async () => {
  const source = openSource(new URL("../../models/ioi-tiny/model/", import.meta.url));
  const json = await source.readJson("config.json");
  const cfg = configFromHuggingFace(json);
  const dict = await stateDictFromHuggingFace(json, cfg, await openCheckpoint(source));
  assertEquals(dict.get("blocks.3.mlp.W_in")?.shape, [128, 512]);
  assert([...dict.values()].every(({ data }) => data.every(Number.isFinite)));
});
