/** Reads reference fixtures: their descriptions and their tensors. */

import { Tensor } from "../src/core/tensor.ts";
import { openSource } from "../src/weights/open_source.ts";
import { openSafetensors } from "../src/weights/safetensors.ts";
import type { Source } from "../src/weights/source.ts";

/** Tokens whose logits a metric compares, one pair a prompt. */
export interface TokenPairs {
  readonly answer_tokens: readonly number[];
  readonly wrong_tokens: readonly number[];
}

/** What `fixture.json` says; each kind of fixture has some of it. */
export interface FixtureInfo {
  /** Token ids [batch, pos]. */
  readonly tokens: readonly (readonly number[])[];
  readonly metric: TokenPairs;
  /** The points that fire: of a model all of them, of an SAE its own by `noerr` and `err`. */
  readonly hook_points: readonly string[] | Readonly<Record<string, readonly string[]>>;
  /** Tokens at which the SAE leaves the value alone. */
  readonly exclude_special_tokens?: readonly number[];
  readonly notes: readonly string[];
  /** What each file holds. */
  readonly files: Readonly<Record<string, unknown>>;
  /** How far apart two correct implementations may be, where that is more than usual. */
  readonly tolerance_for_this_fixture?: { readonly logits_atol: number };
}

/** A fixture, as the index has it. */
export interface FixtureEntry {
  readonly folder: string;
  readonly kind: string;
}

/** All fixtures that there are. */
export function fixtureIndex(): readonly FixtureEntry[] {
  return JSON.parse(Deno.readTextFileSync(new URL("./fixtures/index.json", import.meta.url)));
}

/** Gives the URL of a folder of fixtures. */
export function fixtureUrl(folder: string): URL {
  return new URL(`./fixtures/${folder}/`, import.meta.url);
}

/** Opens a folder of fixtures. */
export function openFixture(folder: string): Source {
  return openSource(fixtureUrl(folder));
}

/** Names the folders within a folder of fixtures, sorted. */
export function fixtureFolders(folder: string): string[] {
  const entries = [...Deno.readDirSync(fixtureUrl(folder))];
  return entries.filter((entry) => entry.isDirectory).map((entry) => entry.name).sort();
}

/** The files of fixtures that have been read with what follows, as `folder/file`. */
export const filesRead: Set<string> = new Set();

/** Reads a JSON file of a fixture. */
export async function readJson<T>(folder: string, file: string): Promise<T> {
  filesRead.add(`${folder}/${file}`);
  return await openFixture(folder).readJson(file) as T;
}

/** Reads every tensor of a file of a fixture, by name; integers become int32. */
export async function readTensors(folder: string, file: string): Promise<Map<string, Tensor>> {
  filesRead.add(`${folder}/${file}`);
  const tensors = await openSafetensors(openFixture(folder), file);
  const read = async (name: string): Promise<[string, Tensor]> => {
    const { data, shape, dtype } = await tensors.read(name);
    return [name, Tensor.from(data, shape, dtype)];
  };
  return new Map(await Promise.all(tensors.names.map(read)));
}
