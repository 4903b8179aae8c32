/**
 * Qresearch's SAE of DeepSeek-R1-Distill-Llama-8B: a file such as `DeepSeek-R1-Distill-Llama-8B-SAE-l19.pt`, whose name tells model
 * and layer.
 *
 * @module
 */

import { namedByFile } from "./_named_by_file.ts";
import type { SaeFormat } from "./format.ts";
import { LINEAR_PARAMETERS } from "./llama_scope.ts";

/** Standard SAEs of residual streams. */
export const DEEPSEEK_R1: SaeFormat = namedByFile("deepseek-ai", LINEAR_PARAMETERS, {
  dataset_path: "lmsys/lmsys-chat-1m",
  context_size: 1024,
});
