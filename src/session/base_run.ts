/**
 * The base run: values of the last input that later runs stand on.
 *
 * @module
 */

import type { Handle } from "../core/engine.ts";
import { freeOwned, ownValue } from "../core/memory.ts";
import { shapeOf, sizeOf } from "../core/scope.ts";

/** Values of all rows that a run may stand on, by name. */
export interface BaseValues {
  /** A value of all rows, [batch * pos, ...]. */
  value(name: string): Handle;
}

/** Computes a value that the base run doesn't hold, and lets it keep it. */
export type Recompute = (base: BaseRun, name: string) => void;

function freeAll(values: Map<string, Handle>): void {
  for (const handle of values.values()) freeOwned(handle);
  values.clear();
}

/** Gives memory back when a model with its base run was collected. */
const collected = new FinalizationRegistry(freeAll);

/**
 * A run without hooks whose values are kept in the core's memory: the residual stream, queries, keys, values and their mix of each
 * layer. Anything else is computed again from these when somebody asks, and kept from then on.
 */
export class BaseRun implements BaseValues, Disposable {
  /** What the run was given: tokens, mask, weights and splices. */
  readonly key: string;
  /** Logits of rows that somebody has read, by row. */
  readonly logits = new Map<number, Float32Array>();
  /** Bytes of the values. */
  bytes = 0;
  /** How many runs stood on it. */
  uses = 0;
  readonly #values = new Map<string, Handle>();
  readonly #recompute: Recompute;
  /** Runs that stand on it now: a hook may run the model again, with an input that drops it. */
  #holders = 0;
  #disposed = false;

  constructor(key: string, recompute: Recompute) {
    this.key = key;
    this.#recompute = recompute;
    collected.register(this, this.#values, this);
  }

  /** Whether a value is held already. */
  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** Keeps a value of all rows, [batch * pos, ...]. */
  keep(name: string, value: Handle): void {
    if (this.#values.has(name) || this.#isGone()) return;
    this.#values.set(name, ownValue(value, "base"));
    this.bytes += sizeOf(shapeOf(value)) * Float32Array.BYTES_PER_ELEMENT;
  }

  /** A value of all rows, [batch * pos, ...]. */
  value(name: string): Handle {
    const held = this.#values.get(name);
    if (held !== undefined) return held;
    this.#recompute(this, name);
    const value = this.#values.get(name);
    if (value === undefined) throw new Error(`The base run never passes "${name}".`);
    return value;
  }

  /**
   * Keeps the values while a run stands on them, also when they are disposed meanwhile. What a run that fails had computed again is
   * forgotten.
   */
  during<R>(run: () => R): R {
    const before = new Set(this.#values.keys());
    this.#holders++;
    try {
      return run();
    } catch (error) {
      this.#forget((name) => !before.has(name));
      throw error;
    } finally {
      this.#holders--;
      if (this.#isGone()) this.#release();
    }
  }

  /** Gives the memory back, once no run stands on it. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    if (this.#isGone()) this.#release();
  }

  #forget(isUnwanted: (name: string) => boolean): void {
    for (const [name, handle] of [...this.#values].filter(([name]) => isUnwanted(name))) {
      this.bytes -= sizeOf(shapeOf(handle)) * Float32Array.BYTES_PER_ELEMENT;
      freeOwned(handle);
      this.#values.delete(name);
    }
  }

  #isGone(): boolean {
    return this.#disposed && this.#holders === 0;
  }

  #release(): void {
    collected.unregister(this);
    freeAll(this.#values);
    this.bytes = 0;
  }
}
