/**
 * Elements that lie in memory in another order than row by row.
 *
 * @module
 */

import type { TensorData } from "./tensor_data.ts";

/** The strides, in elements, of an array that lies row by row. */
function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

/** The strides, in elements, of an array that lies column by column. */
export function columnMajorStrides(shape: readonly number[]): number[] {
  return rowMajorStrides([...shape].reverse()).reverse();
}

/** Whether elements with these strides lie row by row; axes of length 1 have no say. */
export function isRowMajor(shape: readonly number[], strides: readonly number[]): boolean {
  const wanted = rowMajorStrides(shape);
  return shape.some((n) => n === 0) ||
    shape.every((n, axis) => n === 1 || strides[axis] === wanted[axis]);
}

/** Rows and columns that are turned at once: two cache lines of each. */
const TILE = 16;

/** [row, col] to [col, row]. */
export function transposed(
  data: Float32Array,
  [rows, cols]: readonly number[],
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(data.length);
  // By tiles: a matrix of an SAE is wider than the cache, and each way alone misses it at every step.
  for (let top = 0; top < rows; top += TILE) {
    for (let left = 0; left < cols; left += TILE) {
      const [bottom, right] = [Math.min(top + TILE, rows), Math.min(left + TILE, cols)];
      for (let row = top; row < bottom; row++) {
        for (let col = left; col < right; col++) out[col * rows + row] = data[row * cols + col];
      }
    }
  }
  return out;
}

/**
 * Lays a tensor row by row.
 *
 * @param values The elements as they lie, from the first one on.
 * @param shape The tensor's shape.
 * @param strides How far apart, in elements, neighbours along each axis lie.
 */
export function gathered(
  values: TensorData,
  shape: readonly number[],
  strides: readonly number[],
): TensorData {
  if (isRowMajor(shape, strides)) return { ...values, shape: [...shape] };
  const [rows, cols] = shape;
  const isTurned = shape.length === 2 && strides[0] === 1 && strides[1] === rows;
  if (isTurned && values.dtype === "float32") {
    return { ...values, shape: [rows, cols], data: transposed(values.data, [cols, rows]) };
  }
  const count = shape.reduce((product, n) => product * n, 1);
  const { data: from } = values;
  const to = values.dtype === "float32"
    ? new Float32Array(count)
    : values.dtype === "int32"
    ? new Int32Array(count)
    : new Uint8Array(count);
  const last = shape.length - 1;
  const [width, step] = [shape[last], strides[last]];
  const index = new Array<number>(shape.length).fill(0);
  let start = 0;
  for (let at = 0; at < count; at += width) {
    for (let i = 0; i < width; i++) to[at + i] = from[start + i * step];
    for (let axis = last - 1; axis >= 0; axis--) {
      start += strides[axis];
      if (++index[axis] < shape[axis]) break;
      start -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return { ...values, shape: [...shape], data: to } as TensorData;
}
