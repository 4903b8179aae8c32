/**
 * Gemma Scope's SAEs of Gemma 2 (Lieberum et al. 2024): `params.npz` in a folder such as `layer_1/width_16k/average_l0_71` of a
 * repository such as `google/gemma-scope-2b-pt-res`.
 *
 * @module
 */

import { openNpz } from "../../weights/npz.ts";
import type { WeightArray } from "../../weights/state_dict.ts";
import { as, autoencoderWidths, readMapped, scaled, type TensorMapping } from "./_mapping.ts";
import { inBlock, lastWord, layerOf } from "./_names.ts";
import { folderWith, hasFiles, type Place, type SaeFormat, within } from "./format.ts";

const PARAMS = "params.npz";

/** Gemma Scope's parameters: SAELens' names, or with a small letter. */
export const GEMMA_PARAMETERS: TensorMapping = {
  W_enc: as("W_enc", "w_enc"),
  b_enc: as("b_enc"),
  W_dec: as("W_dec", "w_dec"),
  b_dec: as("b_dec"),
  threshold: as("threshold"),
};

/** The points by the last word of a repository's name. */
const POINTS = { res: "hook_resid_post", mlp: "hook_mlp_out", att: "attn.hook_z" } as const;

/** What Gemma Scope's metadata has in common. */
export const GEMMA_METADATA = {
  dataset_path: "monology/pile-uncopyrighted",
  context_size: 1024,
};

/** The model of a repository such as `gemma-scope-2b-pt-res`. */
export function gemma2Model(place: Place): string | undefined {
  const size = lastWord(place, ["2b", "9b", "27b"]);
  if (size === undefined) return undefined;
  return lastWord(place, ["it", "pt"]) === "it" ? `gemma-2-${size}-it` : `gemma-2-${size}`;
}

/** Whether a place is of Gemma Scope's transcoders. */
export function isOfTranscoders(place: Place): boolean {
  return lastWord(place, ["transcoders", "transcoder", "res", "mlp", "att"])?.startsWith(
    "transcoder",
  ) ?? false;
}

function hookNameOf(place: Place): string | undefined {
  const site = lastWord(place, ["res", "mlp", "att"]);
  if (lastWord(place, ["embedding"])) return "hook_embed";
  return site && inBlock(layerOf(place), POINTS[site]);
}

/** Reads Gemma Scope's parameters from a folder. */
export async function readGemmaNpz(place: Place): Promise<Map<string, WeightArray>> {
  return await readMapped(
    await openNpz(place.source, within(place, PARAMS)),
    GEMMA_PARAMETERS,
  );
}

/** Whether a place has Gemma Scope's file. */
export async function hasGemmaNpz(place: Place): Promise<boolean> {
  return await hasFiles(place, PARAMS);
}

/** JumpReLU SAEs of residual streams, MLPs, attention and embeddings. */
export const GEMMA_2: SaeFormat = {
  pathOf: folderWith(PARAMS),
  isHere: async (place) => !isOfTranscoders(place) && await hasGemmaNpz(place),
  async read(place) {
    const weights = await readGemmaNpz(place);
    const widths = autoencoderWidths(weights);
    const hookName = hookNameOf(place);
    if (hookName === "hook_embed") {
      // They were trained on embeddings without Gemma's factor sqrt(dModel).
      const [wEnc, wDec] = [weights.get("W_enc"), weights.get("W_dec")];
      if (wEnc) weights.set("W_enc", scaled(wEnc, 1 / Math.sqrt(widths.d_in)));
      if (wDec) weights.set("W_dec", scaled(wDec, Math.sqrt(widths.d_in)));
    }
    return {
      weights,
      config: {
        architecture: "jumprelu",
        ...widths,
        apply_b_dec_to_input: false,
        metadata: { ...GEMMA_METADATA, model_name: gemma2Model(place), hook_name: hookName },
      },
    };
  },
};
