/** The test build of the core: every kernel by its SIMD version and by its portable twin. */
import { assert } from "@std/assert";
import * as twins from "./pkg/splicer.js";

const wasm = Deno.readFileSync(new URL("./pkg/splicer_bg.wasm", import.meta.url));
twins.initSync({ module: wasm });

export { twins };

/** Sizes around the widths of vectors, pairs, panels and pairs of panels, and awkward primes. */
export const SIZES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 17, 31, 32, 37, 53];

/** The activations in the order of their numbers. */
export const ACTIVATIONS = [
  "identity",
  "relu",
  "gelu_new",
  "gelu",
  "silu",
  "tanh",
  "sigmoid",
  "exp",
];

/** Numbers in [-1, 1) from a fixed seed (Marsaglia's xorshift). */
export function random(seed: number, length: number): Float32Array {
  let state = Math.imul(seed, 2654435761) | 1;
  return Float32Array.from({ length }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state / 2 ** 31;
  });
}

/** An output that betrays every element that was not written. */
export function unwritten(length: number): Float32Array {
  return new Float32Array(length).fill(NaN);
}

/** Asserts equal bits; NaN equals NaN whatever its payload, for that is the engine's choice. */
export function assertSameBits(got: Float32Array, wanted: Float32Array, what: string): void {
  assert(got.length === wanted.length, `${what}: ${got.length} elements, wanted ${wanted.length}`);
  for (let i = 0; i < got.length; i++) {
    if (!Object.is(got[i], wanted[i])) {
      throw new Error(`${what}: element ${i} is ${got[i]}, wanted ${wanted[i]}`);
    }
  }
}

/** Runs a kernel by SIMD and by its twin on outputs full of NaN, asserts equal bits, and returns the result. */
export function runBoth(
  what: string,
  lengths: number[],
  kernel: (simd: boolean, outputs: Float32Array[]) => void,
): Float32Array[] {
  const [fast, plain] = [lengths.map(unwritten), lengths.map(unwritten)];
  kernel(true, fast);
  kernel(false, plain);
  fast.forEach((output, i) => assertSameBits(output, plain[i], what));
  return fast;
}
