/**
 * Weights as TransformerLens shows them: by block, and stacked over layers.
 *
 * @module
 */

import { Tensor } from "../core/tensor.ts";
import type { FactoredMatrix } from "../core/factored_matrix.ts";
import { ovOf, qkOf } from "./circuits.ts";
import type { ParameterStore } from "../weights/parameter_store.ts";

/** A block's parameters, read when somebody looks. */
export interface BlockView {
  /** Attention: `W_Q` [head, dModel, dHead] … `W_O` [head, dHead, dModel], `b_Q` [head, dHead] … `b_O` [dModel]; what heads attend by and what they move, `QK` and `OV` [head, dModel, dModel]. */
  readonly attn: Readonly<
    & Record<"W_Q" | "W_K" | "W_V" | "W_O" | "b_Q" | "b_K" | "b_V" | "b_O", Tensor>
    & Record<"QK" | "OV", FactoredMatrix>
  >;
  /** The MLP: `W_in` [dModel, dMlp], `b_in` [dMlp], `W_out` [dMlp, dModel], `b_out` [dModel]. */
  readonly mlp: Readonly<Record<"W_in" | "W_out" | "b_in" | "b_out", Tensor>>;
  /** The norm before attention, where it isn't folded: `w` and `b`, [dModel]. */
  readonly ln1: Readonly<Record<"w" | "b", Tensor>>;
  /** The norm before the MLP, where it isn't folded: `w` and `b`, [dModel]. */
  readonly ln2: Readonly<Record<"w" | "b", Tensor>>;
}

/** A view of a block's parameters. */
export function blockView(store: ParameterStore, layer: number): BlockView {
  const part = <T extends object>(
    name: string,
    derived: Readonly<Record<string, (part: T) => unknown>> = {},
  ): T => {
    const get = (_: unknown, parameter: string | symbol): unknown => {
      if (typeof parameter !== "string") return undefined;
      if (Object.hasOwn(derived, parameter)) return derived[parameter](view);
      return store.view(`blocks.${layer}.${name}.${parameter}`);
    };
    const view = new Proxy({}, { get }) as T;
    return view;
  };
  return {
    attn: part<BlockView["attn"]>("attn", { QK: qkOf, OV: ovOf }),
    mlp: part("mlp"),
    ln1: part("ln1"),
    ln2: part("ln2"),
  };
}

/** A parameter of every block, stacked: [layer, ...]. */
export function stackedWeights(store: ParameterStore, nLayers: number, name: string): Tensor {
  return Tensor.stack(
    Array.from({ length: nLayers }, (_, layer) => store.read(`blocks.${layer}.${name}`)),
  );
}
