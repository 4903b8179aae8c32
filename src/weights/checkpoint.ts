/**
 * Checkpoints in Hugging Face layout: one file, or shards with an index; of safetensors, else of torch.
 *
 * @module
 */

import { WeightFileError } from "../core/errors.ts";
import { openSafetensors, requireTensor, type TensorFile, type TensorInfo } from "./safetensors.ts";
import type { Source } from "./source.ts";
import type { TensorData } from "./tensor_data.ts";

/** How a folder keeps its weights. */
interface Layout {
  readonly single: string;
  readonly index?: string;
  readonly open: (source: Source, name: string) => Promise<TensorFile>;
}

/** Opens torch's files: few checkpoints are some, and what reads them is loaded then. */
async function openTorch(source: Source, name: string): Promise<TensorFile> {
  const { openTorchFile } = await import("./torch_file.ts");
  return await openTorchFile(source, name);
}

/** The layouts, those that are read in parts and without running anything first. */
const LAYOUTS: readonly Layout[] = [
  { single: "model.safetensors", index: "model.safetensors.index.json", open: openSafetensors },
  { single: "pytorch_model.bin", index: "pytorch_model.bin.index.json", open: openTorch },
  // TransformerLens' own checkpoints.
  { single: "model_final.pth", open: openTorch },
];

/**
 * Opens the weights of a folder: `model.safetensors`, else the shards that `model.safetensors.index.json` lists, else the same of
 * torch's files.
 *
 * @param source The folder.
 * @throws {WeightFileError} If there are none, a file breaks its format, or index and shards disagree.
 */
export async function openCheckpoint(source: Source): Promise<TensorFile> {
  for (const { single, index, open } of LAYOUTS) {
    if (await source.has(single)) return await open(source, single);
    if (index !== undefined && await source.has(index)) {
      return await openShards(source, index, open);
    }
  }
  const known = LAYOUTS.flatMap(({ single, index }) =>
    index === undefined ? [`"${single}"`] : [`"${single}"`, `"${index}" and its shards`]
  );
  const last = known.pop();
  throw new WeightFileError(
    `Cannot find weights in ${source.base}: wanted ${known.join(", ")} or ${last}`,
  );
}

async function openShards(
  source: Source,
  index: string,
  open: Layout["open"],
): Promise<TensorFile> {
  const shardOf = parseIndex(await source.readJson(index), index);
  const shards = new Map<string, TensorFile>();
  for (const shard of new Set(shardOf.values())) shards.set(shard, await open(source, shard));
  checkIndex(shardOf, shards, index);
  return new ShardedCheckpoint(index, shardOf, shards);
}

/** The tensors of several files, found through an index. */
class ShardedCheckpoint implements TensorFile {
  readonly label: string;
  readonly #files: ReadonlyMap<string, TensorFile>;

  constructor(
    label: string,
    shardOf: ReadonlyMap<string, string>,
    shards: ReadonlyMap<string, TensorFile>,
  ) {
    this.label = label;
    const inOrder = [...shards].flatMap(([shard, file]) =>
      file.names.filter((name) => shardOf.get(name) === shard).map((name) => [name, file] as const)
    );
    this.#files = new Map(inOrder);
  }

  get names(): readonly string[] {
    return [...this.#files.keys()];
  }

  has(name: string): boolean {
    return this.#files.has(name);
  }

  info(name: string): TensorInfo {
    return this.#file(name).info(name);
  }

  async read(name: string): Promise<TensorData> {
    return await this.#file(name).read(name);
  }

  async readRaw(name: string): Promise<Uint8Array<ArrayBuffer>> {
    return await this.#file(name).readRaw(name);
  }

  readPieces(name: string): AsyncIterable<Uint8Array<ArrayBuffer>> | undefined {
    return this.#file(name).readPieces?.(name);
  }

  #file(name: string): TensorFile {
    return requireTensor(this.#files, this.label, name);
  }
}

/** Reads the index's `weight_map`: the shard's file name by tensor. */
function parseIndex(json: unknown, index: string): Map<string, string> {
  const map = isRecord(json) ? json.weight_map : undefined;
  if (!isRecord(map)) {
    throw new WeightFileError(`Cannot read "${index}": wanted an object "weight_map"`);
  }
  const shardOf = new Map<string, string>();
  for (const [name, shard] of Object.entries(map)) {
    if (typeof shard !== "string") {
      throw new WeightFileError(
        `Cannot read "${index}": "weight_map" has ${JSON.stringify(shard)} under "${name}", ` +
          "wanted a file name",
      );
    }
    shardOf.set(name, shard);
  }
  return shardOf;
}

/** Checks that each tensor of the index is in its shard, and each tensor of a shard in the index. */
function checkIndex(
  shardOf: ReadonlyMap<string, string>,
  shards: ReadonlyMap<string, TensorFile>,
  index: string,
): void {
  const problems: string[] = [];
  for (const [name, shard] of shardOf) {
    if (!shards.get(shard)?.has(name)) problems.push(`"${name}" isn't in "${shard}"`);
  }
  for (const [shard, file] of shards) {
    for (const name of file.names) {
      const listed = shardOf.get(name);
      if (listed === shard) continue;
      const place = listed === undefined ? "nowhere" : `in "${listed}"`;
      problems.push(`"${name}" is in "${shard}", but listed ${place}`);
    }
  }
  if (problems.length > 0) {
    throw new WeightFileError(
      `Cannot read "${index}": index and shards disagree: ${problems.join("; ")}`,
    );
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
