/**
 * What the methods of a cache of activations take.
 *
 * @module
 */

import type { SliceInput } from "../core/slice.ts";
import type { Tensor } from "../core/tensor.ts";

/** Options of everything that makes a stack. */
export interface StackOptions {
  /** Takes only these positions. */
  posSlice?: SliceInput;
  /** Puts the stack through the norm of the layer that it is the input of. */
  applyLn?: boolean;
  /** Gives `[stack, labels]` instead of the stack. */
  returnLabels?: boolean;
}

/** Options of `ActivationCache.accumulatedResid}. */
export interface AccumulatedResidOptions extends StackOptions {
  /** Includes the stream between attention and MLP. */
  inclMid?: boolean;
  /** For `layer`, stops at the input of its MLP instead of its attention. */
  mlpInput?: boolean;
}

/** Options of `ActivationCache.decomposeResid}. */
export interface DecomposeResidOptions extends StackOptions {
  /** For `layer`, goes up to the input of its MLP instead of its attention. */
  mlpInput?: boolean;
  /** All components, or one kind; `"all"` unless said. */
  mode?: "all" | "mlp" | "attn";
  /** Includes the embeddings; `true` unless said. */
  inclEmbeds?: boolean;
}

/** Options of `ActivationCache.stackHeadResults}. */
export interface HeadResultsOptions extends StackOptions {
  /** Appends the rest of the stream. */
  inclRemainder?: boolean;
}

/** Options of `ActivationCache.getNeuronResults}. */
export interface NeuronResultsOptions {
  /** Takes only these neurons. */
  neuronSlice?: SliceInput;
  /** Takes only these positions. */
  posSlice?: SliceInput;
  /** Projects what each neuron adds onto a direction [dModel], or several [dModel, n], before it is computed in full. */
  projectOutputOnto?: Tensor;
}

/** Options of `ActivationCache.stackNeuronResults}. */
export interface StackNeuronOptions extends StackOptions, NeuronResultsOptions {
  /** Appends the rest of the stream. */
  inclRemainder?: boolean;
}

/** Options of `ActivationCache.getFullResidDecomposition}. */
export interface FullDecompositionOptions extends StackOptions {
  /** Goes up to the input of the layer's MLP instead of its attention. */
  mlpInput?: boolean;
  /** Gives each neuron by itself instead of the MLPs; `true` unless said. */
  expandNeurons?: boolean;
  /** Projects each component onto a direction [dModel], or several [dModel, n]. */
  projectOutputOnto?: Tensor;
}

/** Options of `ActivationCache.applyLnToStack}. */
export interface LnOptions {
  /** Uses the scale before the layer's MLP instead of its attention. */
  mlpInput?: boolean;
  /** The positions that the stack holds. */
  posSlice?: SliceInput;
  /** Takes only these texts, of the stack too. */
  batchSlice?: SliceInput;
  /** Whether the stack has a batch axis, which `batchSlice` is applied to; `true` unless said. */
  hasBatchDim?: boolean;
  /** At the final norm, computes the scale of each component by itself, with weight and bias (the logit lens). */
  recomputeLn?: boolean;
}

/** Options of `ActivationCache.logitAttrs}. */
export interface LogitAttrsOptions
  extends Pick<LnOptions, "posSlice" | "batchSlice" | "hasBatchDim"> {
  /** Takes the difference from the logits of these tokens, of the same shape. */
  incorrectTokens?: string | number | Tensor | readonly number[];
}

/** A stack, with its labels where the options ask for them. */
export type Stacked<O> = O extends { returnLabels: infer R }
  ? [R] extends [true] ? [Tensor, string[]]
  : [R] extends [false | undefined] ? Tensor
  : Tensor | [Tensor, string[]]
  : Tensor;
