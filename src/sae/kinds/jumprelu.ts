/**
 * JumpReLU autoencoders (Rajamanoharan et al. 2024). Batch-topk and matryoshka ones are saved as such, with one threshold for all
 * features.
 *
 * @module
 */

import { core } from "../../core/engine.ts";
import { encoder, plainShapes, type SaeKind, sparseEncoder } from "./kind.ts";

/** `relu(h)` where `h = x W_enc + b_enc` exceeds the feature's threshold, strictly. */
export const JUMPRELU: SaeKind = {
  ownKeys: [],
  appliesBDec: true,
  isTranscoder: false,
  isPlain: true,
  shapes: (cfg) => ({ ...plainShapes(cfg), threshold: [cfg.dSae] }),
  scaledByNorm: ["b_enc", "threshold"],
  shifted: { b_enc: undefined },
  load(store, cfg) {
    const [wEnc, bEnc] = [store.packed("W_enc"), store.plain("b_enc")];
    const pre = encoder(wEnc, bEnc, cfg.dSae);
    const wDec = store.packed("W_dec");
    const bDec = store.plain("b_dec");
    const threshold = store.plain("threshold");
    return {
      bDec,
      encode: sparseEncoder(store, cfg, wEnc, bEnc, threshold),
      halves: {
        pre: (x) => pre(x),
        post: (pre) => core().jumprelu(pre, threshold),
      },
      decode: (codes) => core().decode(codes, wDec, bDec),
    };
  },
};
