/**
 * Tensors: row-major arrays of float32, int32 or bool, with the operations that research on activations needs.
 *
 * @module
 */

import { copyOf, type Dtype, dtypeOf, DTYPES, emptyArray, type TypedArray } from "./dtype.ts";
import { DecodedGradient } from "./decoded_gradient.ts";
import { core, type Handle } from "./engine.ts";
import {
  BorrowedTensorError,
  described,
  GradientError,
  MemoryBudgetError,
  ShapeError,
} from "./errors.ts";
import { type BackwardOptions, onGradient, walkBack } from "./gradients.ts";
import { type IndexArray, type IndexPart, resolveIndex } from "./index_spec.ts";
import { normal } from "./random.ts";
import { copyIn, copyOut, currentScope, type Scope, scoped, shapeOf, sizeOf } from "./scope.ts";

/** Nested arrays of numbers or booleans. */
export type Nested = number | boolean | readonly Nested[];

/** One part of an index: a number, a slice as a string (`":"`, `"2:"`, `"..."`), a list, or a mask. */
export type Index = number | string | readonly number[] | readonly boolean[] | Tensor;

/** What a tensor combines with: another tensor, or a number for every element. */
export type Operand = Tensor | number;

/** An axis option of reductions. */
export interface ReduceOptions {
  /** Keeps the reduced axes with length 1. */
  keepdim?: boolean;
}

/** A value that is computed when somebody reads it, row by row if only rows are read. */
export interface LazyValue {
  /** Computes all of it. */
  all(): Tensor;
  /** Computes what the index selects, when that is less; `undefined` where it can't. */
  at(index: readonly Index[], parts: readonly IndexPart[]): Tensor | undefined;
  /** Computes what `gather` takes, when that is less; `undefined` where it can't. */
  gather?(axis: number, index: Tensor): Tensor | undefined;
  /** Computes its product with elements of which few aren't zero; `undefined` where they aren't few. */
  times?(elements: TypedArray): Float32Array<ArrayBuffer> | undefined;
}

/** A lent value of which nobody has copied the whole yet. */
export interface RowBacking {
  /** All of it, in a handle of its own. */
  whole(): Handle;
  /** What an index selects, where that needs less than the whole. */
  at(parts: readonly IndexPart[]): Tensor | undefined;
  /** Writes a region, where that needs less than the whole; says whether it did. */
  set(parts: readonly IndexPart[], value: Tensor): boolean;
}

/** The core addresses 4 GiB: no more than this many float32. */
const MAX_ELEMENTS = 2 ** 30;

const BINARY = { add: 0, sub: 1, mul: 2, div: 3, pow: 4 } as const;
const SCALAR = { add: 0, mul: 1, div: 2, pow: 3 } as const;
const UNARY = { neg: 0, abs: 1, sqrt: 2, log: 3 } as const;
const COMPARE = { eq: 0, ne: 1, gt: 2, ge: 3, lt: 4, le: 5 } as const;
/** The core's codes of the activation functions. */
export const ACTIVATION = {
  identity: 0,
  relu: 1,
  gelu_new: 2,
  gelu: 3,
  silu: 4,
  tanh: 5,
  sigmoid: 6,
  exp: 7,
} as const;

function nestedShape(value: Nested): number[] {
  const shape: number[] = [];
  for (let at = value; Array.isArray(at); at = at[0]) {
    shape.push(at.length);
    if (at.length === 0) break;
  }
  return shape;
}

function flattened(
  value: Nested,
  shape: readonly number[],
  depth: number,
  out: (number | boolean)[],
): void {
  if (!Array.isArray(value)) {
    if (depth !== shape.length) throw raggedError(shape);
    if (typeof value !== "number" && typeof value !== "boolean") {
      throw new ShapeError(
        `Cannot make a tensor of ${
          described(value)
        }: expected numbers or booleans, nested arrays of them, or a typed array.`,
      );
    }
    out.push(value);
    return;
  }
  if (depth >= shape.length || value.length !== shape[depth]) throw raggedError(shape);
  for (const part of value) flattened(part, shape, depth + 1, out);
}

function raggedError(shape: readonly number[]): ShapeError {
  return new ShapeError(
    `Cannot make a tensor from nested arrays: the first entries have shape [${
      shape.join(", ")
    }], others differ.`,
  );
}

function isTypedArray(value: unknown): value is ArrayBufferView & ArrayLike<number> {
  return ArrayBuffer.isView(value) && !(value instanceof DataView) && !isBigIntArray(value);
}

function isBigIntArray(value: unknown): value is BigInt64Array | BigUint64Array {
  return value instanceof BigInt64Array || value instanceof BigUint64Array;
}

function typedDtype(value: ArrayBufferView): Dtype {
  return value instanceof Float32Array || value instanceof Float64Array ? "float32" : "int32";
}

// What the rest of the core needs of a tensor's inside; the class assigns these below.

/** Makes a tensor of elements that nobody else writes. */
export let ownedTensor: (data: TypedArray, shape: readonly number[]) => Tensor;
/** Makes the tensor that a hook is lent: a handle, for as long as its scope lives. */
export let lentTensor: (handle: Handle, scope: Scope) => Tensor;
/** Makes the tensor that a hook is lent of a value whose rows are copied when they are touched. */
export let lentRowsTensor: (shape: readonly number[], scope: Scope, rows: RowBacking) => Tensor;
/** What a lent tensor stands on, while nobody has copied the whole. */
export let rowBackingOf: (tensor: Tensor) => RowBacking | undefined;
/** Makes an ordinary tensor of a value in the core, with its place on the tape. */
export let tensorOf: (handle: Handle) => Tensor;
/** Makes a float32 tensor whose elements are computed when they are read. */
export let lazyTensor: (shape: readonly number[], value: LazyValue) => Tensor;
/** The handle of a tensor in the current scope. */
export let handleOf: (tensor: Tensor) => Handle;
/** A tensor's elements without a copy: not to be written. */
export let elementsOf: (tensor: Tensor) => TypedArray;
/** A tensor's place on the tape, 0 when it has none. */
export let nodeOf: (tensor: Tensor) => number;
/** The elements of a float32 tensor that are in no run and on no tape. */
let constantElements: (tensor: Tensor) => Float32Array<ArrayBuffer> | undefined;
/** The tensor with elements of another dtype. */
export let castTo: (tensor: Tensor, dtype: Dtype) => Tensor;

