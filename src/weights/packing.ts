/**
 * Moving parameters into the core as packed weights.
 *
 * @module
 */

import { core, type WeightHandle } from "../core/engine.ts";
import type { HeldDtype, StoredElements, WeightView } from "./weight_view.ts";

/** The core's codes of the formats. */
const STORAGE: Readonly<Record<HeldDtype, number>> = {
  float32: 0,
  float16: 1,
  bfloat16: 2,
  int8: 3,
};

/** Elements that cross at a time: the core's copy of them is small beside any model. */
const PART = 2 ** 20;

/** How the axes of a parameter become a matrix: for each the rows and columns that a step along it is. */
export interface MatrixLayout {
  readonly rows: number;
  readonly cols: number;
  readonly steps: readonly (readonly [row: number, col: number])[];
}

/** Leading axes joined to rows, the last axis as columns. */
export function rowsByLastAxis(shape: readonly number[]): MatrixLayout {
  let rows = 1;
  const leading = shape.slice(0, -1).toReversed().map((length) => {
    const step = [rows, 0] as const;
    rows *= length;
    return step;
  });
  return { rows, cols: shape[shape.length - 1], steps: [...leading.reverse(), [0, 1]] };
}

/** [head, row, dHead] as [row, head * dHead]. */
export function headsByColumns([heads, rows, dHead]: readonly number[]): MatrixLayout {
  return { rows, cols: heads * dHead, steps: [[0, dHead], [1, 0], [0, 1]] };
}

/** [col, row] as [row, col]. */
export function transposedMatrix([cols, rows]: readonly number[]): MatrixLayout {
  return { rows, cols, steps: [[0, 1], [1, 0]] };
}

/** [row, col] with one row after another in a single one. */
export function rowAfterRow([rows, cols]: readonly number[]): MatrixLayout {
  return { rows: 1, cols: rows * cols, steps: [[0, cols], [0, 1]] };
}

/** A parameter that is being filled with the elements of a tensor. */
export interface Filling {
  /**
   * Takes the parameter's elements out of a part of the tensor.
   *
   * @param stored The part.
   * @param from The number of its first element.
   */
  fill(stored: StoredElements, from: number): void;
  /** Ends the filling. */
  seal(): void;
}

/** A packed weight that is being filled. */
export class Packing implements Filling {
  /** The weight: of use once it is sealed. */
  readonly weight: WeightHandle;
  readonly #layout: Uint32Array;
  readonly #range: readonly [start: number, end: number];
  readonly #dtype: HeldDtype;

  /**
   * Takes the memory.
   *
   * @param view The parameter among a tensor's elements.
   * @param matrix How its axes become a matrix.
   * @param dtype How the matrix is held.
   * @throws {MemoryBudgetError} If it doesn't fit.
   */
  constructor(view: WeightView, { rows, cols, steps }: MatrixLayout, dtype: HeldDtype) {
    const { offset, axes } = view;
    this.#dtype = dtype;
    this.weight = core().new_weight(rows, cols, STORAGE[dtype]);
    this.#layout = Uint32Array.of(
      offset,
      ...axes.flatMap(({ length, stride }, i) => [length, stride, ...steps[i]]),
    );
    this.#range = [offset, view.end];
  }

  /**
   * What the format can't hold is rounded to it; what it can, and float16 and bfloat16 that are held as they are stored, stays exact.
   */
  fill({ dtype, elements }: StoredElements, from: number): void {
    const [first, end] = this.#range;
    const last = Math.min(end, from + elements.length);
    for (let start = Math.max(first, from); start < last; start += PART) {
      const until = Math.min(start + PART, last);
      if (dtype === "float32") {
        const part = elements.subarray(start - from, until - from);
        core().fill_weight_singles(this.weight, part, start, this.#layout);
      } else {
        const part = elements.subarray(start - from, until - from);
        core().fill_weight_halves(this.weight, part, dtype === "bfloat16", start, this.#layout);
      }
    }
  }

  seal(): void {
    core().seal_weight(this.weight, this.#dtype === "int8");
  }
}

/** A vector of the core that is being filled. */
export class VectorFilling implements Filling {
  readonly #view: WeightView;
  readonly #take: (data: Float32Array) => void;
  #stored: StoredElements | undefined;

  /**
   * Waits for the elements.
   *
   * @param view The parameter among a tensor's elements.
   * @param take Is given the values.
   */
  constructor(view: WeightView, take: (data: Float32Array) => void) {
    this.#view = view;
    this.#take = take;
  }

  fill({ dtype, elements }: StoredElements, from: number): void {
    const { end } = this.#view;
    this.#stored ??= dtype === "float32"
      ? { dtype, elements: new Float32Array(end) }
      : { dtype, elements: new Uint16Array(end) };
    if (from < end) this.#stored.elements.set(elements.subarray(0, end - from), from);
  }

  seal(): void {
    this.#take(this.#stored ? this.#view.over(this.#stored).data : new Float32Array());
  }
}
