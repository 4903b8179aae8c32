/**
 * Kissane and Krzyzanowski's attention SAEs of GPT-2 small (2024): `<name>.pt` in SAELens' layout and `<name>_cfg.json`.
 *
 * @module
 */

import { openTorchFile } from "../../weights/torch_file.ts";
import { readFields } from "./_files.ts";
import { as, autoencoderWidths, readMapped } from "./_mapping.ts";
import { fileLike, type SaeFormat } from "./format.ts";

const configOf = (path: string) => `${path.replace(/\.pt$/, "")}_cfg.json`;

/** Standard SAEs over the heads of `hook_z`, joined. */
export const CONNOR_ROB_HOOK_Z: SaeFormat = {
  pathOf: fileLike(/^gpt2-small_L\d+_.*\.pt$/),
  isHere: async ({ source, path }) => path.endsWith(".pt") && await source.has(configOf(path)),
  async read({ source, path }) {
    const hookName = await readFields(
      source,
      configOf(path),
      (fields) => fields.text("act_name"),
    );
    const weights = await readMapped(await openTorchFile(source, path), {
      W_enc: as("W_enc"),
      b_enc: as("b_enc"),
      W_dec: as("W_dec"),
      b_dec: as("b_dec"),
    });
    return {
      weights,
      config: {
        architecture: "standard",
        ...autoencoderWidths(weights),
        apply_b_dec_to_input: true,
        reshape_activations: "hook_z",
        metadata: {
          model_name: "gpt2-small",
          hook_name: hookName,
          dataset_path: "Skylion007/openwebtext",
          context_size: 128,
        },
      },
    };
  },
};
