/**
 * The standard autoencoder, `relu(x W_enc + b_enc) W_dec + b_dec` (Bricken et al. 2023).
 *
 * @module
 */

import { core } from "../../core/engine.ts";
import { CODE, encoder, plainShapes, type SaeKind } from "./kind.ts";

/** `relu(x W_enc + b_enc)`. */
export const STANDARD: SaeKind = {
  ownKeys: [],
  appliesBDec: true,
  isTranscoder: false,
  shapes: plainShapes,
  scaledByNorm: ["b_enc"],
  shifted: { b_enc: undefined },
  load(store, cfg) {
    const linear = encoder(store.packed("W_enc"), store.plain("b_enc"), cfg.dSae);
    const wDec = store.packed("W_dec");
    const bDec = store.plain("b_dec");
    return {
      bDec,
      encode: (x) => linear(x, CODE.relu),
      halves: {
        pre: (x) => linear(x),
        post: (pre) => core().activate(CODE.relu, pre),
      },
      decode: (codes) => core().decode(codes, wDec, bDec),
    };
  },
};
