/**
 * The MLP half of a block.
 *
 * @module
 */

import { core } from "../core/engine.ts";
import { Mode } from "../hooks/points.ts";
import type { Projection } from "./attention.ts";
import type { HookedTransformerConfig } from "./config.ts";
import { norm, type NormWeights } from "./norm.ts";
import type { BlockNames } from "./points.ts";
import type { RowValue, Tap } from "../hooks/tap.ts";

/** The weights of an MLP. */
export interface MlpWeights {
  readonly in: Projection;
  readonly out: Projection;
  /** The core's code of the activation function. */
  readonly act: number;
}

/**
 * Computes the neurons' activations from the residual stream, [rows, dMlp].
 *
 * @param residMid The residual stream between the halves, [rows, dModel].
 */
export function mlpIn(
  tap: Tap,
  names: BlockNames,
  residMid: RowValue,
  ln2: NormWeights | undefined,
  w: MlpWeights,
  cfg: HookedTransformerConfig,
): RowValue {
  const input = tap.mode(names.mlpIn) === Mode.idle
    ? residMid
    : tap.visit({ ...residMid, name: names.mlpIn });
  const normed = tap.visit({ ...norm(tap, input, names.ln2, ln2), name: names.mlpHookIn });
  const dMlp = cfg.dMlp ?? 0;
  const dims = new Uint32Array([dMlp]);
  tap.count(normed.rows.count * cfg.dModel * dMlp);
  const { weight, bias } = w.in;
  if (tap.mode(names.pre) === Mode.idle) {
    return tap.visit(
      tap.map(names.post, [normed], (x) => core().linear(x, weight, bias, 1, dims, w.act)),
    );
  }
  const pre = tap.visit(
    tap.map(names.pre, [normed], (x) => core().linear(x, weight, bias, 1, dims, 0)),
  );
  return tap.visit(tap.map(names.post, [pre], (pre) => core().activate(w.act, pre)));
}

/** Computes what the MLP adds to the residual stream, [rows, dModel]. */
export function mlpOut(
  tap: Tap,
  names: BlockNames,
  post: RowValue,
  w: MlpWeights,
  cfg: HookedTransformerConfig,
): RowValue {
  tap.count(post.rows.count * cfg.dModel * (cfg.dMlp ?? 0));
  const { weight, bias } = w.out;
  const dims = new Uint32Array([cfg.dModel]);
  return tap.visit(
    tap.map(names.mlpOut, [post], (post) => core().linear(post, weight, bias, 1, dims, 0)),
  );
}
