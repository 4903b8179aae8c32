/**
 * OPT checkpoints, but for those whose norms follow attention and MLP (opt-350m).
 *
 * @module
 */

import type { HookedTransformerConfig } from "../config.ts";
import type { Architecture, TensorRule } from "./architecture.ts";
import { TRAINING_KEYS } from "./harmless_keys.ts";
import {
  as,
  type BlockRules,
  blockRules,
  embeddingRules,
  layerNormRules,
  mlpRules,
  outputRules,
  queryKeyValueRules,
  rows,
} from "./rules.ts";

/** The table of positions begins with rows for pads, which no position reads. */
const PAD_ROWS = 2;

function ofBlock(cfg: HookedTransformerConfig, rules: BlockRules): TensorRule[] {
  const { block, name } = rules;
  const projection = (letter: string) => `self_attn.${letter}_proj`;
  return [
    ...layerNormRules(`${name}.self_attn_layer_norm`, [`${block}.ln1`], cfg.dModel),
    ...queryKeyValueRules(cfg, rules, projection, ["q", "k", "v"]),
    ...outputRules(cfg, rules, projection("out"), true),
    ...layerNormRules(`${name}.final_layer_norm`, [`${block}.ln2`], cfg.dModel),
    ...mlpRules(cfg, rules, ["fc1", "fc2"]),
  ];
}

/** The row of the registry for OPT. The defaults are those of transformers' `OPTConfig`. */
export const OPT: Architecture = {
  modelType: "opt",
  fields: {
    vocab_size: { field: "dVocab", default: 50272 },
    hidden_size: { field: "dModel", default: 768 },
    num_hidden_layers: { field: "nLayers", default: 12 },
    num_attention_heads: { field: "nHeads", default: 12 },
    ffn_dim: { field: "dMlp", default: 3072 },
    max_position_embeddings: { field: "nCtx", default: 2048 },
    activation_function: { field: "actFn", default: "relu" },
  },
  // The epsilon is torch's own.
  always: { normalizationType: "LN", positionalEmbeddingType: "standard", eps: 1e-5 },
  fixedKeys: {
    do_layer_norm_before: true,
    enable_bias: true,
    layer_norm_elementwise_affine: true,
    _remove_final_layer_norm: false,
  },
  twinKeys: { word_embed_proj_dim: "hidden_size" },
  harmlessKeys: [...TRAINING_KEYS, "init_std", "output_projection"],
  isTiedByDefault: true,
  prefixes: ["model.decoder.", "decoder."],
  tensorRules: (shape) => [
    ...embeddingRules(shape, "embed_tokens.weight", "lm_head.weight"),
    {
      from: "embed_positions.weight",
      shape: [shape.cfg.nCtx + PAD_ROWS, shape.cfg.dModel],
      to: rows(PAD_ROWS, shape.cfg.nCtx, as("pos_embed.W_pos")),
    },
    ...layerNormRules("final_layer_norm", ["ln_final"], shape.cfg.dModel),
    ...blockRules(shape.cfg, (layer) => `layers.${layer}`, (rules) => ofBlock(shape.cfg, rules)),
  ],
  // No checkpoint has any.
  buffers: /^$/,
  unembedding: "lm_head.weight",
};
