/**
 * The repositories of the notebook as a hub has them, with random weights: GPT-2 small, and Kissane and Krzyzanowski's SAEs of its
 * attention. Names, keys, tensors and layouts are the real ones; widths are as wished.
 */
import { createHash } from "node:crypto";
import task from "../../examples/ioi_prompts_gpt2_small.json" with { type: "json" };
import { HookedTransformer, utils } from "../../mod.ts";
import { locateRelease } from "../../src/sae/releases.ts";
import { spread } from "../../bench/_random.ts";
import { type Weights, writeSafetensors } from "../../bench/_safetensors.ts";
import { torchArchive } from "../weights/_torch_archive.ts";
import type { DiskFile, HubFiles } from "./_hub_server.ts";

export const MODEL = "gpt2-small";
export const RELEASE = "gpt2-small-hook-z-kk";
const MODEL_REPO = "gpt2";
const SAES_REPO = "ckkissane/attn-saes-gpt2-small-all-layers";

/** What the circuit's heads and layers ask for. */
const [N_LAYERS, N_HEADS] = [12, 12];
const DEVIATION = 0.02;

/** What may be chosen. */
export interface Widths {
  /** Of a head; the stream has twelve times as much. */
  readonly dHead: number;
  readonly nCtx: number;
  readonly dVocab: number;
  /** Features of a layer's SAE. */
  readonly dSae: (layer: number) => number;
  /** Features of an SAE that are ever live. */
  readonly nLive: number;
}

/** The widths of the real ones. */
export const FULL: Widths = {
  dHead: 64,
  nCtx: 1024,
  dVocab: 50257,
  dSae: (layer) => (layer === 5 || layer === 7 ? 49152 : 24576),
  nLive: 100,
};

/** Widths that a test can afford. */
export const SMALL: Widths = { dHead: 4, nCtx: 64, dVocab: 2048, dSae: () => 96, nLive: 60 };

/** `config.json` of the hub's gpt2. */
function configOf({ dHead, nCtx, dVocab }: Widths) {
  return {
    activation_function: "gelu_new",
    architectures: ["GPT2LMHeadModel"],
    attn_pdrop: 0.1,
    bos_token_id: dVocab - 1,
    embd_pdrop: 0.1,
    eos_token_id: dVocab - 1,
    initializer_range: 0.02,
    layer_norm_epsilon: 1e-5,
    model_type: "gpt2",
    n_ctx: nCtx,
    n_embd: N_HEADS * dHead,
    n_head: N_HEADS,
    n_layer: N_LAYERS,
    n_positions: nCtx,
    resid_pdrop: 0.1,
    summary_activation: null,
    summary_first_dropout: 0.1,
    summary_proj_to_labels: true,
    summary_type: "cls_index",
    summary_use_proj: true,
    task_specific_params: { "text-generation": { do_sample: true, max_length: 50 } },
    vocab_size: dVocab,
  };
}

/** GPT-2's order of a vocabulary: the embedded model's tokens from 0, `<|endoftext|>` at the end, tokens without text between. */
async function tokenizerOf({ dVocab }: Widths): Promise<unknown> {
  const file = new URL("../../models/ioi-tiny/model/tokenizer.json", import.meta.url);
  const tokenizer = JSON.parse(await Deno.readTextFile(file));
  const [end, ...tokens] = Object.keys(tokenizer.model.vocab);
  const unused = Array.from({ length: dVocab - 1 - tokens.length }, (_, i) => `<unused ${i}>`);
  tokenizer.model.vocab = Object.fromEntries(
    [...tokens, ...unused, end].map((token, id) => [token, id]),
  );
  tokenizer.added_tokens[0].id = dVocab - 1;
  return tokenizer;
}

function writeModel(folder: string, { dHead, nCtx, dVocab }: Widths): void {
  const dModel = N_HEADS * dHead;
  let seed = 0;
  const random = (shape: number[], mean = 0): Weights => ({
    shape,
    data: spread(++seed, shape.reduce((n, dim) => n * dim, 1), DEVIATION, mean),
  });
  const block = (layer: number): Record<string, Weights> =>
    Object.fromEntries(
      Object.entries({
        "ln_1.weight": random([dModel], 1),
        "ln_1.bias": random([dModel]),
        // The causal mask: a buffer that is in the real file too.
        "attn.bias": { shape: [1, 1, nCtx, nCtx], data: new Float32Array(nCtx ** 2) },
        "attn.c_attn.weight": random([dModel, 3 * dModel]),
        "attn.c_attn.bias": random([3 * dModel]),
        "attn.c_proj.weight": random([dModel, dModel]),
        "attn.c_proj.bias": random([dModel]),
        "ln_2.weight": random([dModel], 1),
        "ln_2.bias": random([dModel]),
        "mlp.c_fc.weight": random([dModel, 4 * dModel]),
        "mlp.c_fc.bias": random([4 * dModel]),
        "mlp.c_proj.weight": random([4 * dModel, dModel]),
        "mlp.c_proj.bias": random([dModel]),
      }).map(([name, weights]) => [`h.${layer}.${name}`, weights]),
    );
  writeSafetensors(
    `${folder}/model.safetensors`,
    Object.assign(
      {
        "wte.weight": random([dVocab, dModel]),
        "wpe.weight": random([nCtx, dModel]),
        "ln_f.weight": random([dModel], 1),
        "ln_f.bias": random([dModel]),
      },
      ...Array.from({ length: N_LAYERS }, (_, layer) => block(layer)),
    ),
  );
}

