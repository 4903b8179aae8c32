/**
 * A choice along one axis of a tensor.
 *
 * @module
 */

import { Tensor } from "./tensor.ts";
import type { Index } from "./tensor.ts";

/** What a {@linkcode Slice} is made of: an index, a slice of its own, or nothing for the whole axis. */
export type SliceInput = Index | Slice | null | undefined;

/**
 * A choice along one axis (TransformerLens `Slice`): a number takes one entry and drops the axis, a string such as `"1:5"` or `"::2"`
 * is a range, a list or a tensor takes entries, and nothing leaves the axis as it is.
 *
 * @example
 * ```ts
 * import { Slice, Tensor } from "@splicer/splicer";
 * import { assertEquals } from "@std/assert";
 *
 * const t = Tensor.arange(6).reshape(2, 3);
 * assertEquals(new Slice(-1).apply(t, 1).toArray(), [2, 5]);
 * assertEquals(new Slice("1:").indices(3), [1, 2]);
 * ```
 */
export class Slice {
  readonly #index: Index | undefined;

  /** Makes a choice. */
  constructor(input?: Index | null) {
    this.#index = input ?? undefined;
  }

  /** A choice as it is, or made of what a user gave. */
  static of(input: SliceInput): Slice {
    return input instanceof Slice ? input : new Slice(input);
  }

  /** Whether it leaves the axis as it is. */
  get isWhole(): boolean {
    return this.#index === undefined;
  }

  /** Whether it drops the axis. */
  get isSingle(): boolean {
    return typeof this.#index === "number" ||
      (this.#index instanceof Tensor && this.#index.rank === 0);
  }

  /**
   * Takes the choice along an axis.
   *
   * @param tensor The tensor.
   * @param dim The axis; negative counts from the end.
   * @throws {RangeError} If it chooses what isn't there.
   */
  apply(tensor: Tensor, dim = 0): Tensor {
    if (this.#index === undefined) return tensor;
    const axis = dim < 0 ? dim + tensor.rank : dim;
    return tensor.at(...Array<Index>(axis).fill(":"), this.#index);
  }

  /**
   * Lists what it chooses of an axis.
   *
   * @param length The length of the axis.
   */
  indices(length: number): number[] {
    return Array.from(this.apply(Tensor.arange(length)).flatten().data());
  }
}
