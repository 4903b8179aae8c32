/**
 * Llama Scope's SAEs of Llama 3.1 8B (He et al. 2024): `hyperparams.json` and `checkpoints/final.safetensors`.
 *
 * @module
 */

import { openSafetensors } from "../../weights/safetensors.ts";
import { readFields } from "./_files.ts";
import {
  as,
  autoencoderWidths,
  readMapped,
  repeated,
  type TensorMapping,
  transposed,
} from "./_mapping.ts";
import { folderWith, hasFiles, type SaeFormat, within } from "./format.ts";

const CONFIG = "hyperparams.json";
const WEIGHTS = "checkpoints/final.safetensors";

/** An encoder and a decoder as torch's `Linear` has them. */
export const LINEAR_PARAMETERS: TensorMapping = {
  W_enc: transposed("encoder.weight"),
  b_enc: as("encoder.bias"),
  W_dec: transposed("decoder.weight"),
  b_dec: as("decoder.bias"),
};

/** What Llama Scope's configurations have in common. */
export const LLAMA_SCOPE_CONFIG = {
  architecture: "jumprelu",
  apply_b_dec_to_input: false,
  normalize_activations: "expected_average_only_in",
};

/** What Llama Scope's metadata has in common. */
export const LLAMA_SCOPE_METADATA = {
  model_name: "meta-llama/Llama-3.1-8B",
  dataset_path: "cerebras/SlimPajama-627B",
  context_size: 1024,
};

/** JumpReLU SAEs with one threshold, in units of activations scaled to an average norm of sqrt(dIn). */
export const LLAMA_SCOPE: SaeFormat = {
  pathOf: folderWith(WEIGHTS),
  isHere: async (place) => await hasFiles(place, CONFIG, WEIGHTS),
  async read(place) {
    const { source } = place;
    const { hookName, threshold, norm } = await readFields(
      source,
      within(place, CONFIG),
      (fields) => ({
        hookName: fields.text("hook_point_in"),
        threshold: fields.number("jump_relu_threshold"),
        norm: fields.section("dataset_average_activation_norm").number("in"),
      }),
    );
    const file = await openSafetensors(source, within(place, WEIGHTS));
    const weights = await readMapped(file, LINEAR_PARAMETERS);
    const widths = autoencoderWidths(weights);
    const factor = Math.sqrt(widths.d_in) / norm;
    weights.set("threshold", repeated(threshold * factor, widths.d_sae));
    return {
      weights,
      normScalingFactor: factor,
      config: {
        ...LLAMA_SCOPE_CONFIG,
        ...widths,
        metadata: { ...LLAMA_SCOPE_METADATA, hook_name: hookName },
      },
    };
  },
};
