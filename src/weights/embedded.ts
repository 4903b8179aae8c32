/**
 * The files of the models that come with the library.
 *
 * @module
 */

import { EMBEDDED_ROOT } from "./embedded_root.ts";
import type { SourceLocation } from "./open_source.ts";

const SAE_FOLDERS = [
  "blocks.0.hook_z",
  "blocks.1.hook_z",
  "blocks.2.hook_resid_pre.jumprelu",
  "blocks.2.hook_resid_pre.topk",
  "blocks.2.hook_z",
  "blocks.3.hook_z",
];

/** The files of each embedded folder, so that a page asks a server for none that isn't there. */
export const EMBEDDED_FILES = {
  "ioi-tiny/model": [
    "config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
  ],
  "ioi-tiny/saes": SAE_FOLDERS.flatMap((folder) => [
    `${folder}/cfg.json`,
    `${folder}/sae_weights.safetensors`,
  ]),
} as const satisfies Record<string, readonly string[]>;

/** A folder that comes with the library. */
export type EmbeddedFolder = keyof typeof EMBEDDED_FILES;

/** Gives the place of an embedded folder. */
export function embeddedFolder(folder: EmbeddedFolder): SourceLocation {
  return { root: new URL(`${folder}/`, EMBEDDED_ROOT), files: EMBEDDED_FILES[folder] };
}
