/**
 * The families of checkpoints that can be loaded.
 *
 * @module
 */

import type { Architecture } from "./architecture.ts";
import { GPT2 } from "./gpt2.ts";

/** The families by their `model_type`. */
export const ARCHITECTURES: ReadonlyMap<string, Architecture> = new Map(
  [GPT2].map((architecture) => [architecture.modelType, architecture]),
);
