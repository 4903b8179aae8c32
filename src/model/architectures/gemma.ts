/**
 * Gemma checkpoints, 1 to 3: LLaMA's layout, with norms around each half since 2 and norms of each head's queries and keys in 3.
 *
 * Norms multiply by one more than the tensor says, and the embedding is multiplied by sqrt(dModel) where it is read but not where it is
 * the unembedding; both are done once, at loading (TransformerLens).
 *
 * @module
 */

import type { WeightArray } from "../../weights/state_dict.ts";
import type { HookedTransformerConfig } from "../config.ts";
import type { Architecture, ConfigReader, HuggingFaceConfig } from "./architecture.ts";
import { ATTENTION_BIAS_READER } from "./llama.ts";
import {
  keyHeadReader,
  LLAMA_ALWAYS,
  LLAMA_BUFFERS,
  LLAMA_HARMLESS,
  llamaFields,
  llamaRules,
  type LlamaSizes,
  SPREAD_FIELD,
} from "./llama_layout.ts";
import { ropeReader } from "./rope.ts";
import type { Become } from "./rules.ts";
import { windowReader } from "./windows.ts";

function mapped({ shape, data }: WeightArray, f: (value: number) => number): WeightArray {
  return { shape, data: data.map(f) };
}

const norm = (name: string): Become => (tensor) => [[name, mapped(tensor, (w) => 1 + w)]];

function embed({ dModel }: HookedTransformerConfig): Become {
  const scale = Math.fround(Math.sqrt(dModel));
  return (tensor) => [["embed.W_E", mapped(tensor, (value) => scale * value)]];
}

/**
 * Transformers computes the tanh form of GELU in Gemma 1 even where `hidden_act` says "gelu"; TransformerLens takes the exact form then,
 * and differs from it by about 2e-3 in logits.
 */
const GEMMA1_ACTIVATION: ConfigReader = {
  keys: ["hidden_act", "hidden_activation"],
  read({ json, refuse }) {
    const given = json.hidden_activation ?? json.hidden_act ?? "gelu_pytorch_tanh";
    if (given !== "gelu" && given !== "gelu_pytorch_tanh") {
      const wanted = '"gelu_pytorch_tanh" or "gelu"';
      refuse(`hidden_activation is ${JSON.stringify(given)}, wanted ${wanted}`);
    }
    return { actFn: "gelu_pytorch_tanh" };
  },
};

/** What scores are divided by and bounded by, and the bound of logits. */
const SCORES: ConfigReader = {
  keys: ["query_pre_attn_scalar", "attn_logit_softcapping", "final_logit_softcapping"],
  read({ json, positive }) {
    const cap = (key: string) => typeof json[key] === "number" ? positive(key, 1) : -1;
    return {
      attnScale: Math.sqrt(positive("query_pre_attn_scalar", 256)),
      attnScoresSoftCap: cap("attn_logit_softcapping"),
      outputLogitsSoftCap: cap("final_logit_softcapping"),
    };
  },
};

/** Transformers bounds where nothing is said in Gemma 2, and doesn't in Gemma 3. */
const GEMMA2_SCORES: ConfigReader = {
  ...SCORES,
  read: (source, fields) =>
    SCORES.read({
      ...source,
      json: { attn_logit_softcapping: 50, final_logit_softcapping: 30, ...source.json },
    }, fields),
};

/** The fields of Gemma 1; the activation function has a reader of its own. */
function gemmaFields(usual: LlamaSizes): Architecture["fields"] {
  const { hidden_act: _, ...fields } = llamaFields(usual);
  return { ...fields, ...SPREAD_FIELD };
}

/** The fields of Gemma 2 and 3, which no longer look at `hidden_act`. */
function laterFields(usual: LlamaSizes): Architecture["fields"] {
  return {
    ...gemmaFields(usual),
    hidden_activation: { field: "actFn", default: "gelu_pytorch_tanh" },
  };
}

const COMMON = {
  twinKeys: {},
  harmlessKeys: LLAMA_HARMLESS,
  isTiedByDefault: true,
  buffers: LLAMA_BUFFERS,
  unembedding: "lm_head.weight",
  always: LLAMA_ALWAYS,
  fixedKeys: { use_bidirectional_attention: false },
} as const satisfies Partial<Architecture>;

