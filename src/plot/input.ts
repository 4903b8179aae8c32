/**
 * What the plots take as data, and how it becomes plain lists.
 *
 * @module
 */
import { ShapeError } from "../core/errors.ts";

/** Anything with a shape and flat row-major data, as a tensor has. */
export interface TensorLike {
  /** Length of each axis. */
  readonly shape: readonly number[];
  /** Values in row-major order. */
  data(): ArrayLike<number>;
}

/** Numbers to plot: nested lists or a tensor. */
export type PlotInput =
  | readonly number[]
  | readonly number[][]
  | readonly number[][][]
  | TensorLike;

/** Numbers of rank 1, as a list, a typed array or a tensor. */
export type VectorInput = ArrayLike<number> | TensorLike;

/** Positions or names along an axis. */
export type LabelInput = readonly string[] | VectorInput;

/** Flat row-major values with their shape. */
export interface Grid {
  shape: number[];
  values: number[];
}

function isTensorLike(input: unknown): input is TensorLike {
  return typeof input === "object" && input !== null && "shape" in input && "data" in input &&
    typeof input.data === "function";
}

/** The shape that a nested list has along its first elements. */
function leadingShape(input: unknown): number[] {
  if (isTensorLike(input)) return [...input.shape];
  if (!isList(input)) return [];
  return [input.length, ...(input.length === 0 ? [] : leadingShape(input[0]))];
}

function isList(input: unknown): input is ArrayLike<unknown> {
  return Array.isArray(input) || (ArrayBuffer.isView(input) && "length" in input);
}

function flatten(input: unknown, shape: number[], what: string, values: number[]): void {
  const found = leadingShape(input);
  if (found.length !== shape.length || found.some((n, axis) => n !== shape[axis])) {
    throw new ShapeError(
      `Cannot plot ${what}: its parts differ in shape, [${found}] beside [${shape}]`,
    );
  }
  if (isTensorLike(input)) {
    for (const value of Array.from(input.data())) values.push(Number(value));
  } else if (isList(input)) {
    for (const part of Array.from(input)) flatten(part, shape.slice(1), what, values);
  } else values.push(Number(input));
}

/**
 * Reads nested lists, a tensor or a list of tensors into flat values.
 *
 * @param input The numbers.
 * @param what How messages name them, for example `"z"`.
 * @returns Shape and row-major values.
 * @throws {ShapeError} If nested parts differ in shape.
 */
export function readGrid(input: unknown, what: string): Grid {
  const shape = leadingShape(input);
  const values: number[] = [];
  flatten(input, shape, what, values);
  return { shape, values };
}

/**
 * Reads a vector.
 *
 * @param input The numbers.
 * @param what How messages name them.
 * @param length How many are wanted, where that is known.
 * @throws {ShapeError} If the rank isn't 1 or the length isn't the wanted one.
 */
export function readVector(input: VectorInput, what: string, length?: number): number[] {
  const { shape, values } = readGrid(input, what);
  if (shape.length !== 1 || (length !== undefined && shape[0] !== length)) {
    throw new ShapeError(
      `Cannot plot ${what} of shape [${shape}], expected [${length ?? "n"}]`,
    );
  }
  return values;
}

/**
 * Reads the names or positions along an axis.
 *
 * @param input Texts or numbers.
 * @param what How messages name them.
 * @param length How many are wanted, where that is known.
 * @throws {ShapeError} If there are more or fewer.
 */
export function readLabels(input: LabelInput, what: string, length?: number): (string | number)[] {
  if (!isTextList(input)) return readVector(input, what, length);
  if (length !== undefined && input.length !== length) {
    throw new ShapeError(`Cannot plot ${what} of shape [${input.length}], expected [${length}]`);
  }
  return [...input];
}

/**
 * Tells texts from numbers. Texts stay names on an axis even where they look like numbers.
 *
 * @param input Texts or numbers.
 */
export function isTextList(input: LabelInput): input is readonly string[] {
  return Array.isArray(input) && typeof input[0] === "string";
}

/**
 * Cuts a grid into rows.
 *
 * @param grid Values of rank 2.
 */
export function rowsOf({ shape: [rows, columns], values }: Grid): number[][] {
  return Array.from({ length: rows }, (_, i) => values.slice(i * columns, (i + 1) * columns));
}

/**
 * Cuts a grid of rank 3 into the matrices along one of its axes.
 *
 * @param grid Values of rank 3.
 * @param axis Which axis counts the matrices: 0, 1 or 2.
 * @returns One matrix a step, the remaining axes in order.
 */
export function planesOf({ shape, values }: Grid, axis: number): number[][][] {
  const strides = [shape[1] * shape[2], shape[2], 1];
  const [rowAxis, columnAxis] = [0, 1, 2].filter((other) => other !== axis);
  const cell = (plane: number, row: number, column: number) =>
    values[plane * strides[axis] + row * strides[rowAxis] + column * strides[columnAxis]];
  return Array.from(
    { length: shape[axis] },
    (_, plane) =>
      Array.from(
        { length: shape[rowAxis] },
        (_, row) => Array.from({ length: shape[columnAxis] }, (_, col) => cell(plane, row, col)),
      ),
  );
}
