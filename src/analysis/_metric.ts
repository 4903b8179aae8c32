import { described, ShapeError } from "../core/errors.ts";
import { Tensor } from "../core/tensor.ts";
import type { SweepOptions } from "../session/sweep.ts";

/** Reads a number off the logits of a patched run [batch, pos, dVocab]. */
export type PatchingMetric = (logits: Tensor) => Tensor | number;

/** How the runs of a patching go. */
export type PatchingOptions = Pick<SweepOptions, "onProgress" | "signal" | "budgetBytes">;

/** The metric as a tensor without axes. */
export function scalarOf(metric: PatchingMetric): (logits: Tensor) => Tensor {
  return (logits) => {
    const value: unknown = metric(logits);
    if (typeof value === "number") return Tensor.from(value);
    if (value instanceof Tensor && value.size === 1) return value.reshape([]);
    throw new ShapeError(
      `Cannot patch: the metric gave ${
        value instanceof Tensor ? value : described(value)
      }, expected one number.`,
    );
  };
}

/** Appends zeros to the last axis: keys and values have fewer heads in some models. */
export function paddedTo(length: number, result: Tensor): Tensor {
  const missing = length - result.shape[result.rank - 1];
  if (missing === 0) return result;
  return Tensor.cat([result, Tensor.zeros([...result.shape.slice(0, -1), missing])], -1);
}
