/** Random numbers for benchmarks, the same on every run. */

/**
 * Numbers from a fixed seed (Marsaglia's xorshift), uniform in [-bound, bound).
 *
 * @param seed a whole number
 * @param length how many
 * @param bound the largest magnitude
 */
export function uniform(seed: number, length: number, bound = 1): Float32Array<ArrayBuffer> {
  let state = Math.imul(seed, 2654435761) | 1;
  const scale = bound / 2 ** 31;
  const numbers = new Float32Array(length);
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    numbers[i] = state * scale;
  }
  return numbers;
}

/** Uniform numbers of this standard deviation around a mean. */
export function spread(
  seed: number,
  length: number,
  deviation: number,
  mean = 0,
): Float32Array<ArrayBuffer> {
  const numbers = uniform(seed, length, Math.sqrt(3) * deviation);
  return mean === 0 ? numbers : numbers.map((x) => x + mean);
}
