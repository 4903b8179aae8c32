/**
 * Processing a checkpoint part by part, so that no two copies of all the weights are ever there.
 *
 * @module
 */

import type { ParameterBatch } from "../weights/parameter_store.ts";
import {
  partOf,
  type ProcessableConfig,
  type ProcessingOptions,
  processWeights,
} from "../weights/process.ts";
import { releaseValues } from "../weights/release.ts";
import type { StateDict, WeightArray } from "../weights/state_dict.ts";
import { WeightView } from "../weights/weight_view.ts";

const UNEMBEDDING = "unembed.W_U";

/** The file's values that a parameter is some of. */
function storedOf(weight: WeightArray): Float32Array | Uint16Array | undefined {
  return WeightView.of(weight).stored.elements;
}

/** How many parameters need the same values of a file. */
class Uses {
  readonly #counts = new Map<unknown, number>();

  add(weights: Iterable<WeightArray>, change: 1 | -1): void {
    for (const weight of weights) {
      const stored = storedOf(weight);
      this.#counts.set(stored, (this.#counts.get(stored) ?? 0) + change);
    }
  }

  /** Whether a parameter's values are its own: a copy, because they are in another order or format than the file's, or the file's alone. */
  isOnlyOf = (weight: WeightArray): boolean =>
    weight.data !== storedOf(weight) || this.#counts.get(weight.data) === 1;

  /** Gives back the values that no parameter needs any more. */
  release(weights: Iterable<WeightArray>): void {
    for (const weight of weights) {
      const stored = storedOf(weight);
      if (stored && (this.#counts.get(stored) ?? 0) <= 0) releaseValues(stored);
    }
  }
}

/** Processes parts of a model that were read together. Their values are gone afterwards. */
function* processedOf(
  cfg: ProcessableConfig,
  raw: StateDict,
  options: ProcessingOptions,
): Generator<ParameterBatch> {
  const uses = new Uses();
  uses.add(raw.values(), 1);
  const parts = [...new Set([...raw.keys()].map(partOf))];
  // An unembedding that stays as it was read may be the embedding as well, and is then held once.
  const unembedding = raw.get(UNEMBEDDING);
  let kept: StateDict = new Map();
  // The unembedding is first, so that nobody else needs the embedding's values afterwards.
  for (const part of parts.toSorted((a, b) => Number(b === "unembed") - Number(a === "unembed"))) {
    const own = new Map([...raw].filter(([name]) => partOf(name) === part));
    for (const name of own.keys()) raw.delete(name);
    const { isOnlyOf: isGiven } = uses;
    const { stateDict } = processWeights(cfg, own, options, { part, isGiven });
    const parameters = new Map([...kept, ...stateDict]);
    if (part === "unembed" && unembedding && parameters.get(UNEMBEDDING) === unembedding) {
      kept = parameters;
      continue;
    }
    uses.add(own.values(), -1);
    yield { parameters: [...parameters] };
    // They are in the core now.
    for (const weight of parameters.values()) {
      if (!(weight instanceof WeightView)) releaseValues(weight.data);
    }
    uses.release(own.values());
    kept = new Map();
  }
}

/**
 * Processes a checkpoint part by part.
 *
 * @param cfg The model's configuration before processing.
 * @param parts Parameters as they were read, all of each part together. Their values are gone once the next batch is asked for.
 * @param options Which steps to take.
 * @returns The processed parameters, a batch a part.
 * @throws {ConfigError} If weights can't be processed so without changing what the model computes.
 */
export async function* processedParts(
  cfg: ProcessableConfig,
  parts: AsyncIterable<StateDict>,
  options: ProcessingOptions,
): AsyncGenerator<ParameterBatch> {
  for await (const raw of parts) yield* processedOf(cfg, raw, options);
}
