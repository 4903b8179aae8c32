/**
 * Changes of layout between checkpoints and TransformerLens' parameters.
 *
 * @module
 */

import type { WeightArray } from "../../weights/state_dict.ts";

/** Edge of the squares in which a matrix is transposed, so that both sides stay in the first-level cache. */
const TILE = 32;

/** Gives a tensor another shape over the same values. */
export function reshaped({ data }: WeightArray, shape: readonly number[]): WeightArray {
  return { shape, data };
}

/** Gives zeros. */
export function zeros(shape: readonly number[]): WeightArray {
  return { shape, data: new Float32Array(shape.reduce((size, dim) => size * dim, 1)) };
}

/** Gives the transpose [columns, rows] of a matrix [rows, columns]. */
export function transposed({ shape: [rows, columns], data }: WeightArray): WeightArray {
  const out = new Float32Array(data.length);
  for (let r0 = 0; r0 < rows; r0 += TILE) {
    const rEnd = Math.min(r0 + TILE, rows);
    for (let c0 = 0; c0 < columns; c0 += TILE) {
      const cEnd = Math.min(c0 + TILE, columns);
      for (let r = r0; r < rEnd; r++) {
        for (let c = c0; c < cEnd; c++) out[c * rows + r] = data[r * columns + c];
      }
    }
  }
  return { shape: [columns, rows], data: out };
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
  { shape: [rows, columns], data }: WeightArray,
  firstColumn: number,
  nHeads: number,
  dHead: number,
): WeightArray {
  const out = new Float32Array(nHeads * rows * dHead);
  for (let h = 0; h < nHeads; h++) {
    for (let r = 0; r < rows; r++) {
      const start = r * columns + firstColumn + h * dHead;
      out.set(data.subarray(start, start + dHead), (h * rows + r) * dHead);
    }
  }
  return { shape: [nHeads, rows, dHead], data: out };
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
  { shape: [, width], data }: WeightArray,
  { heads, dHead, first, step }: HeadPlaces,
): WeightArray {
  const columns = width ?? 1;
  const parts = Array.from({ length: heads }, (_, h) => {
    const start = (first + h * step) * columns;
    const head = data.subarray(start, start + dHead * columns);
    return width === undefined ? head : transposed({ shape: [dHead, columns], data: head }).data;
  });
  const out = new Float32Array(heads * dHead * columns);
  parts.forEach((part, h) => out.set(part, h * dHead * columns));
  return { shape: width === undefined ? [heads, dHead] : [heads, width, dHead], data: out };
}

/** Gives so many rows of a tensor from a first one on. */
export function rowsOf(
  { shape: [rows, ...rest], data }: WeightArray,
  first: number,
  count: number,
): WeightArray {
  const size = data.length / rows;
  return { shape: [count, ...rest], data: data.slice(first * size, (first + count) * size) };
}

/** Gives the first rows of a tensor; all of it when it has no more. */
export function firstRows(tensor: WeightArray, count: number): WeightArray {
  return tensor.shape[0] <= count ? tensor : rowsOf(tensor, 0, count);
}
