/**
 * GPT-2 checkpoints (also distilgpt2, stanford-crfm and others of the class `GPT2LMHeadModel`).
 *
 * The checkpoint's linear layers are of the class `Conv1D`, [in, out], so they are TransformerLens' as they stand, but for
 * queries, keys and values, which lie side by side in one of them.
 *
 * @module
 */

import type { WeightArray } from "../../weights/state_dict.ts";
import type { HookedTransformerConfig } from "../config.ts";
import type { Architecture, TensorRule } from "./architecture.ts";
import { SUMMARY_KEYS } from "./harmless_keys.ts";
import { headsFromColumns, reshaped } from "./layouts.ts";
import { as, type BlockRules, blockRules, embeddingRules, layerNormRules } from "./rules.ts";

/** The row of the registry for GPT-2. The defaults are those of transformers' `GPT2Config`. */
export const GPT2: Architecture = {
  modelType: "gpt2",
  fields: {
    vocab_size: { field: "dVocab", default: 50257 },
    n_positions: { field: "nCtx", default: 1024, alias: "max_position_embeddings" },
    n_embd: { field: "dModel", default: 768, alias: "hidden_size" },
    n_layer: { field: "nLayers", default: 12, alias: "num_hidden_layers" },
    n_head: { field: "nHeads", default: 12, alias: "num_attention_heads" },
    n_inner: { field: "dMlp", default: undefined },
    activation_function: { field: "actFn", default: "gelu_new" },
    layer_norm_epsilon: { field: "eps", default: 1e-5 },
    scale_attn_weights: { field: "useAttnScale", default: true },
    scale_attn_by_inverse_layer_idx: { field: "scaleAttnByInverseLayerIdx", default: false },
  },
  always: { normalizationType: "LN", positionalEmbeddingType: "standard" },
  fixedKeys: { add_cross_attention: false },
  twinKeys: { n_ctx: "n_positions" },
  harmlessKeys: [
    ...SUMMARY_KEYS,
    "attn_pdrop",
    "embd_pdrop",
    "resid_pdrop",
    "initializer_range",
    "reorder_and_upcast_attn",
    "predict_special_tokens",
  ],
  isTiedByDefault: true,
  prefixes: ["transformer."],
  tensorRules: (shape) => [
    ...embeddingRules(shape, "wte.weight", "lm_head.weight"),
    {
      from: "wpe.weight",
      shape: [shape.cfg.nCtx, shape.cfg.dModel],
      to: as("pos_embed.W_pos"),
    },
    ...layerNormRules("ln_f", ["ln_final"], shape.cfg.dModel),
    ...blockRules(shape.cfg, (layer) => `h.${layer}`, (rules) => ofBlock(shape.cfg, rules)),
  ],
  buffers: /^h\.\d+\.attn\.(bias|masked_bias)$/,
  unembedding: "lm_head.weight",
};

function ofBlock(
  { dModel, nHeads, dHead, dMlp }: HookedTransformerConfig,
  { block, name, rule }: BlockRules,
): TensorRule[] {
  // GPT-2 always has MLPs.
  const width = dMlp ?? 4 * dModel;
  const threeHeads = (kind: "W" | "b") => (packed: WeightArray) => {
    // A bias is a matrix of one row, and its heads lose that axis again.
    const matrix = kind === "W" ? packed : reshaped(packed, [1, 3 * nHeads * dHead]);
    return ["Q", "K", "V"].map((part, i) => {
      const heads = headsFromColumns(matrix, i * nHeads * dHead, nHeads, dHead);
      const value = kind === "W" ? heads : reshaped(heads, [nHeads, dHead]);
      return [`${block}.attn.${kind}_${part}`, value] as const;
    });
  };
  return [
    ...layerNormRules(`${name}.ln_1`, [`${block}.ln1`], dModel),
    rule("attn.c_attn.weight", [dModel, 3 * nHeads * dHead], threeHeads("W")),
    rule("attn.c_attn.bias", [3 * nHeads * dHead], threeHeads("b")),
    rule(
      "attn.c_proj.weight",
      [nHeads * dHead, dModel],
      as(`${block}.attn.W_O`, [nHeads, dHead, dModel]),
    ),
    rule("attn.c_proj.bias", [dModel], as(`${block}.attn.b_O`)),
    ...layerNormRules(`${name}.ln_2`, [`${block}.ln2`], dModel),
    rule("mlp.c_fc.weight", [dModel, width], as(`${block}.mlp.W_in`)),
    rule("mlp.c_fc.bias", [width], as(`${block}.mlp.b_in`)),
    rule("mlp.c_proj.weight", [width, dModel], as(`${block}.mlp.W_out`)),
    rule("mlp.c_proj.bias", [dModel], as(`${block}.mlp.b_out`)),
  ];
}
