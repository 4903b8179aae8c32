/**
 * What singular vectors of weights say in terms of tokens.
 *
 * @module
 */

import { ConfigError, requireOneOf } from "../core/errors.ts";
import type { SquareRows } from "../core/eigenvalues.ts";
import { symmetricEigen } from "../core/symmetric_eigen.ts";
import { Tensor } from "../core/tensor.ts";
import type { HookedTransformer } from "../session/hooked_transformer.ts";

/** Weights whose singular vectors lie in the residual stream: what a head moves, or an MLP's input or output. */
export type SingularVectorType = "OV" | "w_in" | "w_out";

/** The matrix M^T M of M [rows, columns], in float64. */
function gram(matrix: Tensor): SquareRows {
  const [rows, columns] = matrix.shape;
  const data = matrix.data();
  const square = Array.from({ length: columns }, () => new Float64Array(columns));
  for (let row = 0; row < rows; row++) {
    const values = Float64Array.from(data.subarray(row * columns, (row + 1) * columns));
    for (let i = 0; i < columns; i++) {
      const [target, factor] = [square[i], values[i]];
      for (let j = i; j < columns; j++) target[j] += factor * values[j];
    }
  }
  square.forEach((row, i) => {
    for (let j = 0; j < i; j++) row[j] = square[j][i];
  });
  return square;
}

/**
 * Reads singular vectors of weights as tokens: each right singular vector's product with the unembedding (Beren and Black, The
 * Singular Value Decompositions of Transformer Weight Matrices are Highly Interpretable, 2022).
 *
 * @example
 * ```ts
 * import { HookedTransformer, SVDInterpreter } from "@splicer/splicer";
 * import { assertEquals } from "@std/assert";
 *
 * const model = await HookedTransformer.fromPretrained("ioi-tiny");
 * const vectors = new SVDInterpreter(model).getSingularVectors("OV", 1, { headIndex: 2, numVectors: 3 });
 * assertEquals(vectors.shape, [model.cfg.dVocab, 1, 3]);
 * ```
 */
export class SVDInterpreter {
  /** The model whose weights are read. */
  readonly model: HookedTransformer;

  /** Reads a model's weights. */
  constructor(model: HookedTransformer) {
    this.model = model;
  }

  /**
   * Gives the tokens' logits along the first right singular vectors. Nothing determines a singular vector's sign.
   *
   * @param vectorType Of which weights: `"OV"` of a head, `"w_in"` or `"w_out"` of a layer.
   * @param layerIndex The layer.
   * @param options `numVectors` (10 unless said), and `headIndex` for `"OV"`.
   * @returns [dVocab, 1, numVectors].
   * @throws {RangeError} If there is no such layer or head, or there aren't as many vectors.
   * @throws {ConfigError} If the head is missing, or it is another type.
   */
  getSingularVectors(
    vectorType: SingularVectorType,
    layerIndex: number,
    { numVectors = 10, headIndex }: { numVectors?: number; headIndex?: number } = {},
  ): Tensor {
    requireOneOf("Cannot read singular vectors of", vectorType, ["OV", "w_in", "w_out"]);
    const { cfg, W_U } = this.model;
    requireIndex("layer", layerIndex, cfg.nLayers);
    const vectors = vectorType === "OV"
      ? this.#ofHead(layerIndex, headIndex)
      : this.#ofMlp(vectorType, layerIndex);
    if (!Number.isInteger(numVectors) || numVectors < 1 || numVectors > vectors.shape[0]) {
      throw new RangeError(
        `Cannot read ${numVectors} singular vectors: expected 1 to ${vectors.shape[0]}.`,
      );
    }
    return vectors.at(`:${numVectors}`).matmul(W_U).transpose(0, 1).unsqueeze(1);
  }

  /** The right singular vectors of what a head moves, [k, dModel]. */
  #ofHead(layer: number, head: number | undefined): Tensor {
    if (head === undefined) {
      throw new ConfigError('Cannot read singular vectors of "OV" without a headIndex.');
    }
    requireIndex("head", head, this.model.cfg.nHeads);
    return this.model.blocks[layer].attn.OV.at(head).V.transpose(0, 1);
  }

  /** The right singular vectors of an MLP's input or output weights as [dMlp, dModel], [dModel, dModel]. */
  #ofMlp(vectorType: "w_in" | "w_out", layer: number): Tensor {
    const { blocks, cfg } = this.model;
    if (cfg.attnOnly) {
      throw new ConfigError(`Cannot read singular vectors of "${vectorType}": there are no MLPs.`);
    }
    const { mlp, ln2 } = blocks[layer];
    const isFolded = cfg.normalizationType === null || cfg.normalizationType.endsWith("Pre");
    const matrix = vectorType === "w_out"
      ? mlp.W_out.clone()
      : isFolded
      ? mlp.W_in.transpose(0, 1)
      : mlp.W_in.transpose(0, 1).mul(ln2.w);
    const { vectors } = symmetricEigen(gram(matrix));
    return Tensor.stack(vectors.map((vector) => Tensor.from(vector)));
  }
}

function requireIndex(what: string, index: number, length: number): void {
  if (Number.isInteger(index) && index >= 0 && index < length) return;
  throw new RangeError(`There is no ${what} ${index}: expected 0 to ${length - 1}.`);
}
