/**
 * GPT-NeoX checkpoints (also Pythia): rotary positions in a part of each head, halves that read side by side or one after the other.
 *
 * Queries, keys and values of a head lie together, [head, qkv, dHead].
 *
 * @module
 */

import type { HookedTransformerConfig } from "../config.ts";
import type { Architecture, CheckpointShape, TensorRule } from "./architecture.ts";
import { SUMMARY_KEYS, TRAINING_KEYS } from "./harmless_keys.ts";
import { ATTENTION_BIAS_READER } from "./llama.ts";
import { ropeReader } from "./rope.ts";
import {
  type BlockRules,
  blockRules,
  each,
  embeddingRules,
  heads,
  layerNormRules,
  mlpRules,
  outputRules,
} from "./rules.ts";

/** The rules of a linear layer in which each head's query, key and value lie together. */
export function packedRules(
  { nHeads, dHead, dModel }: HookedTransformerConfig,
  { block, rule }: BlockRules,
  name: string,
  hasBias: boolean,
): TensorRule[] {
  const place = (part: number) => ({
    heads: nHeads,
    dHead,
    first: part * dHead,
    step: 3 * dHead,
  });
  const to = (kind: "W" | "b") =>
    each(
      ...["Q", "K", "V"].map((letter, part) =>
        heads(`${block}.attn.${kind}_${letter}`, place(part))
      ),
    );
  const weight = rule(`${name}.weight`, [3 * nHeads * dHead, dModel], to("W"));
  return hasBias ? [weight, rule(`${name}.bias`, [3 * nHeads * dHead], to("b"))] : [weight];
}

function ofBlock({ cfg, json }: CheckpointShape, rules: BlockRules): TensorRule[] {
  const { block, name } = rules;
  const hasBias = json.attention_bias !== false;
  return [
    ...layerNormRules(`${name}.input_layernorm`, [`${block}.ln1`], cfg.dModel),
    ...packedRules(cfg, rules, "attention.query_key_value", hasBias),
    ...outputRules(cfg, rules, "attention.dense", hasBias),
    ...layerNormRules(`${name}.post_attention_layernorm`, [`${block}.ln2`], cfg.dModel),
    ...mlpRules(cfg, rules, ["mlp.dense_h_to_4h", "mlp.dense_4h_to_h"]),
  ];
}

/** The row of the registry for GPT-NeoX. The defaults are those of transformers' `GPTNeoXConfig`. */
export const GPT_NEOX: Architecture = {
  modelType: "gpt_neox",
  fields: {
    vocab_size: { field: "dVocab", default: 50432 },
    hidden_size: { field: "dModel", default: 6144 },
    num_hidden_layers: { field: "nLayers", default: 44 },
    num_attention_heads: { field: "nHeads", default: 64 },
    intermediate_size: { field: "dMlp", default: 24576 },
    hidden_act: { field: "actFn", default: "gelu" },
    max_position_embeddings: { field: "nCtx", default: 2048 },
    layer_norm_eps: { field: "eps", default: 1e-5 },
    use_parallel_residual: { field: "parallelAttnMlp", default: true },
  },
  // TransformerLens 3.9 takes 10000 for the base whatever the file says.
  readers: [
    ropeReader({ base: "rotary_emb_base", part: "rotary_pct", usualPart: 0.25 }),
    ATTENTION_BIAS_READER,
  ],
  always: { normalizationType: "LN", defaultPrependBos: false },
  fixedKeys: {},
  twinKeys: {},
  harmlessKeys: [...SUMMARY_KEYS, ...TRAINING_KEYS],
  isTiedByDefault: false,
  prefixes: ["gpt_neox."],
  tensorRules: (shape) => [
    ...embeddingRules(shape, "embed_in.weight", "embed_out.weight"),
    ...layerNormRules("final_layer_norm", ["ln_final"], shape.cfg.dModel),
    ...blockRules(shape.cfg, (layer) => `layers.${layer}`, (rules) => ofBlock(shape, rules)),
  ],
  buffers: /^layers\.\d+\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)$/,
  unembedding: "embed_out.weight",
};
