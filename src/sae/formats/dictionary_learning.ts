/**
 * SAEs trained with dictionary_learning (Marks et al.), SAE Bench's among them: `config.json` and `ae.pt`.
 *
 * @module
 */

import { openTorchFile } from "../../weights/torch_file.ts";
import type { WeightArray } from "../../weights/state_dict.ts";
import { readFields } from "./_files.ts";
import {
  as,
  autoencoderWidths,
  nativeOrLinear,
  readMapped,
  repeated,
  type TensorMapping,
} from "./_mapping.ts";
import { inBlock } from "./_names.ts";
import { folderWith, hasFiles, type SaeFormat, within } from "./format.ts";

const CONFIG = "config.json";
const WEIGHTS = "ae.pt";

/** What a class of dictionary is in SAELens' words. */
interface DictionaryKind {
  readonly architecture: string;
  readonly appliesBDec: boolean;
  readonly parameters: TensorMapping;
}

const B_ENC: TensorMapping = { b_enc: as("b_enc", "encoder.bias") };
const THRESHOLD: TensorMapping = { threshold: as("threshold") };

const STANDARD: DictionaryKind = {
  architecture: "standard",
  appliesBDec: true,
  parameters: B_ENC,
};
const BATCH_TOPK: DictionaryKind = {
  architecture: "jumprelu",
  appliesBDec: true,
  parameters: { ...B_ENC, ...THRESHOLD },
};

/** The kinds by dictionary_learning's names of its classes. */
const KINDS: Readonly<Record<string, DictionaryKind>> = {
  AutoEncoder: STANDARD,
  // It keeps a threshold too, which only batches of training use.
  AutoEncoderTopK: { ...STANDARD, architecture: "topk" },
  GatedAutoEncoder: {
    architecture: "gated",
    appliesBDec: true,
    parameters: { b_gate: as("gate_bias"), b_mag: as("mag_bias"), r_mag: as("r_mag") },
  },
  BatchTopKSAE: BATCH_TOPK,
  MatryoshkaBatchTopKSAE: BATCH_TOPK,
  JumpReluAutoEncoder: { ...BATCH_TOPK, appliesBDec: false },
};

/** One threshold for all features is a scalar there. */
function spread(threshold: WeightArray, dSae: number): WeightArray {
  return threshold.data.length === 1 && dSae !== 1
    ? repeated(threshold.data[0], dSae)
    : { shape: [threshold.data.length], data: threshold.data };
}

/** Standard, gated, topk, batch-topk, matryoshka and JumpReLU SAEs of residual streams. */
export const DICTIONARY_LEARNING: SaeFormat = {
  pathOf: folderWith(WEIGHTS),
  isHere: async (place) => await hasFiles(place, CONFIG, WEIGHTS),
  async read(place) {
    const trained = await readFields(place.source, within(place, CONFIG), (fields) => {
      const trainer = fields.section("trainer");
      const kind = trainer.oneOf("dict_class", Object.keys(KINDS));
      const hasBuffer = fields.optional("buffer", "object") !== undefined;
      return {
        kind: KINDS[kind ?? "AutoEncoder"],
        k: kind === "AutoEncoderTopK" ? trainer.count("k") : undefined,
        layer: trainer.number("layer"),
        modelName: trainer.text("lm_name")?.split("/").at(-1),
        contextSize: hasBuffer ? fields.section("buffer").optionalCount("ctx_len") : undefined,
      };
    });
    const { kind, k, layer, modelName, contextSize } = trained;
    const file = await openTorchFile(place.source, within(place, WEIGHTS));
    const weights = await readMapped(file, {
      W_enc: nativeOrLinear(file, "W_enc", "encoder.weight"),
      W_dec: nativeOrLinear(file, "W_dec", "decoder.weight"),
      b_dec: as("b_dec", "bias", "decoder_bias"),
      ...kind.parameters,
    });
    const widths = autoencoderWidths(weights);
    const threshold = weights.get("threshold");
    if (threshold) weights.set("threshold", spread(threshold, widths.d_sae));
    return {
      weights,
      config: {
        architecture: kind.architecture,
        ...widths,
        ...k === undefined ? {} : { k },
        apply_b_dec_to_input: kind.appliesBDec,
        metadata: {
          model_name: modelName,
          hook_name: inBlock(layer, "hook_resid_post"),
          dataset_path: "monology/pile-uncopyrighted",
          context_size: contextSize,
        },
      },
    };
  },
};
