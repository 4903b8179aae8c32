/**
 * Weights as TransformerLens shows them: by block, and stacked over layers.
 *
 * @module
 */

import { Tensor } from "../core/tensor.ts";
import type { FactoredMatrix } from "../core/factored_matrix.ts";
import { ovOf, qkOf } from "./circuits.ts";
import { showGradient } from "../weights/parameter_gradients.ts";
import type { ParameterStore } from "../weights/parameter_store.ts";

/** A block's parameters, read when somebody looks. */
export interface BlockView {
  /**
   * Attention: `W_Q` [head, dModel, dHead] … `W_O` [head, dHead, dModel], `b_Q` [head, dHead] … `b_O` [dModel]; what heads attend by and
   * what they move, `QK` and `OV` [head, dModel, dModel]. Where heads share keys and values, `W_K`, `W_V`, `b_K` and `b_V` have each
   * head's copy, and `_W_K` and its kin are the parameters themselves, which have gradients.
   */
  readonly attn: Readonly<
    & Record<"W_Q" | "W_K" | "W_V" | "W_O" | "b_Q" | "b_K" | "b_V" | "b_O", Tensor>
    & Record<"_W_K" | "_W_V" | "_b_K" | "_b_V", Tensor>
    & Record<"QK" | "OV", FactoredMatrix>
  >;
  /** The MLP: `W_in` [dModel, dMlp], `b_in` [dMlp], `W_out` [dMlp, dModel], `b_out` [dModel]; `W_gate` [dModel, dMlp] where it has one. */
  readonly mlp: Readonly<Record<"W_in" | "W_out" | "b_in" | "b_out" | "W_gate", Tensor>>;
  /** The norm before attention, where it isn't folded: `w` and `b`, [dModel]. */
  readonly ln1: Readonly<Record<"w" | "b", Tensor>>;
  /** The norm before the MLP, where it isn't folded: `w` and `b`, [dModel]. */
  readonly ln2: Readonly<Record<"w" | "b", Tensor>>;
  /** The norm after attention, where there is one: `w`, [dModel]. */
  readonly ln1_post: Readonly<Record<"w" | "b", Tensor>>;
  /** The norm after the MLP, where there is one: `w`, [dModel]. */
  readonly ln2_post: Readonly<Record<"w" | "b", Tensor>>;
}

/** The parameters that query heads may share. */
const SHARED = /\.([Wb]_[KV])$/;

/** A parameter as TransformerLens shows it: those that heads share with a copy for each head. */
function shown(store: ParameterStore, nHeads: number, name: string): Tensor {
  const own = name.replace(SHARED, "._$1");
  if (own === name || store.has(name) || !store.has(own)) return store.view(name);
  const shared = store.read(own);
  const [heads, ...rest] = shared.shape;
  return shared.unsqueeze(1).expand([heads, nHeads / heads, ...rest]).reshape([nHeads, ...rest]);
}

/** A view of a block's parameters. */
export function blockView(store: ParameterStore, nHeads: number, layer: number): BlockView {
  const part = <T extends object>(
    name: string,
    derived: Readonly<Record<string, (part: T) => unknown>> = {},
  ): T => {
    const get = (_: unknown, parameter: string | symbol): unknown => {
      if (typeof parameter !== "string") return undefined;
      if (Object.hasOwn(derived, parameter)) return derived[parameter](view);
      return shown(store, nHeads, `blocks.${layer}.${name}.${parameter}`);
    };
    const view = new Proxy({}, { get }) as T;
    return view;
  };
  return {
    attn: part<BlockView["attn"]>("attn", { QK: qkOf, OV: ovOf }),
    mlp: part("mlp"),
    ln1: part("ln1"),
    ln2: part("ln2"),
    ln1_post: part("ln1_post"),
    ln2_post: part("ln2_post"),
  };
}

/** A parameter of every block, stacked: [layer, ...]; so is its gradient, where every block's has one. */
export function stackedWeights(
  store: ParameterStore,
  { nLayers, nHeads }: { readonly nLayers: number; readonly nHeads: number },
  name: string,
): Tensor {
  const layers = Array.from({ length: nLayers }, (_, l) => `blocks.${l}.${name}`);
  const views = layers.map((parameter) => shown(store, nHeads, parameter));
  return showGradient(Tensor.stack(views), () => {
    const gradients = views.flatMap(({ grad }) => grad ?? []);
    return gradients.length === nLayers ? Tensor.stack(gradients) : undefined;
  });
}
