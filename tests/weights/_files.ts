/** Writes safetensors files, whole and broken ones, and finds the fixtures. */

import { MemorySource } from "../../src/weights/memory_source.ts";
import { openSource } from "../../src/weights/open_source.ts";
import type { Source } from "../../src/weights/source.ts";

/** A tensor to write. */
export interface Written {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** Opens a folder of fixtures. */
export function fixture(name: string): Source {
  return openSource(new URL(`../fixtures/${name}/`, import.meta.url));
}

/** Gives the bytes of a typed array. */
export function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** A float32 tensor to write. */
export function floats(shape: readonly number[], values: Iterable<number>): Written {
  return { dtype: "F32", shape, bytes: bytesOf(Float32Array.from(values)) };
}

/** Writes a file from tensors, in their order, without gaps. */
export function safetensors(tensors: Readonly<Record<string, Written>>): Uint8Array {
  let at = 0;
  const header: Record<string, unknown> = {};
  for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [at, at + bytes.byteLength] };
    at += bytes.byteLength;
  }
  return rawFile(JSON.stringify(header), Object.values(tensors).map(({ bytes }) => bytes));
}

/** Writes a file from the text of a header and whatever is to follow it. */
export function rawFile(header: string, data: readonly Uint8Array[] | number): Uint8Array {
  const text = new TextEncoder().encode(header);
  const parts = typeof data === "number" ? [new Uint8Array(data)] : data;
  const size = parts.reduce((sum, part) => sum + part.byteLength, 0);
  const file = new Uint8Array(8 + text.byteLength + size);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.byteLength), true);
  file.set(text, 8);
  let at = 8 + text.byteLength;
  for (const part of parts) {
    file.set(part, at);
    at += part.byteLength;
  }
  return file;
}

/** Puts one file into memory under a name. */
export function inMemory(file: Uint8Array, name = "model.safetensors"): MemorySource {
  return new MemorySource(new Map([[name, file]]));
}

/** Numbers in [-1, 1) from a seed (a 32-bit linear congruence; Numerical Recipes' constants). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}
