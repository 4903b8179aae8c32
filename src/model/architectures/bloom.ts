/**
 * Bloom checkpoints: positions as slopes of attention scores, and a norm after the embedding.
 *
 * @module
 */

import type { HookedTransformerConfig } from "../config.ts";
import type { Architecture, TensorRule } from "./architecture.ts";
import { packedRules } from "./gpt_neox.ts";
import { TRAINING_KEYS } from "./harmless_keys.ts";
import {
  type BlockRules,
  blockRules,
  embeddingRules,
  layerNormRules,
  mlpRules,
  outputRules,
} from "./rules.ts";

function ofBlock(cfg: HookedTransformerConfig, rules: BlockRules): TensorRule[] {
  const { block, name } = rules;
  return [
    ...layerNormRules(`${name}.input_layernorm`, [`${block}.ln1`], cfg.dModel),
    ...packedRules(cfg, rules, "self_attention.query_key_value", true),
    ...outputRules(cfg, rules, "self_attention.dense", true),
    ...layerNormRules(`${name}.post_attention_layernorm`, [`${block}.ln2`], cfg.dModel),
    ...mlpRules(cfg, rules, ["mlp.dense_h_to_4h", "mlp.dense_4h_to_h"]),
  ];
}

/** The row of the registry for Bloom. The defaults are those of transformers' `BloomConfig`. */
export const BLOOM: Architecture = {
  modelType: "bloom",
  fields: {
    vocab_size: { field: "dVocab", default: 250880 },
    hidden_size: { field: "dModel", default: 64, alias: "n_embed" },
    n_layer: { field: "nLayers", default: 2, alias: "num_hidden_layers" },
    n_head: { field: "nHeads", default: 8, alias: "num_attention_heads" },
    layer_norm_epsilon: { field: "eps", default: 1e-5 },
    seq_length: { field: "nCtx", default: 2048 },
  },
  always: {
    normalizationType: "LN",
    positionalEmbeddingType: "alibi",
    postEmbeddingLn: true,
    actFn: "gelu_fast",
    defaultPrependBos: false,
  },
  fixedKeys: { apply_residual_connection_post_layernorm: false },
  twinKeys: {},
  harmlessKeys: [
    ...TRAINING_KEYS,
    "attention_softmax_in_fp32",
    "bias_dropout_fusion",
    "masked_softmax_fusion",
    "n_inner",
    "offset_alibi",
    "pretraining_tp",
    "skip_bias_add",
    "skip_bias_add_qkv",
    "slow_but_exact",
  ],
  isTiedByDefault: true,
  prefixes: ["transformer."],
  tensorRules: (shape) => [
    ...embeddingRules(shape, "word_embeddings.weight", "lm_head.weight"),
    ...layerNormRules("word_embeddings_layernorm", ["embed.ln"], shape.cfg.dModel),
    ...layerNormRules("ln_f", ["ln_final"], shape.cfg.dModel),
    ...blockRules(shape.cfg, (layer) => `h.${layer}`, (rules) => ofBlock(shape.cfg, rules)),
  ],
  // No checkpoint has any.
  buffers: /^$/,
  unembedding: "lm_head.weight",
};
