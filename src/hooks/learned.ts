/**
 * What parameters made, marked for runs that give gradients of parameters. Each rule says how the gradient of a value gives those of
 * the parameters that made it, from what they read.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { ownedTensor, type Tensor, tensorOf } from "../core/tensor.ts";
import type { GradientSums, RowValue, Tap } from "./tap.ts";

/** The names of a matrix or scale and of its bias, where there are any. */
export interface ParameterNames {
  readonly weight?: string;
  readonly bias?: string;
}

/** A value of the forward pass as a constant that outlives it. */
function constant(value: Handle): Tensor {
  return tensorOf(core().detach(value));
}

/** Names gradients; those of parameters that aren't there aren't computed. */
function named(
  { weight, bias }: ParameterNames,
  weightGradient: () => Tensor,
  biasGradient: () => Tensor,
): [string, Tensor][] {
  return [
    ...weight === undefined ? [] : [[weight, weightGradient()] as [string, Tensor]],
    ...bias === undefined ? [] : [[bias, biasGradient()] as [string, Tensor]],
  ];
}

/** A value's rows, each as one vector: [rows, n]. */
function asVectors(value: Tensor): Tensor {
  const [rows] = value.shape;
  return value.reshape([rows, value.size / rows]);
}

/**
 * Marks `x W + b`.
 *
 * @param y What the matrix made, [rows, ...out].
 * @param x What it read, [rows, ...in]; the parameter is [...in, ...out].
 */
export function byMatrix(
  tap: Tap,
  y: RowValue,
  x: RowValue,
  names: ParameterNames,
  owner?: GradientSums,
): RowValue {
  if (!tap.learned) return y;
  const rule = () => {
    const read = constant(tap.whole(x));
    return (gradient: Tensor) =>
      named(
        names,
        () =>
          asVectors(read).transpose(0, 1).matmul(asVectors(gradient))
            .reshape([...read.shape.slice(1), ...gradient.shape.slice(1)]),
        () => gradient.sum(0),
      );
  };
  return tap.learned(y, rule, owner);
}

/** Sums over the heads that share a parameter: [heads, ...] to [nOwn, ...]. */
function overSharing(byHead: Tensor, nOwn: number): Tensor {
  const [heads, ...rest] = byHead.shape;
  return heads === nOwn ? byHead : byHead.reshape([nOwn, heads / nOwn, ...rest]).sum(1);
}

/**
 * Marks what each head's matrix made.
 *
 * @param y What the heads made, [rows, head, out].
 * @param x What they read, [rows, in], or each its own [rows, head, in]; the parameter is [nOwn, in, out].
 */
export function byHeads(
  tap: Tap,
  y: RowValue,
  x: RowValue,
  names: ParameterNames,
  nOwn: number,
): RowValue {
  return tap.learned?.(y, () => {
    const read = constant(tap.whole(x));
    const columns = read.rank === 3 ? read.permute(1, 2, 0) : read.transpose(0, 1);
    return (gradient) =>
      named(
        names,
        () => overSharing(columns.matmul(gradient.permute(1, 0, 2)), nOwn),
        () => overSharing(gradient.sum(0), nOwn),
      );
  }) ?? y;
}

/**
 * Marks `n w + b`.
 *
 * @param y What scale and bias made, [..., dModel].
 * @param normalized Gives `n`, of the shape of `y`.
 */
export function byScale(
  tap: Tap,
  y: RowValue,
  normalized: () => Handle,
  names: ParameterNames,
): RowValue {
  return tap.learned?.(y, () => {
    const read = constant(normalized());
    const summed = (gradient: Tensor) =>
      gradient.reshape([gradient.size / gradient.shape[gradient.rank - 1], -1]).sum(0);
    return (gradient) => named(names, () => summed(gradient.mul(read)), () => summed(gradient));
  }) ?? y;
}

/**
 * Marks the rows of a table.
 *
 * @param y The rows, [rows, width].
 * @param indices Which they are.
 * @param shapeOf Gives the table's, [n, width].
 */
export function byLookup(
  tap: Tap,
  y: RowValue,
  indices: Int32Array,
  name: string,
  shapeOf: () => readonly number[],
): RowValue {
  return tap.learned?.(y, () => (gradient) => {
    const shape = shapeOf();
    const [n, width] = shape;
    const rows = gradient.data();
    const sums = new Float32Array(n * width);
    indices.forEach((at, row) => {
      for (let d = 0; d < width; d++) sums[at * width + d] += rows[row * width + d];
    });
    return [[name, ownedTensor(sums, shape)]];
  }) ?? y;
}
