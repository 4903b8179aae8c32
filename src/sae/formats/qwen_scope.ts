/**
 * Qwen Scope's SAEs: `layer<n>.sae.pt` of a repository such as `Qwen/SAE-Res-Qwen3-1.7B-Base-W32K-L0_50`, whose name tells model
 * and k.
 *
 * @module
 */

import { openTorchFile } from "../../weights/torch_file.ts";
import { as, autoencoderWidths, readMapped, transposed } from "./_mapping.ts";
import { inBlock, lastNumber } from "./_names.ts";
import { fileLike, lastPart, type SaeFormat } from "./format.ts";

const FILE = /^layer\d+\.sae\.pt$/;
const REPOSITORY = /SAE-Res-(.+?)-W\d+K-L0_(\d+)/;

/** Topk SAEs of residual streams. */
export const QWEN_SCOPE: SaeFormat = {
  pathOf: fileLike(FILE),
  isHere: async ({ source, path }) => FILE.test(lastPart(path)) && await source.has(path),
  async read(place) {
    const weights = await readMapped(await openTorchFile(place.source, place.path), {
      W_enc: transposed("W_enc"),
      b_enc: as("b_enc"),
      W_dec: transposed("W_dec"),
      b_dec: as("b_dec"),
    });
    const layer = lastNumber(place, /layer(\d+)\.sae\.pt/);
    const [, model, k] = REPOSITORY.exec(place.name) ?? [];
    return {
      weights,
      config: {
        architecture: "topk",
        ...autoencoderWidths(weights),
        ...k === undefined ? {} : { k: Number(k) },
        apply_b_dec_to_input: false,
        metadata: {
          ...model === undefined ? {} : { model_name: `Qwen/${model}` },
          hook_name: inBlock(layer, "hook_resid_post"),
          hf_hook_name: layer === undefined ? undefined : `model.layers.${layer}`,
          context_size: 1024,
        },
      },
    };
  },
};
