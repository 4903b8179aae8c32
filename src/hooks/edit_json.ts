/**
 * Edits as JSON, and back.
 *
 * @module
 */

import type { Dtype, TypedArray } from "../core/dtype.ts";
import { ConfigError, described } from "../core/errors.ts";
import { Tensor } from "../core/tensor.ts";
import { ActivationCache } from "./activation_cache.ts";
import { type Edit, isEdit, makeEdit } from "./edits.ts";

/** A value as JSON has it. */
export type StoredJson = null | boolean | number | string | readonly StoredJson[] | {
  readonly [name: string]: StoredJson;
};

/** A tensor in JSON: its bytes, so that every bit comes back. */
interface TensorJson {
  readonly tensor: {
    readonly dtype: Dtype;
    readonly shape: readonly number[];
    readonly base64: string;
  };
}

/** Numbers that JSON has no word for. */
const SPECIAL: ReadonlyMap<string, number> = new Map([
  ["Infinity", Infinity],
  ["-Infinity", -Infinity],
  ["-0", -0],
]);

const ARRAYS: { readonly [K in Dtype]: (bytes: ArrayBuffer) => TypedArray } = {
  float32: (bytes) => new Float32Array(bytes),
  int32: (bytes) => new Int32Array(bytes),
  bool: (bytes) => new Uint8Array(bytes),
};

function toBase64({ buffer, byteOffset, byteLength }: TypedArray): string {
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  let text = "";
  // Whole bytes at once would be too many arguments.
  for (let from = 0; from < bytes.length; from += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(from, from + 0x8000));
  }
  return btoa(text);
}

function fromBase64(base64: string): ArrayBuffer {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)).buffer;
}

function numberToJson(value: number): StoredJson {
  for (const [name, special] of SPECIAL) if (Object.is(value, special)) return { number: name };
  return value;
}

function toJson(value: unknown, what: string): StoredJson {
  if (value instanceof Tensor) {
    const { dtype, shape } = value;
    return { tensor: { dtype, shape, base64: toBase64(value.data()) } };
  }
  if (typeof value === "number") return numberToJson(value);
  if (typeof value === "string" || typeof value === "boolean" || value === null) return value;
  if (Array.isArray(value)) return value.map((part) => toJson(part, what));
  if (typeof value === "function" || value instanceof ActivationCache) {
    const is = typeof value === "function" ? "it is code" : "it holds a cache";
    throw new ConfigError(`Cannot store ${what}: ${is}, expected numbers, texts and tensors.`);
  }
  return Object.fromEntries(
    Object.entries(value as object).filter(([, part]) => part !== undefined)
      .map(([name, part]) => [name, toJson(part, `${what}.${name}`)]),
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function tensorFrom({ tensor }: TensorJson): Tensor {
  const { dtype, shape, base64 } = tensor;
  try {
    return Tensor.from(ARRAYS[dtype](fromBase64(base64)), shape, dtype);
  } catch (cause) {
    throw new ConfigError(
      "Cannot read a stored tensor: expected its dtype, its shape, and as many bytes in base64.",
      { cause },
    );
  }
}

function fromJson(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(fromJson);
  if (!isRecord(json)) return json;
  if (typeof json.number === "string") {
    const special = SPECIAL.get(json.number);
    if (special !== undefined) return special;
  }
  if (isRecord(json.tensor)) return tensorFrom(json as unknown as TensorJson);
  return Object.fromEntries(Object.entries(json).map(([name, part]) => [name, fromJson(part)]));
}

/**
 * Writes an edit as JSON.
 *
 * @throws {ConfigError} If it holds code or a cache.
 */
export function editToJson(edit: Edit): StoredJson {
  return toJson(edit, `the edit "${edit.kind}"`);
}

/**
 * Reads an edit from JSON.
 *
 * @throws {ConfigError} If it isn't one.
 */
export function editFromJson(json: unknown): Edit {
  const read = fromJson(json);
  if (!isEdit(read)) {
    throw new ConfigError(`Cannot read ${described(json)} as an edit: expected { kind, … }.`);
  }
  return makeEdit(read);
}
