/**
 * Attention with linear biases (Press et al., "Train Short, Test Long", 2022).
 *
 * @module
 */

/**
 * What each head adds to scores for a key of distance.
 *
 * The first slope is 2^(-8 / n) for n heads, and each is the one before times that. Where n isn't a power of two, the slopes are those
 * of the largest power below it, followed by every other one of twice as many, as checkpoints were trained (transformers
 * `build_alibi_tensor`); TransformerLens takes the first rule for any number.
 */
export function alibiSlopes(nHeads: number): Float64Array {
  const powers = 2 ** Math.floor(Math.log2(nHeads));
  const slope = (i: number, of: number) => 2 ** (-8 * i / of);
  return Float64Array.from(
    { length: nHeads },
    (_, h) => h < powers ? slope(h + 1, powers) : slope(2 * (h - powers) + 1, 2 * powers),
  );
}
