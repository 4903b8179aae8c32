/**
 * Layer norm, as a whole or in the halves between which its points lie.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { Mode } from "../hooks/points.ts";
import { byScale, type ParameterNames } from "../hooks/learned.ts";
import type { NormNames } from "./points.ts";
import type { RowValue, Tap } from "../hooks/tap.ts";

/** What a norm needs: weight and bias are 0 where they were folded away. */
export interface NormWeights {
  readonly eps: number;
  /** Layer norm subtracts the mean, RMS norm doesn't. */
  readonly center: boolean;
  readonly weight: Handle;
  readonly bias: Handle;
  /** The parameters, where there are any. */
  readonly names?: ParameterNames;
}

/** The core's code of division. */
const DIV = 3;
const [ADD, MUL] = [0, 2];

/** The name under which a base run knows the value that a norm makes that of a point. */
export function beforeNorm(name: string): string {
  return `${name} (before its norm)`;
}

/**
 * Normalises over the last axis. `hook_scale` is `sqrt(mean(c²) + eps)` of the centred input `c`; `hook_normalized` is
 * `c / scale`, before weight and bias (TransformerLens `LayerNorm`, `LayerNormPre`).
 *
 * @param x Activations [rows, ..., dModel].
 * @param names The points, or `undefined` for a norm that has none.
 * @param w The weights, or `undefined` in a model without norms.
 */
export function norm(
  tap: Tap,
  x: RowValue,
  names: NormNames | undefined,
  w: NormWeights | undefined,
): RowValue {
  if (!w) return x;
  const { eps, center, weight, bias } = w;
  const output = names ? `${names.normalized} (output)` : `${x.name} (normalized)`;
  const mode = names ? Math.max(tap.mode(names.scale), tap.mode(names.normalized)) : Mode.idle;
  const made = (y: RowValue, normalized: () => Handle) =>
    w.names ? byScale(tap, y, normalized, w.names) : y;
  const again = () => core().norm(core().detach(tap.whole(x)), eps, center, 0, 0);
  if (!names || mode === Mode.idle) {
    return made(tap.map(output, [x], (x) => core().norm(x, eps, center, weight, bias)), again);
  }
  if (mode === Mode.emit) return made(emittingNorm(tap, x, names, output, w), again);
  const scale = tap.visit(tap.map(names.scale, [x], (x) => core().rms_scale(centered(x, w), eps)));
  const divided = tap.map(
    names.normalized,
    [x, scale],
    (x, scale) => core().binary(DIV, centered(x, w), scale),
  );
  const normalized = tap.visit(divided);
  if (!weight) return normalized;
  const scaled = tap.map(
    output,
    [normalized],
    (n) => core().binary(ADD, core().binary(MUL, n, weight), bias),
  );
  return made(scaled, () => tap.whole(normalized));
}

function centered(x: Handle, { center }: NormWeights): Handle {
  return center ? core().center(x) : x;
}

/** The fused norm with the values inside it shown. */
function emittingNorm(
  tap: Tap,
  x: RowValue,
  names: NormNames,
  output: string,
  w: NormWeights,
): RowValue {
  let [scale, normalized] = [0, 0];
  const out = tap.map(output, [x], (x) => {
    const parts = core().norm_parts(x, w.eps, w.center, w.weight, w.bias);
    [scale, normalized] = [parts[1], parts[2]];
    return parts[0];
  });
  tap.observe({ name: names.scale, rows: out.rows, handle: scale });
  tap.observe({ name: names.normalized, rows: out.rows, handle: normalized });
  return out;
}
