/**
 * GPT-J checkpoints: neighbouring dimensions turn together, attention and MLP read the same norm side by side.
 *
 * @module
 */

import type { HookedTransformerConfig } from "../config.ts";
import type { Architecture, TensorRule } from "./architecture.ts";
import { SUMMARY_KEYS, TRAINING_KEYS } from "./harmless_keys.ts";
import {
  as,
  type BlockRules,
  blockRules,
  embeddingRules,
  layerNormRules,
  mlpRules,
  outputRules,
  queryKeyValueRules,
} from "./rules.ts";

function ofBlock(cfg: HookedTransformerConfig, rules: BlockRules): TensorRule[] {
  const { block, name } = rules;
  return [
    // TransformerLens gives the MLP a copy of the norm.
    ...layerNormRules(`${name}.ln_1`, [`${block}.ln1`, `${block}.ln2`], cfg.dModel),
    ...queryKeyValueRules(cfg, rules, (letter) => `attn.${letter}_proj`),
    ...outputRules(cfg, rules, "attn.out_proj", false),
    ...mlpRules(cfg, rules, ["mlp.fc_in", "mlp.fc_out"]),
  ];
}

/** The row of the registry for GPT-J. The defaults are those of transformers' `GPTJConfig`. */
export const GPTJ: Architecture = {
  modelType: "gptj",
  fields: {
    vocab_size: { field: "dVocab", default: 50400 },
    n_positions: { field: "nCtx", default: 2048, alias: "max_position_embeddings" },
    n_embd: { field: "dModel", default: 4096, alias: "hidden_size" },
    n_layer: { field: "nLayers", default: 28, alias: "num_hidden_layers" },
    n_head: { field: "nHeads", default: 16, alias: "num_attention_heads" },
    n_inner: { field: "dMlp", default: undefined },
    rotary_dim: { field: "rotaryDim", default: 64 },
    activation_function: { field: "actFn", default: "gelu_new" },
    layer_norm_epsilon: { field: "eps", default: 1e-5 },
  },
  always: {
    normalizationType: "LN",
    positionalEmbeddingType: "rotary",
    rotaryAdjacentPairs: true,
    parallelAttnMlp: true,
  },
  fixedKeys: { rotary: true, scale_attn_weights: true },
  twinKeys: { n_ctx: "n_positions" },
  harmlessKeys: [...SUMMARY_KEYS, ...TRAINING_KEYS],
  isTiedByDefault: false,
  prefixes: ["transformer."],
  tensorRules: (shape) => [
    ...embeddingRules(shape, "wte.weight", "lm_head.weight"),
    { from: "lm_head.bias", shape: [shape.cfg.dVocabOut], to: as("unembed.b_U") },
    ...layerNormRules("ln_f", ["ln_final"], shape.cfg.dModel),
    ...blockRules(shape.cfg, (layer) => `h.${layer}`, (rules) => ofBlock(shape.cfg, rules)),
  ],
  buffers: /^h\.\d+\.attn\.(bias|masked_bias)$/,
  unembedding: "lm_head.weight",
};
