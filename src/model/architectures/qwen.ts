/**
 * Qwen checkpoints, 1.5 to 3: LLaMA's layout; before 3 with biases for queries, keys and values, since then with norms of each head's
 * queries and keys.
 *
 * @module
 */

import type { Architecture } from "./architecture.ts";
import { ATTENTION_BIAS_READER } from "./llama.ts";
import {
  keyHeadReader,
  LLAMA_ALWAYS,
  LLAMA_BUFFERS,
  LLAMA_HARMLESS,
  llamaFields,
  llamaRules,
  SPREAD_FIELD,
} from "./llama_layout.ts";
import { ropeReader } from "./rope.ts";
import { windowReader } from "./windows.ts";

/** Windows are off unless `use_sliding_window`; then the first layers have none (transformers). */
const WINDOWS = windowReader({
  keys: ["use_sliding_window", "max_window_layers"],
  usualWindow: 4096,
  isLocal: (layer, { json, flag }) =>
    flag("use_sliding_window", false) && layer >= firstLocalLayer(json.max_window_layers),
});

function firstLocalLayer(given: unknown): number {
  return typeof given === "number" ? given : 28;
}

const SIZES = {
  vocab: 151936,
  hidden: 4096,
  layers: 32,
  heads: 32,
  intermediate: 22016,
  positions: 32768,
  eps: 1e-6,
} as const;

const COMMON = {
  always: { ...LLAMA_ALWAYS, defaultPrependBos: false, tokenizerPrependsBos: true },
  fixedKeys: { use_mrope: false },
  twinKeys: {},
  harmlessKeys: LLAMA_HARMLESS,
  isTiedByDefault: false,
  prefixes: ["model."],
  buffers: LLAMA_BUFFERS,
  unembedding: "lm_head.weight",
} as const satisfies Partial<Architecture>;

/** The row of the registry for Qwen 1.5, 2 and 2.5. The defaults are those of transformers' `Qwen2Config`. */
export const QWEN2: Architecture = {
  ...COMMON,
  modelType: "qwen2",
  fields: { ...llamaFields(SIZES), ...SPREAD_FIELD },
  readers: [keyHeadReader(32, true), ropeReader(), WINDOWS],
  tensorRules: llamaRules({ biases: ["q", "k", "v"] }),
};

/** The row of the registry for Qwen 3. The defaults are those of transformers' `Qwen3Config`. */
export const QWEN3: Architecture = {
  ...COMMON,
  modelType: "qwen3",
  fields: { ...llamaFields({ ...SIZES, dHead: 128 }), ...SPREAD_FIELD },
  readers: [keyHeadReader(32, true), ropeReader(), WINDOWS, ATTENTION_BIAS_READER],
  always: { ...COMMON.always, useQkNorm: true },
  tensorRules: llamaRules({ hasHeadNorms: true }),
};