/**
 * An array of numbers with a shape. Operations follow torch's names, shapes and broadcasting; results are new tensors, and only
 * {@linkcode Tensor.set} edits in place.
 *
 * A tensor that a hook is lent is borrowed: it lives until its run ends. Every other tensor is an ordinary JavaScript value.
 *
 * @example
 * ```ts
 * import { Tensor } from "@splicer/splicer";
 * import { assertEquals } from "@std/assert";
 *
 * const t = Tensor.from([[1, 2], [3, 4]]);
 * assertEquals(t.at(":", 1).toArray(), [2, 4]);
 * assertEquals(t.sum(0).toArray(), [4, 6]);
 * ```
 */
export class Tensor {
  /** The length of each axis. */
  readonly shape: readonly number[];
  /** The element type. */
  readonly dtype: Dtype;
  /** The gradient of the last backward pass, where this tensor was watched. */
  grad: Tensor | undefined;
  #data: TypedArray | undefined;
  #handle: Handle = 0;
  #scope: Scope | undefined;
  #node = 0;
  #requiresGrad = false;
  #lazy: LazyValue | undefined;
  #rows: RowBacking | undefined;

  private constructor(shape: readonly number[], dtype: Dtype) {
    this.shape = shape;
    this.dtype = dtype;
  }

  // --- making tensors ---

  /**
   * Makes a tensor. Numbers become float32, integer arrays int32, booleans bool, unless `dtype` says otherwise.
   *
   * @param values Nested arrays, a typed array, or a number.
   * @param shape The shape, for flat values; the nesting's otherwise.
   * @param dtype The element type.
   * @throws {ShapeError} If the nesting is ragged or the shape has another size.
   */
  static from(
    values: Nested | (ArrayBufferView & ArrayLike<number>) | ArrayLike<bigint>,
    shape?: readonly number[],
    dtype?: Dtype,
  ): Tensor {
    if (isTypedArray(values)) {
      return Tensor.#flat(values, shape ?? [values.length], dtype ?? typedDtype(values));
    }
    if (isBigIntArray(values)) {
      return Tensor.#flat(Array.from(values, Number), shape ?? [values.length], dtype ?? "int32");
    }
    const nested = nestedShape(values as Nested);
    const flat: (number | boolean)[] = [];
    flattened(values as Nested, nested, 0, flat);
    const boolean = flat.length > 0 && flat.every((value) => typeof value === "boolean");
    return Tensor.#flat(flat.map(Number), shape ?? nested, dtype ?? (boolean ? "bool" : "float32"));
  }

