/**
 * The layouts of SAEs by SAELens' names of their loaders. A new layout is a file beside this one and a row here.
 *
 * @module
 */

import { CONNOR_ROB_HOOK_Z } from "./connor_rob_hook_z.ts";
import { DEEPSEEK_R1 } from "./deepseek_r1.ts";
import { DICTIONARY_LEARNING } from "./dictionary_learning.ts";
import type { SaeFormat } from "./format.ts";
import { GEMMA_2 } from "./gemma_2.ts";
import { GEMMA_2_TRANSCODER } from "./gemma_2_transcoder.ts";
import { GEMMA_3 } from "./gemma_3.ts";
import { GOODFIRE } from "./goodfire.ts";
import { LLAMA_SCOPE } from "./llama_scope.ts";
import { LLAMA_SCOPE_R1_DISTILL } from "./llama_scope_r1_distill.ts";
import { MNTSS_CLT_LAYER_TRANSCODER } from "./mntss_clt_layer_transcoder.ts";
import { MWHANNA_TRANSCODER } from "./mwhanna_transcoder.ts";
import { QWEN_SCOPE } from "./qwen_scope.ts";
import { SPARSIFY } from "./sparsify.ts";
import { TEMPORAL_FILES } from "./temporal.ts";

/** A layout of SAEs, by SAELens' name of its loader; `dictionary_learning_1` is its name of `dictionary_learning`. */
export type SaeFormatName =
  | "sae_lens"
  | "connor_rob_hook_z"
  | "gemma_2"
  | "gemma_2_transcoder"
  | "gemma_3"
  | "llama_scope"
  | "llama_scope_r1_distill"
  | "dictionary_learning"
  | "dictionary_learning_1"
  | "qwen_scope"
  | "sparsify"
  | "mwhanna_transcoder"
  | "mntss_clt_layer_transcoder"
  | "goodfire"
  | "deepseek_r1"
  | "temporal";

/** The layouts of other publishers; SAELens' own is `sae_lens`. */
export const SAE_FORMATS: Readonly<Record<Exclude<SaeFormatName, "sae_lens">, SaeFormat>> = {
  connor_rob_hook_z: CONNOR_ROB_HOOK_Z,
  gemma_2: GEMMA_2,
  gemma_2_transcoder: GEMMA_2_TRANSCODER,
  gemma_3: GEMMA_3,
  llama_scope: LLAMA_SCOPE,
  llama_scope_r1_distill: LLAMA_SCOPE_R1_DISTILL,
  dictionary_learning: DICTIONARY_LEARNING,
  dictionary_learning_1: DICTIONARY_LEARNING,
  qwen_scope: QWEN_SCOPE,
  sparsify: SPARSIFY,
  mwhanna_transcoder: MWHANNA_TRANSCODER,
  mntss_clt_layer_transcoder: MNTSS_CLT_LAYER_TRANSCODER,
  goodfire: GOODFIRE,
  deepseek_r1: DEEPSEEK_R1,
  temporal: TEMPORAL_FILES,
};

/** The names of the layouts. */
export const SAE_FORMAT_NAMES: readonly SaeFormatName[] = [
  "sae_lens",
  ...Object.keys(SAE_FORMATS) as SaeFormatName[],
];
