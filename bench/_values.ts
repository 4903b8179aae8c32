/** Comparing what two sides of a benchmark computed. */

/** How many elements of each result are compared at most. */
export const SAMPLE = 4096;

/**
 * The largest difference that counts as agreement, in units of the largest value. Sums in another order differ by some 1e-6 of
 * logits after twelve layers in float32, and by 1e-5 of gradients; one feature's ablation moves them by more than 1e-4.
 */
export const TOLERANCE = 5e-5;

/** Every nth element of each result, at most {@linkcode SAMPLE} of one. */
export function sampled(results: readonly Float32Array[]): number[] {
  return results.flatMap((result) => {
    const stride = Math.max(1, Math.ceil(result.length / SAMPLE));
    return Array.from(
      { length: Math.ceil(result.length / stride) },
      (_, i) => result[i * stride],
    );
  });
}

/** Rows of logits without their means: TransformerLens' processing centres the unembedding, which takes them away. */
export function centred(logits: Float32Array, width: number): Float32Array {
  const result = new Float32Array(logits.length);
  for (let start = 0; start < logits.length; start += width) {
    const row = logits.subarray(start, start + width);
    const mean = row.reduce((sum, x) => sum + x, 0) / width;
    for (let i = 0; i < width; i++) result[start + i] = row[i] - mean;
  }
  return result;
}

/** The largest difference in units of the largest value; infinite where there is nothing to compare. */
export function difference(ours: readonly number[], theirs: readonly number[]): number {
  if (ours.length !== theirs.length || ours.length === 0) return Infinity;
  let [most, scale] = [0, 0];
  ours.forEach((x, i) => {
    // NaN would slip through a maximum.
    const gap = Math.abs(x - theirs[i]);
    most = Number.isNaN(gap) ? Infinity : Math.max(most, gap);
    scale = Math.max(scale, Math.abs(theirs[i]));
  });
  return scale === 0 ? most : most / scale;
}
