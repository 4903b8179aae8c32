/**
 * The loops of weight processing, in the core: it is fast from the first call on, where JavaScript would be interpreted for most of
 * a small model. Matrices are handed over in pieces, since the core's memory never shrinks.
 *
 * @module
 */

import { core } from "../core/engine.ts";

/** Elements that cross at a time, unless a row or a column alone has more. */
const PIECE = 2 ** 17;

/** Where columns are gathered: one place for all pieces, since buffers of their own would wait for the collector. */
let gathered = new Float32Array(0);

/** The last two axes of a tensor, and all before them as one. */
export interface Extents {
  readonly outer: number;
  readonly rows: number;
  readonly columns: number;
}

/** Some of the columns of a matrix, or whole matrices that lie one after another. */
interface Block {
  readonly values: Float32Array;
  /** Columns of a matrix in it. */
  readonly columns: number;
  /** Where its first column is among those of all matrices. */
  readonly start: number;
  /** Puts values that have changed back, where they are a copy. */
  putBack(): void;
}

/** Matrices in pieces, each with all of the rows; the next piece may overwrite one. */
function* blocksOf(data: Float32Array, { outer, rows, columns }: Extents): Generator<Block> {
  const size = rows * columns;
  if (size <= PIECE) {
    const most = Math.floor(PIECE / Math.max(size, 1));
    for (let o = 0; o < outer; o += most) {
      const count = Math.min(most, outer - o);
      const values = data.subarray(o * size, (o + count) * size);
      yield { values, columns, start: o * columns, putBack() {} };
    }
    return;
  }
  const most = Math.max(1, Math.floor(PIECE / rows));
  if (gathered.length < rows * most) gathered = new Float32Array(rows * most);
  for (let o = 0; o < outer; o++) {
    for (let from = 0; from < columns; from += most) {
      const width = Math.min(most, columns - from);
      const values = gathered.subarray(0, rows * width);
      const ofRow = (i: number) => {
        const at = (o * rows + i) * columns + from;
        return data.subarray(at, at + width);
      };
      for (let i = 0; i < rows; i++) values.set(ofRow(i), i * width);
      const putBack = () => {
        for (let i = 0; i < rows; i++) ofRow(i).set(values.subarray(i * width, (i + 1) * width));
      };
      yield { values, columns: width, start: o * columns + from, putBack };
    }
  }
}

/**
 * Adds vector × matrix to a bias, in place: bias[…, j] += sum_i x[i] matrix[…, i, j].
 *
 * @param bias The bias [outer…, columns].
 * @param x The vector [rows].
 * @param data The matrix [outer…, rows, columns].
 * @param extents Its axes.
 */
export function addProduct(
  bias: Float32Array,
  x: Float32Array,
  data: Float32Array,
  extents: Extents,
): void {
  for (const { values, columns, start } of blocksOf(data, extents)) {
    const end = start + values.length / extents.rows;
    core().add_product(bias.subarray(start, end), x, values, columns);
  }
}

/**
 * Multiplies the rows of matrices by a vector, in place.
 *
 * @param data The matrices [outer…, rows, columns].
 * @param extents Their axes.
 * @param w The vector [rows].
 * @param centers Whether the columns are centred over the rows afterwards.
 */
export function scaleRows(
  data: Float32Array,
  extents: Extents,
  w: Float32Array,
  centers: boolean,
): void {
  for (const { values, columns, putBack } of blocksOf(data, extents)) {
    core().scale_rows(values, w, columns, centers);
    putBack();
  }
}

/** Takes the mean from each row of so many columns, in place. */
export function centerRows(data: Float32Array, columns: number): void {
  const most = Math.max(1, Math.floor(PIECE / columns)) * columns;
  for (let start = 0; start < data.length; start += most) {
    core().center_rows(data.subarray(start, start + most), columns);
  }
}