/**
 * An SAE of which a few features are live now and then, and the others never.
 *
 * @param rows What it is to encode, [row][dIn]
 */
function saeWeights(layer: number, rows: Float32Array[], dSae: number, nLive: number) {
  const [{ length: dIn }] = rows;
  const unit = 1 / Math.sqrt(dIn);
  const encoder = spread(10_000 + layer, dIn * dSae, unit);
  const length = Math.max(...rows.map((row) => Math.hypot(...row)));
  // No pre-activation is as large as its row's length times its column's.
  const never = -4 * length;
  const biases = new Float32Array(dSae).fill(never);
  for (let i = 0; i < nLive; i++) {
    const feature = Math.floor(i * dSae / nLive);
    const sums = rows.map((row) =>
      row.reduce((sum, x, d) => sum + x * encoder[d * dSae + feature], 0)
    );
    const [lowest, highest] = [Math.min(...sums), Math.max(...sums)];
    biases[feature] = -(lowest + 0.7 * (highest - lowest));
  }
  return {
    W_enc: { shape: [dIn, dSae], data: encoder },
    W_dec: { shape: [dSae, dIn], data: spread(20_000 + layer, dSae * dIn, unit) },
    b_enc: { shape: [dSae], data: biases },
    b_dec: { shape: [dIn], data: new Float32Array(dIn) },
  };
}

/** The rows of every layer's `hook_z` on the notebook's prompts. */
async function mixedRows(folder: string): Promise<Float32Array[][]> {
  using model = await HookedTransformer.fromPretrained(folder);
  const [, cache] = model.runWithCache(task.prompts, {
    namesFilter: (name: string) => name.endsWith("hook_z"),
  });
  const { dModel } = model.cfg;
  return Array.from({ length: N_LAYERS }, (_, layer) => {
    const z = cache.get(utils.getActName("z", layer)).data() as Float32Array;
    const nRows = z.length / dModel;
    return Array.from({ length: nRows }, (_, i) => z.slice(i * dModel, (i + 1) * dModel));
  });
}

/**
 * Writes the repositories to a folder, each under its id.
 *
 * @param root An empty folder.
 * @param widths How wide they are.
 */
export async function writeGpt2Small(root: string, widths: Widths): Promise<void> {
  const model = `${root}/${MODEL_REPO}`;
  const saes = `${root}/${SAES_REPO}`;
  for (const folder of [model, saes]) await Deno.mkdir(folder, { recursive: true });
  const writeJson = (path: string, value: unknown) =>
    Deno.writeTextFile(path, JSON.stringify(value));
  await writeJson(`${model}/config.json`, configOf(widths));
  await writeJson(`${model}/tokenizer.json`, await tokenizerOf(widths));
  // Like the real one, it doesn't name the special tokens.
  await writeJson(`${model}/tokenizer_config.json`, { model_max_length: widths.nCtx });
  writeModel(model, widths);
  const rows = await mixedRows(model);
  for (let layer = 0; layer < N_LAYERS; layer++) {
    const file = locateRelease(RELEASE, `blocks.${layer}.hook_z`).path;
    const name = file.replace(/\.pt$/, "");
    const dSae = widths.dSae(layer);
    const weights = saeWeights(layer, rows[layer], dSae, widths.nLive);
    await Deno.writeFile(`${saes}/${file}`, torchArchive(name, weights));
    await writeJson(`${saes}/${name}_cfg.json`, {
      seed: 49,
      batch_size: 4096,
      lr: 0.0012,
      l1_coeff: 1.8,
      beta1: 0.9,
      beta2: 0.99,
      seq_len: 128,
      enc_dtype: "fp32",
      model_name: MODEL,
      site: "z",
      layer,
      device: "cuda",
      act_name: utils.getActName("z", layer),
      act_size: N_HEADS * widths.dHead,
      dict_size: dSae,
      concat_heads: true,
    });
  }
}

async function diskFile(path: string): Promise<DiskFile> {
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  const chunk = new Uint8Array(2 ** 20);
  for (let n = await file.read(chunk); n !== null; n = await file.read(chunk)) {
    hash.update(chunk.subarray(0, n));
  }
  return { path, size: (await file.stat()).size, sha256: hash.digest("hex") };
}

/** The repositories that {@linkcode writeGpt2Small} wrote, for a hub to serve. */
export async function repositoriesIn(root: string): Promise<Record<string, HubFiles>> {
  const repositories: Record<string, HubFiles> = {};
  for (const repo of [MODEL_REPO, SAES_REPO]) {
    const folder = `${root}/${repo}`;
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name);
    const files = await Promise.all(
      names.map(async (name) => [name, await diskFile(`${folder}/${name}`)] as const),
    );
    repositories[repo] = new Map(files);
  }
  return repositories;
}

/** The folder of the model, and of the file of an SAE, in {@linkcode writeGpt2Small}'s. */
export function placesIn(root: string) {
  return {
    model: `${root}/${MODEL_REPO}`,
    sae: (layer: number) => ({
      folder: `${root}/${SAES_REPO}`,
      path: locateRelease(RELEASE, `blocks.${layer}.hook_z`).path,
    }),
  };
}
