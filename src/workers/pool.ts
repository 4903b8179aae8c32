/**
 * The pool of threads: the module over shared memory, and the workers that join it.
 *
 * @module
 */

import * as bindings from "../../wasm/pkg_threads/splicer.js";
import type { isVacant, runModule } from "../core/engine.ts";
import { hasRelaxedSimd } from "../core/relaxed_simd.ts";
import { findHire, type Hand, type Hire } from "./host.ts";
import { preferLargePages } from "./large_pages.ts";

/**
 * What the pool uses of the core. It is passed and not imported, because the runtime would compile the core's own module again for a
 * module that is loaded later and leads to it.
 */
export interface CoreModule {
  /** Whether nothing is live in the one that runs. */
  readonly isVacant: typeof isVacant;
  /** Runs another one in its place. */
  readonly runModule: typeof runModule;
}

/** A worker's stack. What the kernels keep there is some 450 KB at most. */
const STACK_BYTES = 1 << 20;

/** How often one place is filled again after its worker died. */
const REPLACEMENTS = 3;

const NOT_VACANT = "the core already runs on one thread, with values in its memory; threads are " +
  "chosen when the first model or SAE is loaded, so load one before others are made";

/** Says why shared memory can't be had here; nothing where it can. */
function whyUnshared(): string | undefined {
  // Only browsers have it.
  if (Reflect.get(globalThis, "crossOriginIsolated") === false) {
    return "the page isn't cross-origin isolated, as shared memory needs it (serve it with " +
      '"Cross-Origin-Opener-Policy: same-origin" and "Cross-Origin-Embedder-Policy: require-corp")';
  }
  if (typeof SharedArrayBuffer === "undefined") return "this runtime has no shared memory";
  if (!hasRelaxedSimd()) return "the engine has no relaxed SIMD";
  return undefined;
}

/** Whether this thread may wait in shared memory; a browser's main thread may not. */
function mayWait(): boolean {
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 0);
    return true;
  } catch {
    return false;
  }
}

/** The threads that share the work: the main one and the workers that are ready. */
function countThreads(): number {
  return 1 + bindings.pool_workers();
}

/** A promise and what settles it. */
function deferred() {
  let resolve = () => {};
  let reject = (_: Error) => {};
  const promise = new Promise<void>((fulfil, refuse) => [resolve, reject] = [fulfil, refuse]);
  return { promise, resolve, reject };
}

/** A worker in its place. */
interface Place {
  readonly hand: Hand;
  readonly hasJoined: () => boolean;
  /** Fulfilled when the worker is gone. */
  readonly gone: Promise<void>;
}

/** The module over shared memory, running, and its workers. */
export class ThreadPool {
  readonly #module: WebAssembly.Module;
  readonly #memory: WebAssembly.Memory;
  #hire: Hire | undefined;
  readonly #places = new Map<number, Place>();
  /** The last change of size. */
  #resized: Promise<void> = Promise.resolve();
  /** The workers that were let go. */
  #leaving: Promise<unknown> = Promise.resolve();

  private constructor(module: WebAssembly.Module, memory: WebAssembly.Memory) {
    this.#module = module;
    this.#memory = memory;
  }

  /**
   * Starts the module over shared memory, without workers yet, in the place of the one that runs.
   *
   * @returns The pool, or why there can be none.
   */
  static async open({ isVacant, runModule }: CoreModule): Promise<ThreadPool | string> {
    const unshared = whyUnshared();
    if (unshared !== undefined) return unshared;
    const { wasmModule } = await import("./threads_module.js");
    if (!isVacant()) return NOT_VACANT;
    const { memory } = bindings.initSync({ module: wasmModule });
    preferLargePages(memory);
    bindings.pool_open(mayWait(), 0);
    runModule(bindings, memory, { variant: "threads", countThreads });
    return new ThreadPool(wasmModule, memory);
  }

  /**
   * Has this many threads share the work.
   *
   * @throws {Error} If a worker can't be started, with the reason; none is kept then.
   */
  resize(threads: number): Promise<void> {
    this.#resized = this.#resized.catch(() => {}).then(() => this.#resize(threads));
    return this.#resized;
  }

  /** Lets every worker go. The main thread works alone until the next {@linkcode resize}. */
  close(): void {
    bindings.pool_close();
    const places = [...this.#places.values()];
    this.#places.clear();
    places.filter((place) => !place.hasJoined()).forEach((place) => place.hand.end());
    this.#leaving = Promise.all([this.#leaving, ...places.map((place) => place.gone)]);
  }

  async #resize(threads: number): Promise<void> {
    const workers = threads - 1;
    if (workers < this.#places.size) this.close();
    // A place is free when its worker has returned from the pool.
    await this.#leaving;
    const vacant = Array.from({ length: workers }, (_, index) => index)
      .filter((index) => !this.#places.has(index));
    if (vacant.length === 0) return;
    // Only now: looking for workers takes some milliseconds.
    const hire = this.#hire ??= await findHire();
    try {
      await Promise.all(vacant.map((index) => this.#fill(index, hire, REPLACEMENTS)));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Puts a worker in a place, and others after it when it dies, at most so many. */
  #fill(index: number, hire: Hire, replacements: number): Promise<void> {
    const [joined, gone] = [deferred(), deferred()];
    let hasJoined = false;
    const place: Place = {
      hand: hire(
        { module: this.#module, memory: this.#memory, index, stackBytes: STACK_BYTES },
        {
          onReport: (report) => {
            if (report === "left") return gone.resolve();
            hasJoined = true;
            joined.resolve();
          },
          onEnd: (reason) => {
            gone.resolve();
            joined.reject(new Error(`a worker can't be started (${reason})`));
            if (this.#places.get(index) !== place) return;
            this.#places.delete(index);
            bindings.pool_mourn(index);
            if (hasJoined && replacements > 0) {
              // A place that can't be filled again stays empty: the others do its work.
              this.#fill(index, hire, replacements - 1).catch(() => {});
            }
          },
        },
      ),
      hasJoined: () => hasJoined,
      gone: gone.promise,
    };
    this.#places.set(index, place);
    return joined.promise;
  }
}

let pool: ThreadPool | undefined;
let opening: Promise<ThreadPool | string> | undefined;

/**
 * Gives the pool, and opens it if it isn't yet.
 *
 * @param core The core that its module is to run in.
 * @returns The pool, or why there can be none.
 */
export async function openPool(core: CoreModule): Promise<ThreadPool | string> {
  if (pool) return pool;
  opening ??= ThreadPool.open(core).finally(() => opening = undefined);
  const opened = await opening;
  if (typeof opened !== "string") pool = opened;
  return opened;
}
