/**
 * The gradients of parameters, which all views of a parameter share.
 *
 * @module
 */

import type { Tensor } from "../core/tensor.ts";

/** Makes `grad` of a tensor what a function gives whenever somebody looks. */
export function showGradient(
  view: Tensor,
  read: () => Tensor | undefined,
  write?: (gradient: Tensor | undefined) => void,
): Tensor {
  return Object.defineProperty(view, "grad", { get: read, set: write, enumerable: true });
}

/** Gradients by parameter, each the sum over the backward passes since the last {@linkcode ParameterGradients.clear}. */
export class ParameterGradients {
  readonly #byName = new Map<string, Tensor>();

  /** Adds what a backward pass gave. */
  add(name: string, gradient: Tensor): void {
    const before = this.#byName.get(name);
    this.#byName.set(name, before ? before.add(gradient) : gradient);
  }

  /** Forgets all of them. */
  clear(): void {
    this.#byName.clear();
  }

  /** Gives a view of a parameter the gradient that the parameter has. */
  show(view: Tensor, name: string): Tensor {
    const write = (gradient: Tensor | undefined) => {
      if (gradient) this.#byName.set(name, gradient);
      else this.#byName.delete(name);
    };
    return showGradient(view, () => this.#byName.get(name), write);
  }
}
