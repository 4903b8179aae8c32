/**
 * JumpReLU autoencoders (Rajamanoharan et al. 2024).
 *
 * @module
 */

import { core } from "../../core/engine.ts";
import { encoder, type SaeKind } from "./kind.ts";

/** `relu(h)` where `h = x W_enc + b_enc` exceeds the feature's threshold, strictly. */
export const JUMPRELU: SaeKind = {
  scaledByNorm: ["b_enc", "threshold"],
  load(store, cfg) {
    const pre = encoder(store.packed("W_enc"), store.plain("b_enc"), cfg.dSae);
    const wDec = store.packed("W_dec");
    const bDec = store.plain("b_dec");
    const threshold = store.plain("threshold");
    return {
      bDec,
      encode: (x) => core().jumprelu(pre(x), threshold),
      pre: (x) => pre(x),
      post: (pre) => core().jumprelu(pre, threshold),
      decode: (codes) => core().decode(codes, wDec, bDec),
    };
  },
};
