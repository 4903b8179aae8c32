/**
 * What sets one kind of autoencoder apart from another: its parameters and its activation.
 *
 * @module
 */

import { core, type Handle } from "../../core/engine.ts";
import type { ParameterStore } from "../../weights/parameter_store.ts";
import type { SaeConfig } from "../config.ts";

/** The pre-activations' place in a run: `hook_sae_acts_pre`. */
export interface PreActivations {
  /** Nobody asks for them, so a fused op may skip them. */
  readonly isIdle: boolean;
  /** Passes them through their point. */
  visit(pre: Handle): Handle;
}

/** A kind's arithmetic over loaded parameters. Inputs are normalised and, where the kind says so, centred by `b_dec`. */
export interface KindOps {
  /** `b_dec`, [dOut]. */
  readonly bDec: Handle;
  /** Encodes: [..., dIn] to codes [..., dSae]. */
  encode(x: Handle, pre: PreActivations): Handle;
  /** Decodes: codes [..., dSae] to [..., dOut]. */
  decode(codes: Handle): Handle;
}

/** A kind of autoencoder. */
export interface SaeKind {
  /** Takes the kind's parameters into a store. */
  load(store: ParameterStore, cfg: SaeConfig): KindOps;
  /** The vectors [dSae] that scale with the decoder's norms when these are folded into the encoder. */
  readonly scaledByNorm: readonly string[];
  /** Why the norms of this SAE's decoder can't be folded; `undefined` when they can. */
  readonly whyUnfoldable?: (cfg: SaeConfig) => string | undefined;
}

/** The core's codes of what kinds compute with. */
export const CODE = { add: 0, sub: 1, mul: 2, div: 3, identity: 0, relu: 1, exp: 7, gt: 2 } as const;

/** `x W_enc + b`, with relu where the pre-activations are nobody's business. */
export function encoder(weight: number, bias: Handle, dSae: number): {
  relu(x: Handle, pre: PreActivations): Handle;
  plain(x: Handle): Handle;
} {
  const dims = new Uint32Array([dSae]);
  const plain = (x: Handle) => core().linear(x, weight, bias, 1, dims, CODE.identity);
  return {
    plain,
    relu: (x, pre) =>
      pre.isIdle
        ? core().linear(x, weight, bias, 1, dims, CODE.relu)
        : core().activate(CODE.relu, pre.visit(plain(x))),
  };
}
