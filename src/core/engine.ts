/**
 * The WASM core: started on first use, its errors turned into the library's classes.
 *
 * @module
 */

import * as bindings from "../../wasm/pkg/splicer.js";
import { BorrowedTensorError, GradientError, MemoryBudgetError, ShapeError } from "./errors.ts";
import { wasmModule } from "./wasm_module.js";

/** A value in the core's memory: a slot and its generation. 0 is "none". */
export type Handle = number;

/** A packed weight matrix in the core's memory. */
export type WeightHandle = number;

type Bindings = Omit<typeof bindings, "default" | "initSync">;

/** The functions of the core. Each throws the library's errors. */
export type Core = { readonly [K in keyof Bindings]: Bindings[K] };

let started: { core: Core; memory: WebAssembly.Memory } | undefined;

function translated(error: unknown): unknown {
  if (typeof error !== "string") return error;
  const split = error.indexOf(":");
  const [kind, message] = [error.slice(0, split), error.slice(split + 1)];
  switch (kind) {
    case "memory":
      return new MemoryBudgetError(`Out of memory budget: ${message}`);
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
      throw translated(error);
    }
  };
}

function start(): { core: Core; memory: WebAssembly.Memory } {
  const { memory } = bindings.initSync({ module: wasmModule });
  const entries = Object.entries(bindings)
    .filter(([name]) => name !== "default" && name !== "initSync")
    .map(([name, value]) => [name, typeof value === "function" ? guarded(value as never) : value]);
  started = { core: Object.freeze(Object.fromEntries(entries)) as Core, memory };
  return started;
}

/** The core, started if it wasn't. */
export function core(): Core {
  return (started ?? start()).core;
}

/** The core's memory. Views of it detach when it grows: make one, use it, drop it. */
export function coreMemory(): WebAssembly.Memory {
  return (started ?? start()).memory;
}

/** Whether anything has used the core yet. */
export function isStarted(): boolean {
  return started !== undefined;
}
