/**
 * Checkpoints in Hugging Face layout: one safetensors file, or shards with an index.
 *
 * @module
 */

import { WeightFileError } from "../core/errors.ts";
import {
  missingTensor,
  openSafetensors,
  type SafetensorsFile,
  type TensorFile,
  type TensorInfo,
} from "./safetensors.ts";
import type { Source } from "./source.ts";
import type { TensorData } from "./tensor_data.ts";

const SINGLE_FILE = "model.safetensors";
const INDEX_FILE = "model.safetensors.index.json";

/**
 * Opens the weights of a folder: `model.safetensors`, else the shards that `model.safetensors.index.json` lists.
 *
 * @param source The folder.
 * @throws {WeightFileError} If there is neither, a file breaks its format, or index and shards disagree.
 */
export async function openCheckpoint(source: Source): Promise<TensorFile> {
  if (await source.has(SINGLE_FILE)) return await openSafetensors(source, SINGLE_FILE);
  if (!(await source.has(INDEX_FILE))) {
    throw new WeightFileError(
      `Cannot find weights in ${source.base}: wanted "${SINGLE_FILE}", or "${INDEX_FILE}" and its shards`,
    );
  }
  const shardOf = parseIndex(await source.readJson(INDEX_FILE));
  const shards = new Map<string, SafetensorsFile>();
  for (const shard of new Set(shardOf.values())) {
    shards.set(shard, await openSafetensors(source, shard));
  }
  checkIndex(shardOf, shards);
  return new ShardedCheckpoint(shardOf, shards);
}

/** The tensors of several files, found through an index. */
class ShardedCheckpoint implements TensorFile {
  readonly label = INDEX_FILE;
  readonly #files: ReadonlyMap<string, SafetensorsFile>;

  constructor(
    shardOf: ReadonlyMap<string, string>,
    shards: ReadonlyMap<string, SafetensorsFile>,
  ) {
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

  #file(name: string): SafetensorsFile {
    const file = this.#files.get(name);
    if (file === undefined) throw new WeightFileError(missingTensor(this.label, name, this.names));
    return file;
  }
}

/** Reads the index's `weight_map`: the shard's file name by tensor. */
function parseIndex(json: unknown): Map<string, string> {
  const map = isRecord(json) ? json.weight_map : undefined;
  if (!isRecord(map)) {
    throw new WeightFileError(`Cannot read "${INDEX_FILE}": wanted an object "weight_map"`);
  }
  const shardOf = new Map<string, string>();
  for (const [name, shard] of Object.entries(map)) {
    if (typeof shard !== "string") {
      throw new WeightFileError(
        `Cannot read "${INDEX_FILE}": "weight_map" has ${JSON.stringify(shard)} under "${name}", ` +
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
  shards: ReadonlyMap<string, SafetensorsFile>,
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
      `Cannot read "${INDEX_FILE}": index and shards disagree: ${problems.join("; ")}`,
    );
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
