/**
 * Small helpers for tensors that are matrices, or nearly.
 *
 * @module
 */

import { ShapeError } from "./errors.ts";
import { elementsOf, type Tensor } from "./tensor.ts";

/** The first `n` entries along each axis. */
export function getCorner(tensor: Tensor, n = 3): Tensor {
  return tensor.at(...tensor.shape.map(() => `:${n}`));
}

/**
 * Drops a batch axis of length 1.
 *
 * @throws {ShapeError} If it has another length.
 */
export function removeBatchDim(tensor: Tensor): Tensor {
  if (tensor.rank > 0 && tensor.shape[0] === 1) return tensor.squeeze(0);
  throw new ShapeError(
    `Cannot remove the batch axis of shape [${tensor.shape.join(", ")}]: expected [1, ...].`,
  );
}

/** Whether a tensor is a matrix with as many rows as columns. */
export function isSquare(tensor: Tensor): boolean {
  return tensor.rank === 2 && tensor.shape[0] === tensor.shape[1];
}

/** Whether a tensor is a square matrix with nothing above the diagonal. */
export function isLowerTriangular(tensor: Tensor): boolean {
  if (!isSquare(tensor)) return false;
  const n = tensor.shape[0];
  return !elementsOf(tensor).some((value, at) => value !== 0 && at % n > Math.floor(at / n));
}
