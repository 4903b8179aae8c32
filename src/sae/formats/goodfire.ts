/**
 * Goodfire's SAEs of Llama: a file such as `Llama-3.1-8B-Instruct-SAE-l19.pth`, whose name tells model and layer.
 *
 * @module
 */

import { openTorchFile } from "../../weights/torch_file.ts";
import { as, autoencoderWidths, readMapped, transposed } from "./_mapping.ts";
import { inBlock } from "./_names.ts";
import { fileLike, lastPart, type Place, type SaeFormat } from "./format.ts";

/** Model and layer in the name of a file such as `Llama-3.1-8B-Instruct-SAE-l19.pth`. */
export function modelAndLayer({ path }: Place): { model?: string; layer?: number } {
  const [, model, layer] = /^(.+)-SAE-l(\d+)\.\w+$/.exec(lastPart(path)) ?? [];
  return model === undefined ? {} : { model, layer: Number(layer) };
}

/** Standard SAEs of residual streams. */
export const GOODFIRE: SaeFormat = {
  pathOf: fileLike(/-SAE-l\d+\.pth?$/),
  async read(place) {
    const weights = await readMapped(await openTorchFile(place.source, place.path), {
      W_enc: transposed("encoder_linear.weight"),
      b_enc: as("encoder_linear.bias"),
      W_dec: transposed("decoder_linear.weight"),
      b_dec: as("decoder_linear.bias"),
    });
    const { model, layer } = modelAndLayer(place);
    return {
      weights,
      config: {
        architecture: "standard",
        ...autoencoderWidths(weights),
        apply_b_dec_to_input: false,
        metadata: {
          ...model === undefined ? {} : { model_name: `meta-llama/${model}` },
          hook_name: inBlock(layer, "hook_resid_post"),
          dataset_path: "lmsys/lmsys-chat-1m",
        },
      },
    };
  },
};
