/**
 * Several backward passes over one recorded forward pass.
 *
 * @module
 */

import type { BackwardOptions } from "./gradients.ts";
import { Tensor, tensorOf, walkFrom } from "./tensor.ts";

/**
 * Walks back from several scalars, one after the other, over what one forward pass recorded (or several).
 *
 * @param scalars The scalars, or a tensor whose elements they are.
 * @returns For each scalar, the gradients at the points that it depends on and that are watched or have `bwd` hooks, by name.
 * @throws {ShapeError} If one isn't a scalar.
 * @throws {GradientError} If nothing that led to one was watched, or its recording is gone; then no walk begins.
 */
export function backwardMany(
  scalars: readonly Tensor[] | Tensor,
  options: BackwardOptions = {},
): ReadonlyMap<string, Tensor>[] {
  const list = scalars instanceof Tensor ? [...scalars.flatten()] : scalars;
  const gradients = list.map(() => new Map<string, Tensor>());
  walkFrom(list, options, (scalar, name, gradient) => {
    const fresh = tensorOf(gradient);
    // Two runs may lead to one scalar, by way of points of the same name.
    const before = gradients[scalar].get(name);
    gradients[scalar].set(name, before ? before.add(fresh) : fresh);
  });
  return gradients;
}
