/**
 * The non-linearities of MLPs by TransformerLens' names.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { ACTIVATION } from "../core/tensor.ts";
import type { ActivationName } from "./config.ts";

/** An activation function. */
export interface Activation {
  /** Applies it to rows. */
  readonly of: (x: Handle) => Handle;
  /** Applies it to a product, which does it by itself where it is told the core's code of the function. */
  readonly after: (product: (code: number) => Handle) => Handle;
}

function elementwise(code: number): Activation {
  return { of: (x) => core().activate(code, x), after: (product) => product(code) };
}

const MUL = 2;
const LAST_AXIS = 1;

/** Each row times its own softmax (SoLU; Elhage et al., 2022). */
const SOLU: Activation = {
  of: (x) => core().binary(MUL, x, core().softmax(x, LAST_AXIS)),
  after: (product) => SOLU.of(product(ACTIVATION.identity)),
};

/** Three names of one function: the tanh form of GELU, in libraries that write it down differently. */
const GELU_TANH = elementwise(ACTIVATION.gelu_new);

/** The activation functions. */
export const ACTIVATIONS: Readonly<Record<ActivationName, Activation>> = {
  relu: elementwise(ACTIVATION.relu),
  gelu: elementwise(ACTIVATION.gelu),
  silu: elementwise(ACTIVATION.silu),
  gelu_new: GELU_TANH,
  gelu_fast: GELU_TANH,
  gelu_pytorch_tanh: GELU_TANH,
  tanh: elementwise(ACTIVATION.tanh),
  solu: SOLU,
  solu_ln: SOLU,
};
