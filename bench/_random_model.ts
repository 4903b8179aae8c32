/** A model and SAEs of GPT-2 small's shapes with random weights, as folders that both sides of a benchmark read. */
import { HookedSAETransformer, Tensor, utils } from "../mod.ts";
import { spread } from "./_random.ts";
import { type Weights, writeSafetensors } from "./_safetensors.ts";

const [N_LAYERS, D_MODEL, N_HEADS, D_MLP] = [12, 768, 12, 3072];
const [D_VOCAB, N_CTX] = [50257, 1024];

/** Widths of the SAEs of `gpt2-small-hook-z-kk`, all but one of them alike. */
const dSaeOf = (layer: number) => (layer === 5 ? 49152 : 24576);

/** The prompts' shape. */
const [N_PROMPTS, N_TOKENS] = [8, 16];

/** Where the notebook looks: the second subject's position, its layer, the heads that read it. */
const [LAYER, POSITION] = [5, 10];
const HEADS: [layer: number, head: number][] = [[7, 3], [7, 9], [8, 6], [8, 10]];

/** GPT-2's initialisation. */
const DEVIATION = 0.02;

/** Queries and keys are larger, so that patterns are as uneven as a trained model's. */
const SHARPENING = 3;

/** Features that are now and then live: this many, each in one row of twenty. */
const POOL = 400;

/** Standard deviations beyond which uniform weights' sums lie in one row of twenty, and in next to none. */
const [NOW_AND_THEN, NEXT_TO_NEVER] = [1.645, 4.5];

/** Features of the layer looked at that are live at the position looked at in every prompt. */
const N_COMMON = 40;

/**
 * The length of a decoder's rows: in the layer looked at one feature's effect is then far above rounding, and elsewhere twelve
 * reconstructions on top of each other don't make rounding grow.
 */
const decoderLengthOf = (layer: number) => (layer === LAYER ? 30 : 4);

/** A place on disk and in the model where a workload happens; the same for both sides. */
export interface Scenario {
  /** Folder of the model in Hugging Face layout. */
  model: string;
  /** Folders of SAEs in SAELens' layout. */
  saes: string[];
  /** Token ids [prompt][pos]. */
  tokens: number[][];
  /** Ids of the correct and the incorrect answer, by prompt. */
  answers: number[][];
  /** Layer and position whose features are looked at. */
  layer: number;
  position: number;
  /** The heads whose values are path-patched. */
  heads: [layer: number, head: number][];
}

function blockWeights(layer: number): Record<string, Weights> {
  const prefix = `transformer.h.${layer}`;
  let seed = 1000 * (layer + 1);
  const random = (shape: number[], deviation = DEVIATION, mean = 0): Weights => ({
    shape,
    data: spread(++seed, shape.reduce((n, m) => n * m, 1), deviation, mean),
  });
  const attention = random([D_MODEL, 3 * D_MODEL]);
  attention.data.forEach((x, i) => {
    if (i % (3 * D_MODEL) < 2 * D_MODEL) attention.data[i] = SHARPENING * x;
  });
  return {
    [`${prefix}.ln_1.weight`]: random([D_MODEL], 0.1, 1),
    [`${prefix}.ln_1.bias`]: random([D_MODEL]),
    [`${prefix}.attn.c_attn.weight`]: attention,
    [`${prefix}.attn.c_attn.bias`]: random([3 * D_MODEL]),
    [`${prefix}.attn.c_proj.weight`]: random([D_MODEL, D_MODEL]),
    [`${prefix}.attn.c_proj.bias`]: random([D_MODEL]),
    [`${prefix}.ln_2.weight`]: random([D_MODEL], 0.1, 1),
    [`${prefix}.ln_2.bias`]: random([D_MODEL]),
    [`${prefix}.mlp.c_fc.weight`]: random([D_MODEL, D_MLP]),
    [`${prefix}.mlp.c_fc.bias`]: random([D_MLP]),
    [`${prefix}.mlp.c_proj.weight`]: random([D_MLP, D_MODEL]),
    [`${prefix}.mlp.c_proj.bias`]: random([D_MODEL]),
  };
}

/** Writes a model in Hugging Face layout, rounded to float16 where that is said. */
export function writeModel(folder: string, { inHalf = false } = {}): void {
  const random = (seed: number, shape: number[], mean = 0): Weights => ({
    shape,
    data: spread(seed, shape.reduce((n, m) => n * m, 1), DEVIATION, mean),
  });
  Deno.mkdirSync(folder, { recursive: true });
  Deno.writeTextFileSync(
    `${folder}/config.json`,
    JSON.stringify({
      architectures: ["GPT2LMHeadModel"],
      model_type: "gpt2",
      activation_function: "gelu_new",
      n_layer: N_LAYERS,
      n_embd: D_MODEL,
      n_head: N_HEADS,
      n_inner: D_MLP,
      n_ctx: N_CTX,
      n_positions: N_CTX,
      vocab_size: D_VOCAB,
      layer_norm_epsilon: 1e-5,
      tie_word_embeddings: true,
    }),
  );
  const tensors: Record<string, Weights> = Object.assign(
    {
      "transformer.wte.weight": random(1, [D_VOCAB, D_MODEL]),
      "transformer.wpe.weight": random(2, [N_CTX, D_MODEL]),
      "transformer.ln_f.weight": random(3, [D_MODEL], 1),
      "transformer.ln_f.bias": random(4, [D_MODEL]),
    },
    ...Array.from({ length: N_LAYERS }, (_, layer) => blockWeights(layer)),
  );
  const halves = () =>
    Object.fromEntries(
      Object.entries(tensors).map(([name, { shape, data }]) => [
        name,
        { shape, data: Float16Array.from(data) },
      ]),
    );
  writeSafetensors(`${folder}/model.safetensors`, inHalf ? halves() : tensors);
}

