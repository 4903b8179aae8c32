/**
 * The standard autoencoder, `relu(x W_enc + b_enc) W_dec + b_dec` (Bricken et al. 2023).
 *
 * @module
 */

import { core } from "../../core/engine.ts";
import { CODE, encoder, plainShapes, type SaeKind, sparseEncoder } from "./kind.ts";

/** `relu(x W_enc + b_enc)`. */
export const STANDARD: SaeKind = {
  ownKeys: [],
  appliesBDec: true,
  isTranscoder: false,
  isPlain: true,
  shapes: plainShapes,
  scaledByNorm: ["b_enc"],
  shifted: { b_enc: undefined },
  load(store, cfg) {
    const [wEnc, bEnc] = [store.packed("W_enc"), store.plain("b_enc")];
    const pre = encoder(wEnc, bEnc, cfg.dSae);
    const wDec = store.packed("W_dec");
    const bDec = store.plain("b_dec");
    return {
      bDec,
      encode: sparseEncoder(store, cfg, wEnc, bEnc),
      halves: {
        pre: (x) => pre(x),
        post: (pre) => core().activate(CODE.relu, pre),
      },
      decode: (codes) => core().decode(codes, wDec, bDec),
    };
  },
};
