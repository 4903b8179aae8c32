/**
 * The weights of a model that nobody has trained.
 *
 * @module
 */

import { normal } from "../core/random.ts";
import { sizeOf } from "../core/scope.ts";
import type { HookedTransformerConfig } from "../model/config.ts";
import { isBias, isNormWeight, parameterShapes } from "../model/parameters.ts";
import type { StateDict } from "../weights/state_dict.ts";
import { requireRoom } from "./memory_limit.ts";

/**
 * GPT-2's initialisation: normal weights, zero biases (TransformerLens `init_weights`).
 *
 * @throws {MemoryBudgetError} If they can't fit the budget.
 */
export function initialWeights(cfg: HookedTransformerConfig): StateDict {
  requireRoom(cfg);
  const random = normal(cfg.seed ?? 0);
  return new Map(
    Array.from(parameterShapes(cfg), ([name, shape]) => {
      const data = new Float32Array(sizeOf(shape));
      if (isNormWeight(name)) data.fill(1);
      else if (!isBias(name)) {
        for (let i = 0; i < data.length; i++) data[i] = random() * cfg.initializerRange;
      }
      return [name, { shape, data }];
    }),
  );
}
