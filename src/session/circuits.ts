/**
 * What weights say of circuits: the matrices that heads read and write with, and how much heads compose.
 *
 * @module
 */

import { requireOneOf, ShapeError } from "../core/errors.ts";
import { FactoredMatrix, normFactor } from "../core/factored_matrix.ts";
import { Tensor } from "../core/tensor.ts";

/** How a later head composes with an earlier one: through its queries, its keys or its values. */
export type CompositionMode = "Q" | "K" | "V";

/** Weights of heads, stacked over layers: [layer, head, dModel, dHead] and, of `W_O`, [layer, head, dHead, dModel]. */
interface HeadWeights {
  readonly W_Q: Tensor;
  readonly W_K: Tensor;
  readonly W_V: Tensor;
  readonly W_O: Tensor;
}

/** Products of this many numbers are held at once. */
const MAX_PRODUCTS = 2 ** 24;

/** Where keys and values have fewer heads, each serves as many neighbouring query heads. */
function forEachQueryHead(weights: Tensor, nHeads: number): Tensor {
  const axis = weights.rank - 3;
  const groups = weights.shape[axis];
  if (groups === nHeads) return weights;
  const head = Array.from({ length: nHeads }, (_, h) => Math.floor(h * groups / nHeads));
  return weights.indexSelect(axis, head);
}

/** What heads attend by, W_Q W_K^T: [..., head, dModel, dModel]. */
export function qkOf({ W_Q, W_K }: Pick<HeadWeights, "W_Q" | "W_K">): FactoredMatrix {
  const nHeads = W_Q.shape[W_Q.rank - 3];
  return new FactoredMatrix(W_Q.clone(), forEachQueryHead(W_K, nHeads).transpose(-2, -1));
}

/** What heads move, W_V W_O: [..., head, dModel, dModel]. */
export function ovOf({ W_V, W_O }: Pick<HeadWeights, "W_V" | "W_O">): FactoredMatrix {
  return new FactoredMatrix(forEachQueryHead(W_V, W_O.shape[W_O.rank - 3]).clone(), W_O.clone());
}

/** Matrices as norms of their products see them, [n, ...], and their norms [n]. */
interface Composable {
  readonly factors: Tensor;
  readonly norms: Tensor;
}

function composable(matrix: FactoredMatrix, side: "left" | "right"): Composable {
  const factor = normFactor(matrix, side);
  const factors = factor.reshape(-1, ...factor.shape.slice(-2));
  return { factors, norms: factors.norm([-2, -1]) };
}

/** |L R| / (|L| |R|) of every matrix on the left, [n, k, d], with every one on the right, [m, d, l]: [n, m]. */
function pairScores(left: Composable, right: Composable): Tensor {
  const [n, k, d] = left.factors.shape;
  const [m, , l] = right.factors.shape;
  const columns = right.factors.permute(1, 0, 2).reshape(d, m * l);
  const step = Math.max(1, Math.floor(MAX_PRODUCTS / (k * m * l)));
  const parts: Tensor[] = [];
  for (let from = 0; from < n; from += step) {
    const rows = left.factors.at(`${from}:${Math.min(from + step, n)}`);
    const products = rows.reshape(-1, d).matmul(columns).reshape(rows.shape[0], k, m, l);
    parts.push(products.norm([1, 3]));
  }
  return Tensor.cat(parts).div(right.norms).div(left.norms.unsqueeze(-1));
}

/**
 * How much matrices compose: |L R| / (|L| |R|) (Elhage et al., A Mathematical Framework for Transformer Circuits, 2021).
 *
 * @param left The matrices that write, [..., ldim, rdim].
 * @param right The matrices that read, [..., rdim, ...].
 * @param options `broadcastDims` pairs every matrix on the left with every one on the right (the default); otherwise the axes in front
 *   are the same on both sides, and matrices at the same place are paired.
 * @returns [...left, ...right], or [...] of both.
 * @throws {ShapeError} If the inner dimensions, or without `broadcastDims` the axes in front, differ.
 */
