/**
 * Runs that give gradients of parameters.
 *
 * @module
 */

import { core } from "../core/engine.ts";
import { ConfigError } from "../core/errors.ts";
import { onGradient } from "../core/gradients.ts";
import { tensorOf } from "../core/tensor.ts";
import type { GradientRule, GradientSums, RowValue } from "../hooks/tap.ts";
import { HookedSAE } from "../sae/hooked_sae.ts";
import { whyNoParameterGradients } from "../sae/autoencode.ts";
import type { ForwardOptions } from "./options.ts";
import { Run, type RunOptions } from "./run.ts";
import type { Splice } from "./splice.ts";

/** What `watch` says for the parameters. */
export const PARAMETERS = "params";

/**
 * Checks that a run can give gradients of parameters.
 *
 * @throws {ConfigError} If it goes on from a cache, whose keys and values are constants, or if an SAE is spliced in whose parameters'
 *   gradients aren't known.
 */
export function requireParameterGradients(
  { pastKvCache }: ForwardOptions,
  splices: readonly Splice[],
): void {
  const failure = `Cannot watch "${PARAMETERS}"`;
  if (pastKvCache) {
    throw new ConfigError(
      `${failure} with a pastKvCache: what it holds are constants, so that gradients would lack their part. Run the whole text.`,
    );
  }
  for (const { module, outName, useErrorTerm, errorGrad } of splices) {
    if (!(module instanceof HookedSAE)) continue;
    const why = useErrorTerm && errorGrad === "passthrough"
      ? 'its error term lets gradients through (errorGrad: "passthrough")'
      : whyNoParameterGradients(module.cfg);
    if (why !== undefined) {
      throw new ConfigError(`${failure} with the SAE at "${outName}": ${why}.`);
    }
  }
}

/** A run in which what parameters made is a stop of the backward pass. */
export class ParameterRun extends Run {
  readonly #gradients: GradientSums;

  /** Prepares the run. @param gradients Where the gradients of the model's own parameters are added up. */
  constructor(options: RunOptions, gradients: GradientSums) {
    super(options);
    this.#gradients = gradients;
  }

  override get isPassing(): boolean {
    return false;
  }

  /** Marks a value that parameters made: once the backward pass comes to it, their gradients follow. */
  learned(
    value: RowValue,
    rule: () => GradientRule,
    owner: GradientSums = this.#gradients,
  ): RowValue {
    const stop = core().watch(value.handle);
    const node = core().node_of(stop);
    if (node === 0) return value;
    const gradientsOf = rule();
    onGradient(node, (gradient) => {
      for (const [name, own] of gradientsOf(tensorOf(gradient))) owner.add(name, own);
    });
    return { ...value, handle: stop };
  }
}
