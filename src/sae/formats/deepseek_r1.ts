/**
 * Qresearch's SAE of DeepSeek-R1-Distill-Llama-8B: a file such as `DeepSeek-R1-Distill-Llama-8B-SAE-l19.pt`, whose name tells model
 * and layer.
 *
 * @module
 */

import { openTorchFile } from "../../weights/torch_file.ts";
import { autoencoderWidths, readMapped } from "./_mapping.ts";
import { inBlock } from "./_names.ts";
import { fileLike, type SaeFormat } from "./format.ts";
import { modelAndLayer } from "./goodfire.ts";
import { LINEAR_PARAMETERS } from "./llama_scope.ts";

/** Standard SAEs of residual streams. */
export const DEEPSEEK_R1: SaeFormat = {
  pathOf: fileLike(/-SAE-l\d+\.pth?$/),
  async read(place) {
    const weights = await readMapped(
      await openTorchFile(place.source, place.path),
      LINEAR_PARAMETERS,
    );
    const { model, layer } = modelAndLayer(place);
    return {
      weights,
      config: {
        architecture: "standard",
        ...autoencoderWidths(weights),
        apply_b_dec_to_input: false,
        metadata: {
          ...model === undefined ? {} : { model_name: `deepseek-ai/${model}` },
          hook_name: inBlock(layer, "hook_resid_post"),
          dataset_path: "lmsys/lmsys-chat-1m",
          context_size: 1024,
        },
      },
    };
  },
};
