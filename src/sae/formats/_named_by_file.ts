/**
 * SAEs that are one file, whose name tells model and layer: `Llama-3.1-8B-Instruct-SAE-l19.pth`.
 *
 * @module
 */

import { openTorchFile } from "../../weights/torch_file.ts";
import type { JsonObject } from "../_config_fields.ts";
import { autoencoderWidths, readMapped, type TensorMapping } from "./_mapping.ts";
import { inBlock } from "./_names.ts";
import { fileLike, lastPart, type SaeFormat } from "./format.ts";

/**
 * Makes the layout of standard SAEs of residual streams, a file of torch's each.
 *
 * @param owner The owner of the models on the hub.
 * @param parameters Where the parameters are.
 * @param metadata What else is known of all of them.
 */
export function namedByFile(
  owner: string,
  parameters: TensorMapping,
  metadata: JsonObject,
): SaeFormat {
  return {
    pathOf: fileLike(/-SAE-l\d+\.pth?$/),
    async read({ source, path }) {
      const weights = await readMapped(await openTorchFile(source, path), parameters);
      const [, model, layer] = /^(.+)-SAE-l(\d+)\.\w+$/.exec(lastPart(path)) ?? [];
      return {
        weights,
        config: {
          architecture: "standard",
          ...autoencoderWidths(weights),
          apply_b_dec_to_input: false,
          metadata: {
            ...model === undefined ? {} : { model_name: `${owner}/${model}` },
            hook_name: inBlock(layer === undefined ? undefined : Number(layer), "hook_resid_post"),
            ...metadata,
          },
        },
      };
    },
  };
}
