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

/** Gives the first rows of a tensor; all of it when it has no more. */
export function firstRows(tensor: WeightArray, count: number): WeightArray {
  const [rows, ...rest] = tensor.shape;
  if (rows <= count) return tensor;
  return { shape: [count, ...rest], data: tensor.data.slice(0, tensor.data.length / rows * count) };
}