const AROUND = {
  post_attention_layernorm: "ln1_post",
  pre_feedforward_layernorm: "ln2",
  post_feedforward_layernorm: "ln2_post",
} as const;

/** The row of the registry for Gemma 1. The defaults are those of transformers' `GemmaConfig`. */
export const GEMMA: Architecture = {
  ...COMMON,
  modelType: "gemma",
  fields: gemmaFields({
    vocab: 256000,
    hidden: 3072,
    layers: 28,
    heads: 16,
    intermediate: 24576,
    positions: 8192,
    eps: 1e-6,
    dHead: 256,
  }),
  readers: [keyHeadReader(16, true), ropeReader(), GEMMA1_ACTIVATION, ATTENTION_BIAS_READER],
  prefixes: ["model."],
  tensorRules: llamaRules({ norm, embed }),
};

/** The row of the registry for Gemma 2. The defaults are those of transformers' `Gemma2Config`. */
export const GEMMA2: Architecture = {
  ...COMMON,
  modelType: "gemma2",
  fields: laterFields({
    vocab: 256000,
    hidden: 2304,
    layers: 26,
    heads: 8,
    intermediate: 9216,
    positions: 8192,
    eps: 1e-6,
    dHead: 256,
  }),
  readers: [
    keyHeadReader(4, true),
    ropeReader(),
    windowReader({ usualWindow: 4096, isLocal: (layer) => layer % 2 === 0 }),
    GEMMA2_SCORES,
    ATTENTION_BIAS_READER,
  ],
  always: { ...COMMON.always, useNormalizationBeforeAndAfter: true },
  twinKeys: { sliding_window_size: "sliding_window" },
  harmlessKeys: [...LLAMA_HARMLESS, "hidden_act"],
  prefixes: ["model."],
  tensorRules: llamaRules({ norm, embed, norms: AROUND }),
};

/** Every so many layers attention is global. */
const PATTERN_KEYS = ["sliding_window_pattern", "_sliding_window_pattern"] as const;

function patternOf(json: HuggingFaceConfig): number {
  const given = PATTERN_KEYS.map((key) => json[key]).find((value) => value !== undefined);
  return typeof given === "number" ? given : 6;
}

/** The keys of a checkpoint with images, whose language model has a dictionary of its own. */
const TEXT_OF_IMAGES = "text_config";

/** The row of the registry for Gemma 3. The defaults are those of transformers' `Gemma3TextConfig`. */
export const GEMMA3: Architecture = {
  ...COMMON,
  modelType: "gemma3_text",
  languageModel(json) {
    if (json.model_type === "gemma3_text") return json;
    const text = json[TEXT_OF_IMAGES];
    if (json.model_type !== "gemma3" || typeof text !== "object" || text === null) return undefined;
    const { architectures, quantization_config } = json;
    return { architectures, quantization_config: quantization_config ?? null, ...text };
  },
  fields: laterFields({
    vocab: 262208,
    hidden: 2304,
    layers: 26,
    heads: 8,
    intermediate: 9216,
    positions: 131072,
    eps: 1e-6,
    dHead: 256,
  }),
  readers: [
    keyHeadReader(4, true),
    ropeReader({
      usualBase: 1e6,
      localBase: "rope_local_base_freq",
      usualLocalBase: 1e4,
    }),
    windowReader({
      keys: PATTERN_KEYS,
      usualWindow: 4096,
      isLocal: (layer, { json }) => (layer + 1) % patternOf(json) !== 0,
    }),
    SCORES,
    ATTENTION_BIAS_READER,
  ],
  always: { ...COMMON.always, useNormalizationBeforeAndAfter: true, useQkNorm: true },
  // transformers reads a cap of scores and leaves it out.
  fixedKeys: { ...COMMON.fixedKeys, attn_logit_softcapping: null },
  harmlessKeys: [...LLAMA_HARMLESS, "hidden_act"],
  prefixes: ["model.", "language_model.model.", "language_model.", "model.language_model."],
  tensorRules: llamaRules({ norm, embed, norms: AROUND, hasHeadNorms: true }),
  // Beside the language model lies what turns images into its input.
  buffers: /^(vision_tower|multi_modal_projector)\./,
};
