/**
 * What changed between two runs of a session: the next tokens and the metric.
 *
 * @module
 */

import { elementsOf, type Tensor } from "../core/tensor.ts";
import type { Session, SessionRun } from "./session.ts";

/** A token as one run sees it at a position. */
export interface TokenStanding {
  /** Its logit. */
  readonly logit: number;
  /** Its probability. */
  readonly prob: number;
  /** How many tokens stand above it. */
  readonly rank: number;
}

/** A token in two runs. */
export interface TokenChange {
  /** Its id. */
  readonly id: number;
  /** Its text, where the model has a tokenizer. */
  readonly token: string | undefined;
  /** How it stands in this run. */
  readonly now: TokenStanding;
  /** How it stands in the other. */
  readonly before: TokenStanding;
}

/** What changed in one text. */
export interface TextDiff {
  /** Which text of the batch. */
  readonly text: number;
  /** The tokens that stand highest in this run, and the other's first. */
  readonly tokens: readonly TokenChange[];
  /** How far this run's distribution is from the other's: the Kullback-Leibler divergence from the other to this one, in nats. */
  readonly divergence: number;
}

/** What changed between two runs. */
export interface SessionDiff {
  /** Text by text. */
  readonly texts: readonly TextDiff[];
  /** The metric in this run and in the other, text by text; `undefined` without a metric. */
  readonly metric:
    | { readonly now: readonly number[]; readonly before: readonly number[] }
    | undefined;
}

/** Where two runs are compared. */
export interface DiffOptions {
  /** The position; negative counts from the end. The last unless said. */
  pos?: number;
  /** How many tokens. 8 unless said. */
  k?: number;
}

/** Log-probabilities of a row of logits. */
function logProbs(logits: Float32Array): Float64Array {
  let most = -Infinity;
  for (const logit of logits) most = Math.max(most, logit);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - most);
  const log = most + Math.log(sum);
  return Float64Array.from(logits, (logit) => logit - log);
}

/** The ids that stand highest, highest first; of equal ones the lower id. */
function highest(logits: Float32Array, k: number): number[] {
  const best: number[] = [];
  for (let id = 0; id < logits.length; id++) {
    if (best.length === k && !(logits[id] > logits[best[k - 1]])) continue;
    const at = best.findLastIndex((other) => logits[other] >= logits[id]) + 1;
    best.splice(at, 0, id);
    if (best.length > k) best.pop();
  }
  return best;
}

/** The logits of each text at a position. */
function rowsAt(logits: Tensor, pos: number): Float32Array[] {
  const all = logits.at(":", pos);
  const [batch, nTokens] = all.shape;
  const flat = elementsOf(all) as Float32Array;
  return Array.from({ length: batch }, (_, b) => flat.subarray(b * nTokens, (b + 1) * nTokens));
}

function standing(logits: Float32Array, probs: Float64Array, id: number): TokenStanding {
  let rank = 0;
  for (let other = 0; other < logits.length; other++) {
    if (logits[other] > logits[id] || (logits[other] === logits[id] && other < id)) rank++;
  }
  return { logit: logits[id], prob: Math.exp(probs[id]), rank };
}

function valuesOf(metric: Tensor): number[] {
  return Array.from(elementsOf(metric.flatten()));
}

/** Compares two runs on the same prompts. */
export function diffOf(
  { model }: Session,
  now: SessionRun,
  before: SessionRun,
  { pos = -1, k = 8 }: DiffOptions,
): SessionDiff {
  const [here, there] = [now, before].map((run) => rowsAt(run.logits, pos));
  const texts = here.map((logits, text): TextDiff => {
    const other = there[text];
    const [probs, otherProbs] = [logits, other].map(logProbs);
    const first = highest(other, 1);
    const ids = highest(logits, k);
    const shown = ids.includes(first[0]) ? ids : [...ids, ...first];
    const divergence = otherProbs.reduce(
      (sum, log, id) => log === -Infinity ? sum : sum + Math.exp(log) * (log - probs[id]),
      0,
    );
    return {
      text,
      divergence: Math.max(0, divergence),
      tokens: shown.map((id) => ({
        id,
        token: model.tokenizer && model.toSingleStrToken(id),
        now: standing(logits, probs, id),
        before: standing(other, otherProbs, id),
      })),
    };
  });
  const metric = now.metric && before.metric &&
    { now: valuesOf(now.metric), before: valuesOf(before.metric) };
  return { texts, metric };
}
