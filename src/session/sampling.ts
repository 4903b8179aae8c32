/**
 * Sampling the next token from logits, by TransformerLens' rules.
 *
 * @module
 */

import {
  ConfigError,
  described,
  requireKnownOptions,
  ShapeError,
  TokenError,
} from "../core/errors.ts";
import { uniform } from "../core/random.ts";
import { castTo, elementsOf, ownedTensor, Tensor } from "../core/tensor.ts";

/** How a token is chosen from logits. */
export interface SamplingOptions {
  /** Only this many most likely tokens can come; those that tie with the last of them too. */
  topK?: number;
  /** Only the most likely tokens that together reach this probability can come; without effect beside `topK`. */
  topP?: number;
  /** What logits are divided by: the higher, the more even. 0 takes the most likely token. 1 unless said. */
  temperature?: number;
  /** Taken off a token's logit for each time that it has occurred. 0 unless said. */
  freqPenalty?: number;
  /** What the logit of a token that has occurred is divided by, or multiplied with where it is negative. 1 unless said. */
  repetitionPenalty?: number;
}

/** Gives uniform numbers in [0, 1). */
export type Random = () => number;

const SAMPLING_OPTIONS: readonly (keyof SamplingOptions)[] = [
  "topK",
  "topP",
  "temperature",
  "freqPenalty",
  "repetitionPenalty",
];

/** What the numbers of sampling may be. */
const DOMAINS: Readonly<
  Record<keyof SamplingOptions, { wanted: string; holds: (value: number) => boolean }>
> = {
  topK: {
    wanted: "a whole number above 0",
    holds: (value) => Number.isInteger(value) && value > 0,
  },
  topP: { wanted: "a number above 0, at most 1", holds: (value) => value > 0 && value <= 1 },
  temperature: {
    wanted: "a number of at least 0",
    holds: (value) => Number.isFinite(value) && value >= 0,
  },
  freqPenalty: { wanted: "a finite number", holds: Number.isFinite },
  repetitionPenalty: {
    wanted: "a number above 0",
    holds: (value) => Number.isFinite(value) && value > 0,
  },
};

/**
 * Checks how tokens are to be chosen.
 *
 * @throws {ConfigError} If a number is outside its domain.
 */
export function checkSampling(options: SamplingOptions): void {
  for (const name of SAMPLING_OPTIONS) {
    const value = options[name];
    const { wanted, holds } = DOMAINS[name];
    if (value === undefined || (typeof value === "number" && holds(value))) continue;
    throw new ConfigError(`Cannot sample with ${name} ${described(value)}: expected ${wanted}.`);
  }
}

/** Gives a generator of random numbers for each text: a text's own depends on nothing beside it. */
export function randomOfTexts(seed: number, batch: number): Random[] {
  return Array.from({ length: batch }, (_, text) => uniform(seed + text));
}

/** A seed for those who give none. */
export function anySeed(): number {
  return Math.floor(Math.random() * 2 ** 32);
}

/**
 * The place of the largest logit, the first of equal ones.
 *
 * @throws {TokenError} If there is a NaN, or nothing but -inf.
 */
export function mostLikely(logits: Float32Array): number {
  let best = -1;
  let largest = -Infinity;
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i];
    if (logit > largest) [best, largest] = [i, logit];
    else if (logit !== logit) return refuse();
  }
  return best < 0 ? refuse() : best;
}

function refuse(): never {
  throw new TokenError(
    "Cannot choose a token: the logits hold NaN or infinity, or nothing larger than -inf.",
  );
}

/** How often each token occurs. */
function counts(tokens: ArrayLike<number>): Map<number, number> {
  const found = new Map<number, number>();
  for (let i = 0; i < tokens.length; i++) found.set(tokens[i], (found.get(tokens[i]) ?? 0) + 1);
  return found;
}

function penalizeRepetition(
  logits: Float32Array,
  tokens: ArrayLike<number>,
  penalty: number,
): void {
  for (const id of counts(tokens).keys()) {
    logits[id] = logits[id] > 0 ? logits[id] / penalty : logits[id] * penalty;
  }
}

function penalizeFrequency(logits: Float32Array, tokens: ArrayLike<number>, penalty: number): void {
  for (const [id, count] of counts(tokens)) logits[id] -= Math.fround(penalty * count);
}