  static #flat(values: ArrayLike<number>, shape: readonly number[], dtype: Dtype): Tensor {
    const size = checkedSize(shape);
    if (size !== values.length) {
      throw new ShapeError(
        `Cannot make a tensor of shape [${
          shape.join(", ")
        }] (${size} elements) from ${values.length} values.`,
      );
    }
    const data = emptyArray(checkedDtype(dtype), values.length);
    if (dtype === "bool") { for (let i = 0; i < data.length; i++) data[i] = values[i] ? 1 : 0; }
    else data.set(values);
    if (dtype === "int32" && !(values instanceof Int32Array)) checkIntegers(values, data);
    return ownedTensor(data, shape);
  }

  /** Makes a tensor of zeros. */
  static zeros(shape: readonly number[], dtype: Dtype = "float32"): Tensor {
    return ownedTensor(emptyArray(checkedDtype(dtype), checkedSize(shape)), shape);
  }

  /** Makes a tensor of ones. */
  static ones(shape: readonly number[], dtype: Dtype = "float32"): Tensor {
    return Tensor.full(shape, 1, dtype);
  }

  /** Makes a tensor of one value. */
  static full(shape: readonly number[], value: number, dtype: Dtype = "float32"): Tensor {
    const [filling] = elementsOf(Tensor.#flat([value], [1], dtype));
    return ownedTensor(emptyArray(dtype, checkedSize(shape)).fill(filling), shape);
  }

  /** Makes `0 … end - 1`, or `start … end - 1` in steps; int32 where the numbers are integers. */
  static arange(start: number, end?: number, step = 1): Tensor {
    const [from, to] = end === undefined ? [0, start] : [start, end];
    if (step === 0) {
      throw new ShapeError(`Cannot count from ${from} to ${to} in steps of 0.`);
    }
    const count = Math.max(0, Math.ceil((to - from) / step));
    const values = Array.from({ length: count }, (_, i) => from + i * step);
    const integral = [from, to, step].every(Number.isInteger);
    return Tensor.#flat(values, [count], integral ? "int32" : "float32");
  }

  /** Makes a tensor of standard normal numbers, the same for the same seed. */
  static randn(shape: readonly number[], { seed = 0 }: { seed?: number } = {}): Tensor {
    return ownedTensor(new Float32Array(checkedSize(shape)).map(normal(seed)), shape);
  }

  /** Joins tensors along an axis that they have. */
  static cat(tensors: readonly Tensor[], dim = 0): Tensor {
    if (tensors.length === 0) throw new ShapeError("Cannot join an empty list of tensors.");
    const axis = axisOf(dim, tensors[0].shape.length, "cat");
    return apply(tensors, (...handles) => core().cat(new Uint32Array(handles), axis));
  }

  /** Joins tensors of one shape along a new axis. */
  static stack(tensors: readonly Tensor[], dim = 0): Tensor {
    if (tensors.length === 0) throw new ShapeError("Cannot stack an empty list of tensors.");
    const axis = axisOf(dim, tensors[0].shape.length + 1, "stack");
    return Tensor.cat(tensors.map((tensor) => tensor.unsqueeze(axis)), axis);
  }

  /** Takes elements of `a` where the condition holds and of `b` elsewhere. */
  static where(condition: Tensor, a: Operand, b: Operand): Tensor {
    const mask = requireTensor(condition);
    if (mask.dtype !== "bool") {
      throw new ShapeError(
        `Cannot choose elements by a ${mask.dtype} tensor: expected a bool one, e.g. t.gt(0).`,
      );
    }
    const [x, y] = [scalarTensor(a, b), scalarTensor(b, a)];
    return apply([mask, x, y], core().select_where);
  }

  // --- reading ---

  /** The number of axes. */
  get rank(): number {
    return this.shape.length;
  }

  /** The number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** A copy of the elements, flat and row-major. Booleans are 0 and 1. */
  data(): TypedArray {
    const elements = this.#elements();
    // Those of a value in the core were copied just now.
    return elements === this.#data ? copyOf(elements) : elements;
  }

  /** The only element, as a number. */
  item(): number {
    if (this.size !== 1) {
      throw new ShapeError(
        `Cannot take item() of a tensor of shape [${
          this.shape.join(", ")
        }]: it has ${this.size} elements.`,
      );
    }
    return this.#elements()[0];
  }

  /** The elements as nested arrays; booleans where the dtype is bool. */
  // deno-lint-ignore no-explicit-any -- The nesting depends on the rank, which the type can't know.
  toArray(): any {
    const flat = this.#elements();
    const nest = (depth: number, from: number, length: number): unknown => {
      if (depth === this.rank) return this.dtype === "bool" ? flat[from] !== 0 : flat[from];
      const part = length / (this.shape[depth] || 1);
      return Array.from(
        { length: this.shape[depth] },
        (_, i) => nest(depth + 1, from + i * part, part),
      );
    };
    return nest(0, 0, flat.length);
  }

  /** Iterates over the first axis. */
  *[Symbol.iterator](): Iterator<Tensor> {
    if (this.rank === 0) throw new ShapeError("Cannot iterate over a scalar tensor.");
    for (let i = 0; i < this.shape[0]; i++) yield this.at(i);
  }

  /** A copy that nothing else can change; recorded where this tensor is. */
  clone(): Tensor {
    return apply([this], core().share);
  }

  /** A copy without its recording: a constant for gradients. */
  detach(): Tensor {
    const lazy = this.#lazy?.times ? this.#lazy : undefined;
    if (lazy) return lazyTensor(this.shape, lazy);
    const gradient = this.#isLent() && !this.#rows ? deferredGradient(this.#handle) : undefined;
    return gradient ?? ownedTensor(this.#elements(), this.shape);
  }

  /** Describes the tensor by dtype and shape. */
  toString(): string {
    return `Tensor(${this.dtype}[${this.shape.join(", ")}])`;
  }

  /**
   * Refuses JavaScript's operators, which would make a string of a tensor: `a + b` is `a.add(b)`. In a template a tensor is described.
   *
   * @throws {ShapeError} Wherever a number is wanted.
   */
  [Symbol.toPrimitive](hint: "default" | "number" | "string"): string {
    if (hint === "string") return this.toString();
    throw new ShapeError(
      `Cannot calculate with ${this} by operators, which JavaScript has for numbers alone: use its methods, a.add(b), a.sub(b), ` +
        `a.mul(b), a.div(b), a.lt(b), or item() for the number in a tensor of one element.`,
    );
  }

  /** Shows dtype, shape and the elements when they are few. */
  [Symbol.for("Deno.customInspect")](inspect: (value: unknown) => string): string {
    return this.size <= 64 && (this.#data !== undefined || this.#isLent())
      ? `${this} ${inspect(this.toArray())}`
      : `${this}`;
  }

  // --- gradients ---

  /** Whether gradients of this tensor are asked for. */
  get requiresGrad(): boolean {
    return this.#requiresGrad;
  }

  set requiresGrad(wanted: boolean) {
    if (wanted && this.dtype !== "float32") {
      throw new GradientError(
        `Cannot ask for gradients of a tensor of dtype ${this.dtype}: only float32 has them.`,
      );
    }
    this.#requiresGrad = wanted;
    if (!wanted) this.#node = 0;
  }

  /**
   * Walks back from this scalar: fires `bwd` hooks in reverse order and fills `grad` of the tensors that were watched.
   *
   * @param options `retainGraph` keeps the recording for another backward pass.
   * @throws {ShapeError} If this isn't a scalar.
   * @throws {GradientError} If nothing that led here was watched, or the recording is gone.
   */
  backward(options: BackwardOptions = {}): void {
    walkFrom([this], options);
  }

  // --- arithmetic ---

  /** Adds. */
  add(other: Operand): Tensor {
    return binary("add", this, other);
  }

  /** Subtracts. */
  sub(other: Operand): Tensor {
    return typeof other === "number" ? binary("add", this, -other) : binary("sub", this, other);
  }

  /** Multiplies element by element. */
  mul(other: Operand): Tensor {
    return (other instanceof Tensor && this.#sparseProduct(other)) || binary("mul", this, other);
  }

  /** Divides element by element. */
  div(other: Operand): Tensor {
    return binary("div", this, other);
  }

  /** Raises to a power. */
  pow(exponent: Operand): Tensor {
    return binary("pow", this, exponent);
  }

  /** Changes the sign. */
  neg(): Tensor {
    return unary("neg", this);
  }

  /** The absolute value. */
  abs(): Tensor {
    return unary("abs", this);
  }

  /** The square root. */
  sqrt(): Tensor {
    return unary("sqrt", this);
  }

  /** The natural logarithm. */
  log(): Tensor {
    return unary("log", this);
  }

  /** The exponential. */
  exp(): Tensor {
    return activate("exp", this);
  }

  /** The hyperbolic tangent. */
  tanh(): Tensor {
    return activate("tanh", this);
  }

  /** `max(x, 0)`. */
  relu(): Tensor {
    return activate("relu", this);
  }

  /** `1 / (1 + exp(-x))`. */
  sigmoid(): Tensor {
    return activate("sigmoid", this);
  }

  /** Limits elements to `[min, max]`. */
  clamp(min = -Infinity, max = Infinity): Tensor {
    return apply([this], (a) => core().clamp(a, min, max));
  }

  /** The matrix product, with torch's rules for ranks and broadcasting. */
  matmul(other: Tensor): Tensor {
    return apply([this, other], core().matmul);
  }

  // --- comparing ---

  /** Where elements are equal. */
  eq(other: Operand): Tensor {
    return compare("eq", this, other);
  }

  /** Where elements differ. */
  ne(other: Operand): Tensor {
    return compare("ne", this, other);
  }

  /** Where this is greater. */
  gt(other: Operand): Tensor {
    return compare("gt", this, other);
  }

  /** Where this is greater or equal. */
  ge(other: Operand): Tensor {
    return compare("ge", this, other);
  }

  /** Where this is less. */
  lt(other: Operand): Tensor {
    return compare("lt", this, other);
  }

  /** Where this is less or equal. */
  le(other: Operand): Tensor {
    return compare("le", this, other);
  }

  /** Where both are true. */
  and(other: Tensor): Tensor {
    return apply([this, other], (a, b) => core().logical(0, a, b));
  }

  /** Where either is true. */
  or(other: Tensor): Tensor {
    return apply([this, other], (a, b) => core().logical(1, a, b));
  }

  /** Where this is false. */
  not(): Tensor {
    return apply([this], core().logical_not);
  }

  /**
   * Whether all elements agree: `|a - b| <= atol + rtol |b|`; infinities must be equal, NaN agrees with nothing.
   *
   * @throws {ShapeError} If the shapes don't broadcast.
   */
  allClose(
    other: Tensor,
    { atol = 1e-8, rtol = 1e-5 }: { atol?: number; rtol?: number } = {},
  ): boolean {
    const [a, b] = sameShape(this, requireTensor(other)).map((tensor) => tensor.#elements());
    for (let i = 0; i < a.length; i++) {
      if (a[i] === b[i]) continue;
      if (!(Math.abs(a[i] - b[i]) <= atol + rtol * Math.abs(b[i])) || !Number.isFinite(b[i])) {
        return false;
      }
    }
    return true;
  }

  /** Takes elements of this where the condition holds and of `other` elsewhere. */
  where(condition: Tensor, other: Operand): Tensor {
    return Tensor.where(condition, this, other);
  }

  /** Replaces elements where the mask is true. */
  maskedFill(mask: Tensor, value: number): Tensor {
    return Tensor.where(mask, value, this);
  }

  // --- shapes ---

  /** The same elements under another shape; one axis may be -1. */
  reshape(...shape: (number | readonly number[])[]): Tensor {
    const wanted = inferredShape(shape.flat(), this);
    return apply([this], (a) => core().reshape(a, new Uint32Array(wanted)));
  }

  /** Joins the axes from `start` to `end` into one. */
  flatten(start = 0, end = -1): Tensor {
    if (this.rank === 0) return this.reshape(1);
    const [from, to] = [axisOf(start, this.rank, "flatten"), axisOf(end, this.rank, "flatten")];
    if (from > to) {
      throw new ShapeError(`Cannot flatten from axis ${start} to axis ${end}: it comes before.`);
    }
    const joined = sizeOf(this.shape.slice(from, to + 1));
    return this.reshape(...this.shape.slice(0, from), joined, ...this.shape.slice(to + 1));
  }

  /** Adds an axis of length 1. */
  unsqueeze(dim: number): Tensor {
    const axis = axisOf(dim, this.rank + 1, "unsqueeze");
    return this.reshape(...this.shape.slice(0, axis), 1, ...this.shape.slice(axis));
  }

  /** Removes an axis of length 1, or all of them. */
  squeeze(dim?: number): Tensor {
    const axis = dim === undefined ? undefined : axisOf(dim, this.rank, "squeeze");
    return this.reshape(this.shape.filter((n, i) => n !== 1 || (axis !== undefined && i !== axis)));
  }

  /** Repeats axes of length 1; -1 leaves an axis as it is. */
  expand(...shape: (number | readonly number[])[]): Tensor {
    const wanted = shape.flat();
    const added = wanted.length - this.rank;
    const full = wanted.map((n, i) => (n === -1 && i >= added ? this.shape[i - added] : n));
    if (full.some((n) => n < 0)) {
      throw new ShapeError(`Cannot expand [${this.shape.join(", ")}] to [${wanted.join(", ")}].`);
    }
    return apply([this], (a) => core().expand(a, new Uint32Array(full)));
  }

  /** Exchanges two axes. */
  transpose(a = -2, b = -1): Tensor {
    const [i, j] = [axisOf(a, this.rank, "transpose"), axisOf(b, this.rank, "transpose")];
    const order = this.shape.map((_, axis) => (axis === i ? j : axis === j ? i : axis));
    return this.permute(order);
  }

  /** Puts the axes into another order. */
  permute(...order: (number | readonly number[])[]): Tensor {
    const axes = order.flat().map((axis) => axisOf(axis, this.rank, "permute"));
    return apply([this], (a) => core().permute(a, new Uint32Array(axes)));
  }

  // --- reducing ---

  /** Sums over all elements, or along axes. */
  sum(dim?: number | readonly number[], options: ReduceOptions = {}): Tensor {
    return reduce("sum", this.dtype === "bool" ? this.#cast("int32") : this, dim, options);
  }

  /** The mean of all elements, or along axes. */
  mean(dim?: number | readonly number[], options: ReduceOptions = {}): Tensor {
    return reduce("mean", this.#cast("float32"), dim, options);
  }

  /** Whether any element is non-zero. */
  any(dim?: number | readonly number[], options: ReduceOptions = {}): Tensor {
    return reduce("any", this, dim, options);
  }

  /** Whether all elements are non-zero. */
  all(dim?: number | readonly number[], options: ReduceOptions = {}): Tensor {
    return reduce("all", this, dim, options);
  }

  /** The unbiased variance (n - 1), as torch has it. */
  var(dim?: number | readonly number[], { keepdim = false }: ReduceOptions = {}): Tensor {
    const deviations = this.sub(this.mean(dim, { keepdim: true }));
    const count = this.size / Math.max(1, reduce("sum", this, dim, { keepdim }).size);
    return deviations.mul(deviations).sum(dim, { keepdim }).div(Math.max(0, count - 1));
  }

  /** The unbiased standard deviation. */
  std(dim?: number | readonly number[], options: ReduceOptions = {}): Tensor {
    return this.var(dim, options).sqrt();
  }

  /** The Euclidean norm of all elements, or along axes. */
  norm(dim?: number | readonly number[], options: ReduceOptions = {}): Tensor {
    return this.mul(this).sum(dim, options).sqrt();
  }

  /** Softmax along an axis. */
  softmax(dim = -1): Tensor {
    const axis = axisOf(dim, this.rank, "softmax");
    return apply([this], (a) => core().softmax(a, axis));
  }

  /** The logarithm of softmax along an axis. */
  logSoftmax(dim = -1): Tensor {
    const axis = axisOf(dim, this.rank, "logSoftmax");
    return apply([this], (a) => core().log_softmax(a, axis));
  }

  /** The index of the largest element along an axis, or in the flattened tensor; the first of equals. */
  argmax(dim?: number, options: ReduceOptions = {}): Tensor {
    return argExtreme(this, dim, true, options);
  }

  /** The index of the smallest element along an axis, or in the flattened tensor; the first of equals. */
  argmin(dim?: number, options: ReduceOptions = {}): Tensor {
    return argExtreme(this, dim, false, options);
  }

  /** The largest element; along an axis `[values, indices]`. */
  max(): Tensor;
  /** The largest elements along an axis, and where they are. */
  max(dim: number, options?: ReduceOptions): [Tensor, Tensor];
  max(dim?: number, options: ReduceOptions = {}): Tensor | [Tensor, Tensor] {
    return extreme(this, dim, true, options);
  }

  /** The smallest element; along an axis `[values, indices]`. */
  min(): Tensor;
  /** The smallest elements along an axis, and where they are. */
  min(dim: number, options?: ReduceOptions): [Tensor, Tensor];
  min(dim?: number, options: ReduceOptions = {}): Tensor | [Tensor, Tensor] {
    return extreme(this, dim, false, options);
  }

  /** The `k` largest elements along an axis and where they are, the largest first. */
  topk(k: number, dim = -1, { largest = true }: { largest?: boolean } = {}): [Tensor, Tensor] {
    const axis = axisOf(dim, this.rank, "topk");
    if (!Number.isInteger(k) || k < 0) {
      throw new ShapeError(`Cannot take the top ${k}: expected how many, a whole number.`);
    }
    const indices = apply([this], (a) => core().topk_indices(a, k, axis, largest));
    return [this.gather(axis, indices), indices];
  }

  /** The elements in order along an axis, and where they were. */
  sort(dim = -1, { descending = false }: { descending?: boolean } = {}): [Tensor, Tensor] {
    const axis = axisOf(dim, this.rank, "sort");
    const indices = apply([this], (a) => core().sort_indices(a, axis, descending));
    return [this.gather(axis, indices), indices];
  }

  // --- indexing ---

  /** Takes one element per index along an axis, as `torch.gather`. */
  gather(dim: number, index: Tensor | Nested): Tensor {
    const axis = axisOf(dim, this.rank, "gather");
    const indices = indexTensor(index);
    return this.#unread()?.gather?.(axis, indices) ??
      apply([this, indices], (a, i) => core().gather(a, axis, i));
  }

  /** Takes whole slices along an axis, as `torch.index_select`. */
  indexSelect(dim: number, index: Tensor | readonly number[]): Tensor {
    const axis = axisOf(dim, this.rank, "indexSelect");
    return apply([this, indexTensor(index)], (a, i) => core().index_select(a, axis, i));
  }

  /** The indices of the elements that aren't zero: `[n, rank]`. */
  nonzero(): Tensor {
    return apply([this], core().nonzero);
  }

  /**
   * Reads a region, as a copy: `t.at(":", 10, [3, 5])`. Numbers drop their axis, slices are strings, lists and masks choose,
   * several lists address cells together, `"..."` stands for the axes between; trailing axes may be left out.
   *
   * @throws {ShapeError} If the index doesn't fit the shape.
   * @throws {RangeError} If an index lies outside its axis.
   */
  at(...index: Index[]): Tensor {
    const parts = index.map(indexPart);
    const fromLazy = this.#unread()?.at(index, parts);
    if (fromLazy) return fromLazy;
    const { encoded, shape, isFlat } = resolveIndex(parts, this.shape);
    const fromRows = this.#isLent() ? this.#rows?.at(parts) : undefined;
    if (fromRows) return fromRows;
    return apply([this], (a) => {
      const source = isFlat ? core().reshape(a, new Uint32Array([this.size])) : a;
      return core().reshape(core().index(source, encoded), new Uint32Array(shape));
    });
  }

  /**
   * Writes a region in place: `t.set([":", 10, f], 0)`. The value broadcasts to the region. On the tape the overwritten part gets
   * no gradient.
   *
   * @throws {ShapeError} If the index or the value doesn't fit.
   */
  set(index: readonly Index[], value: Operand | boolean): void {
    if (!Array.isArray(index)) {
      throw new ShapeError(
        `Cannot set a region given by ${described(index)}: expected a list such as [":", 10].`,
      );
    }
    const parts = index.map(indexPart);
    const { encoded, shape, isFlat } = resolveIndex(parts, this.shape);
    const region = valueOf(shape, scalarTensor(value, this));
    const write = () => {
      if (this.#isLent() && this.#rows?.set(parts, region)) return;
      const target = this.#handleIn();
      let source = handleOf(region);
      if (isFlat) {
        source = core().reshape(
          core().expand(source, new Uint32Array(shape)),
          new Uint32Array([sizeOf(shape)]),
        );
        const flat = core().reshape(target, new Uint32Array([this.size]));
        core().index_put(flat, source, encoded);
        core().assign(target, core().reshape(flat, new Uint32Array(this.shape)));
      } else {
        // A list of several axes is one axis to the core.
        core().index_put(target, singleListAxes(source, shape, parts, this.shape), encoded);
      }
      if (this.#data) this.#adopt(target);
    };
    if (currentScope()) write();
    else scoped(write);
  }

  // --- where the elements are ---

  #isLent(): boolean {
    const isThere = this.#handle !== 0 || this.#rows !== undefined;
    return isThere && this.#scope !== undefined && this.#scope.alive;
  }

  /** What hasn't been computed; `undefined` where gradients are asked for, which parts of it would pass by. */
  #unread(): LazyValue | undefined {
    return this.#requiresGrad ? undefined : this.#lazy;
  }

  /** The elements themselves: not to be written. */
  #elements(): TypedArray {
    if (this.#data) return this.#data;
    if (this.#lazy) {
      const all = this.#lazy.all();
      this.#data = all.#elements();
      this.#node = all.#node;
      this.#lazy = undefined;
      return this.#data;
    }
    if (!this.#isLent()) throw borrowedError(this);
    return copyOut(this.#handleIn(), this.dtype, this.size);
  }

  /** The value's handle in the current scope, copied in if it isn't there. */
  #handleIn(): Handle {
    if (this.#isLent()) {
      if (this.#rows) this.#handle = this.#rows.whole();
      this.#rows = undefined;
      return this.#handle;
    }
    let handle = copyIn(this.#elements(), this.shape, this.dtype);
    if (this.#requiresGrad && !(this.#node && core().is_recorded(this.#node))) {
      handle = core().watch(handle);
      this.#node = core().node_of(handle);
      if (this.#node) onGradient(this.#node, (gradient) => this.#addGradient(gradient));
    } else if (this.#node) {
      core().attach(handle, this.#node);
    }
    this.#handle = handle;
    this.#scope = currentScope();
    return handle;
  }

  /** The product of a gradient of codes that nobody has written out with a constant of few elements, of one shape. */
  #sparseProduct(other: Tensor): Tensor | undefined {
    const [own, others] = [this.#unread(), other.#unread()];
    const [lazy, constant] = own?.times ? [own, other] : [others, this];
    const isConstant = constant.#node === 0 && !constant.#requiresGrad && !constant.#lazy;
    const isAlike = constant.dtype === "float32" && this.shape.join() === other.shape.join();
    if (!lazy?.times || !isConstant || !isAlike) return undefined;
    const product = lazy.times(constant.#elements());
    return product && ownedTensor(product, this.shape);
  }

  /** Takes over the elements and the place on the tape that a handle has now. */
  #adopt(handle: Handle): void {
    this.#data = copyOut(handle, this.dtype, this.size);
    this.#node = core().node_of(handle);
  }

  #addGradient(gradient: Handle): void {
    const fresh = tensorOf(gradient);
    this.grad = this.grad ? this.grad.add(fresh) : fresh;
  }

  #cast(dtype: Dtype): Tensor {
    if (dtype === this.dtype) return this;
    return apply([this], (a) => core().cast(a, DTYPES.indexOf(dtype)));
  }

  /** Lets the rest of the core reach what users don't. */
  static {
    ownedTensor = (data, shape) => {
      const tensor = new Tensor(Object.freeze([...shape]), dtypeOf(data));
      tensor.#data = data;
      return tensor;
    };
    lentTensor = (handle, scope) => {
      const tensor = new Tensor(Object.freeze(shapeOf(handle)), DTYPES[core().dtype_of(handle)]);
      tensor.#handle = handle;
      tensor.#scope = scope;
      return tensor;
    };
    lentRowsTensor = (shape, scope, rows) => {
      const tensor = new Tensor(Object.freeze([...shape]), "float32");
      tensor.#rows = rows;
      tensor.#scope = scope;
      return tensor;
    };
    rowBackingOf = (tensor) => (tensor.#isLent() ? tensor.#rows : undefined);
    tensorOf = (handle) => {
      const gradient = deferredGradient(handle);
      if (gradient) return gradient;
      const tensor = new Tensor(Object.freeze(shapeOf(handle)), DTYPES[core().dtype_of(handle)]);
      tensor.#adopt(handle);
      tensor.#handle = handle;
      tensor.#scope = currentScope();
      return tensor;
    };
    lazyTensor = (shape, value) => {
      const tensor = new Tensor(Object.freeze([...shape]), "float32");
      tensor.#lazy = value;
      return tensor;
    };
    handleOf = (tensor) => tensor.#handleIn();
    elementsOf = (tensor) => tensor.#elements();
    nodeOf = (tensor) => {
      if (tensor.#lazy) tensor.#elements();
      return tensor.#node;
    };
    castTo = (tensor, dtype) => tensor.#cast(dtype);
    constantElements = (tensor) => {
      const isConstant = !tensor.#requiresGrad && tensor.#node === 0 && !tensor.#isLent();
      return isConstant && tensor.#data instanceof Float32Array ? tensor.#data : undefined;
    };
  }
}

/** Refuses what no walk back can begin at. */
function requireRecorded(scalar: Tensor): void {
  if (requireTensor(scalar).size !== 1) {
    throw new ShapeError(
      `Cannot start a backward pass from shape [${
        scalar.shape.join(", ")
      }]: reduce it to a scalar, e.g. with sum().`,
    );
  }
  const node = nodeOf(scalar);
  if (node === 0) {
    throw new GradientError(
      "Cannot walk back: nothing that led to this value was watched. Add a bwd hook, name points in `watch`, or set requiresGrad on a tensor before the run.",
    );
  }
  if (!core().is_recorded(node)) {
    throw new GradientError(
      "Cannot walk back: the recording that led to this value is gone (backward() ran already, or the tapes were released). Pass { retainGraph: true } to the first backward().",
    );
  }
}

/**
 * Walks back from scalars, one after the other, over recordings that they share or don't.
 *
 * @param listener Sees the gradients that reach points, and of which scalar they are.
 * @throws {ShapeError} If one isn't a scalar.
 * @throws {GradientError} If nothing that led to one was watched, or its recording is gone; then no walk begins.
 */
export function walkFrom(
  scalars: readonly Tensor[],
  options: BackwardOptions,
  listener?: (scalar: number, name: string, gradient: Handle) => void,
): void {
  scalars.forEach(requireRecorded);
  const seed = (i: number) => copyIn(new Float32Array([1]), scalars[i].shape, "float32");
  walkBack(scalars.map(nodeOf), seed, options, listener);
}

/** A gradient of codes that nobody has written out, as a tensor that computes what is read; `undefined` for other values. */
function deferredGradient(handle: Handle): Tensor | undefined {
  if (!core().is_deferred(handle)) return undefined;
  const gradient = DecodedGradient.of(handle);
  return gradient && lazyTensor(gradient.shape, {
    all: () => ownedTensor(gradient.all(), gradient.shape),
    at: (index) => {
      const found = gradient.at(index.map(indexPart));
      return found && ownedTensor(found.data, found.shape);
    },
    times: (elements) => gradient.times(elements),
  });
}

function borrowedError(tensor: Tensor): BorrowedTensorError {
  return new BorrowedTensorError(
    `Cannot read a borrowed tensor of shape [${
      tensor.shape.join(", ")
    }]: its run has ended. In the hook, keep act.clone() or act.detach() instead of act.`,
  );
}

/**
 * Applies an operation of the core to tensors. The result is an ordinary tensor, also inside a hook.
 *
 * @param inputs The operands.
 * @param operation Maps their handles to the result's.
 */
export function apply(
  inputs: readonly Tensor[],
  operation: (...handles: Handle[]) => Handle,
): Tensor {
  const evaluate = () =>
    tensorOf(operation(...inputs.map((input) => handleOf(requireTensor(input)))));
  return currentScope() ? evaluate() : scoped(evaluate);
}

/**
 * Marks a tensor as a stop of the backward pass.
 *
 * @param tensor The value.
 * @param onArrival Sees the gradient; a tensor that it returns replaces it for what comes before.
 */
export function watchedTensor(
  tensor: Tensor,
  onArrival: (gradient: Tensor) => Tensor | void,
): Tensor {
  const watched = apply([tensor], core().watch);
  const node = nodeOf(watched);
  if (node) {
    onGradient(node, (gradient) => {
      const replacement = onArrival(tensorOf(gradient));
      return replacement && handleOf(replacement);
    });
  }
  return watched;
}

/** What a user gave as a tensor. */
function requireTensor(value: unknown): Tensor {
  if (value instanceof Tensor) return value;
  throw new ShapeError(`Cannot compute with ${described(value)}: expected a Tensor.`);
}

/** A number as a tensor: of the dtype of what it stands beside where it fits, so that integers stay integers. */
function scalarTensor(operand: Operand | boolean, beside?: Operand): Tensor {
  if (operand instanceof Tensor) return operand;
  const value = typeof operand === "boolean" ? Number(operand) : operand;
  if (typeof value !== "number") {
    throw new ShapeError(`Cannot compute with ${described(value)}: expected a Tensor or a number.`);
  }
  const dtype = beside instanceof Tensor ? beside.dtype : "float32";
  const isMask = dtype === "bool" && (value === 0 || value === 1);
  const isInt = dtype === "int32" && (value | 0) === value;
  const data = isMask
    ? new Uint8Array([value])
    : isInt
    ? new Int32Array([value])
    : new Float32Array([value]);
  return ownedTensor(data, []);
}

function binary(kind: keyof typeof BINARY, a: Tensor, b: Operand): Tensor {
  if (typeof b === "number" && kind !== "sub") {
    return apply([a], (handle) => core().with_scalar(SCALAR[kind], handle, b));
  }
  return apply([a, scalarTensor(b)], (x, y) => core().binary(BINARY[kind], x, y));
}

/** Elements of a constant that go through the core at a time, 1 MiB of them. */
const SLICE = 2 ** 18;

/** Applies what makes each element of the one in its place. */
function elementWise(a: Tensor, operation: (handle: Handle) => Handle): Tensor {
  const elements = constantElements(requireTensor(a));
  if (!elements || elements.length <= SLICE) return apply([a], operation);
  const out = new Float32Array(elements.length);
  for (let at = 0; at < out.length; at += SLICE) {
    const slice = elements.subarray(at, at + SLICE);
    scoped(() => {
      const result = operation(copyIn(slice, [slice.length], "float32"));
      out.set(copyOut(result, "float32", slice.length), at);
    });
  }
  return ownedTensor(out, a.shape);
}

function unary(kind: keyof typeof UNARY, a: Tensor): Tensor {
  return elementWise(a, (handle) => core().unary(UNARY[kind], handle));
}

function activate(kind: keyof typeof ACTIVATION, a: Tensor): Tensor {
  return elementWise(a, (handle) => core().activate(ACTIVATION[kind], handle));
}

function compare(kind: keyof typeof COMPARE, a: Tensor, b: Operand): Tensor {
  return apply([a, scalarTensor(b)], (x, y) => core().compare(COMPARE[kind], x, y));
}

function reduce(
  kind: "sum" | "mean" | "any" | "all",
  a: Tensor,
  dim: number | readonly number[] | undefined,
  { keepdim = false }: ReduceOptions,
): Tensor {
  const axes = dim === undefined
    ? a.shape.map((_, axis) => axis)
    : [dim].flat().map((axis) => axisOf(axis, a.rank, kind));
  return apply([a], (handle) => core()[kind](handle, new Uint32Array(axes), keepdim));
}

function argExtreme(
  a: Tensor,
  dim: number | undefined,
  largest: boolean,
  { keepdim = false }: ReduceOptions,
): Tensor {
  const axis = dim === undefined ? -1 : axisOf(dim, a.rank, largest ? "argmax" : "argmin");
  return apply([a], (handle) => core().arg_extreme(handle, axis, keepdim, largest));
}

function extreme(
  a: Tensor,
  dim: number | undefined,
  largest: boolean,
  { keepdim = false }: ReduceOptions,
): Tensor | [Tensor, Tensor] {
  if (dim === undefined) {
    return a.flatten().gather(0, argExtreme(a, undefined, largest, {}).reshape(1)).reshape([]);
  }
  const indices = argExtreme(a, dim, largest, { keepdim: true });
  const values = a.gather(dim, indices);
  return keepdim ? [values, indices] : [values.squeeze(dim), indices.squeeze(dim)];
}

/** Resolves a negative axis. */
export function axisOf(dim: number, rank: number, what: string): number {
  if (!Number.isInteger(dim) || dim < -rank || dim >= Math.max(rank, 1)) {
    throw new ShapeError(`Cannot ${what} along axis ${dim}: the tensor has ${rank} axes.`);
  }
  return dim < 0 ? dim + rank : dim;
}

function inferredShape(shape: readonly number[], tensor: Tensor): number[] {
  const known = shape.filter((n) => n !== -1).reduce((product, n) => product * n, 1);
  const inferred = shape.map((n) => (n === -1 ? tensor.size / known : n));
  if (inferred.some((n) => !Number.isInteger(n) || n < 0) || sizeOf(inferred) !== tensor.size) {
    throw new ShapeError(
      `Cannot reshape [${tensor.shape.join(", ")}] (${tensor.size} elements) to [${
        shape.join(", ")
      }].`,
    );
  }
  return inferred;
}

/** Stretches two tensors to their common shape. */
function sameShape(a: Tensor, b: Tensor): [Tensor, Tensor] {
  const rank = Math.max(a.rank, b.rank);
  const [x, y] = [a, b].map((
    { shape },
  ) => [...Array<number>(rank - shape.length).fill(1), ...shape]);
  if (x.some((n, axis) => n !== y[axis] && n !== 1 && y[axis] !== 1)) {
    throw new ShapeError(
      `Cannot compare [${a.shape.join(", ")}] with [${
        b.shape.join(", ")
      }]: the shapes don't broadcast.`,
    );
  }
  const common = x.map((n, axis) => (n === 1 ? y[axis] : n));
  const stretched = (tensor: Tensor) =>
    tensor.shape.join() === common.join() ? tensor : tensor.expand(common);
  return [stretched(a), stretched(b)];
}

/** The number of elements of a shape that a user gave. */
function checkedSize(shape: readonly number[]): number {
  if (!Array.isArray(shape)) {
    throw new ShapeError(
      `Cannot make a tensor of shape ${described(shape)}: expected a list such as [2, 3].`,
    );
  }
  if (!shape.every((n) => Number.isInteger(n) && n >= 0)) {
    throw new ShapeError(
      `Cannot make a tensor of shape [${shape.join(", ")}]: expected whole numbers, 0 or more.`,
    );
  }
  const size = sizeOf(shape);
  if (size > MAX_ELEMENTS) {
    throw new MemoryBudgetError(
      `Cannot make a tensor of shape [${
        shape.join(", ")
      }]: ${size} elements are more than the core can address, ${MAX_ELEMENTS}.`,
    );
  }
  return size;
}

function checkedDtype(dtype: Dtype): Dtype {
  if (DTYPES.includes(dtype)) return dtype;
  throw new ShapeError(
    `Cannot make a tensor of dtype ${described(dtype)}: expected ${
      DTYPES.map((known) => `"${known}"`).join(", ")
    }.`,
  );
}

/** Refuses numbers that int32 can't hold; fractions are cut off, as in torch. */
function checkIntegers(values: ArrayLike<number>, held: TypedArray): void {
  for (let i = 0; i < held.length; i++) {
    if (held[i] !== Math.trunc(values[i])) {
      throw new ShapeError(
        `Cannot make an int32 tensor: value ${i} is ${values[i]}, expected integers of 32 bits.`,
      );
    }
  }
}

/** Reads index arguments: int32 tensors, number arrays, or float32 with integral values. */
function indexTensor(index: Tensor | Nested): Tensor {
  const tensor = index instanceof Tensor ? index : Tensor.from(index);
  if (tensor.dtype === "int32") return tensor;
  const values = elementsOf(tensor);
  if (tensor.dtype === "bool" || values.some((value) => !Number.isInteger(value))) {
    throw new ShapeError(`Cannot use a ${tensor.dtype} tensor as an index: expected integers.`);
  }
  return Tensor.from(Int32Array.from(values), tensor.shape);
}

function indexPart(part: Index): IndexPart {
  if (typeof part === "number" || typeof part === "string") return part;
  if (!(part instanceof Tensor || Array.isArray(part))) {
    throw new ShapeError(
      `Cannot index with ${
        described(part)
      }: expected a number, a slice such as ":" or "2:", a list, a mask or a tensor.`,
    );
  }
  const isMask = part instanceof Tensor ? part.dtype === "bool" : typeof part[0] === "boolean";
  const tensor = isMask && part instanceof Tensor
    ? part
    : isMask
    ? Tensor.from([...part as boolean[]])
    : indexTensor(
      part as Tensor | readonly number[],
    );
  const array: IndexArray = { shape: tensor.shape, values: elementsOf(tensor), isMask };
  return array.shape.length === 0 && !isMask ? array.values[0] : array;
}

/** What is written to a region: axes of length 1 in front of those of the region are left out, as in torch. */
function valueOf(region: readonly number[], value: Tensor): Tensor {
  const surplus = value.rank - region.length;
  const isSurplus = surplus > 0 && value.shape.slice(0, surplus).every((n) => n === 1);
  return isSurplus ? value.reshape(value.shape.slice(surplus)) : value;
}

/** Flattens the axes of a value that a list of higher rank spans, as the core sees that list as one axis. */
function singleListAxes(
  value: Handle,
  shape: readonly number[],
  parts: readonly IndexPart[],
  of: readonly number[],
): Handle {
  const list = parts.find((part): part is IndexArray =>
    typeof part === "object" && !part.isMask && part.shape.length !== 1
  );
  if (!list) return value;
  const full = core().expand(value, new Uint32Array(shape));
  const flat = resolveIndex(
    parts.map((part) => part === list ? { ...list, shape: [list.values.length] } : part),
    of,
  );
  return core().reshape(full, new Uint32Array(flat.shape));
}
