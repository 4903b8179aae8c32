/**
 * SAEs trained with EleutherAI's sparsify: `cfg.json` and `sae.safetensors` in a folder such as `layers.1`, beside the folders of the
 * other layers and a `config.json` of the run.
 *
 * @module
 */

import { openSafetensors } from "../../weights/safetensors.ts";
import { readFields } from "./_files.ts";
import { autoencoderWidths, nativeOrLinear, oriented, readMapped } from "./_mapping.ts";
import { inBlock, lastNumber } from "./_names.ts";
import {
  folderOf,
  folderWith,
  hasFiles,
  lastPart,
  type Place,
  type SaeFormat,
  within,
} from "./format.ts";

const CONFIG = "cfg.json";
const WEIGHTS = "sae.safetensors";

/** What the run's own configuration tells, one folder up. */
interface SparsifyRun {
  readonly model?: string;
  readonly dataset?: string;
  readonly contextSize?: number;
}

async function readRun({ source, path }: Place): Promise<SparsifyRun> {
  const file = within({ path: folderOf(path) }, "config.json");
  if (path === "" || !await source.has(file)) return {};
  return await readFields(source, file, (fields) => ({
    model: fields.optional("model", "string"),
    dataset: fields.optional("dataset", "string"),
    contextSize: fields.optionalCount("ctx_len"),
  }));
}

function hookNameOf(place: Place): string | undefined {
  if (lastPart(place.path) === "embed_tokens") return "hook_embed";
  return inBlock(lastNumber(place, /layers[._](\d+)/), "hook_resid_post");
}

/** The folder that the layers are in: the run's name, unless it tells its model. */
function runName({ name }: Place): string | undefined {
  return lastPart(folderOf(name)) || undefined;
}

/**
 * Topk SAEs; with `signed`, those of the largest magnitude. Its decoder is [latents, dIn], the copy of an encoder; one that lies the
 * other way is turned.
 */
export const SPARSIFY: SaeFormat = {
  pathOf: folderWith(WEIGHTS),
  isHere: async (place) => await hasFiles(place, CONFIG, WEIGHTS),
  async read(place) {
    const { dIn, k, isSigned, normalizesDecoder } = await readFields(
      place.source,
      within(place, CONFIG),
      (fields) => {
        fields.oneOf("activation", ["topk"], "topk");
        for (const key of ["transcode", "skip_connection"]) fields.requireOff(key);
        return {
          dIn: fields.count("d_in") ?? 0,
          k: fields.count("k"),
          isSigned: fields.optional("signed", "boolean") ?? false,
          normalizesDecoder: fields.optional("normalize_decoder", "boolean") ?? false,
        };
      },
    );
    const file = await openSafetensors(place.source, within(place, WEIGHTS));
    const weights = await readMapped(file, {
      W_enc: nativeOrLinear(file, "W_enc", "encoder.weight"),
      W_dec: { from: ["W_dec", "decoder.weight"], change: (array) => oriented(array, dIn) },
      b_enc: { from: ["b_enc", "encoder.bias"], optional: true },
      b_dec: { from: ["b_dec", "decoder.bias"], optional: true },
    });
    const widths = autoencoderWidths(weights);
    const zeros = (n: number) => ({ shape: [n], data: new Float32Array(n) });
    if (!weights.has("b_enc")) weights.set("b_enc", zeros(widths.d_sae));
    if (!weights.has("b_dec")) weights.set("b_dec", zeros(widths.d_in));
    const run = await readRun(place);
    return {
      weights,
      config: {
        architecture: isSigned ? "abstopk" : "topk",
        ...widths,
        k,
        apply_b_dec_to_input: !normalizesDecoder,
        metadata: {
          model_name: run.model ?? runName(place),
          hook_name: hookNameOf(place),
          dataset_path: run.dataset ?? "togethercomputer/RedPajama-Data-1T-Sample",
          context_size: run.contextSize ?? 2048,
        },
      },
    };
  },
};
