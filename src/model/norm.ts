/**
 * Layer norm, as a whole or in the halves between which its points lie.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { Mode } from "../hooks/points.ts";
import type { NormNames } from "./points.ts";
import type { Tap } from "../hooks/tap.ts";

/** What a norm needs: weight and bias are 0 where they were folded away. */
export interface NormWeights {
  readonly eps: number;
  /** Layer norm subtracts the mean, RMS norm doesn't. */
  readonly center: boolean;
  readonly weight: Handle;
  readonly bias: Handle;
}

/** The core's code of division. */
const DIV = 3;
const [ADD, MUL] = [0, 2];

/**
 * Normalises over the last axis. `hook_scale` is `sqrt(mean(c²) + eps)` of the centred input `c`; `hook_normalized` is
 * `c / scale`, before weight and bias (TransformerLens `LayerNorm`, `LayerNormPre`).
 *
 * @param x Activations [..., dModel].
 * @param names The points, or `undefined` for a norm that has none.
 * @param w The weights, or `undefined` in a model without norms.
 */
export function norm(
  tap: Tap,
  x: Handle,
  names: NormNames | undefined,
  w: NormWeights | undefined,
): Handle {
  if (!w) return x;
  const mode = names ? Math.max(tap.mode(names.scale), tap.mode(names.normalized)) : Mode.idle;
  if (!names || mode === Mode.idle) return core().norm(x, w.eps, w.center, w.weight, w.bias);
  if (mode === Mode.emit) {
    const [out, scale, normalized] = core().norm_parts(x, w.eps, w.center, w.weight, w.bias);
    tap.observe(names.scale, scale);
    tap.observe(names.normalized, normalized);
    return out;
  }
  const centered = w.center ? core().center(x) : x;
  const scale = tap.visit(names.scale, core().rms_scale(centered, w.eps));
  const normalized = tap.visit(names.normalized, core().binary(DIV, centered, scale));
  if (!w.weight) return normalized;
  return core().binary(ADD, core().binary(MUL, normalized, w.weight), w.bias);
}