/** The k-th largest of some numbers: the root of a heap of the k largest, the smallest of them on top. */
function kthLargest(values: Float32Array, k: number): number {
  const heap = values.slice(0, k);
  const sink = (value: number, from: number) => {
    let at = from;
    for (let child = 2 * at + 1; child < k; child = 2 * at + 1) {
      if (child + 1 < k && heap[child + 1] < heap[child]) child++;
      if (heap[child] >= value) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = value;
  };
  for (let at = (k >> 1) - 1; at >= 0; at--) sink(heap[at], at);
  for (let i = k; i < values.length; i++) if (values[i] > heap[0]) sink(values[i], 0);
  return heap[0];
}

/** Draws a place in proportion to weights. */
function drawn(weights: ArrayLike<number>, random: Random): number {
  let total = 0;
  for (let i = 0; i < weights.length; i++) total += weights[i];
  // Logits that hold NaN or infinity have weights that are no numbers; where nothing is larger than -inf, all are zero.
  if (!(total > 0)) refuse();
  let left = random() * total;
  let last = 0;
  for (let i = 0; i < weights.length; i++) {
    if (weights[i] === 0) continue;
    left -= weights[i];
    if (left < 0) return i;
    last = i;
  }
  // Rounding may leave a little beyond the last one.
  return last;
}

function drawTopK(logits: Float32Array, k: number, random: Random): number {
  const largest = logits[mostLikely(logits)];
  const least = kthLargest(logits, k);
  const ids: number[] = [];
  logits.forEach((logit, id) => logit >= least && ids.push(id));
  return ids[drawn(ids.map((id) => Math.exp(logits[id] - largest)), random)];
}

/** The probabilities of all tokens, with the core's exponential. */
function probabilities(logits: Float32Array<ArrayBuffer>): Float32Array {
  return elementsOf(ownedTensor(logits, [logits.length]).softmax(0)) as Float32Array;
}

function drawTopP(logits: Float32Array<ArrayBuffer>, p: number, random: Random): number {
  if (logits[mostLikely(logits)] === Infinity) refuse();
  const all = probabilities(logits);
  // Sorting all of a large vocabulary is slow, and mostly few tokens are enough.
  for (let k = Math.min(64, logits.length);; k = Math.min(8 * k, logits.length)) {
    const least = kthLargest(logits, k);
    const ids: number[] = [];
    logits.forEach((logit, id) => logit >= least && ids.push(id));
    ids.sort((a, b) => logits[b] - logits[a] || a - b);
    let reached = 0;
    const end = ids.findIndex((id) => (reached += all[id]) > p);
    if (end < 0 && ids.length < logits.length) continue;
    const kept = end < 0 ? ids : ids.slice(0, end + 1);
    return kept[drawn(kept.map((id) => all[id]), random)];
  }
}

/**
 * Chooses a token (TransformerLens' `sample_logits`): penalty on repetition, division by the temperature, penalty on frequency, then
 * the `topK` or else the `topP` most likely tokens, of which one is drawn. At temperature 0 the most likely one after the penalty on
 * repetition.
 *
 * @param logits Logits [dVocab]; they are written to.
 * @param tokens The text's tokens so far, which the penalties look at.
 * @param random Gives one number; not asked at temperature 0.
 * @throws {TokenError} If the logits hold NaN or infinity, or nothing larger than -inf.
 */
export function sampleToken(
  logits: Float32Array<ArrayBuffer>,
  tokens: ArrayLike<number>,
  { topK, topP, temperature = 1, freqPenalty = 0, repetitionPenalty = 1 }: SamplingOptions,
  random: Random,
): number {
  if (repetitionPenalty !== 1) penalizeRepetition(logits, tokens, repetitionPenalty);
  if (temperature === 0) return mostLikely(logits);
  if (temperature !== 1) { for (let i = 0; i < logits.length; i++) logits[i] /= temperature; }
  if (freqPenalty > 0) penalizeFrequency(logits, tokens, freqPenalty);
  if (topK !== undefined && topK < logits.length) return drawTopK(logits, topK, random);
  if (topK === undefined && topP !== undefined && topP < 1) return drawTopP(logits, topP, random);
  return drawn(probabilities(logits), random);
}

/**
 * Samples a token for each row of logits, by TransformerLens' rules and in its order: penalty on repetition, temperature, penalty on
 * frequency, `topK` or else `topP`.
 *
 * @param finalLogits Logits [batch, dVocab].
 * @param options How tokens are chosen; `tokens` [batch, pos] are those so far, which the penalties look at; the same `seed` gives the
 *   same tokens, and row `i` those that it would get alone with `seed + i`.
 * @returns Token ids [batch], int32.
 * @throws {ShapeError} If the logits or tokens have another shape.
 * @throws {ConfigError} If an option is outside its domain, or a penalty has no tokens to look at.
 * @throws {TokenError} If logits hold NaN or infinity, or nothing larger than -inf.
 */
export function sampleLogits(
  finalLogits: Tensor,
  options: SamplingOptions & { tokens?: Tensor; seed?: number } = {},
): Tensor {
  requireKnownOptions(
    "Cannot sample",
    options,
    new Set<string>([...SAMPLING_OPTIONS, "tokens", "seed"]),
  );
  const { tokens, seed = anySeed(), ...sampling } = options;
  checkSampling(sampling);
  if (finalLogits.rank !== 2) {
    throw new ShapeError(
      `Cannot sample from logits of shape [${
        finalLogits.shape.join(", ")
      }]: expected [batch, dVocab].`,
    );
  }
  const [batch, dVocab] = finalLogits.shape;
  if (tokens && (tokens.rank !== 2 || tokens.shape[0] !== batch)) {
    throw new ShapeError(
      `Cannot sample with tokens of shape [${
        tokens.shape.join(", ")
      }]: expected [batch ${batch}, pos].`,
    );
  }
  if (!tokens && (sampling.freqPenalty ?? 0) > 0) {
    throw new ConfigError("Cannot sample with a freqPenalty: pass the tokens so far as `tokens`.");
  }
  const logits = finalLogits.data() as Float32Array<ArrayBuffer>;
  const random = randomOfTexts(seed, batch);
  const occurred = tokens ? elementsOf(castTo(tokens, "int32")) : new Int32Array();
  const nPos = occurred.length / batch;
  const ids = Int32Array.from({ length: batch }, (_, row) =>
    sampleToken(
      logits.slice(row * dVocab, (row + 1) * dVocab),
      occurred.subarray(row * nPos, (row + 1) * nPos),
      sampling,
      random[row],
    ));
  return Tensor.from(ids);
}