/** Rows' mean, and the rest of each row. */
function centred(rows: Float32Array[]): { mean: Float32Array<ArrayBuffer>; rest: Float32Array[] } {
  const mean = new Float32Array(D_MODEL);
  for (const row of rows) row.forEach((x, i) => mean[i] += x / rows.length);
  return { mean, rest: rows.map((row) => row.map((x, i) => x - mean[i])) };
}

const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * b[i], 0);

/** Turns the encoder's last columns towards what rows have in common, and sets their biases so that all of those are live. */
function addCommonFeatures(
  { W_enc, b_enc }: Record<"W_enc" | "b_enc", Weights>,
  rows: Float32Array[],
): void {
  const { mean } = centred(rows);
  const length = Math.sqrt(dot(mean, mean));
  const dSae = b_enc.data.length;
  for (let feature = dSae - N_COMMON; feature < dSae; feature++) {
    const column = mean.map((x, i) => x / length + W_enc.data[i * dSae + feature]);
    const least = Math.min(...rows.map((row) => dot(row, column)));
    if (least <= 0) throw new Error(`Feature ${feature} can't be live in all rows: ${least}.`);
    column.forEach((x, i) => W_enc.data[i * dSae + feature] = x);
    b_enc.data[feature] = -least / 2;
  }
}

/**
 * Writes a standard SAE whose biases make about {@linkcode POOL} / 20 features live in a row.
 *
 * @param rows what it is to encode, [prompt * pos][dModel]
 */
function writeSae(folder: string, layer: number, rows: Float32Array[]): void {
  const dSae = dSaeOf(layer);
  const { mean, rest } = centred(rows);
  const unit = 1 / Math.sqrt(D_MODEL);
  const deviation = unit *
    Math.sqrt(rest.reduce((sum, row) => sum + dot(row, row), 0) / rows.length);
  const weights = {
    W_enc: { shape: [D_MODEL, dSae], data: spread(10 + layer, D_MODEL * dSae, unit) },
    b_enc: { shape: [dSae], data: new Float32Array(dSae).fill(-NEXT_TO_NEVER * deviation) },
    W_dec: {
      shape: [dSae, D_MODEL],
      data: spread(30 + layer, D_MODEL * dSae, decoderLengthOf(layer) * unit),
    },
    b_dec: { shape: [D_MODEL], data: mean },
  };
  weights.b_enc.data.fill(-NOW_AND_THEN * deviation, 0, POOL);
  if (layer === LAYER) {
    addCommonFeatures(weights, rest.filter((_, row) => row % N_TOKENS === POSITION));
  }
  Deno.mkdirSync(folder, { recursive: true });
  Deno.writeTextFileSync(
    `${folder}/cfg.json`,
    JSON.stringify({
      architecture: "standard",
      d_in: D_MODEL,
      d_sae: dSae,
      dtype: "float32",
      device: "cpu",
      apply_b_dec_to_input: true,
      normalize_activations: "none",
      reshape_activations: "hook_z",
      metadata: {
        sae_lens_version: "6.54.12",
        model_name: "gpt2-small",
        hook_name: `blocks.${layer}.attn.hook_z`,
        prepend_bos: true,
      },
    }),
  );
  writeSafetensors(`${folder}/sae_weights.safetensors`, weights);
}

function randomTokens(): number[][] {
  const numbers = spread(5, N_PROMPTS * N_TOKENS, 1);
  const ids = Array.from(
    numbers,
    (x) => Math.floor(Math.abs(x) / Math.sqrt(3) * D_VOCAB) % D_VOCAB,
  );
  return Array.from(
    { length: N_PROMPTS },
    (_, i) => ids.slice(i * N_TOKENS, (i + 1) * N_TOKENS),
  );
}

/**
 * Writes GPT-2 small's shapes with random weights, and an SAE for each layer's `hook_z` that is calibrated on the prompts.
 *
 * @param folder where to; what is there already is taken as it is
 */
export async function randomScenario(folder: string): Promise<Scenario> {
  const tokens = randomTokens();
  const model = `${folder}/model`;
  const saes = Array.from({ length: N_LAYERS }, (_, layer) => `${folder}/sae.${layer}`);
  const done = `${folder}/done`;
  if (!(await Deno.stat(done).catch(() => undefined))) {
    writeModel(model);
    using transformer = await HookedSAETransformer.fromPretrained(model);
    const [, cache] = transformer.runWithCache(Tensor.from(tokens, undefined, "int32"), {
      namesFilter: (name: string) => name.endsWith(".attn.hook_z"),
    });
    saes.forEach((sae, layer) => {
      const z = cache.get(utils.getActName("z", layer)).data() as Float32Array;
      const rows = Array.from(
        { length: N_PROMPTS * N_TOKENS },
        (_, row) => z.slice(row * D_MODEL, (row + 1) * D_MODEL),
      );
      writeSae(sae, layer, rows);
    });
    Deno.writeTextFileSync(done, "");
  }
  const answers = tokens.map(([a, b]) => [a, b]);
  return { model, saes, tokens, answers, layer: LAYER, position: POSITION, heads: HEADS };
}
