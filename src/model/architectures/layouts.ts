/**
 * Changes of layout between checkpoints and TransformerLens' parameters.
 *
 * @module
 */

import type { WeightArray } from "../../weights/state_dict.ts";
import { WeightView } from "../../weights/weight_view.ts";

/** Gives a tensor another shape over the same values. */
export function reshaped(tensor: WeightArray, shape: readonly number[]): WeightArray {
  return WeightView.of(tensor).reshaped(shape);
}

/** Gives zeros. */
export function zeros(shape: readonly number[]): WeightArray {
  return { shape, data: new Float32Array(shape.reduce((size, dim) => size * dim, 1)) };
}

/** Gives the transpose [columns, rows] of a matrix [rows, columns]. */
export function transposed(matrix: WeightArray): WeightArray {
  return WeightView.of(matrix).permuted([1, 0]);
}

/**
 * Takes heads out of columns that lie side by side: [in, columns] becomes [head, in, dHead] from a first column on.
 *
 * @param matrix The matrix [in, columns].
 * @param firstColumn Where the first head begins.
 * @param nHeads How many heads.
 * @param dHead Columns a head.
 */
export function headsFromColumns(
  matrix: WeightArray,
  firstColumn: number,
  nHeads: number,
  dHead: number,
): WeightArray {
  return WeightView.of(matrix).narrowed(1, firstColumn, nHeads * dHead)
    .reshaped([matrix.shape[0], nHeads, dHead]).permuted([1, 0, 2]);
}

/** Where heads lie in the rows of a matrix. */
export interface HeadPlaces {
  readonly heads: number;
  readonly dHead: number;
  /** The first row of the first head. */
  readonly first: number;
  /** Rows from one head to the next. */
  readonly step: number;
}

/**
 * Takes heads out of rows, in the layout of torch's linear layers: [rows, in] becomes [head, in, dHead], and a bias [rows] becomes
 * [head, dHead].
 */
export function headsFromRows(
  rows: WeightArray,
  { heads, dHead, first, step }: HeadPlaces,
): WeightArray {
  const byHead = WeightView.of(rows).windows(0, { first, count: heads, step, length: dHead });
  return rows.shape.length === 1 ? byHead : byHead.permuted([0, 2, 1]);
}

/** Gives so many rows of a tensor from a first one on. */
export function rowsOf(tensor: WeightArray, first: number, count: number): WeightArray {
  return WeightView.of(tensor).narrowed(0, first, count);
}

/** Gives the first rows of a tensor; all of it when it has no more. */
export function firstRows(tensor: WeightArray, count: number): WeightArray {
  return tensor.shape[0] <= count ? tensor : rowsOf(tensor, 0, count);
}
