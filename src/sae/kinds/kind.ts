/**
 * What sets one kind of autoencoder apart from another: its fields, its parameters and its activation.
 *
 * @module
 */

import { core, type Handle } from "../../core/engine.ts";
import type { ParameterStore } from "../../weights/parameter_store.ts";
import type { Fields } from "../_config_fields.ts";
import type { SaeConfig } from "../config.ts";

/** The grid whose rows, batch by batch, an activation's are. */
export interface Grid {
  readonly batch: number;
  readonly nPos: number;
}

/** A kind's arithmetic over loaded parameters. Inputs are normalised and, where the kind says so, centred by `b_dec`. */
export interface KindOps {
  /** `b_dec`, [dOut]. */
  readonly bDec: Handle;
  /** Encodes: [rows, dIn] to codes [rows, dSae]; the bits of the two halves. */
  encode(x: Handle, grid: Grid): Handle;
  /** The halves of the encoder; `undefined` where codes come about in many steps. */
  readonly halves?: {
    /** The first half: what `hook_sae_acts_pre` sees. */
    pre(x: Handle, grid: Grid): Handle;
    /** The second half: codes of the pre-activations and, for kinds with a gate, of the input again. */
    post(pre: Handle, x: () => Handle): Handle;
  };
  /** Decodes: codes [rows, dSae] to [rows, dOut]. */
  decode(codes: Handle): Handle;
  /** What reaches the output beside the codes, [rows, dOut], of the raw input [rows, dIn] and of the one that is encoded. */
  bypass?(raw: Handle, x: () => Handle, grid: Grid): Handle;
}

/** The shapes of an SAE's tensors by name. */
export type SaeShapes = Readonly<Record<string, readonly number[]>>;

/** A kind of autoencoder. */
export interface SaeKind {
  /** Keys of `cfg.json` that only some kinds have, beside the ones that all have. */
  readonly ownKeys: readonly string[];
  /** Reads these. */
  readOwn?(fields: Fields): Partial<SaeConfig>;
  /** Whether `b_dec` is subtracted where the file doesn't say. */
  readonly appliesBDec: boolean;
  /** Whether it maps one point to another, so that its `b_dec` and its output are of another space than its input. */
  readonly isTranscoder: boolean;
  /** Gives the tensors of the weight file. */
  shapes(cfg: SaeConfig): SaeShapes;
  /** Takes the kind's parameters into a store. */
  load(store: ParameterStore, cfg: SaeConfig): KindOps;
  /** The vectors [dSae] that scale with the decoder's norms when these are folded into the encoder. */
  readonly scaledByNorm: readonly string[];
  /** The biases [dSae] that a shift of the input reaches, each with the vector by whose exponential its encoder is scaled. */
  readonly shifted: Readonly<Record<string, string | undefined>>;
  /** Why the norms of this SAE's decoder can't be folded; `undefined` when they can. */
  whyUnfoldable?(cfg: SaeConfig): string | undefined;
  /** Whether all parameters whose gradients there are make `act(x W_enc + b_enc) W_dec + b_dec`, so that those are known. */
  readonly isPlain?: boolean;
  /** Why nothing can be folded into the encoder alone. */
  readonly whyTied?: string;
  /** Why the scale of the activations can't be folded into the weights. */
  readonly whyUnscalable?: string;
  /** Why `hook_sae_acts_pre` never fires. */
  readonly whyNoPreActivations?: string;
  /** Whether a row's codes depend on the positions before it. */
  readonly mixesPositions?: boolean;
  /** Whether the splice leaves out what reaches the output beside the codes, as SAELens does. */
  readonly splicesCodesAlone?: boolean;
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
  eq: 0,
  gt: 2,
  abs: 1,
  sqrt: 2,
  addScalar: 0,
  mulScalar: 1,
} as const;

/** Encoder, decoder and their biases, which most kinds have. */
export function plainShapes({ dIn, dSae, dOut = dIn }: SaeConfig): SaeShapes {
  return { W_enc: [dIn, dSae], b_enc: [dSae], W_dec: [dSae, dOut], b_dec: [dOut] };
}

/** `act(x W_enc + b)`. */
export function encoder(
  weight: number,
  bias: Handle,
  dSae: number,
): (x: Handle, act?: number) => Handle {
  const dims = new Uint32Array([dSae]);
  return (x, act = CODE.identity) => core().linear(x, weight, bias, 1, dims, act);
}

/** Rows that have to be encoded before an encoder is quantised for screening, which takes as long as encoding some tens of them. */
const WORTH_SCREENING = 32;

/** Cells of an encoder that screening gains time on: one that stays in the caches is multiplied as fast as it is screened. */
const LARGE_ENCODER = 1 << 19;

/**
 * `relu(x W + b)`, or jumprelu with thresholds, with the bits of the product and the activation, most of it ruled out in eight bits
 * once enough rows have been encoded.
 */
export function sparseEncoder(
  store: ParameterStore,
  { dIn, dSae }: SaeConfig,
  weight: number,
  bias: Handle,
  thresholds: Handle = 0,
): (x: Handle) => Handle {
  const screen = store.screen(weight, bias, thresholds);
  const isLarge = dIn * dSae >= LARGE_ENCODER;
  let encoded = 0;
  return (x) => {
    encoded += core().shape_of(x)[0];
    const isWorthIt = isLarge && encoded >= WORTH_SCREENING;
    return core().encode(x, weight, bias, thresholds, isWorthIt ? screen() : 0);
  };
}

/** Sums along the last axis, which stays with length 1. */
export function sumLast(x: Handle): Handle {
  return core().sum(x, new Uint32Array([core().shape_of(x).length - 1]), true);
}
