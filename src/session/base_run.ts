/**
 * The base run: values of the last input that later runs stand on.
 *
 * @module
 */

import type { Handle } from "../core/engine.ts";
import { copyOut, shapeOf, sizeOf } from "../core/scope.ts";
import { HeldValue } from "./held_value.ts";

/** Values of all rows that a run may stand on, by name. */
export interface BaseValues {
  /** A value of all rows, [batch * pos, ...]. */
  value(name: string): Handle;
  /** A value where it is held, if it is. */
  held?(name: string): HeldValue | undefined;
  /** The elements of a value, to be read alone; they outlive the base run. */
  elements?(name: string): Float32Array;
}

/** What a base run was given. */
export interface BaseKey {
  /** Tokens, mask, weights, and the axes that points have. */
  readonly text: string;
  /** What is spliced in, by the point whose value it replaces. */
  readonly splices: ReadonlyMap<string, string>;
}

/** Whether two runs were given the same. */
export function isSameKey(a: BaseKey, b: BaseKey): boolean {
  return a.text === b.text && forksOf(a, b).size === 0;
}

/** The points at which other things are spliced in. */
export function forksOf({ splices: a }: BaseKey, { splices: b }: BaseKey): Set<string> {
  return new Set([...a.keys(), ...b.keys()].filter((name) => a.get(name) !== b.get(name)));
}

/** Computes a value that the base run doesn't hold, and lets it keep it. */
export type Recompute = (base: BaseRun, name: string) => void;

/** Releases values, all of them even where the copying of one fails. */
function releaseAll(values: Map<string, HeldValue>): void {
  const failures: unknown[] = [];
  for (const value of values.values()) {
    try {
      value.release();
    } catch (error) {
      failures.push(error);
    }
  }
  values.clear();
  if (failures.length > 0) throw failures[0];
}

/** Bytes of what base runs hold. */
export function bytesHeld(runs: readonly BaseRun[]): number {
  const counted = new Set<HeldValue>();
  let bytes = 0;
  for (const run of runs) {
    for (const value of run.values()) {
      if (counted.has(value)) continue;
      counted.add(value);
      bytes += value.bytes;
    }
  }
  return bytes;
}

/** Gives memory back when a model with its base run was collected. */
const collected = new FinalizationRegistry(releaseAll);

/**
 * A run without hooks whose values are kept in the core's memory: the residual stream, queries, keys, values and their mix of each
 * layer. Anything else is computed again from these when somebody asks, and kept from then on.
 */
export class BaseRun implements BaseValues, Disposable {
  /** What the run was given. */
  readonly key: BaseKey;
  /** What the unembedding reads of rows that were finished when somebody read them, by row. */
  readonly hookIn = new Map<number, Float32Array>();
  /** Logits of rows that somebody has read, by row. */
  readonly logits = new Map<number, Float32Array>();
  /** How many runs stood on it. */
  uses = 0;
  readonly #values = new Map<string, HeldValue>();
  readonly #elements = new Map<string, Float32Array>();
  readonly #recompute: Recompute;
  /** What computes values for the runs that stand on it now. */
  #recomputeNow: Recompute;
  /** Runs that stand on it now: a hook may run the model again, with an input that drops it. */
  #holders = 0;
  #disposed = false;

  constructor(key: BaseKey, recompute: Recompute) {
    this.key = key;
    this.#recompute = this.#recomputeNow = recompute;
    collected.register(this, this.#values, this);
  }

  /** Whether a value is held already. */
  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** The name of the value that goes on from a point: of what is spliced in there, where something is. */
  nameAfter(point: string): string {
    const spliced = [`${point} (spliced)`, `${point}.hook_sae_output`];
    return spliced.find((name) => this.has(name)) ?? point;
  }

  /** Keeps a value of all rows, [batch * pos, ...]. */
  keep(name: string, value: Handle): void {
    if (this.#values.has(name) || this.#isGone()) return;
    this.#values.set(name, new HeldValue(value));
  }

  /** Keeps a value that is another base run's too, if that holds it. */
  inherit(name: string, { of }: { of: BaseRun }): void {
    const value = of.#values.get(name);
    if (!value || this.#values.has(name) || this.#isGone()) return;
    this.#values.set(name, value.share());
  }

  held(name: string): HeldValue | undefined {
    return this.#values.get(name);
  }

  /** What it holds. */
  values(): Iterable<HeldValue> {
    return this.#values.values();
  }

  /** A value of all rows, [batch * pos, ...]. */
  value(name: string): Handle {
    const held = this.#values.get(name);
    if (held) return held.handle;
    this.#recomputeNow(this, name);
    const value = this.#values.get(name);
    if (!value) throw new Error(`The base run never passes "${name}".`);
    return value.handle;
  }

  elements(name: string): Float32Array {
    let elements = this.#elements.get(name);
    if (!elements) {
      const handle = this.value(name);
      elements = copyOut(handle, "float32", sizeOf(shapeOf(handle))) as Float32Array;
      this.#elements.set(name, elements);
    }
    return elements;
  }

  /**
   * Keeps the values while a run stands on them, also when they are disposed meanwhile. What a run that fails had computed again is
   * forgotten.
   *
   * @param recompute Computes values for this run: its own modules, where others than the base run's are spliced in, which may be gone.
   */
  during<R>(run: () => R, recompute: Recompute = this.#recompute): R {
    const before = new Set(this.#values.keys());
    const recomputeBefore = this.#recomputeNow;
    this.#recomputeNow = recompute;
    this.#holders++;
    try {
      return run();
    } catch (error) {
      this.#forget((name) => !before.has(name));
      throw error;
    } finally {
      this.#recomputeNow = recomputeBefore;
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
    for (const [name, value] of [...this.#values].filter(([name]) => isUnwanted(name))) {
      value.release();
      this.#values.delete(name);
    }
  }

  #isGone(): boolean {
    return this.#disposed && this.#holders === 0;
  }

  #release(): void {
    collected.unregister(this);
    releaseAll(this.#values);
  }
}
