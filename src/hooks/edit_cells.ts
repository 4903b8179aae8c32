/**
 * Where the cells of an edit lie in an activation: blocks that one index reaches.
 *
 * @module
 */

import { ConfigError } from "../core/errors.ts";
import type { Index } from "../core/tensor.ts";
import type { EditCells, Places } from "./edits.ts";
import { isJoined } from "./points.ts";

/** How an activation's axes lie. */
export interface Layout {
  /** The hook point. */
  readonly name: string;
  /** Attention scores and patterns: [batch, head, query, key]; else positions are the second axis. */
  readonly isByHead: boolean;
  /** The length of each axis; `head` is `undefined` where there is none. */
  readonly length: {
    readonly text: number;
    readonly pos: number;
    readonly head: number | undefined;
    readonly feature: number;
  };
}

/** Cells that an index reaches: the places along each axis, absolute. */
export interface Block {
  readonly text: readonly number[];
  readonly pos: readonly number[];
  readonly head: readonly number[];
  readonly feature: readonly number[];
}

const BY_HEAD = /\.hook_(attn_scores|pattern)$/;

/**
 * Checks that a point's positions have an axis of their own.
 *
 * @throws {ConfigError} If they don't, as in norms of queries and keys, whose rows are positions and heads at once.
 */
export function requirePositionAxis(name: string): void {
  if (!isJoined(name)) return;
  throw new ConfigError(
    `Cannot edit cells of "${name}": its rows are positions and heads at once. A function can, or an edit of queries or keys.`,
  );
}

/**
 * The layout of an activation: [batch, pos, feature], [batch, pos, head, feature] or [batch, head, query, key].
 *
 * @throws {ConfigError} If positions have no axis of their own.
 */
export function layoutOf(name: string, shape: readonly number[]): Layout {
  requirePositionAxis(name);
  const isByHead = BY_HEAD.test(name);
  const [text, second, third] = shape;
  const hasHead = shape.length === 4;
  return {
    name,
    isByHead,
    length: {
      text,
      pos: isByHead ? third : second,
      head: isByHead ? second : hasHead ? third : undefined,
      feature: shape[shape.length - 1],
    },
  };
}

function all(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}

/** Resolves places along an axis. */
function placesOf(
  what: string,
  places: Places | undefined,
  length: number,
  name: string,
): readonly number[] {
  if (places === undefined) return all(length);
  return [
    ...new Set(
      [places].flat().map((place) => {
        if (place >= -length && place < length) return place < 0 ? place + length : place;
        throw new RangeError(
          `Cannot edit ${what} ${place} of "${name}": there are ${length}, from 0 to ${
            length - 1
          }.`,
        );
      }),
    ),
  ].sort((a, b) => a - b);
}

/** What an index says of one axis: all of it, one place, a run of places, or a list. */
function part(places: readonly number[], length: number, isDropped: boolean): Index {
  const [first, last] = [places[0], places[places.length - 1]];
  if (isDropped) return first;
  if (last - first + 1 !== places.length) return places;
  return places.length === length ? ":" : `${first}:${last + 1}`;
}

/**
 * The index of a block in an activation. Axes of which one place is taken are dropped, unless they have no other.
 *
 * @param from Where the activation's positions begin.
 * @param like The layout of the edited activation, when this is another one whose cells are to have the same shape.
 */
export function indexOf(block: Block, layout: Layout, from = 0, like = layout): Index[] {
  const along = (axis: keyof Block) => {
    const places = axis === "pos" ? block.pos.map((pos) => pos - from) : block[axis];
    const isDropped = places.length === 1 && like.length[axis] !== 1;
    return part(places, layout.length[axis] ?? 1, isDropped);
  };
  const [text, pos, head, feature] = (["text", "pos", "head", "feature"] as const).map(along);
  if (layout.length.head === undefined) return [text, pos, feature];
  return layout.isByHead ? [text, head, pos, feature] : [text, pos, head, feature];
}

/** How many axes a value of this block's cells at one position has. */
export function cellAxes({ head, feature }: Block, { length }: Layout): number {
  const isKept = (places: readonly number[], n: number) => places.length > 1 || n === 1;
  const heads = length.head !== undefined && isKept(head, length.head) ? 1 : 0;
  return heads + (isKept(feature, length.feature) ? 1 : 0);
}

/** Lists along several axes would address cells pairwise: all but one are spelt out. */
function spelledOut(block: Block, layout: Layout): Block[] {
  const axes = ["text", "pos", "head", "feature"] as const;
  const lists = axes.filter((axis) => {
    const places = block[axis];
    return places.length > 1 && places[places.length - 1] - places[0] + 1 !== places.length;
  });
  if (lists.length <= 1) return [block];
  const [axis] = lists;
  return block[axis].flatMap((place) => spelledOut({ ...block, [axis]: [place] }, layout));
}

/**
 * The blocks of an edit's cells.
 *
 * @param rows The positions that are edited in each text, ascending and absolute.
 * @param from Where the activation's positions begin.
 * @param isApart Whether each text gets blocks of its own, also where the positions are the same.
 * @throws {RangeError} If there is no such text, head or feature.
 * @throws {ConfigError} If heads are asked for where there are none.
 */
export function blocksOf(
  { text, head, feature }: EditCells,
  rows: readonly (readonly number[])[],
  layout: Layout,
  from: number,
  isApart = false,
): Block[] {
  const { name, length } = layout;
  if (head !== undefined && length.head === undefined) {
    throw new ConfigError(`Cannot edit head ${head} of "${name}": it has no heads.`);
  }
  const heads = placesOf("head", head, length.head ?? 1, name);
  const features = placesOf("feature", feature, length.feature, name);
  const texts = placesOf("text", text, length.text, name);
  const there = rows.map((positions) =>
    positions.filter((pos) => pos >= from && pos < from + length.pos)
  );
  // Texts that are edited at the same positions share a block.
  const groups = new Map<string, number[]>();
  for (const text of texts) {
    if (there[text].length === 0) continue;
    const key = isApart ? `${text}` : there[text].join();
    groups.set(key, [...groups.get(key) ?? [], text]);
  }
  return [...groups.values()].flatMap((texts) =>
    spelledOut({ text: texts, pos: there[texts[0]], head: heads, feature: features }, layout)
  );
}
