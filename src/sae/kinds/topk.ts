/**
 * TopK autoencoders (Gao et al. 2024).
 *
 * @module
 */

import { core, type Handle } from "../../core/engine.ts";
import { ownValue } from "../../core/memory.ts";
import { scoped } from "../../core/scope.ts";
import { CODE, encoder, plainShapes, type SaeKind, sumLast } from "./kind.ts";

/** The Euclidean norms of a matrix' rows, as an owned vector. */
function rowNorms(weight: number, dSae: number): Handle {
  return scoped(() => {
    const rows = core().unpack(weight);
    const squares = sumLast(core().binary(CODE.mul, rows, rows));
    return ownValue(
      core().reshape(core().unary(CODE.sqrt, squares), Uint32Array.of(dSae)),
      "weight",
    );
  });
}

/**
 * A kind that keeps `k` of its pre-activations. With `rescaleActsByDecoderNorm` codes are measured in units of the decoder's rows:
 * multiplied by their norms before the choice, divided by them before decoding.
 *
 * @param choose Keeps `k` of pre-activations [rows, dSae] and zeroes the others.
 */
export function keepingK(choose: (pre: Handle, k: number) => Handle): SaeKind {
  return {
    ownKeys: ["k", "rescale_acts_by_decoder_norm"],
    readOwn: (fields) => ({
      k: fields.count("k"),
      rescaleActsByDecoderNorm: fields.optional("rescale_acts_by_decoder_norm", "boolean") ?? false,
    }),
    appliesBDec: true,
    isTranscoder: false,
    isPlain: true,
    shapes: plainShapes,
    scaledByNorm: ["b_enc"],
    shifted: { b_enc: undefined },
    whyUnfoldable: ({ rescaleActsByDecoderNorm }) =>
      rescaleActsByDecoderNorm
        ? undefined
        : "it would change which codes are the k largest, as rescaleActsByDecoderNorm is false",
    load(store, { dSae, k = dSae, rescaleActsByDecoderNorm }) {
      const pre = encoder(store.packed("W_enc"), store.plain("b_enc"), dSae);
      const wDec = store.packed("W_dec");
      const bDec = store.plain("b_dec");
      const norms = rescaleActsByDecoderNorm
        ? store.derived("W_dec row norms", rowNorms(wDec, dSae))
        : 0;
      const scaled = (kind: number, x: Handle) => norms ? core().binary(kind, x, norms) : x;
      const post = (pre: Handle) => choose(scaled(CODE.mul, pre), k);
      return {
        bDec,
        encode: (x) => post(pre(x)),
        halves: { pre: (x) => pre(x), post },
        decode: (codes) => core().decode(scaled(CODE.div, codes), wDec, bDec),
      };
    },
  };
}

/** The `k` largest pre-activations, then relu: fewer than `k` may be left. */
export const TOPK: SaeKind = keepingK((pre, k) => core().topk_relu(pre, k));
