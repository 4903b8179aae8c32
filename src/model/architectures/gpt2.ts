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
import { headsFromColumns, reshaped, transposed, zeros } from "./layouts.ts";

/** The row of the registry for GPT-2. The defaults are those of transformers' `GPT2Config`. */
export const GPT2: Architecture = {
  modelType: "gpt2",
  fields: {
    vocab_size: { field: "dVocab", default: 50257 },
    n_positions: { field: "nCtx", default: 1024 },
    n_embd: { field: "dModel", default: 768 },
    n_layer: { field: "nLayers", default: 12 },
    n_head: { field: "nHeads", default: 12 },
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
    "attn_pdrop",
    "embd_pdrop",
    "resid_pdrop",
    "initializer_range",
    "reorder_and_upcast_attn",
    "summary_activation",
    "summary_first_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
    "predict_special_tokens",
  ],
  isTiedByDefault: true,
  prefix: "transformer.",
  tensorRules: (cfg, isTied) => [
    ...embeddingRules(cfg, isTied),
    ...Array.from({ length: cfg.nLayers }, (_, layer) => blockRules(cfg, layer)).flat(),
  ],
  buffers: /^h\.\d+\.attn\.(bias|masked_bias)$/,
  unembedding: "lm_head.weight",
  constants: ({ dVocab }) => new Map([["unembed.b_U", zeros([dVocab])]]),
};

function embeddingRules(
  { dVocab, dModel, nCtx }: HookedTransformerConfig,
  isTied: boolean,
): TensorRule[] {
  const unembed = (tensor: WeightArray) => ["unembed.W_U", transposed(tensor)] as const;
  const embedding: TensorRule = {
    from: "wte.weight",
    shape: [dVocab, dModel],
    to: (tensor) => [["embed.W_E", tensor], ...(isTied ? [unembed(tensor)] : [])],
  };
  const unembedding: TensorRule = {
    from: "lm_head.weight",
    shape: [dVocab, dModel],
    to: (tensor) => [unembed(tensor)],
  };
  return [
    embedding,
    { from: "wpe.weight", shape: [nCtx, dModel], to: as("pos_embed.W_pos") },
    { from: "ln_f.weight", shape: [dModel], to: as("ln_final.w") },
    { from: "ln_f.bias", shape: [dModel], to: as("ln_final.b") },
    ...(isTied ? [] : [unembedding]),
  ];
}

function blockRules(cfg: HookedTransformerConfig, layer: number): TensorRule[] {
  const { dModel, nHeads, dHead } = cfg;
  // GPT-2 always has MLPs.
  const dMlp = cfg.dMlp ?? 4 * dModel;
  const block = `blocks.${layer}`;
  const rule = (from: string, shape: readonly number[], to: TensorRule["to"]): TensorRule => ({
    from: `h.${layer}.${from}`,
    layer,
    shape,
    to,
  });
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
    rule("ln_1.weight", [dModel], as(`${block}.ln1.w`)),
    rule("ln_1.bias", [dModel], as(`${block}.ln1.b`)),
    rule("attn.c_attn.weight", [dModel, 3 * nHeads * dHead], threeHeads("W")),
    rule("attn.c_attn.bias", [3 * nHeads * dHead], threeHeads("b")),
    rule(
      "attn.c_proj.weight",
      [nHeads * dHead, dModel],
      as(`${block}.attn.W_O`, [nHeads, dHead, dModel]),
    ),
    rule("attn.c_proj.bias", [dModel], as(`${block}.attn.b_O`)),
    rule("ln_2.weight", [dModel], as(`${block}.ln2.w`)),
    rule("ln_2.bias", [dModel], as(`${block}.ln2.b`)),
    rule("mlp.c_fc.weight", [dModel, dMlp], as(`${block}.mlp.W_in`)),
    rule("mlp.c_fc.bias", [dMlp], as(`${block}.mlp.b_in`)),
    rule("mlp.c_proj.weight", [dMlp, dModel], as(`${block}.mlp.W_out`)),
    rule("mlp.c_proj.bias", [dModel], as(`${block}.mlp.b_out`)),
  ];
}

/** The tensor under another name, and where said in another shape. */
function as(name: string, shape?: readonly number[]): TensorRule["to"] {
  return (tensor) => [[name, shape === undefined ? tensor : reshaped(tensor, shape)]];
}
