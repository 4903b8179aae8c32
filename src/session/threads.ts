/**
 * On how many threads the core works. They are the core's, not a model's: models that are loaded say how many they want, and the
 * last word holds until every one of them is gone.
 *
 * @module
 */

import { coreInfo } from "../core/engine.ts";
import { ConfigError, described } from "../core/errors.ts";
import { openSharedCore } from "../core/shared_core.ts";
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

/** How many holds there are. */
let holds = 0;

function letGo(pool: ThreadPool): void {
  holds--;
  if (holds === 0) pool.close();
}

const collected = new FinalizationRegistry<ThreadPool>(letGo);
const poolOf = new WeakMap<object, ThreadPool>();

/** Keeps the workers there. */
class ThreadHold {
  readonly #pool: ThreadPool | undefined;

  constructor(pool?: ThreadPool) {
    this.#pool = pool;
    if (pool) holds++;
  }

  /** Passes the hold on to a model: it ends when the model is disposed or collected. */
  keepFor(model: object): void {
    if (!this.#pool) return;
    poolOf.set(model, this.#pool);
    collected.register(model, this.#pool, model);
  }

  /** Ends the hold. */
  release(): void {
    if (this.#pool) letGo(this.#pool);
  }
}

/** Lets a model's threads go when it is the last that wanted some. */
export function releaseThreads(model: object): void {
  const pool = poolOf.get(model);
  if (!pool) return;
  poolOf.delete(model);
  collected.unregister(model);
  letGo(pool);
}

/**
 * Checks the option `threads`.
 *
 * @throws {ConfigError} If it is neither `"auto"` nor a number of threads that there may be.
 */
export function requireThreads(threads: Threads = "auto"): void {
  const isCount = typeof threads === "number" && Number.isInteger(threads) && threads >= 1 &&
    threads <= MOST;
  if (threads === "auto" || isCount) return;
  throw new ConfigError(
    `Cannot load with threads ${
      described(threads)
    }: expected "auto" or a whole number from 1 to ${MOST}.`,
  );
}

/** The threads of a model that is being loaded. */
export interface ThreadPlan {
  /**
   * Has the threads share the work from now on.
   *
   * @param nParameters The model's size.
   * @throws {ConfigError} If a number was asked for that can't be had.
   */
  start(nParameters: number): Promise<ThreadHold>;
}

/** Nothing but the main thread. */
const ALONE: ThreadPlan = { start: () => Promise.resolve(new ThreadHold()) };

function automatic(pool: ThreadPool): ThreadPlan {
  return {
    async start(nParameters) {
      if (nParameters < WORTH_SHARING) return new ThreadHold();
      const { hardwareConcurrency = 1 } = globalThis.navigator ?? {};
      try {
        if (coreInfo().threads === 1) await pool.resize(Math.min(hardwareConcurrency, MOST));
      } catch {
        // Workers may be forbidden where shared memory isn't; alone it works as well.
      }
      return new ThreadHold(pool);
    },
  };
}

function exactly(threads: number, pool: ThreadPool): ThreadPlan {
  return {
    async start() {
      try {
        await pool.resize(threads);
      } catch (cause) {
        const { message } = cause as Error;
        throw new ConfigError(`Cannot work on ${threads} threads: ${message}.`, { cause });
      }
      return new ThreadHold(pool);
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
  if (threads === 1 && coreInfo().variant !== "threads") return ALONE;
  const pool = await openSharedCore();
  if (threads === "auto") return typeof pool === "string" ? ALONE : automatic(pool);
  if (typeof pool !== "string") return exactly(threads, pool);
  throw new ConfigError(`Cannot work on ${threads} threads: ${pool}.`);
}
