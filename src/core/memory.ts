/**
 * What the core's memory holds, and the budget for it.
 *
 * @module
 */

import { core, coreMemory, type Handle, isStarted, limitMemory } from "./engine.ts";
import { ConfigError, described } from "./errors.ts";

/** Bytes of the core's memory, by what they are for. */
export interface MemoryUsage {
  /** What values, weights and recordings hold together. */
  readonly liveBytes: number;
  /** The size of the WASM memory, which never shrinks. */
  readonly heapBytes: number;
  /** What the parameters of models and SAEs hold. */
  readonly weightBytes: number;
  /** What the base runs hold that later runs stand on. */
  readonly baseBytes: number;
  /** What recordings hold until their backward pass; a value that two of them share counts twice. */
  readonly tapeBytes: number;
}

/** What a value outside every scope is for: parameters that aren't packed, a base run, or a cache of keys and values. */
type Purpose = "weight" | "base" | "cache";

/** The values outside every scope. */
const owned = new Map<Handle, Purpose>();

/** Takes a float32 value out of its scope: it lives until {@linkcode freeOwned}. */
export function ownValue(handle: Handle, purpose: Purpose): Handle {
  const kept = core().own(handle);
  owned.set(kept, purpose);
  return kept;
}

/** Bytes of the values for a purpose; values that share a buffer count once. */
function ownedBytes(wanted: Purpose): number {
  const buffers = new Map<number, number>();
  for (const [handle, purpose] of owned) {
    if (purpose === wanted) {
      buffers.set(core().buffer_address(handle), core().buffer_size(handle) >>> 0);
    }
  }
  return [...buffers.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** Frees a value that {@linkcode ownValue} took. */
export function freeOwned(handle: Handle): void {
  owned.delete(handle);
  core().free(handle);
}

/**
 * Tells what the core's memory holds. All is 0 before anything has used the core.
 *
 * @returns Bytes in all, of the WASM memory, of weights, of base runs and of recordings.
 */
export function memoryUsage(): MemoryUsage {
  if (!isStarted()) {
    return { liveBytes: 0, heapBytes: 0, weightBytes: 0, baseBytes: 0, tapeBytes: 0 };
  }
  return {
    liveBytes: core().live_bytes(),
    heapBytes: coreMemory().buffer.byteLength,
    weightBytes: core().packed_bytes() + core().screen_bytes() + ownedBytes("weight"),
    baseBytes: ownedBytes("base"),
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
  if (typeof bytes !== "number" || !(bytes >= 0)) {
    throw new ConfigError(
      `Cannot set a memory limit of ${described(bytes)}: expected a number of bytes, 0 or more.`,
    );
  }
  limitMemory(bytes);
}
