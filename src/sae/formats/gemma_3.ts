/**
 * Gemma Scope 2's SAEs and transcoders of Gemma 3: `config.json` and `params.safetensors` in a folder such as
 * `resid_post/layer_1_width_16k_l0_medium`; cross-layer transcoders are one file a layer.
 *
 * @module
 */

import { ConfigError } from "../../core/errors.ts";
import { openSafetensors } from "../../weights/safetensors.ts";
import { readFields } from "./_files.ts";
import {
  autoencoderWidths,
  readMapped,
  summedOverTargets,
  transposed,
  widthsOf,
} from "./_mapping.ts";
import { inBlock, layerOf } from "./_names.ts";
import { folderWith, hasFiles, type Place, type SaeFormat, within } from "./format.ts";
import { GEMMA_METADATA, GEMMA_PARAMETERS } from "./gemma_2.ts";

const PARAMS = "params.safetensors";
const CONFIG = "config.json";

/** Where each of Gemma Scope 2's folders reads, and writes if that is elsewhere. */
const SITES: readonly { folder: string; reads: string; writes?: string }[] = [
  { folder: "resid_post", reads: "hook_resid_post" },
  { folder: "attn_out", reads: "attn.hook_z" },
  { folder: "mlp_out", reads: "hook_mlp_out" },
  { folder: "transcoder", reads: "hook_mlp_in", writes: "hook_mlp_out" },
  { folder: "clt", reads: "hook_mlp_in", writes: "hook_mlp_out" },
];

function siteOf({ name }: Place) {
  const at = ({ folder }: { folder: string }) => name.lastIndexOf(folder);
  return SITES.filter((site) => at(site) >= 0).sort((a, b) => at(b) - at(a)).at(0);
}

/** The hub's name of a model: `gemma-v3-1b-pt` is `google/gemma-3-1b-pt`, and the 270m one has no `-pt`. */
function hubModel(name: string): string {
  const full = `${name.includes("google") ? "" : "google/"}${name}`.replace("-v3", "-3");
  return full.includes("270m") ? full.replace("-pt", "") : full;
}

/** What a repository's own name tells where there is no configuration. */
function modelOfRepository({ name }: Place): string | undefined {
  return /google\/gemma-scope-2-\w+-\w+/.exec(name)?.[0].replace("gemma-scope-2", "gemma-3");
}

/** What a configuration tells beside the weights. */
interface Gemma3Config {
  readonly modelName: string | undefined;
  readonly hookIn?: string;
  readonly hookOut?: string;
}

async function readConfig(place: Place): Promise<Gemma3Config> {
  const file = within(place, CONFIG);
  if (!await place.source.has(file)) return { modelName: modelOfRepository(place) };
  return await readFields(place.source, file, (fields) => {
    const architecture = fields.text("architecture");
    if (architecture !== undefined && architecture !== "jump_relu") {
      throw new ConfigError(
        `Cannot use the SAE config "${file}": architecture is "${architecture}", wanted "jump_relu"`,
      );
    }
    return {
      modelName: fields.text("model_name"),
      hookIn: fields.optional("hf_hook_point_in", "string"),
      hookOut: fields.optional("hf_hook_point_out", "string"),
    };
  });
}

/** JumpReLU SAEs, and transcoders with and without a skip connection. */
export const GEMMA_3: SaeFormat = {
  pathOf: folderWith(PARAMS),
  isHere: async (place) => await hasFiles(place, PARAMS),
  async read(place) {
    const isFile = place.path.endsWith(".safetensors");
    const { modelName, hookIn, hookOut } = await readConfig(place);
    const file = await openSafetensors(place.source, isFile ? place.path : within(place, PARAMS));
    const weights = await readMapped(file, {
      ...GEMMA_PARAMETERS,
      // Of a cross-layer transcoder's decoders the sum: good for codes, not for what they write.
      W_dec: { from: ["w_dec"], change: summedOverTargets },
      // Stored as [dIn, dOut].
      W_skip: { ...transposed("affine_skip_connection"), optional: true },
    });
    const site = siteOf(place);
    const layer = layerOf(place);
    const isTranscoder = site?.writes !== undefined;
    const kind = weights.has("W_skip") ? "jumprelu_skip_transcoder" : "jumprelu_transcoder";
    return {
      weights,
      config: {
        architecture: isTranscoder ? kind : "jumprelu",
        ...isTranscoder ? widthsOf(weights) : autoencoderWidths(weights),
        apply_b_dec_to_input: false,
        metadata: {
          ...GEMMA_METADATA,
          model_name: modelName && hubModel(modelName),
          hook_name: site && inBlock(layer, site.reads),
          hook_name_out: site?.writes && inBlock(layer, site.writes),
          hf_hook_name: hookIn,
          hf_hook_name_out: hookOut,
        },
      },
    };
  },
};
