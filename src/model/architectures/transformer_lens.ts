/**
 * Checkpoints in TransformerLens' own parameter names: its toy models, attention alone, GELU, SoLU, shortformers.
 *
 * @module
 */

import { parameterShapes } from "../parameters.ts";
import type { Architecture, ConfigReader } from "./architecture.ts";
import { as } from "./rules.ts";

/** The norms; older files have the key "normalization". */
const NORMALIZATION: ConfigReader = {
  keys: ["normalization", "normalization_type"],
  read({ json, refuse }) {
    const { normalization = json.normalization_type } = json;
    const types = ["LN", "LNPre", "RMS", "RMSPre"] as const;
    const type = types.find((type) => type === normalization) ?? null;
    if (type === null && normalization !== null && normalization !== undefined) {
      refuse(
        `normalization is ${JSON.stringify(normalization)}, wanted one of ${types.join(", ")}`,
      );
    }
    return { normalizationType: type };
  },
};

const POSITIONS: ConfigReader = {
  keys: ["shortformer_pos"],
  read: ({ flag }) => ({
    positionalEmbeddingType: flag("shortformer_pos", false) ? "shortformer" : "standard",
  }),
};

/** How a model was trained, which its `config.json` tells too. */
const TRAINING_KEYS: readonly string[] = [
  "W_O_init_scale",
  "batch_size",
  "batch_size_per_device",
  "batches_per_step",
  "betas",
  "control",
  "dataset_name",
  "debug",
  "debug_batch",
  "debug_overfit",
  "device",
  "fixed_init",
  "grad_norm_clip",
  "initializer_scale_embed",
  "initializer_scale_global",
  "initializer_scale_hidden",
  "initializer_scale_unembed",
  "log_interval",
  "lr",
  "lr_hidden",
  "lr_schedule",
  "lr_vector",
  "max_steps",
  "max_tokens",
  "n_devices",
  "n_params",
  "save_checkpoints",
  "save_checkpoints_interval",
  "save_checkpoints_type",
  "seed",
  "shuffled_data",
  "store_init",
  "tokens_per_step",
  "train_loss_ewma_beta",
  "truncate_tokens",
  "use_acc",
  "use_bfloat16_matmul",
  "use_float16",
  "version",
  "warmup_steps",
  "warmup_tokens",
  "weight_decay",
  "weight_init_scheme",
];

/** What such a `config.json` tells itself by; it has no `model_type`. */
const TELLING_KEYS = ["d_model", "n_layers", "n_heads", "d_vocab"];

/** The row of the registry for TransformerLens' own checkpoints. */
export const TRANSFORMER_LENS: Architecture = {
  modelType: "neel",
  languageModel: (json) =>
    json.model_type === undefined && TELLING_KEYS.every((key) => key in json)
      ? { architectures: ["neel"], ...json }
      : undefined,
  fields: {
    d_model: { field: "dModel", default: undefined },
    n_layers: { field: "nLayers", default: undefined },
    d_mlp: { field: "dMlp", default: undefined },
    d_head: { field: "dHead", default: undefined },
    n_heads: { field: "nHeads", default: undefined },
    n_ctx: { field: "nCtx", default: undefined },
    d_vocab: { field: "dVocab", default: undefined },
    act_fn: { field: "actFn", default: undefined },
    attn_only: { field: "attnOnly", default: false },
    final_rms: { field: "finalRms", default: false },
    ln_eps: { field: "eps", default: 1e-5 },
    tokenizer_name: { field: "tokenizerName", default: undefined },
  },
  readers: [NORMALIZATION, POSITIONS],
  always: {},
  fixedKeys: { architecture: "neel", factored_embed: false, neuron_scale: 1, neuron_temp: 1 },
  twinKeys: {},
  harmlessKeys: TRAINING_KEYS,
  isTiedByDefault: false,
  prefixes: [],
  tensorRules: ({ cfg }) =>
    Array.from(parameterShapes(cfg), ([name, shape]) => {
      const layer = /^blocks\.(\d+)\./.exec(name)?.[1];
      const rule = { from: name, shape, to: as(name) };
      return layer === undefined ? rule : { ...rule, layer: Number(layer) };
    }),
  buffers: /^blocks\.\d+\.attn\.(mask|IGNORE)$/,
  unembedding: "",
};
