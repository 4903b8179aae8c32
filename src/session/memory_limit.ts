/**
 * The budget that a model is loaded with.
 *
 * @module
 */

import { memoryBudget } from "../core/engine.ts";
import { ConfigError, described, MemoryBudgetError } from "../core/errors.ts";
import { memoryUsage, setMemoryLimit } from "../core/memory.ts";
import { sizeOf } from "../core/scope.ts";
import type { HookedTransformerConfig } from "../model/config.ts";
import { isBias, isNormWeight, parameterShapes } from "../model/parameters.ts";

/** What WASM memory of 32 bits can address. */
const ADDRESS_SPACE = 2 ** 32;

/** What a weight takes at least unless it is rounded to eight bits, whatever it is stored as. */
const LEAST_BYTES = 2;

/**
 * Checks the option `memoryLimit`.
 *
 * @throws {ConfigError} If it is no number of bytes.
 */
export function requireMemoryLimit(bytes: number | undefined): void {
  if (bytes === undefined || typeof bytes === "number" && bytes >= 0) return;
  throw new ConfigError(
    `Cannot load with memoryLimit ${described(bytes)}: expected a number of bytes, 0 or more.`,
  );
}

/**
 * Checks that the matrices of a model can fit the budget. Norms and biases may be folded into them, so they don't count.
 *
 * @param cfg The model's configuration.
 * @param isInt8 Whether they are rounded to eight bits.
 * @throws {MemoryBudgetError} If they can't.
 */
export function requireRoom(cfg: HookedTransformerConfig, isInt8 = cfg.dtype === "int8"): void {
  const limit = memoryBudget();
  // Blocks are alike: a file may claim millions of them.
  const shapes = parameterShapes({ ...cfg, nLayers: Math.min(cfg.nLayers, 1) });
  let bytes = 0;
  for (const [name, shape] of shapes) {
    if (isBias(name) || isNormWeight(name)) continue;
    bytes += (isInt8 ? 1 : LEAST_BYTES) * sizeOf(shape) *
      (name.startsWith("blocks.") ? cfg.nLayers : 1);
  }
  const { liveBytes } = memoryUsage();
  const budget = Math.min(limit, ADDRESS_SPACE);
  if (liveBytes + bytes <= budget) return;
  throw new MemoryBudgetError(
    `Out of memory budget: the weights of ${cfg.modelName} take at least ${bytes} bytes, ${liveBytes} are in use and the budget is ${budget}. Take fewer layers ({ firstNLayers }), 16 bits or eight ({ dtype: "bfloat16" }, { dtype: "int8" }), or give it more (setMemoryLimit, at most 4 GiB).`,
  );
}

/**
 * Makes something under a budget, which holds from then on.
 *
 * @param limit The budget in bytes; the one that holds stays unless said.
 * @param make Makes it. If it throws, the budget is what it was.
 */
export async function withMemoryLimit<R>(
  limit: number | undefined,
  make: () => Promise<R>,
): Promise<R> {
  if (limit === undefined) return await make();
  const before = memoryBudget();
  setMemoryLimit(limit);
  try {
    return await make();
  } catch (error) {
    setMemoryLimit(before);
    throw error;
  }
}
