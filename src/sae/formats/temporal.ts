/**
 * Temporal SAEs as their authors publish them (Lubana et al. 2025): `conf.yaml` and `latest_ckpt.safetensors` in a folder such as
 * `layer_12/temporal`.
 *
 * @module
 */

import { openSafetensors, readFloats } from "../../weights/safetensors.ts";
import { readYamlFields } from "./_files.ts";
import { as, autoencoderWidths, oriented, readMapped } from "./_mapping.ts";
import { inBlock, layerOf } from "./_names.ts";
import { folderWith, hasFiles, type SaeFormat, within } from "./format.ts";

const CONFIG = "conf.yaml";
const WEIGHTS = "latest_ckpt.safetensors";

/** Temporal SAEs of residual streams, of activations times a constant. */
export const TEMPORAL_FILES: SaeFormat = {
  pathOf: folderWith(WEIGHTS),
  isHere: async (place) => await hasFiles(place, CONFIG, WEIGHTS),
  async read(place) {
    const fields = await readYamlFields(place.source, within(place, CONFIG), (fields) => {
      const sae = fields.section("sae");
      return {
        n_heads: sae.count("n_heads"),
        n_attn_layers: sae.count("n_attn_layers"),
        bottleneck_factor: sae.count("bottleneck_factor"),
        sae_diff_type: sae.text("sae_diff_type"),
        kval_topk: sae.optionalCount("kval_topk"),
        tied_weights: sae.optional("tied_weights", "boolean"),
        activation_normalization_factor: sae.number("scaling_factor"),
      };
    });
    const file = await openSafetensors(place.source, within(place, WEIGHTS));
    const weights = await readMapped(file, { W_dec: as("D"), b_dec: as("b") });
    const { d_sae } = autoencoderWidths(weights);
    if (file.has("E")) weights.set("W_enc", oriented(await readFloats(file, "E"), d_sae));
    for (const name of file.names) {
      if (name.startsWith("attn_layers.")) weights.set(name, await readFloats(file, name));
    }
    return {
      weights,
      config: {
        architecture: "temporal",
        ...autoencoderWidths(weights),
        ...fields,
        apply_b_dec_to_input: true,
        normalize_activations: "constant_scalar_rescale",
        metadata: { hook_name: inBlock(layerOf(place), "hook_resid_post") },
      },
    };
  },
};
