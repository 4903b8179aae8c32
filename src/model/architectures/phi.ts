/**
 * Phi checkpoints: 1, 1.5 and 2 with layer norms and halves that read side by side, 3 and later in LLaMA's layout, its matrices packed.
 *
 * @module
 */

import type { HookedTransformerConfig } from "../config.ts";
import type { Architecture, TensorRule } from "./architecture.ts";
import { TRAINING_KEYS } from "./harmless_keys.ts";
import {
  keyHeadReader,
  LLAMA_ALWAYS,
  LLAMA_BUFFERS,
  LLAMA_HARMLESS,
  llamaFields,
  llamaRules,
  SPREAD_FIELD,
} from "./llama_layout.ts";
import { ropeReader } from "./rope.ts";
import {
  as,
  type BlockRules,
  blockRules,
  each,
  embeddingRules,
  heads,
  layerNormRules,
  mlpRules,
  outputRules,
  queryKeyValueRules,
  rows,
  turnedTo,
} from "./rules.ts";
import { windowReader } from "./windows.ts";

function phiBlock(cfg: HookedTransformerConfig, rules: BlockRules): TensorRule[] {
  const { block, name } = rules;
  return [
    // Attention and MLP read the same norm; TransformerLens gives each a copy.
    ...layerNormRules(`${name}.input_layernorm`, [`${block}.ln1`, `${block}.ln2`], cfg.dModel),
    ...queryKeyValueRules(cfg, rules, (letter) => `self_attn.${letter}_proj`, ["q", "k", "v"]),
    ...outputRules(cfg, rules, "self_attn.dense", true),
    ...mlpRules(cfg, rules, ["mlp.fc1", "mlp.fc2"]),
  ];
}

/** The row of the registry for Phi 1, 1.5 and 2. The defaults are those of transformers' `PhiConfig`. */
export const PHI: Architecture = {
  modelType: "phi",
  fields: {
    vocab_size: { field: "dVocab", default: 51200 },
    hidden_size: { field: "dModel", default: 2048 },
    intermediate_size: { field: "dMlp", default: 8192 },
    num_hidden_layers: { field: "nLayers", default: 24 },
    num_attention_heads: { field: "nHeads", default: 32 },
    max_position_embeddings: { field: "nCtx", default: 2048 },
    hidden_act: { field: "actFn", default: "gelu_new" },
    layer_norm_eps: { field: "eps", default: 1e-5 },
    ...SPREAD_FIELD,
  },
  readers: [keyHeadReader(undefined, false), ropeReader({ usualPart: 0.5 })],
  always: { normalizationType: "LN", parallelAttnMlp: true, defaultPrependBos: false },
  fixedKeys: { qk_layernorm: false },
  twinKeys: {},
  harmlessKeys: TRAINING_KEYS,
  isTiedByDefault: false,
  prefixes: ["model."],
  tensorRules: (shape) => [
    ...embeddingRules(shape, "embed_tokens.weight", "lm_head.weight"),
    { from: "lm_head.bias", shape: [shape.cfg.dVocabOut], to: as("unembed.b_U") },
    ...layerNormRules("final_layernorm", ["ln_final"], shape.cfg.dModel),
    ...blockRules(shape.cfg, (layer) => `layers.${layer}`, (rules) => phiBlock(shape.cfg, rules)),
  ],
  buffers: LLAMA_BUFFERS,
  unembedding: "lm_head.weight",
};

/** Queries, keys and values lie one below the other, and so do gate and input. */
function packedMatrices(cfg: HookedTransformerConfig, rules: BlockRules): TensorRule[] {
  const { dModel, nHeads, dHead, nKeyValueHeads, dMlp } = cfg;
  const { block, rule } = rules;
  const attn = `${block}.attn`;
  const mlp = `${block}.mlp`;
  const mark = nKeyValueHeads === null ? "" : "_";
  const kv = nKeyValueHeads ?? nHeads;
  const width = dMlp ?? 0;
  return [
    rule(
      "self_attn.qkv_proj.weight",
      [(nHeads + 2 * kv) * dHead, dModel],
      each(
        heads(`${attn}.W_Q`, { heads: nHeads, dHead }),
        heads(`${attn}.${mark}W_K`, { heads: kv, dHead, first: nHeads * dHead }),
        heads(`${attn}.${mark}W_V`, { heads: kv, dHead, first: (nHeads + kv) * dHead }),
      ),
    ),
    ...outputRules(cfg, rules, "self_attn.o_proj", false),
    rule(
      "mlp.gate_up_proj.weight",
      [2 * width, dModel],
      each(
        rows(0, width, turnedTo(`${mlp}.W_gate`)),
        rows(width, width, turnedTo(`${mlp}.W_in`)),
      ),
    ),
    rule("mlp.down_proj.weight", [dModel, width], turnedTo(`${mlp}.W_out`)),
  ];
}

/** The row of the registry for Phi 3 and later. The defaults are those of transformers' `Phi3Config`. */
export const PHI3: Architecture = {
  modelType: "phi3",
  fields: {
    ...llamaFields({
      vocab: 32064,
      hidden: 3072,
      layers: 32,
      heads: 32,
      intermediate: 8192,
      positions: 4096,
      eps: 1e-5,
    }),
    ...SPREAD_FIELD,
  },
  readers: [
    keyHeadReader(undefined, false),
    // The first checkpoints' names for it.
    ropeReader({ kinds: { su: "longrope", yarn: "longrope" } }),
    // TransformerLens leaves the window out, so that it differs from transformers on long prompts.
    windowReader({ isLocal: () => true }),
  ],
  always: { ...LLAMA_ALWAYS, finalRms: false },
  // The last four stand in Phi 4 mini's files.
  fixedKeys: {
    attention_bias: false,
    mlp_bias: false,
    lm_head_bias: false,
    full_attn_mod: 1,
    interpolate_factor: 1,
  },
  twinKeys: {},
  harmlessKeys: LLAMA_HARMLESS,
  isTiedByDefault: false,
  prefixes: ["model."],
  tensorRules: llamaRules({ matrices: packedMatrices }),
  buffers: LLAMA_BUFFERS,
  unembedding: "lm_head.weight",
};
