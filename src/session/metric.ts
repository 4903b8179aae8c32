/**
 * What a session measures of its logits: a function, or as data a difference, a logit or a log-probability.
 *
 * @module
 */

import { ConfigError, described, requireKnownOptions, requireOneOf } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";

/** A token: its text, exactly, or its id. */
export type TokenName = string | number;

/** The logit of one token less that of another. */
export interface LogitDiffMetric {
  /** What is measured. */
  readonly kind: "logitDiff";
  /** The right token and the wrong one: a pair for all texts, or one for each. */
  readonly answers: readonly (readonly [right: TokenName, wrong: TokenName])[];
  /** The position that is read; the last unless said. */
  readonly pos?: number;
}

/** The logit or the log-probability of a token. */
export interface TokenMetric {
  /** What is measured. */
  readonly kind: "logit" | "logProb";
  /** The token: one for all texts, or one for each. */
  readonly tokens: readonly TokenName[];
  /** The position that is read; the last unless said. */
  readonly pos?: number;
}

/** A metric as data. Make one with {@linkcode metrics}. */
export type MetricSpec = LogitDiffMetric | TokenMetric;

/** A metric: what is read off logits [batch, pos, dVocab], of shape [] or [batch]. */
export type Metric = MetricSpec | ((logits: Tensor) => Tensor);

/** Where a metric reads. */
export interface MetricOptions {
  /** The position; negative counts from the end. The last unless said. */
  pos?: number;
}

const isToken = (value: unknown): value is TokenName =>
  typeof value === "string" || Number.isInteger(value);

const isPair = (value: unknown): value is readonly [TokenName, TokenName] =>
  Array.isArray(value) && value.length === 2 && value.every(isToken);

/**
 * Checks that a value is a metric as data.
 *
 * @throws {ConfigError} If it isn't.
 */
export function checkMetric(value: unknown): asserts value is MetricSpec {
  if (typeof value !== "object" || value === null || !("kind" in value)) {
    throw new ConfigError(`Cannot measure ${described(value)}: expected a metric or a function.`);
  }
  const { kind, ...rest } = value as MetricSpec;
  requireOneOf("Cannot measure", kind, ["logitDiff", "logit", "logProb"]);
  const field = kind === "logitDiff" ? "answers" : "tokens";
  requireKnownOptions(`Cannot measure a ${kind}`, rest, new Set([field, "pos"]));
  const given: unknown = (value as unknown as Record<string, unknown>)[field];
  const fits = kind === "logitDiff" ? isPair : isToken;
  if (!Array.isArray(given) || given.length === 0 || !given.every(fits)) {
    const wanted = kind === "logitDiff" ? "pairs of tokens, [[right, wrong], …]" : "tokens";
    throw new ConfigError(`Cannot measure a ${kind} of ${described(given)}: expected ${wanted}.`);
  }
  if (rest.pos !== undefined && !Number.isInteger(rest.pos)) {
    throw new ConfigError(`Cannot measure at position ${described(rest.pos)}: expected a number.`);
  }
}

function made(spec: MetricSpec): MetricSpec {
  checkMetric(spec);
  return Object.freeze(spec);
}

/**
 * Makes metrics as data, which a session can store.
 *
 * @example
 * ```ts
 * import { HookedTransformer, metrics } from "@splicer/splicer";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const model = await HookedTransformer.fromPretrained("ioi-tiny");
 * const session = model.session("When John and Mary went to the shops, John gave the bag to", {
 *   metric: metrics.logitDiff([" Mary", " John"]),
 * });
 * assertAlmostEquals(session.run().metric!.item(), 23.26, 0.01);
 * ```
 */
export const metrics: {
  /** The logit of the right token less that of the wrong one, [batch]. */
  logitDiff(
    answers:
      | readonly [right: TokenName, wrong: TokenName]
      | readonly (readonly [right: TokenName, wrong: TokenName])[],
    options?: MetricOptions,
  ): LogitDiffMetric;
  /** A token's logit, [batch]. */
  logit(tokens: TokenName | readonly TokenName[], options?: MetricOptions): TokenMetric;
  /** A token's log-probability, [batch]. */
  logProb(tokens: TokenName | readonly TokenName[], options?: MetricOptions): TokenMetric;
} = Object.freeze(
  {
    logitDiff: (answers, { pos } = {}) =>
      made({
        kind: "logitDiff",
        answers: isPair(answers) ? [answers] : answers as LogitDiffMetric["answers"],
        ...(pos === undefined ? {} : { pos }),
      }) as LogitDiffMetric,
    logit: (tokens, { pos } = {}) =>
      made({
        kind: "logit",
        tokens: [tokens].flat(),
        ...(pos === undefined ? {} : { pos }),
      }) as TokenMetric,
    logProb: (tokens, { pos } = {}) =>
      made({
        kind: "logProb",
        tokens: [tokens].flat(),
        ...(pos === undefined ? {} : { pos }),
      }) as TokenMetric,
  } satisfies typeof metrics,
);

/** Spreads what was given for all texts, or for each, over the texts. */
function forTexts<T>(given: readonly T[], batch: number): readonly T[] {
  if (given.length === batch) return given;
  if (given.length === 1) return Array<T>(batch).fill(given[0]);
  throw new ConfigError(
    `Cannot measure ${batch} ${
      batch === 1 ? "text" : "texts"
    } with ${given.length} answers: expected one, or one for each.`,
  );
}

/**
 * Makes the function that a metric stands for.
 *
 * @param toId Gives the id of a token's text.
 * @throws {ConfigError} If there are answers for another number of texts.
 */
export function metricFunction(
  metric: Metric,
  toId: (text: string) => number,
  batch: number,
): (logits: Tensor) => Tensor {
  if (typeof metric === "function") return metric;
  const id = (token: TokenName) => (typeof token === "number" ? token : toId(token));
  const { kind, pos = -1 } = metric;
  const texts = Array.from({ length: batch }, (_, text) => text);
  if (kind === "logitDiff") {
    const answers = forTexts(metric.answers, batch);
    const [right, wrong] = [0, 1].map((side) => answers.map((pair) => id(pair[side])));
    return (logits) => {
      const last = logits.at(":", pos);
      return last.at(texts, right).sub(last.at(texts, wrong));
    };
  }
  const ids = forTexts(metric.tokens, batch).map(id);
  return (logits) => {
    const last = logits.at(":", pos);
    return (kind === "logit" ? last : last.logSoftmax(-1)).at(texts, ids);
  };
}

/** Says a metric in words: `" Mary" − " John"`. */
export function describeMetric(metric: Metric): string {
  if (typeof metric === "function") return metric.name === "" ? "a function" : metric.name;
  const name = (token: TokenName) => (typeof token === "string" ? JSON.stringify(token) : token);
  const at = metric.pos === undefined ? "" : ` @${metric.pos}`;
  if (metric.kind === "logitDiff") {
    const [[right, wrong], ...more] = metric.answers;
    return `${name(right)} − ${name(wrong)}${more.length > 0 ? ", …" : ""}${at}`;
  }
  const [token, ...more] = metric.tokens;
  const what = metric.kind === "logit" ? "logit" : "log p";
  return `${what} ${name(token)}${more.length > 0 ? ", …" : ""}${at}`;
}
