/**
 * The MLP half of a block.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { Mode } from "../hooks/points.ts";
import type { Projection } from "./attention.ts";
import type { HookedTransformerConfig } from "./config.ts";
import { norm, type NormWeights } from "./norm.ts";
import type { BlockNames } from "./points.ts";
import type { PassShape } from "./rows.ts";
import type { Tap } from "../hooks/tap.ts";

/** The weights of an MLP. */
export interface MlpWeights {
  readonly in: Projection;
  readonly out: Projection;
  /** The core's code of the activation function. */
  readonly act: number;
}

/**
 * Computes the neurons' activations from the residual stream, [batch, pos, dMlp].
 *
 * @param residMid The residual stream between the halves, [batch, pos, dModel].
 */
export function mlpIn(
  tap: Tap,
  names: BlockNames,
  residMid: Handle,
  ln2: NormWeights | undefined,
  w: MlpWeights,
  shape: PassShape,
  cfg: HookedTransformerConfig,
): Handle {
  const input = tap.mode(names.mlpIn) === Mode.idle ? residMid : tap.visit(names.mlpIn, residMid);
  const normed = tap.visit(names.mlpHookIn, norm(tap, input, names.ln2, ln2));
  const dims = new Uint32Array([cfg.dMlp ?? 0]);
  tap.count(shape.batch * shape.nPos * cfg.dModel * (cfg.dMlp ?? 0));
  if (tap.mode(names.pre) === Mode.idle) {
    return tap.visit(names.post, core().linear(normed, w.in.weight, w.in.bias, 1, dims, w.act));
  }
  const pre = tap.visit(names.pre, core().linear(normed, w.in.weight, w.in.bias, 1, dims, 0));
  return tap.visit(names.post, core().activate(w.act, pre));
}

/** Computes what the MLP adds to the residual stream, [batch, pos, dModel]. */
export function mlpOut(
  tap: Tap,
  names: BlockNames,
  post: Handle,
  w: MlpWeights,
  shape: PassShape,
  cfg: HookedTransformerConfig,
): Handle {
  tap.count(shape.batch * shape.nPos * cfg.dModel * (cfg.dMlp ?? 0));
  const dims = new Uint32Array([cfg.dModel]);
  return tap.visit(names.mlpOut, core().linear(post, w.out.weight, w.out.bias, 1, dims, 0));
}
