/**
 * Activations of a text that grows: kept piece by piece, read as if one run had kept them.
 *
 * @module
 */

import { Tensor } from "../core/tensor.ts";
import { ActivationCache } from "../hooks/activation_cache.ts";
import type { CachedModel } from "../hooks/cached_model.ts";
import { isJoined } from "../hooks/points.ts";
import type { RunGrid } from "./plan.ts";

/** Positions of a text, `from` up to `to`. */
interface Span {
  readonly from: number;
  readonly to: number;
}

/** What a run over some positions kept of a point. */
interface Piece extends Span {
  readonly value: Tensor;
}

/** Where the positions of a piece lie in a value, and those that it sees. */
interface Axes {
  /** The axis of the piece's own positions. */
  readonly own: number;
  /** What keys behind the piece count as, where the axis after is theirs. */
  readonly unseen?: number;
  /** A piece has every position up to its end, not its own alone. */
  readonly isWhole?: boolean;
}

/** What isn't simply [batch, pos, ...]: scores and patterns [batch, head, query, key], and rotated keys. */
const SPECIAL: readonly (readonly [RegExp, Axes])[] = [
  [/\.hook_attn_scores$/, { own: 2, unseen: -Infinity }],
  [/\.hook_pattern$/, { own: 2, unseen: 0 }],
  [/\.hook_rot_k$/, { own: 1, isWhole: true }],
];

function axesOf(name: string): Axes {
  return SPECIAL.find(([names]) => names.test(name))?.[1] ?? { own: 1 };
}

/** A value's part along an axis. */
function part(value: Tensor, axis: number, from: number, to: number): Tensor {
  if (from === 0 && to === value.shape[axis]) return value;
  return value.at(...Array<string>(axis).fill(":"), `${from}:${to}`);
}

/** A piece that ends at a position. */
function cut({ from, to, value }: Piece, end: number, { own, unseen, isWhole }: Axes): Piece {
  if (to <= end) return { from, to, value };
  const kept = part(value, own, 0, isWhole ? end : end - from);
  return { from, to: end, value: unseen === undefined ? kept : part(kept, own + 1, 0, end) };
}

/** Pieces as one value. */
function joined(pieces: readonly Piece[], { own, unseen, isWhole }: Axes): Tensor {
  const last = pieces[pieces.length - 1];
  if (pieces.length === 1 || isWhole) return last.value;
  if (unseen === undefined) return Tensor.cat(pieces.map(({ value }) => value), own);
  const wide = pieces.map(({ value, to }) => {
    if (to === last.to) return value;
    const shape = value.shape.with(own + 1, last.to - to);
    return Tensor.cat([value, Tensor.full(shape, unseen)], own + 1);
  });
  return Tensor.cat(wide, own);
}

/**
 * Activations by name, of a text that grows, and shrinks where it is taken up anew. It has the points that every run over the text so
 * far has shown: one that appears later (an SAE that was added) comes in when the text is run again from its beginning.
 */
export class GrowingCache {
  #pieces = new Map<string, Piece[]>();
  readonly #staged = new Map<string, Tensor>();

  /** Takes what a run shows; it counts once the run is through. */
  keep(name: string, value: Tensor, { batch, nPos }: RunGrid): void {
    const [joined, width] = value.shape;
    const split = isJoined(name)
      ? value.reshape(batch, nPos, joined / (batch * nPos), width)
      : value;
    this.#staged.set(name, split);
  }

  /** Forgets what was kept of a run that didn't get through. */
  discard(): void {
    this.#staged.clear();
  }

  /** Adds what was kept of a run over positions `from` up to `to`; whatever was there from `from` on goes. */
  commit(from: number, to: number): void {
    this.truncate(from);
    const pieces = new Map<string, Piece[]>();
    for (const [name, value] of this.#staged) {
      const before = from === 0 ? [] : this.#pieces.get(name);
      if (before) pieces.set(name, [...before, { from, to, value }]);
    }
    this.#pieces = pieces;
    this.discard();
  }

  /** Forgets the positions from `length` on. */
  truncate(length: number): void {
    for (const [name, pieces] of this.#pieces) {
      const kept = pieces.filter(({ from }) => from < length);
      this.#pieces.set(name, kept.map((piece) => cut(piece, length, axesOf(name))));
    }
  }

  /** The activations of the text's positions before `end`. Later growth doesn't change them. */
  toCache(model: CachedModel, end: number): ActivationCache {
    const values = new Map<string, Tensor>();
    for (const [name, pieces] of this.#pieces) {
      if (pieces.length === 0) continue;
      const axes = axesOf(name);
      // Joined once: what comes next is put behind it.
      const whole = { from: 0, to: pieces[pieces.length - 1].to, value: joined(pieces, axes) };
      this.#pieces.set(name, [whole]);
      const value = whole.to <= end ? whole.value.clone() : cut(whole, end, axes).value;
      const width = value.shape[value.rank - 1];
      values.set(name, isJoined(name) ? value.reshape(value.size / width, width) : value);
    }
    return new ActivationCache(values, model);
  }
}
