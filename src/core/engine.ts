/**
 * The WASM core: started on first use, its errors turned into the library's classes.
 *
 * @module
 */

import * as bindings from "../../wasm/pkg/splicer.js";
import {
  BorrowedTensorError,
  CoreError,
  GradientError,
  MemoryBudgetError,
  ShapeError,
} from "./errors.ts";
import { hasRelaxedSimd } from "./relaxed_simd.ts";
import { wasmModule } from "./wasm_module.js";

/** A value in the core's memory: a slot and its generation. 0 is "none". */
export type Handle = number;

/** A packed weight matrix in the core's memory. */
export type WeightHandle = number;

type Bindings = Omit<typeof bindings, "default" | "initSync">;

/** The functions of the core. Each throws the library's errors. */
export type Core = { readonly [K in keyof Bindings]: Bindings[K] };

/**
 * How a module was built: with relaxed SIMD, without it for engines that lack it, or with it over memory that threads share. Equal
 * bits are promised on one machine within a variant; `"threads"` has those of `"relaxed"`.
 */
export type Variant = "relaxed" | "plain" | "threads";

/** What computes. */
export interface CoreInfo {
  /** How the module that runs was built. */
  readonly variant: Variant;
  /** The threads that share the work. */
  readonly threads: number;
}

/** A module that runs. */
interface Running {
  readonly core: Core;
  readonly memory: WebAssembly.Memory;
  readonly variant: Variant;
  readonly countThreads: () => number;
}

let running: Running | undefined;

/** The budget in bytes, once there is one. */
let memoryLimit: number | undefined;

function translated(error: unknown): unknown {
  if (typeof error !== "string") return error;
  const split = error.indexOf(":");
  const [kind, message] = [error.slice(0, split), error.slice(split + 1)];
  switch (kind) {
    case "memory":
      return new MemoryBudgetError(
        `Out of memory budget: ${message}. Run fewer texts at once, cache fewer points, or raise it with setMemoryLimit(), to at most 4 GiB.`,
      );
    case "stale":
      return new BorrowedTensorError(
        "The value's run has ended. Keep act.clone() or act.detach() instead of the tensor that a hook is lent.",
      );
    case "tape":
      return new GradientError(message);
    case "index":
      return new RangeError(message);
    default:
      return new ShapeError(message);
  }
}

function guarded<A extends unknown[], R>(call: (...args: A) => R): (...args: A) => R {
  return (...args) => {
    try {
      return call(...args);
    } catch (error) {
      throw error instanceof WebAssembly.RuntimeError ? stopped(error) : translated(error);
    }
  };
}

/** What gives memory back or ends something: those who clean up call it. */
const CLEANS_UP = /^(abandon|end|free|release|resume)(_|$)/;

/**
 * Puts a core that refuses everything in the place of one that trapped: nothing is known of what is in its memory. Cleaning up does
 * nothing.
 */
function stopped(cause: WebAssembly.RuntimeError): CoreError {
  const error = new CoreError(
    `The core has stopped (${cause.message}). What was in its memory is lost, models and SAEs too: load them in a new process or page.`,
    { cause },
  );
  const refuse = () => {
    throw error;
  };
  if (running) {
    const names = Object.keys(running.core);
    const entries = names.map((name) => [name, CLEANS_UP.test(name) ? () => {} : refuse]);
    running = { ...running, core: Object.freeze(Object.fromEntries(entries)) as Core };
  }
  return error;
}

/**
 * Runs a module from now on. Nothing may be live in the one that it takes the place of, if there is one.
 *
 * @param functions What its script exports, started.
 * @param memory Its memory.
 */
export function runModule(
  functions: Bindings,
  memory: WebAssembly.Memory,
  kind: Pick<Running, "variant" | "countThreads">,
): Running {
  const entries = Object.entries(functions)
    .filter(([name]) => name !== "default" && name !== "initSync")
    .map(([name, value]) => [name, typeof value === "function" ? guarded(value as never) : value]);
  running = { core: Object.freeze(Object.fromEntries(entries)) as Core, memory, ...kind };
  if (memoryLimit !== undefined) running.core.set_memory_limit(memoryLimit);
  return running;
}

/** The variant that is started unless another one is asked for. */
function ownVariant(): Variant {
  return hasRelaxedSimd() ? "relaxed" : "plain";
}

function start(): Running {
  const { memory } = bindings.initSync({ module: wasmModule });
  return runModule(bindings, memory, { variant: ownVariant(), countThreads: () => 1 });
}

/** The core, started if it wasn't. */
export function core(): Core {
  return (running ?? start()).core;
}

/** The core's memory. Views of it detach when it grows: make one, use it, drop it. */
export function coreMemory(): WebAssembly.Memory {
  return (running ?? start()).memory;
}

/** Whether anything has used the core yet. */
export function isStarted(): boolean {
  return running !== undefined;
}

/** Whether nothing is live in the core, so that another module may take its place. */
export function isVacant(): boolean {
  return !running || (running.core.value_count() === 0 && running.core.packed_bytes() === 0);
}

/**
 * Tells what computes: the variant of the core, chosen when the first model or SAE is loaded, and its threads.
 *
 * @example
 * ```ts
 * import { coreInfo } from "@splicer/splicer";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(coreInfo(), { variant: "relaxed", threads: 1 });
 * ```
 */
export function coreInfo(): CoreInfo {
  if (!running) return { variant: ownVariant(), threads: 1 };
  return { variant: running.variant, threads: running.countThreads() };
}

/** The budget of the core's memory in bytes; `Infinity` when there is none. */
export function memoryBudget(): number {
  return memoryLimit ?? Infinity;
}

/** Sets the budget of the core's memory in bytes, now and for a module that is started later. */
export function limitMemory(bytes: number): void {
  memoryLimit = bytes;
  running?.core.set_memory_limit(bytes);
}
