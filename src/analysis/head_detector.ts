/**
 * Which heads attend in a given way: to the token before, to earlier occurrences of the same token, to what followed them.
 *
 * @module
 */

import { ConfigError, described, requireOneOf, ShapeError } from "../core/errors.ts";
import { isLowerTriangular } from "../core/matrix.ts";
import { Tensor } from "../core/tensor.ts";
import type { ActivationCache } from "../hooks/activation_cache.ts";
import type { HookedTransformer } from "../session/hooked_transformer.ts";

/** A kind of head whose pattern is known. */
export type HeadName = "previous_token_head" | "duplicate_token_head" | "induction_head";

/** How a head's pattern is compared with the one looked for. */
export type ErrorMeasure = "mul" | "abs";

/** Heads: pairs of layer and head, or each layer's heads. */
export type HeadSelection =
  | readonly (readonly [layer: number, head: number])[]
  | Readonly<Record<number, readonly number[]>>;

/** What a comparison of patterns leaves out. */
export interface SimilarityOptions {
  /** Leaves out attention to the first position. */
  excludeBos?: boolean;
  /** Leaves out each position's attention to itself. */
  excludeCurrentToken?: boolean;
  /**
   * `"mul"` (the default): the share of the head's attention that lies where the pattern says, a weight each. `"abs"`: one minus the
   * mean absolute difference a query, rounded to thousandths; 1 is a perfect match, -1 the opposite.
   */
  errorMeasure?: ErrorMeasure;
}

/** Options of {@linkcode detectHead}. */
export interface DetectHeadOptions extends SimilarityOptions {
  /** Looks at these heads alone; the others score -1. */
  heads?: HeadSelection;
  /** The patterns of a run on this prompt, instead of a run. */
  cache?: ActivationCache;
}

type PatternMaker = (tokens: Tensor) => Tensor;

const PATTERNS: Readonly<Record<HeadName, PatternMaker>> = {
  previous_token_head: getPreviousTokenHeadDetectionPattern,
  duplicate_token_head: getDuplicateTokenHeadDetectionPattern,
  induction_head: getInductionHeadDetectionPattern,
};

/** The names of the known heads. */
export const HEAD_NAMES: readonly HeadName[] = Object.keys(PATTERNS) as HeadName[];

/** Makes a pattern [query, key] from what holds of two positions. */
function patternWhere(
  length: number,
  holds: (query: number, key: number) => boolean,
): Tensor {
  const pattern = new Float32Array(length * length);
  for (let query = 0; query < length; query++) {
    for (let key = 0; key <= query; key++) {
      if (holds(query, key)) pattern[query * length + key] = 1;
    }
  }
  return Tensor.from(pattern, [length, length]);
}

function idsOf(tokens: Tensor): ArrayLike<number> {
  const length = tokens.shape[tokens.rank - 1];
  if (tokens.size === length) return tokens.data();
  throw new ShapeError(
    `Cannot make the pattern of tokens of shape [${
      tokens.shape.join(", ")
    }]: expected one prompt, [pos] or [1, pos].`,
  );
}

/**
 * The pattern of heads that attend to the token before: ones below the diagonal.
 *
 * @param tokens One prompt, [pos] or [1, pos].
 * @returns [query, key].
 */
export function getPreviousTokenHeadDetectionPattern(tokens: Tensor): Tensor {
  return patternWhere(idsOf(tokens).length, (query, key) => key === query - 1);
}

/**
 * The pattern of heads that attend to earlier occurrences of the same token.
 *
 * @param tokens One prompt, [pos] or [1, pos].
 * @returns [query, key].
 */
export function getDuplicateTokenHeadDetectionPattern(tokens: Tensor): Tensor {
  const ids = idsOf(tokens);
  return patternWhere(ids.length, (query, key) => key < query && ids[key] === ids[query]);
}

/**
 * The pattern of induction heads, which attend to what followed earlier occurrences of the same token.
 *
 * @param tokens One prompt, [pos] or [1, pos].
 * @returns [query, key].
 */
export function getInductionHeadDetectionPattern(tokens: Tensor): Tensor {
  const ids = idsOf(tokens);
  return patternWhere(
    ids.length,
    (query, key) => key > 0 && key - 1 < query && ids[key - 1] === ids[query],
  );
}

/** Refuses what isn't a pattern of attention. */
function requirePattern(pattern: Tensor, length: number): void {
  if (isLowerTriangular(pattern) && pattern.shape[0] === length) return;
  throw new ShapeError(
    `Cannot detect a pattern of shape [${
      pattern.shape.join(", ")
    }]: expected a lower triangular one, [query ${length}, key ${length}].`,
  );
}

/** Ones where attention counts, [query, key]. */
function counted(length: number, { excludeBos, excludeCurrentToken }: SimilarityOptions): Tensor {
  return patternWhere(
    length,
    (query, key) => !(excludeBos && key === 0) && !(excludeCurrentToken && key === query),
  );
}

