/**
 * What the core's memory holds, and the budget for it.
 *
 * @module
 */

import { core, coreMemory, type Handle, isStarted } from "./engine.ts";
import { ConfigError } from "./errors.ts";

/** Bytes of the core's memory, by what they are for. */
export interface MemoryUsage {
  /** What values, weights and recordings hold together. */
  readonly liveBytes: number;
  /** The size of the WASM memory, which never shrinks. */
  readonly heapBytes: number;
  /** What the parameters of models and SAEs hold. */
  readonly weightBytes: number;
  /** What runs hold that are kept for later ones to resume from; 0, as every run computes all of its rows. */
  readonly baseBytes: number;
  /** What recordings hold until their backward pass; a value that two of them share counts twice. */
  readonly tapeBytes: number;
}

/** Values outside every scope with their bytes: the parameters that aren't packed. */
const owned = new Map<Handle, number>();

/** Takes a float32 value out of its scope: it lives until {@linkcode freeOwned}. */
export function ownValue(handle: Handle): Handle {
  const kept = core().own(handle);
  owned.set(kept, core().shape_of(kept).reduce((bytes, n) => bytes * n, 4));
  return kept;
}

/** Frees a value that {@linkcode ownValue} took. */
export function freeOwned(handle: Handle): void {
  owned.delete(handle);
  core().free(handle);
}

/**
 * Tells what the core's memory holds. All is 0 before anything has used the core.
 *
 * @returns Bytes in all, of the WASM memory, of weights, of kept runs and of recordings.
 */
export function memoryUsage(): MemoryUsage {
  if (!isStarted()) {
    return { liveBytes: 0, heapBytes: 0, weightBytes: 0, baseBytes: 0, tapeBytes: 0 };
  }
  const plainBytes = [...owned.values()].reduce((sum, bytes) => sum + bytes, 0);
  return {
    liveBytes: core().live_bytes(),
    heapBytes: coreMemory().buffer.byteLength,
    weightBytes: core().packed_bytes() + plainBytes,
    baseBytes: 0,
    tapeBytes: core().tape_bytes(),
  };
}

/**
 * Sets the budget of the core's memory. What would exceed it throws a `MemoryBudgetError` before anything is allocated; what is
 * there already stays.
 *
 * @param bytes The most that may be live at once; `Infinity` leaves only the 4 GiB of the address space.
 * @throws {ConfigError} If it is negative or not a number.
 */
export function setMemoryLimit(bytes: number): void {
  if (!(bytes >= 0)) {
    throw new ConfigError(
      `Cannot set a memory limit of ${bytes}: expected a number of bytes, 0 or more.`,
    );
  }
  core().set_memory_limit(bytes);
}
