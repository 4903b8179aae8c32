/**
 * What rounding a model's weights does to what it says and to the features that it makes live.
 *
 * @module
 */

import { ShapeError } from "../core/errors.ts";
import { noGrad } from "../core/gradients.ts";
import { Tensor } from "../core/tensor.ts";
import type { HookedSAE } from "../sae/hooked_sae.ts";
import type { HookedSAETransformer } from "../session/hooked_sae_transformer.ts";
import type { ModelInput } from "../session/input.ts";

/** Options of {@linkcode measurePrecision}. */
export interface PrecisionOptions {
  /** SAEs whose features are compared, each spliced into both models with its error term. */
  saes?: HookedSAE | readonly HookedSAE[];
}

/** How far a model is from another one, over all positions of some texts. */
export interface PrecisionReport {
  /** How many positions were compared. */
  readonly nPositions: number;
  /** The largest difference of two logits, after the mean of each row is taken out. */
  readonly maxLogitDifference: number;
  /** The root of the mean square of these differences. */
  readonly rmsLogitDifference: number;
  /** Kullback-Leibler divergence of the next token's distribution from the reference's, in nats: the mean over positions. */
  readonly klDivergence: number;
  /** The rate of positions at which both find the same token likeliest. */
  readonly sameTopToken: number;
  /** By the point of its codes, an SAE's rate of flipped features: those live in one model alone, for each live in the reference. */
  readonly flippedFeatures: Readonly<Record<string, number>>;
}

/** What one model gives for a text. */
interface Given {
  /** Logits [pos, dVocab]. */
  readonly logits: Tensor;
  /** Where features are live, [pos, dSae], by the point of the codes. */
  readonly live: ReadonlyMap<string, Tensor>;
}

function given(
  model: HookedSAETransformer,
  text: ModelInput,
  saes: readonly HookedSAE[],
): Given {
  const isCodes = (name: string) => name.endsWith(".hook_sae_acts_post");
  // Nobody walks back, whatever hooks of the model wait for gradients.
  const [logits, cache] = noGrad(() =>
    model.runWithCacheWithSaes(text, { saes, useErrorTerm: true, namesFilter: isCodes })
  );
  const live = new Map([...cache].map(([name, codes]) => [name, codes.at(0).ne(0)]));
  return { logits: logits.at(0), live };
}

/** The texts of an input, one by one, so that none of them has pads. */
function textsOf(input: ModelInput): ModelInput[] {
  if (input instanceof Tensor) {
    if (input.rank < 2) return [input];
    return Array.from({ length: input.shape[0] }, (_, i) => input.at(`${i}:${i + 1}`));
  }
  if (typeof input === "string" || typeof input[0] === "number") return [input];
  return (input as readonly (string | readonly number[])[]).map((text) => [text] as ModelInput);
}

const count = (flags: Tensor): number => flags.sum().item();

/**
 * Measures how far a model's answers and live features are from a reference's, usually the same model in float32: the meter beside
 * `dtype: "int8"`.
 *
 * @param model The model.
 * @param reference What it is compared with.
 * @param input Texts, or token ids [batch, pos]; each text runs by itself.
 * @throws {ShapeError} If the models have other vocabularies, or there is no text.
 *
 * @example
 * ```ts
 * import { HookedSAETransformer, measurePrecision } from "@splicer/splicer";
 * import { assert } from "@std/assert";
 *
 * using reference = await HookedSAETransformer.fromPretrained("ioi-tiny");
 * using model = await HookedSAETransformer.fromPretrained("ioi-tiny", { dtype: "int8" });
 * const report = measurePrecision(model, reference, ["When John and Mary went to the shops,"]);
 * assert(report.klDivergence < 0.01);
 * ```
 */
export function measurePrecision(
  model: HookedSAETransformer,
  reference: HookedSAETransformer,
  input: ModelInput,
  { saes = [] }: PrecisionOptions = {},
): PrecisionReport {
  const [own, theirs] = [model, reference].map(({ cfg }) => cfg.dVocabOut);
  if (own !== theirs) {
    throw new ShapeError(
      `Cannot compare models of ${own} and ${theirs} logits: expected the same vocabulary.`,
    );
  }
  const spliced = [saes].flat();
  const sums = { nPositions: 0, squares: 0, kl: 0, same: 0 };
  const [flipped, live] = [new Map<string, number>(), new Map<string, number>()];
  let maxLogitDifference = 0;
  for (const text of textsOf(input)) {
    const [a, b] = [given(model, text, spliced), given(reference, text, spliced)];
    const [x, y] = [a, b].map(({ logits }) => logits.sub(logits.mean(-1, { keepdim: true })));
    const difference = x.sub(y);
    maxLogitDifference = Math.max(maxLogitDifference, difference.abs().max().item());
    sums.squares += difference.mul(difference).mean(-1).sum().item();
    const [p, q] = [y.softmax(-1), y.logSoftmax(-1).sub(x.logSoftmax(-1))];
    sums.kl += p.mul(q).sum().item();
    sums.same += count(x.argmax(-1).eq(y.argmax(-1)));
    sums.nPositions += x.shape[0];
    for (const [name, flags] of b.live) {
      const others = a.live.get(name);
      if (!others) continue;
      flipped.set(name, (flipped.get(name) ?? 0) + count(flags.ne(others)));
      live.set(name, (live.get(name) ?? 0) + count(flags));
    }
  }
  if (sums.nPositions === 0) throw new ShapeError("Cannot compare models on no text at all.");
  const { nPositions } = sums;
  return {
    nPositions,
    maxLogitDifference,
    rmsLogitDifference: Math.sqrt(sums.squares / nPositions),
    klDivergence: sums.kl / nPositions,
    sameTopToken: sums.same / nPositions,
    flippedFeatures: Object.fromEntries(
      [...flipped].map(([name, n]) => [name, n / Math.max(1, live.get(name) ?? 0)]),
    ),
  };
}
