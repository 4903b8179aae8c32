/**
 * Llama Scope's SAEs of DeepSeek-R1-Distill-Llama-8B: `config.json` and `sae_weights.safetensors` with a threshold a feature.
 *
 * @module
 */

import { openSafetensors } from "../../weights/safetensors.ts";
import { readFields } from "./_files.ts";
import { autoencoderWidths, readMapped } from "./_mapping.ts";
import { folderWith, hasFiles, type SaeFormat, within } from "./format.ts";
import { LINEAR_PARAMETERS, LLAMA_SCOPE_CONFIG, LLAMA_SCOPE_METADATA } from "./llama_scope.ts";

const CONFIG = "config.json";
const WEIGHTS = "sae_weights.safetensors";

/** JumpReLU SAEs whose thresholds are stored as logarithms. */
export const LLAMA_SCOPE_R1_DISTILL: SaeFormat = {
  pathOf: folderWith(WEIGHTS),
  isHere: async (place) =>
    await hasFiles(place, CONFIG, WEIGHTS) && !await hasFiles(place, "cfg.json"),
  async read(place) {
    const hookName = await readFields(
      place.source,
      within(place, CONFIG),
      (fields) => fields.text("hook_point_in"),
    );
    const file = await openSafetensors(place.source, within(place, WEIGHTS));
    const weights = await readMapped(file, {
      ...LINEAR_PARAMETERS,
      threshold: {
        from: ["log_jumprelu_threshold"],
        change: ({ shape, data }) => ({ shape, data: data.map(Math.exp) }),
      },
    });
    return {
      weights,
      config: {
        ...LLAMA_SCOPE_CONFIG,
        ...autoencoderWidths(weights),
        metadata: { ...LLAMA_SCOPE_METADATA, hook_name: hookName },
      },
    };
  },
};
