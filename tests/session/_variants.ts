/** Small models of every kind that the forward pass knows, for tests that hold for all of them. */

import type { ConfigInput } from "../../src/model/config.ts";

/** What a kind of model departs in from the plain one. */
export interface Variant {
  readonly changes: Partial<ConfigInput>;
  /** Points that TransformerLens lists and that never fire, by a pattern. */
  readonly never?: RegExp;
}

/** The kinds, by what they have. */
export const VARIANTS: Readonly<Record<string, Variant>> = {
  "rotary positions, shared keys and gates": {
    changes: {
      positionalEmbeddingType: "rotary",
      nHeads: 4,
      dHead: 4,
      nKeyValueHeads: 2,
      normalizationType: "RMS",
      gatedMlp: true,
      actFn: "silu",
      finalRms: true,
    },
    never: /hook_attn_in$/,
  },
  "windows, caps and norms everywhere": {
    changes: {
      positionalEmbeddingType: "rotary",
      rotaryBase: 1000,
      rotaryBaseLocal: 100,
      rotaryScalingFactor: 2,
      nHeads: 4,
      dHead: 4,
      nKeyValueHeads: 1,
      normalizationType: "RMS",
      useNormalizationBeforeAndAfter: true,
      useQkNorm: true,
      useLocalAttn: true,
      windowSize: 3,
      attnTypes: ["local", "global"],
      attnScoresSoftCap: 3,
      outputLogitsSoftCap: 5,
      gatedMlp: true,
      actFn: "gelu_pytorch_tanh",
    },
    never: /hook_attn_in$/,
  },
  "ungrouped keys": {
    changes: {
      positionalEmbeddingType: "rotary",
      nHeads: 4,
      dHead: 4,
      nKeyValueHeads: 2,
      ungroupGroupedQueryAttention: true,
      normalizationType: "RMSPre",
      gatedMlp: true,
      actFn: "silu",
    },
  },
  "halves side by side": {
    changes: {
      positionalEmbeddingType: "rotary",
      rotaryDim: 4,
      rotaryAdjacentPairs: true,
      useNtkByPartsRope: true,
      ntkOriginalCtxLen: 16,
      parallelAttnMlp: true,
    },
  },
  "stretched periods": {
    changes: {
      positionalEmbeddingType: "rotary",
      useYarnRope: true,
      yarnFactor: 4,
      yarnAttentionFactor: 1.2,
      yarnOriginalMaxPositionEmbeddings: 8,
    },
  },
  "each pair stretched by a factor of its own": {
    changes: {
      positionalEmbeddingType: "rotary",
      longRopeShortFactors: [1, 1.1, 1.3, 2],
      longRopeLongFactors: [1, 1.5, 3, 9],
      longRopeAttentionFactor: 1.2,
      longRopeOriginalMaxPositionEmbeddings: 8,
    },
  },
  "slopes and a norm after the embedding": {
    changes: { positionalEmbeddingType: "alibi", postEmbeddingLn: true, actFn: "gelu_fast" },
    never: /^hook_pos_embed$/,
  },
  "local attention, scores that nothing divides": {
    changes: {
      useLocalAttn: true,
      windowSize: 2,
      attnTypes: ["global", "local"],
      useAttnScale: false,
    },
  },
  "normed heads without rotation": {
    changes: { useQkNorm: true, normalizationType: "LNPre" },
  },
  "SoLU": { changes: { actFn: "solu_ln", finalRms: true } },
  "a shortformer of attention alone": {
    changes: {
      positionalEmbeddingType: "shortformer",
      normalizationType: null,
      attnOnly: true,
      dMlp: null,
    },
    never: /hook_(mlp_in|mlp_out|attn_input)$/,
  },
  "a shortformer with norms": {
    changes: { positionalEmbeddingType: "shortformer", actFn: "solu" },
    never: /hook_attn_input$/,
  },
};
