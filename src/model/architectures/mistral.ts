/**
 * Mistral checkpoints: LLaMA's layout, and in some a window in every layer.
 *
 * @module
 */

import type { Architecture } from "./architecture.ts";
import {
  keyHeadReader,
  LLAMA_ALWAYS,
  LLAMA_BUFFERS,
  LLAMA_HARMLESS,
  llamaFields,
  llamaRules,
} from "./llama_layout.ts";
import { ropeReader } from "./rope.ts";
import { windowReader } from "./windows.ts";

/** The row of the registry for Mistral. The defaults are those of transformers' `MistralConfig`. */
export const MISTRAL: Architecture = {
  modelType: "mistral",
  fields: llamaFields({
    vocab: 32000,
    hidden: 4096,
    layers: 32,
    heads: 32,
    intermediate: 14336,
    positions: 131072,
    eps: 1e-6,
  }),
  readers: [
    keyHeadReader(8, true),
    ropeReader(),
    windowReader({ usualWindow: 4096, isLocal: () => true }),
  ],
  always: { ...LLAMA_ALWAYS, finalRms: false },
  fixedKeys: {},
  twinKeys: {},
  harmlessKeys: LLAMA_HARMLESS,
  isTiedByDefault: false,
  prefixes: ["model."],
  tensorRules: llamaRules(),
  buffers: LLAMA_BUFFERS,
  unembedding: "lm_head.weight",
};
