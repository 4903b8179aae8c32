/**
 * TopK autoencoders (Gao et al. 2024).
 *
 * @module
 */

import { core, type Handle } from "../../core/engine.ts";
import { ConfigError } from "../../core/errors.ts";
import { ownValue } from "../../core/memory.ts";
import { scoped } from "../../core/scope.ts";
import { CODE, encoder, type SaeKind } from "./kind.ts";

/** The Euclidean norms of a matrix' rows, as an owned vector. */
function rowNorms(weight: number): Handle {
  return scoped(() => {
    const rows = core().unpack(weight, new Uint32Array());
    const squares = core().sum(core().binary(CODE.mul, rows, rows), new Uint32Array([1]), false);
    return ownValue(core().unary(2, squares), "weight");
  });
}

/**
 * The `k` largest pre-activations, then relu. With `rescaleActsByDecoderNorm` codes are measured in units of the decoder's rows:
 * multiplied by their norms before the choice, divided by them before decoding.
 */
export const TOPK: SaeKind = {
  scaledByNorm: ["b_enc"],
  whyUnfoldable: ({ rescaleActsByDecoderNorm }) =>
    rescaleActsByDecoderNorm
      ? undefined
      : "it would change which codes are the k largest, as rescaleActsByDecoderNorm is false",
  load(store, cfg) {
    const { k } = cfg;
    if (k === undefined) {
      throw new ConfigError("A topk SAE needs `k`, the number of codes to keep.");
    }
    const pre = encoder(store.packed("W_enc"), store.plain("b_enc"), cfg.dSae);
    const wDec = store.packed("W_dec");
    const bDec = store.plain("b_dec");
    const norms = cfg.rescaleActsByDecoderNorm
      ? store.derived("W_dec row norms", rowNorms(wDec))
      : 0;
    const scaled = (kind: number, x: Handle) => norms ? core().binary(kind, x, norms) : x;
    const post = (pre: Handle) => core().topk_relu(scaled(CODE.mul, pre), k);
    return {
      bDec,
      encode: (x) => post(pre(x)),
      pre: (x) => pre(x),
      post,
      decode: (codes) => core().decode(scaled(CODE.div, codes), wDec, bDec),
    };
  },
};
