/**
 * LLaMA checkpoints: 1, 2, 3 to 3.3, Code Llama, Yi and others of the class `LlamaForCausalLM`.
 *
 * @module
 */

import type { Architecture, ConfigReader } from "./architecture.ts";
import {
  keyHeadReader,
  LLAMA_ALWAYS,
  LLAMA_BUFFERS,
  LLAMA_HARMLESS,
  llamaFields,
  llamaRules,
} from "./llama_layout.ts";
import { ropeReader } from "./rope.ts";

/** Whether queries, keys, values and outputs have biases: it changes which tensors there are, and no field. */
export const ATTENTION_BIAS_READER: ConfigReader = {
  keys: ["attention_bias"],
  read: ({ flag }) => {
    flag("attention_bias", false);
    return {};
  },
};

/** The row of the registry for LLaMA. The defaults are those of transformers' `LlamaConfig`. */
export const LLAMA: Architecture = {
  modelType: "llama",
  fields: llamaFields({
    vocab: 32000,
    hidden: 4096,
    layers: 32,
    heads: 32,
    intermediate: 11008,
    positions: 2048,
    eps: 1e-6,
  }),
  readers: [keyHeadReader(undefined, false), ropeReader(), ATTENTION_BIAS_READER],
  always: LLAMA_ALWAYS,
  // TransformerLens' gated MLP adds its one bias after the product, so those of its factors have no place.
  fixedKeys: { mlp_bias: false, rope_interleaved: false },
  twinKeys: { max_sequence_length: "max_position_embeddings" },
  harmlessKeys: [...LLAMA_HARMLESS, "is_llama_config"],
  isTiedByDefault: false,
  prefixes: ["model."],
  tensorRules: llamaRules(),
  buffers: LLAMA_BUFFERS,
  unembedding: "lm_head.weight",
};
