/**
 * Hanna's transcoders of Qwen 3, for circuit-tracer: `layer_<n>.safetensors`, with `config.yaml` and `wandb-config.yaml` beside it.
 *
 * @module
 */

import { openSafetensors } from "../../weights/safetensors.ts";
import { readYamlFields } from "./_files.ts";
import { as, readMapped, transposed, widthsOf } from "./_mapping.ts";
import { inBlock, layerOf } from "./_names.ts";
import { fileLike, folderOf, type Place, type SaeFormat, within } from "./format.ts";

/** The run's configuration, under the name that some repositories misspell it. */
const RUN_CONFIGS = ["wandb-config.yaml", "wanb-config.yaml"];

async function readModel({ source, path, name }: Place): Promise<string | undefined> {
  const file = within({ path: folderOf(path) }, "config.yaml");
  if (await source.has(file)) {
    return await readYamlFields(source, file, (fields) => fields.text("model_name"));
  }
  const [, size] = /qwen3-(\d+(?:\.\d+)?)b/.exec(name) ?? [];
  return size && `Qwen/Qwen3-${size}B`;
}

/** The batches of training, which SAELens takes for its context. */
async function readContext({ source, path }: Place): Promise<number | undefined> {
  for (const config of RUN_CONFIGS) {
    const file = within({ path: folderOf(path) }, config);
    if (!await source.has(file)) continue;
    return await readYamlFields(
      source,
      file,
      (fields) =>
        fields.optional("batch_size", "object")
          ? fields.section("batch_size").optionalCount("value")
          : undefined,
    );
  }
}

/** Transcoders from an MLP's input behind its norm to its output, of a model whose norms aren't folded. */
export const MWHANNA_TRANSCODER: SaeFormat = {
  pathOf: fileLike(/^layer_\d+\.safetensors$/),
  async read(place) {
    const weights = await readMapped(await openSafetensors(place.source, place.path), {
      W_enc: transposed("W_enc"),
      b_enc: as("b_enc"),
      W_dec: as("W_dec"),
      b_dec: as("b_dec"),
    });
    const layer = layerOf(place);
    return {
      weights,
      config: {
        architecture: "transcoder",
        ...widthsOf(weights),
        apply_b_dec_to_input: false,
        metadata: {
          model_name: await readModel(place),
          hook_name: inBlock(layer, "mlp.hook_in"),
          hook_name_out: inBlock(layer, "hook_mlp_out"),
          dataset_path: "monology/pile-uncopyrighted",
          context_size: await readContext(place),
          model_from_pretrained_kwargs: { fold_ln: false },
        },
      },
    };
  },
};
