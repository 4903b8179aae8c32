/**
 * Transcoders (Dunefsky et al. 2024): the same maps as the autoencoders, from one point to another.
 *
 * @module
 */

import { core } from "../../core/engine.ts";
import { CODE, type SaeKind } from "./kind.ts";

/** An autoencoder's kind as a transcoder: `b_dec` is of the output, so that nothing is subtracted from the input. */
export function transcoder(kind: SaeKind): SaeKind {
  return {
    ...kind,
    ownKeys: [...kind.ownKeys, "d_out"],
    readOwn: (fields) => ({ ...kind.readOwn?.(fields), dOut: fields.count("d_out") }),
    appliesBDec: false,
    isTranscoder: true,
  };
}

/**
 * A transcoder with a skip connection, `x W_skip^T` beside the codes (Paulo et al. 2025). It reads the input as it is at
 * `hook_sae_input`. SAELens loses it when the transcoder is spliced in; here it stays.
 */
export function skipTranscoder(kind: SaeKind): SaeKind {
  return {
    ...kind,
    isPlain: false,
    shapes: (cfg) => {
      const { dIn, dOut = dIn } = cfg;
      return { ...kind.shapes(cfg), W_skip: [dOut, dIn] };
    },
    load(store, cfg) {
      const ops = kind.load(store, cfg);
      const wSkip = store.packed("W_skip", { transposed: true });
      const dims = Uint32Array.of(cfg.dOut ?? cfg.dIn);
      return {
        ...ops,
        bypass: (raw) => core().linear(raw, wSkip, 0, 1, dims, CODE.identity),
      };
    },
  };
}
