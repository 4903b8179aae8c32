/**
 * What sets one publisher's layout of SAEs apart from another's: its files, and what becomes of them.
 *
 * @module
 */

import type { Source } from "../../weights/source.ts";
import type { WeightArray } from "../../weights/state_dict.ts";
import type { JsonObject } from "../_config_fields.ts";

/** Where an SAE's files are. */
export interface Place {
  readonly source: Source;
  /** The SAE's path within the source: a folder, or the one file that it is in. */
  readonly path: string;
  /** The repository, or the source's base, and the path: what the names of folders tell is found here. */
  readonly name: string;
}

/** An SAE as a layout has it. */
export interface ForeignSae {
  /** The configuration in SAELens' words, `metadata` apart; what can't be told is left out. */
  readonly config: JsonObject;
  /** The tensors by SAELens' names, in its layouts. */
  readonly weights: ReadonlyMap<string, WeightArray>;
  /** What activations were multiplied by in training, where the files say it. */
  readonly normScalingFactor?: number;
}

/** A publisher's layout. A new one is a file beside this one and a row in the registry. */
export interface SaeFormat {
  /** The path of the SAE that a file belongs to, in folders that can be looked through; `undefined` for files that tell nothing. */
  pathOf(file: string): string | undefined;
  /** Whether a place is of this layout beyond doubt; layouts without are chosen by name alone. */
  isHere?(place: Place): Promise<boolean>;
  /** Reads an SAE. */
  read(place: Place): Promise<ForeignSae>;
}

/** The path of a file in a place's folder. */
export function within({ path }: Pick<Place, "path">, file: string): string {
  return path === "" ? file : `${path}/${file}`;
}

/** Whether a place has files. */
export async function hasFiles(place: Place, ...files: readonly string[]): Promise<boolean> {
  for (const file of files) {
    if (!await place.source.has(within(place, file))) return false;
  }
  return true;
}

/** The folder that a path lies in; "" at the top. */
export function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

/** The folder of a file of this name: what an SAE's path is where it is a folder. */
export function folderWith(name: string): SaeFormat["pathOf"] {
  return (file) =>
    file === name || file.endsWith(`/${name}`) ? folderOf(file.slice(0, -name.length)) : undefined;
}

/** A file whose last part has this form: what an SAE's path is where it is a file. */
export function fileLike(form: RegExp): SaeFormat["pathOf"] {
  return (file) => form.test(lastPart(file)) ? file : undefined;
}

/** A path's last part. */
export function lastPart(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
