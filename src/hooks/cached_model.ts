/**
 * What a cache of activations asks of the model that filled it.
 *
 * @module
 */

import type { Tensor } from "../core/tensor.ts";

/** What a cache asks of the model that filled it. */
export interface CachedModel {
  /** Its hook points by name, where it tells them. */
  readonly hookDict?: { has(name: string): boolean };
  /** Its configuration. */
  readonly cfg: {
    readonly nLayers: number;
    readonly attnOnly: boolean;
    readonly normalizationType: string | null;
    readonly positionalEmbeddingType: string;
  };
  /** Each block's weights: `W_O` [head, dHead, dModel] and `W_out` [dMlp, dModel]. */
  readonly blocks: readonly {
    readonly attn: { readonly W_O: Tensor };
    readonly mlp: { readonly W_out: Tensor };
  }[];
  /** The unembedding's direction of each token, [..., dModel]. */
  tokensToResidualDirections(tokens: string | number | Tensor | readonly number[]): Tensor;
  /** What biases add to the stream before a layer, [dModel]. */
  accumulatedBias(
    layer: number,
    options: { mlpInput?: boolean; includeMlpBiases?: boolean },
  ): Tensor;
  /** The final norm, weight and bias included where they aren't folded away. */
  lnFinal(resid: Tensor): Tensor;
}
