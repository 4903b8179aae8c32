/**
 * Gemma Scope's transcoders of Gemma 2 (Lieberum et al. 2024): `params.npz` as its SAEs have it.
 *
 * @module
 */

import { widthsOf } from "./_mapping.ts";
import { inBlock, layerOf } from "./_names.ts";
import { folderWith, type SaeFormat } from "./format.ts";
import {
  gemma2Model,
  GEMMA_METADATA,
  hasGemmaNpz,
  isOfTranscoders,
  readGemmaNpz,
} from "./gemma_2.ts";

/** JumpReLU transcoders from an MLP's normalised input to its output. */
export const GEMMA_2_TRANSCODER: SaeFormat = {
  pathOf: folderWith("params.npz"),
  isHere: async (place) => isOfTranscoders(place) && await hasGemmaNpz(place),
  async read(place) {
    const weights = await readGemmaNpz(place);
    const layer = layerOf(place);
    return {
      weights,
      config: {
        architecture: "jumprelu_transcoder",
        ...widthsOf(weights),
        apply_b_dec_to_input: false,
        metadata: {
          ...GEMMA_METADATA,
          model_name: gemma2Model(place),
          hook_name: inBlock(layer, "ln2.hook_normalized"),
          hook_name_out: inBlock(layer, "hook_mlp_out"),
        },
      },
    };
  },
};
