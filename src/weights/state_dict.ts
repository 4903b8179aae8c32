/**
 * A model's parameters by TransformerLens' names.
 *
 * @module
 */

/** One parameter. */
export interface WeightArray {
  /** Its shape, in TransformerLens' layout. */
  readonly shape: readonly number[];
  /** Its values, row-major. Shared between state dicts, never changed in place. */
  readonly data: Float32Array;
}

/** A model's parameters by TransformerLens' names, such as `blocks.0.attn.W_Q` [head, dModel, dHead]. */
export type StateDict = Map<string, WeightArray>;
