/**
 * What sets one kind of autoencoder apart from another: its parameters and its activation.
 *
 * @module
 */

import { core, type Handle } from "../../core/engine.ts";
import type { ParameterStore } from "../../weights/parameter_store.ts";
import type { SaeConfig } from "../config.ts";

/** A kind's arithmetic over loaded parameters. Inputs are normalised and, where the kind says so, centred by `b_dec`. */
export interface KindOps {
  /** `b_dec`, [dOut]. */
  readonly bDec: Handle;
  /** Encodes: [rows, dIn] to codes [rows, dSae]; the bits of the two halves. */
  encode(x: Handle): Handle;
  /** The first half: what `hook_sae_acts_pre` sees. */
  pre(x: Handle): Handle;
  /** The second half: codes of the pre-activations and, for kinds with a gate, of the input again. */
  post(pre: Handle, x: () => Handle): Handle;
  /** Decodes: codes [rows, dSae] to [rows, dOut]. */
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
export const CODE = {
  add: 0,
  sub: 1,
  mul: 2,
  div: 3,
  identity: 0,
  relu: 1,
  exp: 7,
  gt: 2,
} as const;

/** `act(x W_enc + b)`. */
export function encoder(
  weight: number,
  bias: Handle,
  dSae: number,
): (x: Handle, act?: number) => Handle {
  const dims = new Uint32Array([dSae]);
  return (x, act = CODE.identity) => core().linear(x, weight, bias, 1, dims, act);
}
