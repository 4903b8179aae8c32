/**
 * One layer of a cross-layer transcoder as circuit-tracer has it: `W_enc_<n>.safetensors`, `W_dec_<n>.safetensors` and `config.yaml`.
 * The path is the layer's number.
 *
 * @module
 */

import { ConfigError } from "../../core/errors.ts";
import { openSafetensors } from "../../weights/safetensors.ts";
import { readYamlFields } from "./_files.ts";
import { as, readMapped, summedOverTargets, transposed, widthsOf } from "./_mapping.ts";
import { folderOf, lastPart, type Place, type SaeFormat, within } from "./format.ts";

function layerNumber({ path }: Place): number {
  const [digits] = /\d+/.exec(lastPart(path)) ?? [];
  if (digits === undefined) {
    throw new ConfigError(
      `Cannot tell the layer of the transcoder "${path}": expected a path that ends in its number, such as "3".`,
    );
  }
  return Number(digits);
}

/**
 * A transcoder whose decoder is the sum of those to all later layers: it tells which features are active, not what they write
 * (SAELens).
 */
export const MNTSS_CLT_LAYER_TRANSCODER: SaeFormat = {
  pathOf(file) {
    const [, layer] = /^W_enc_(\d+)\.safetensors$/.exec(lastPart(file)) ?? [];
    return layer && within({ path: folderOf(file) }, layer);
  },
  async read(place) {
    const { source, path } = place;
    const layer = layerNumber(place);
    const beside = (file: string) => within({ path: folderOf(path) }, file);
    const { modelName, reads, writes } = await readYamlFields(
      source,
      beside("config.yaml"),
      (fields) => ({
        modelName: fields.text("model_name"),
        reads: fields.text("feature_input_hook"),
        writes: fields.text("feature_output_hook"),
      }),
    );
    const encoder = await openSafetensors(source, beside(`W_enc_${layer}.safetensors`));
    const decoder = await openSafetensors(source, beside(`W_dec_${layer}.safetensors`));
    const weights = new Map([
      ...await readMapped(encoder, {
        W_enc: transposed(`W_enc_${layer}`),
        b_enc: as(`b_enc_${layer}`),
        b_dec: as(`b_dec_${layer}`),
      }),
      ...await readMapped(decoder, {
        W_dec: { from: [`W_dec_${layer}`], change: summedOverTargets },
      }),
    ]);
    return {
      weights,
      config: {
        architecture: "transcoder",
        ...widthsOf(weights),
        apply_b_dec_to_input: false,
        metadata: {
          model_name: modelName,
          hook_name: `blocks.${layer}.${reads}`,
          hook_name_out: `blocks.${layer}.${writes}`,
          model_from_pretrained_kwargs: { fold_ln: false },
        },
      },
    };
  },
};
