/**
 * On how many threads the core works. They are the core's, not a model's: models that are loaded say how many they want, and the
 * last word holds until every one of them is gone.
 *
 * @module
 */

import { coreInfo } from "../core/engine.ts";
import { ConfigError, described } from "../core/errors.ts";
import type { ThreadPool } from "../workers/pool.ts";

/**
 * How many threads share the work: a number, or `"auto"`, which takes one for each processor if the model is large enough to gain
 * and the runtime has shared memory and workers, else one.
 */
export type Threads = number | "auto";

/** The most threads. */
const MOST = 64;

/** Parameters, embeddings left out, from which on a model's products are worth sharing: below, most take less time than a worker needs to wake. */
const WORTH_SHARING = 1_000_000;

/** How many models that were loaded with threads are there. */
let users = 0;

function leave(pool: ThreadPool): void {
  users--;
  if (users === 0) pool.close();
}

const collected = new FinalizationRegistry<ThreadPool>(leave);
const poolOf = new WeakMap<object, ThreadPool>();

/** Lets a model's threads go when it is the last that wanted some. */
export function releaseThreads(model: object): void {
  const pool = poolOf.get(model);
  if (!pool) return;
  poolOf.delete(model);
  collected.unregister(model);
  leave(pool);
}

function holdThreads(model: object, pool: ThreadPool): void {
  users++;
  poolOf.set(model, pool);
  collected.register(model, pool, model);
}

function requireThreads(threads: Threads): void {
  const isCount = typeof threads === "number" && Number.isInteger(threads) && threads >= 1 &&
    threads <= MOST;
  if (threads === "auto" || isCount) return;
  throw new ConfigError(
    `Cannot load with threads ${
      described(threads)
    }: expected "auto" or a whole number from 1 to ${MOST}.`,
  );
}

/** The pool, or why there is none. */
async function open(): Promise<ThreadPool | string> {
  try {
    const { openPool } = await import("../workers/pool.ts");
    return await openPool();
  } catch (error) {
    return `the module for them can't be loaded (${error})`;
  }
}

/** What a model that is being loaded does with threads. */
export interface ThreadPlan {
  /**
   * Has the threads share the model's work, for as long as it is there.
   *
   * @throws {ConfigError} If a number was asked for that can't be had.
   */
  serve(model: object, nParameters: number): Promise<void>;
}

/** Nothing but the main thread, and nothing to do for it. */
const ALONE: ThreadPlan = { serve: () => Promise.resolve() };

function automatic(pool: ThreadPool): ThreadPlan {
  return {
    async serve(model, nParameters) {
      if (nParameters < WORTH_SHARING) return;
      holdThreads(model, pool);
      if (coreInfo().threads > 1) return;
      try {
        const { hardwareConcurrency = 1 } = globalThis.navigator ?? {};
        await pool.resize(Math.min(hardwareConcurrency, MOST));
      } catch {
        // Workers may be forbidden where shared memory isn't; alone it works as well.
      }
    },
  };
}

function exactly(threads: number, pool: ThreadPool): ThreadPlan {
  return {
    async serve(model) {
      holdThreads(model, pool);
      try {
        await pool.resize(threads);
      } catch (cause) {
        releaseThreads(model);
        const { message } = cause as Error;
        throw new ConfigError(
          `Cannot work on ${threads} threads: a worker can't be started (${message}).`,
          { cause },
        );
      }
    },
  };
}

/**
 * Chooses the core that a model will be loaded into.
 *
 * @param threads What was asked for.
 * @throws {ConfigError} If it is no number of threads, or one that can't be had here, with the reason.
 */
export async function planThreads(threads: Threads = "auto"): Promise<ThreadPlan> {
  requireThreads(threads);
  if (threads === 1 && coreInfo().variant !== "threads") return ALONE;
  const pool = await open();
  if (threads === "auto") return typeof pool === "string" ? ALONE : automatic(pool);
  if (typeof pool !== "string") return exactly(threads, pool);
  throw new ConfigError(`Cannot work on ${threads} threads: ${pool}.`);
}
