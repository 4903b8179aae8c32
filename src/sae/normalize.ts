/**
 * The ways in which SAELens scales activations before encoding, and back after decoding.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import type { SaeConfig, SaeNormalization } from "./config.ts";
import { CODE } from "./kinds/kind.ts";

/** A normalised input, and the way back. */
export interface Normalized {
  readonly value: Handle;
  /** Scales a reconstruction back. */
  restore(recons: Handle): Handle;
}

const SCALAR = { add: 0, mul: 1 } as const;
const SQRT = 2;
const STD_EPS = 1e-5;

function alongLast(kind: "sum" | "mean", x: Handle): Handle {
  const last = core().shape_of(x).length - 1;
  return core()[kind](x, new Uint32Array([last]), true);
}

/** `x c` with `c = sqrt(dIn) / |x|`, so that the mean square is 1; back by division. */
function constantNorm(x: Handle, dIn: number): Normalized {
  const squares = alongLast("sum", core().binary(CODE.mul, x, x));
  const norm = core().unary(SQRT, squares);
  const inverse = core().with_scalar(SCALAR.mul, norm, 1 / Math.sqrt(dIn));
  return {
    value: core().binary(CODE.div, x, inverse),
    restore: (recons) => core().binary(CODE.mul, recons, inverse),
  };
}

/** `(x - mean) / (std + 1e-5)` with the unbiased deviation; back by `std` and mean, the epsilon left out. */
function layerNorm(x: Handle, dIn: number): Normalized {
  const mean = alongLast("mean", x);
  const centered = core().binary(CODE.sub, x, mean);
  const squares = alongLast("sum", core().binary(CODE.mul, centered, centered));
  const std = core().unary(SQRT, core().with_scalar(SCALAR.mul, squares, 1 / (dIn - 1)));
  return {
    value: core().binary(CODE.div, centered, core().with_scalar(SCALAR.add, std, STD_EPS)),
    restore: (recons) => core().binary(CODE.add, core().binary(CODE.mul, recons, std), mean),
  };
}

/** `x c` with a constant of the SAE; back by division. */
function constantScalar(x: Handle, factor: number): Normalized {
  return {
    value: core().with_scalar(SCALAR.mul, x, factor),
    restore: (recons) => core().with_scalar(SCALAR.mul, recons, 1 / factor),
  };
}

/** The normalisations whose scale a reconstruction is given back. */
export const RESTORED: ReadonlySet<SaeNormalization> = new Set([
  "constant_norm_rescale",
  "layer_norm",
  "constant_scalar_rescale",
]);

/**
 * Normalises an input as `cfg.normalizeActivations` says. `expected_average_only_in` and `covariance_whitening` do nothing here: they are
 * folded into the weights.
 *
 * @param x Activations [..., dIn].
 */
export function normalize(x: Handle, cfg: SaeConfig): Normalized {
  switch (cfg.normalizeActivations) {
    case "constant_norm_rescale":
      return constantNorm(x, cfg.dIn);
    case "layer_norm":
      return layerNorm(x, cfg.dIn);
    case "constant_scalar_rescale":
      return constantScalar(x, cfg.activationNormalizationFactor ?? 1);
    default:
      return { value: x, restore: (recons) => recons };
  }
}