export function compositionScores(
  left: FactoredMatrix,
  right: FactoredMatrix,
  { broadcastDims = true }: { broadcastDims?: boolean } = {},
): Tensor {
  const [leftLead, rightLead] = [left, right].map(({ shape }) => shape.slice(0, -2));
  if (left.rdim !== right.ldim || (!broadcastDims && leftLead.join() !== rightLead.join())) {
    throw new ShapeError(
      `Cannot compose matrices of shapes [${left.shape.join(", ")}] and [${
        right.shape.join(", ")
      }]: expected as many columns on the left as rows on the right${
        broadcastDims ? "" : ", and the same axes in front"
      }.`,
    );
  }
  const [writing, reading] = [composable(left, "left"), composable(right, "right")];
  if (broadcastDims) return pairScores(writing, reading).reshape(...leftLead, ...rightLead);
  const products = writing.factors.matmul(reading.factors).norm([-2, -1]);
  return products.div(writing.norms).div(reading.norms).reshape(leftLead);
}

/**
 * How much each head composes with each head of later layers.
 *
 * @returns [layer, head, later layer, its head]; zero where the layer isn't later.
 */
export function allCompositionScores(weights: HeadWeights, mode: CompositionMode): Tensor {
  requireOneOf("Cannot score composition of the mode", mode, ["Q", "K", "V"]);
  const ov = ovOf(weights);
  const [nLayers, nHeads] = ov.shape;
  const writing = composable(ov, "left");
  const reading = composable(
    mode === "V" ? ov : mode === "Q" ? qkOf(weights) : qkOf(weights).T,
    "right",
  );
  const heads = ({ factors, norms }: Composable, range: string) => ({
    factors: factors.at(range),
    norms: norms.at(range),
  });
  const rows = Array.from({ length: nLayers }, (_, layer) => {
    const next = (layer + 1) * nHeads;
    const before = Tensor.zeros([nHeads, next]);
    if (layer + 1 === nLayers) return before;
    const scores = pairScores(
      heads(writing, `${layer * nHeads}:${next}`),
      heads(reading, `${next}:`),
    );
    return Tensor.cat([before, scores], 1);
  });
  return Tensor.stack(rows).reshape(nLayers, nHeads, nLayers, nHeads);
}

/** Labels of heads, `L0H0`, in the order of layers and heads. */
export function headLabels({ nLayers, nHeads }: { nLayers: number; nHeads: number }): string[] {
  return Array.from(
    { length: nLayers * nHeads },
    (_, i) => `L${Math.floor(i / nHeads)}H${i % nHeads}`,
  );
}

/** What `accumulatedBias` asks of a model. */
interface BiasedModel {
  readonly cfg: { readonly nLayers: number; readonly dModel: number; readonly attnOnly: boolean };
  readonly blocks: readonly {
    readonly attn: { readonly b_O: Tensor };
    readonly mlp: { readonly b_out: Tensor };
  }[];
}

/**
 * Sums the biases that are added to the residual stream before a layer.
 *
 * @returns [dModel].
 * @throws {RangeError} If there is no such layer.
 */
export function accumulatedBias(
  { cfg: { nLayers, dModel, attnOnly }, blocks }: BiasedModel,
  layer: number,
  { mlpInput = false, includeMlpBiases = true }: {
    mlpInput?: boolean;
    includeMlpBiases?: boolean;
  },
): Tensor {
  const last = mlpInput ? nLayers - 1 : nLayers;
  if (!Number.isInteger(layer) || layer < 0 || layer > last) {
    throw new RangeError(
      `Cannot sum biases up to ${
        mlpInput ? "the MLP of " : ""
      }layer ${layer}: expected a whole number from 0 to ${last}.`,
    );
  }
  let sum = Tensor.zeros([dModel]);
  for (let l = 0; l < layer; l++) {
    sum = sum.add(blocks[l].attn.b_O);
    if (includeMlpBiases && !attnOnly) sum = sum.add(blocks[l].mlp.b_out);
  }
  return mlpInput ? sum.add(blocks[layer].attn.b_O) : sum;
}
