/**
 * The standard autoencoder, `relu(x W_enc + b_enc) W_dec + b_dec` (Bricken et al. 2023), and the transcoder, which is the same map
 * from one point to another.
 *
 * @module
 */

import { core } from "../../core/engine.ts";
import { CODE, encoder, type SaeKind } from "./kind.ts";

/** `relu(x W_enc + b_enc)`. */
export const STANDARD: SaeKind = {
  scaledByNorm: ["b_enc"],
  load(store, cfg) {
    const linear = encoder(store.packed("W_enc"), store.plain("b_enc"), cfg.dSae);
    const wDec = store.packed("W_dec");
    const bDec = store.plain("b_dec");
    return {
      bDec,
      encode: (x) => linear(x, CODE.relu),
      pre: (x) => linear(x),
      post: (pre) => core().activate(CODE.relu, pre),
      decode: (codes) => core().decode(codes, wDec, bDec),
    };
  },
};
