/**
 * The core over memory that threads share, loaded when it is first wanted.
 *
 * @module
 */

import { isVacant, runModule } from "./engine.ts";
import type { ThreadPool } from "../workers/pool.ts";

/**
 * Starts the core over shared memory, on the main thread alone so far, unless another one has values in its memory. Whatever is
 * loaded calls this before it fills the core: a model that comes later may then have threads.
 *
 * @returns The pool of threads, or why there is none.
 */
export async function openSharedCore(): Promise<ThreadPool | string> {
  try {
    const { openPool } = await import("../workers/pool.ts");
    return await openPool({ isVacant, runModule });
  } catch (error) {
    return `the module for them can't be loaded (${error})`;
  }
}
