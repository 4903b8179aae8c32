/**
 * The language-modelling loss.
 *
 * @module
 */

import { ShapeError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";

/**
 * The mean negative log-probability of each next token (TransformerLens `lm_cross_entropy_loss`).
 *
 * @param logits Logits [batch, pos, dVocab].
 * @param tokens Token ids [batch, pos].
 * @param options `attentionMask` [batch, pos] leaves out pairs with a pad; `perToken` gives [batch, pos - 1] instead of the mean.
 * @throws {ShapeError} If there are fewer than two positions.
 */
export function lmCrossEntropyLoss(
  logits: Tensor,
  tokens: Tensor,
  { attentionMask, perToken = false }: { attentionMask?: Tensor; perToken?: boolean } = {},
): Tensor {
  if (tokens.rank !== 2 || tokens.shape[1] < 2) {
    throw new ShapeError(
      `Cannot take the loss over tokens of shape [${
        tokens.shape.join(", ")
      }]: expected [batch, pos] with two positions or more.`,
    );
  }
  const predicted = logits.at(":", ":-1").logSoftmax(-1).gather(
    -1,
    tokens.at(":", "1:").unsqueeze(-1),
  );
  const losses = predicted.squeeze(-1).neg();
  if (!attentionMask) return perToken ? losses : losses.mean();
  const isReal = attentionMask.gt(0);
  const pairs = isReal.at(":", ":-1").and(isReal.at(":", "1:"));
  const masked = losses.mul(pairs);
  return perToken ? masked : masked.sum().div(pairs.sum().item());
}

/** The share of next tokens that are the most likely ones; `perToken` gives [batch, pos - 1] flags. */
export function lmAccuracy(
  logits: Tensor,
  tokens: Tensor,
  { perToken = false }: { perToken?: boolean } = {},
): Tensor {
  const isRight = logits.at(":", ":-1").argmax(-1).eq(tokens.at(":", "1:"));
  return perToken ? isRight : isRight.mean();
}