/**
 * Compares a head's attention with a pattern.
 *
 * @param attentionPattern The head's pattern [query, key], or several heads' [head, query, key].
 * @param detectionPattern The pattern that is looked for [query, key].
 * @returns A score, or one a head.
 * @throws {ShapeError} If the patterns have other shapes, or aren't lower triangular.
 */
export function computeHeadAttentionSimilarityScore(
  attentionPattern: Tensor,
  detectionPattern: Tensor,
  { errorMeasure = "mul", ...excluded }: SimilarityOptions = {},
): Tensor {
  requireOneOf("Cannot compare patterns by the errorMeasure", errorMeasure, ["mul", "abs"]);
  const length = attentionPattern.shape[attentionPattern.rank - 1];
  requirePattern(detectionPattern, length);
  const mask = counted(length, excluded);
  const sum = (value: Tensor) => value.mul(mask).sum([-2, -1]);
  if (errorMeasure === "mul") {
    return sum(attentionPattern.mul(detectionPattern)).div(sum(attentionPattern));
  }
  const perQuery = sum(attentionPattern.sub(detectionPattern).abs()).div(length);
  const rounded = Array.from(perQuery.data(), (x) => 1 - Math.round(x * 1000) / 1000);
  return Tensor.from(Float32Array.from(rounded), perQuery.shape);
}

/** Whether each head is looked at, [layer][head]. */
function selected(heads: HeadSelection | undefined, nLayers: number, nHeads: number): boolean[][] {
  const chosen = Array.from({ length: nLayers }, () => Array(nHeads).fill(heads === undefined));
  const pairs = Array.isArray(heads)
    ? heads
    : Object.entries(heads ?? {}).flatMap(([layer, list]) =>
      list.map((head: number) => [Number(layer), head] as const)
    );
  for (const [layer, head] of pairs) {
    if (chosen[layer]?.[head] === undefined) {
      throw new RangeError(
        `There is no head ${layer}.${head}: the model has ${nLayers} layers of ${nHeads} heads.`,
      );
    }
    chosen[layer][head] = true;
  }
  return chosen;
}

function scoresOf(
  model: HookedTransformer,
  prompt: string | Tensor,
  wanted: Tensor | HeadName,
  { heads, cache, ...similarity }: DetectHeadOptions,
): Tensor {
  const { nLayers, nHeads, nCtx } = model.cfg;
  const tokens = typeof prompt === "string" ? model.toTokens(prompt) : prompt;
  const length = tokens.shape[tokens.rank - 1];
  if (length < 2 || length > nCtx) {
    throw new ShapeError(
      `Cannot detect heads on ${length} tokens: expected 2 to ${nCtx}, the model's context.`,
    );
  }
  const pattern = wanted instanceof Tensor ? wanted : PATTERNS[wanted](tokens);
  const isPattern = (name: string) => name.endsWith(".attn.hook_pattern");
  const values = cache ?? model.runWithCache(tokens, { namesFilter: isPattern })[1];
  const chosen = selected(heads, nLayers, nHeads);
  const rows = chosen.map((layerHeads, layer) => {
    if (!layerHeads.includes(true)) return Array<number>(nHeads).fill(-1);
    const attention = values.get("pattern", layer);
    if (attention.rank === 4 && attention.shape[0] !== 1) {
      throw new ShapeError(
        `Cannot detect heads by patterns of ${
          attention.shape[0]
        } texts: expected one, or a list of prompts.`,
      );
    }
    const byHead = attention.rank === 4 ? attention.squeeze(0) : attention;
    const scores = computeHeadAttentionSimilarityScore(byHead, pattern, similarity).data();
    return layerHeads.map((isChosen, head) => (isChosen ? scores[head] : -1));
  });
  return Tensor.from(rows);
}

/**
 * Scores how much each head attends in a given way (TransformerLens `detect_head`).
 *
 * @param model The model.
 * @param seq A prompt, or several, whose scores are averaged.
 * @param detectionPattern The name of a known kind of head, or a pattern [query, key] of the prompt's length.
 * @param options Which heads, what is left out, and how patterns are compared.
 * @returns [layer, head]; -1 for heads that weren't asked for.
 * @throws {ConfigError} If there is no head of that name, or one cache is given for several prompts.
 * @throws {ShapeError} If the pattern has another size than the prompt.
 */
export function detectHead(
  model: HookedTransformer,
  seq: string | readonly string[] | Tensor,
  detectionPattern: HeadName | Tensor,
  options: DetectHeadOptions = {},
): Tensor {
  if (!(detectionPattern instanceof Tensor) && !HEAD_NAMES.includes(detectionPattern)) {
    throw new ConfigError(
      `Cannot detect ${described(detectionPattern)}: expected a pattern, or one of ${
        HEAD_NAMES.map((name) => `"${name}"`).join(", ")
      }.`,
    );
  }
  if (!Array.isArray(seq)) {
    return scoresOf(model, seq as string | Tensor, detectionPattern, options);
  }
  if (options.cache) {
    throw new ConfigError("Cannot detect heads on several prompts by one cache: leave it out.");
  }
  const scores = seq.map((prompt) => scoresOf(model, prompt, detectionPattern, options));
  return Tensor.stack(scores).mean(0);
}
