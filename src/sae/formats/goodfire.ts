/**
 * Goodfire's SAEs of Llama: a file such as `Llama-3.1-8B-Instruct-SAE-l19.pth`, whose name tells model and layer.
 *
 * @module
 */

import { as, transposed } from "./_mapping.ts";
import { namedByFile } from "./_named_by_file.ts";
import type { SaeFormat } from "./format.ts";

/** Standard SAEs of residual streams. */
export const GOODFIRE: SaeFormat = namedByFile("meta-llama", {
  W_enc: transposed("encoder_linear.weight"),
  b_enc: as("encoder_linear.bias"),
  W_dec: transposed("decoder_linear.weight"),
  b_dec: as("decoder_linear.bias"),
}, { dataset_path: "lmsys/lmsys-chat-1m" });
