/**
 * AbsTopK autoencoders (arXiv:2510.00404), whose features fire in both directions.
 *
 * @module
 */

import { core, type Handle } from "../../core/engine.ts";
import { copyIn, copyOut } from "../../core/scope.ts";
import { CODE, type SaeKind } from "./kind.ts";
import { keepingK } from "./topk.ts";

/** Where the `k` largest magnitudes of each row are, the first of equals, as a mask [rows, dSae]. */
function largestMagnitudes(pre: Handle, k: number): Handle {
  const [rows, dSae] = core().shape_of(pre);
  const magnitudes = core().unary(CODE.abs, core().detach(pre));
  const chosen = copyOut(core().topk_indices(magnitudes, k, 1, true), "int32", rows * k);
  const mask = new Uint8Array(rows * dSae);
  chosen.forEach((feature, i) => mask[Math.floor(i / k) * dSae + feature] = 1);
  return copyIn(mask, [rows, dSae], "bool");
}

/** The `k` pre-activations of the largest magnitude, with their signs. The choice is a constant for gradients. */
export const ABSTOPK: SaeKind = keepingK((pre, k) =>
  core().select_where(
    largestMagnitudes(pre, k),
    pre,
    copyIn(new Float32Array([0]), [], "float32"),
  )
);
