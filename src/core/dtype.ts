/**
 * The element types of tensors.
 *
 * @module
 */

/** float32 for values, int32 for indices, bool for masks. */
export type Dtype = "float32" | "int32" | "bool";

/** How each dtype is held in JavaScript. */
export type TypedArray =
  | Float32Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>;

/** The core's codes of the dtypes. */
export const DTYPES: readonly Dtype[] = ["float32", "int32", "bool"];

/** Allocates elements of a dtype, all zero. */
export function emptyArray(dtype: Dtype, length: number): TypedArray {
  switch (dtype) {
    case "float32":
      return new Float32Array(length);
    case "int32":
      return new Int32Array(length);
    case "bool":
      return new Uint8Array(length);
  }
}

/** A copy of elements, of a memory that may be shared: made from a typed array it isn't filled with zeros first. */
export function copyOf(elements: Float32Array | Int32Array | Uint8Array): TypedArray {
  if (elements instanceof Float32Array) return new Float32Array(elements);
  return elements instanceof Int32Array ? new Int32Array(elements) : new Uint8Array(elements);
}

/** The dtype that a typed array holds. */
export function dtypeOf(data: TypedArray): Dtype {
  if (data instanceof Float32Array) return "float32";
  return data instanceof Int32Array ? "int32" : "bool";
}

/** A view of the core's memory as elements of a dtype; valid until the memory grows. */
export function viewOf(
  memory: WebAssembly.Memory,
  dtype: Dtype,
  pointer: number,
  length: number,
): Float32Array | Int32Array | Uint8Array {
  switch (dtype) {
    case "float32":
      return new Float32Array(memory.buffer, pointer, length);
    case "int32":
      return new Int32Array(memory.buffer, pointer, length);
    case "bool":
      return new Uint8Array(memory.buffer, pointer, length);
  }
}
