/**
 * The number formats of files of weights, and how they become the library's float32, int32 and bool.
 *
 * @module
 */

import { WeightFileError } from "../core/errors.ts";

/** A tensor as read from a file, in one of the library's dtypes. */
export type TensorData =
  | {
    readonly dtype: "float32";
    readonly shape: number[];
    readonly data: Float32Array<ArrayBuffer>;
  }
  | { readonly dtype: "int32"; readonly shape: number[]; readonly data: Int32Array<ArrayBuffer> }
  | { readonly dtype: "bool"; readonly shape: number[]; readonly data: Uint8Array<ArrayBuffer> };

/** The bytes of a tensor, in a buffer of their own, little-endian. */
type Bytes = Uint8Array<ArrayBuffer>;
type Values =
  | { dtype: "float32"; data: Float32Array<ArrayBuffer> }
  | { dtype: "int32"; data: Int32Array<ArrayBuffer> }
  | { dtype: "bool"; data: Uint8Array<ArrayBuffer> };

interface StoredFormat {
  /** Bytes an element. */
  readonly size: number;
  /** Converts, or throws an error that says which element doesn't fit. */
  readonly convert: (bytes: Bytes) => Values;
}

const float32 = (data: Float32Array<ArrayBuffer>): Values => ({ dtype: "float32", data });
const int32 = (data: Int32Array<ArrayBuffer>): Values => ({ dtype: "int32", data });

/** The formats that can be read, by the names that safetensors gives them. */
const FORMATS: Readonly<Record<StoredDtype, StoredFormat>> = {
  F64: { size: 8, convert: (bytes) => float32(narrowF64(new Float64Array(bytes.buffer))) },
  F32: { size: 4, convert: (bytes) => float32(new Float32Array(bytes.buffer)) },
  F16: { size: 2, convert: (bytes) => float32(widenF16(new Uint16Array(bytes.buffer))) },
  BF16: { size: 2, convert: (bytes) => float32(widenBf16(new Uint16Array(bytes.buffer))) },
  I64: { size: 8, convert: (bytes) => int32(narrowI64(new BigInt64Array(bytes.buffer))) },
  I32: { size: 4, convert: (bytes) => int32(new Int32Array(bytes.buffer)) },
  I16: { size: 2, convert: (bytes) => int32(Int32Array.from(new Int16Array(bytes.buffer))) },
  I8: { size: 1, convert: (bytes) => int32(Int32Array.from(new Int8Array(bytes.buffer))) },
  U8: { size: 1, convert: (bytes) => int32(Int32Array.from(bytes)) },
  BOOL: { size: 1, convert: (bytes) => ({ dtype: "bool", data: checkBool(bytes) }) },
};

/** A number format of files, by the name that safetensors gives it. */
export type StoredDtype =
  | "F64"
  | "F32"
  | "F16"
  | "BF16"
  | "I64"
  | "I32"
  | "I16"
  | "I8"
  | "U8"
  | "BOOL";

/** The number formats that can be read. */
export const STORED_DTYPES: readonly string[] = Object.keys(FORMATS);

/** Those of them that hold real numbers. */
export const FLOAT_DTYPES: readonly string[] = ["F64", "F32", "F16", "BF16"];

/** Whether a name is that of a number format that can be read. */
export function isStoredDtype(name: unknown): name is StoredDtype {
  return typeof name === "string" && Object.hasOwn(FORMATS, name);
}

/** Gives the bytes that an element of a format takes. */
export function storedSize(dtype: StoredDtype): number {
  return FORMATS[dtype].size;
}

/**
 * Converts a stored tensor: float16 and bfloat16 widen exactly, float64 is rounded to float32 once, integers become int32.
 *
 * @param dtype The stored format.
 * @param shape The tensor's shape.
 * @param bytes Its bytes, little-endian, as many as dtype and shape say, in a buffer of their own.
 * @throws {WeightFileError} If a value has no place in the library's dtypes; the message is the bare reason.
 */
export function convertTensor(
  dtype: StoredDtype,
  shape: number[],
  bytes: Uint8Array<ArrayBuffer>,
): TensorData {
  return { ...FORMATS[dtype].convert(bytes), shape };
}

/** Numbers in float16, as runtimes that have such an array read them. */
export interface Float16Elements extends ArrayLike<number> {
  subarray(from: number, end: number): Float16Elements;
}

const { Float16Array } = globalThis as {
  Float16Array?: new (buffer: ArrayBufferLike, offset: number, length: number) => Float16Elements;
};

/**
 * Gives float16 as numbers, where the runtime can read them itself: its code is compiled, and ours would be interpreted while a first
 * model is loaded. It makes signalling NaNs quiet.
 */
export function asFloat16(halves: Uint16Array): Float16Elements | undefined {
  return Float16Array && new Float16Array(halves.buffer, halves.byteOffset, halves.length);
}

/** Widens float16 exactly, NaNs' payloads included. */
export function widenF16(halves: Uint16Array): Float32Array<ArrayBuffer> {
  const numbers = asFloat16(halves);
  if (!numbers) return widenBits(halves);
  const out = new Float32Array(numbers);
  return out.includes(NaN) ? widenBits(halves) : out;
}

/**
 * Widens float16 bit by bit: the exponent's bias goes from 15 to 127, the fraction from 10 bits to 23.
 * Subnormals are normalised through an exact product with 2^-24.
 */
function widenBits(halves: Uint16Array): Float32Array<ArrayBuffer> {
  const out = new Float32Array(halves.length);
  const bits = new Uint32Array(out.buffer);
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i];
    const sign = (half & 0x8000) << 16;
    const exponent = half & 0x7c00;
    const fraction = half & 0x3ff;
    if (exponent === 0) out[i] = fraction * 2 ** -24;
    else if (exponent === 0x7c00) bits[i] = 0x7f800000 | (fraction << 13);
    else bits[i] = (exponent + ((127 - 15) << 10) | fraction) << 13;
    bits[i] |= sign;
  }
  return out;
}

/** Widens bfloat16 exactly: it is the upper half of a float32. */
export function widenBf16(halves: Uint16Array): Float32Array<ArrayBuffer> {
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i] << 16;
  return new Float32Array(bits.buffer);
}

function narrowF64(doubles: Float64Array): Float32Array<ArrayBuffer> {
  const out = Float32Array.from(doubles);
  const i = out.findIndex((value, i) => !Number.isFinite(value) && Number.isFinite(doubles[i]));
  if (i >= 0) {
    throw new WeightFileError(`element ${i} is ${doubles[i]}, beyond the range of float32`);
  }
  return out;
}

function narrowI64(longs: BigInt64Array): Int32Array<ArrayBuffer> {
  const out = new Int32Array(longs.length);
  for (let i = 0; i < longs.length; i++) {
    out[i] = Number(longs[i]);
    if (BigInt(out[i]) !== longs[i]) {
      throw new WeightFileError(`element ${i} is ${longs[i]}, beyond the range of int32`);
    }
  }
  return out;
}

function checkBool(bytes: Bytes): Bytes {
  const i = bytes.findIndex((value) => value > 1);
  if (i >= 0) throw new WeightFileError(`element ${i} is ${bytes[i]}, wanted 0 or 1`);
  return bytes;
}
