/** What the names of repositories, folders and files tell. */

import type { Place } from "./format.ts";

/** The number in the last match of a pattern, `undefined` where there is none. */
export function lastNumber({ name }: Place, pattern: RegExp): number | undefined {
  const last = [...name.matchAll(new RegExp(pattern, "g"))].at(-1);
  return last === undefined ? undefined : Number(last[1]);
}

/** The layer in `layer_12` and its kin. */
export function layerOf(place: Place): number | undefined {
  return lastNumber(place, /layers?[._]?(\d+)/);
}

/** The last of several words that a name has between its other characters. */
export function lastWord<T extends string>({ name }: Place, words: readonly T[]): T | undefined {
  const parts = name.split(/[^A-Za-z0-9.]+/);
  const last = parts.findLast((part) => words.some((word) => word === part));
  return words.find((word) => word === last);
}

/** A block's point, where the layer is known. */
export function inBlock(layer: number | undefined, point: string): string | undefined {
  return layer === undefined ? undefined : `blocks.${layer}.${point}`;
}
