/**
 * The bookkeeping of hooks: which function runs at which points, in which order, and until when.
 *
 * @module
 */

import type { Tensor } from "../core/tensor.ts";
import type { Edit } from "./edits.ts";
import type { HookPoint } from "./hook_point.ts";

/** Whether a hook sees activations on the way forward or gradients on the way back. */
export type Direction = "fwd" | "bwd";

/**
 * A hook: sees the value at a point, may edit it in place or return a replacement of the same shape. The value is borrowed:
 * it lives until the run ends (keep `act.clone()` or `act.detach()`). A Promise is an error.
 */
export type HookFunction = (act: Tensor, hook: HookPoint) => Tensor | void;

/** Chooses points: an exact name, or a predicate over names that binds anew at each run. */
export type PointSelector = string | ((name: string) => boolean);

/** A hook for a run: where, and what: a function, or on the way forward an edit. */
export type HookSpec = readonly [PointSelector, HookFunction | Edit];

/** One hook as it is kept. */
export interface HookEntry {
  /** Where it runs. */
  readonly selector: PointSelector;
  /** What runs. */
  readonly hook: HookFunction;
  /** The edit that the hook stands for; a run makes a hook of its own of it, which knows the run's tokens. */
  readonly edit?: Edit;
  /** On activations, or on gradients. */
  readonly direction: Direction;
  /** Stays through `resetHooks()` unless permanent hooks are included. */
  readonly isPermanent: boolean;
  /** The depth of the context that added it, `null` outside any. */
  readonly level: number | null;
}

/** Which hooks to remove. */
export interface RemovalOptions {
  /** Only hooks of this direction; both unless said. */
  direction?: Direction | "both";
  /** Removes permanent hooks too, and then ignores `level`, as TransformerLens does. */
  includingPermanent?: boolean;
  /** Removes only what this context level added; all levels when `null`. */
  level?: number | null;
}

/** Those of some hooks that run at a point. `gated` points, off under the switches, answer to their exact name alone. */
export function entriesAt(
  entries: readonly HookEntry[],
  name: string,
  direction: Direction,
  gated = false,
): HookEntry[] {
  return entries.filter((entry) =>
    entry.direction === direction &&
    (typeof entry.selector === "string" ? entry.selector === name : !gated && entry.selector(name))
  );
}

/** The hooks of one root (a model or a module), in the order in which they run. */
export class HookRegistry {
  #entries: HookEntry[] = [];

  /** The hooks, in the order in which they run. */
  get entries(): readonly HookEntry[] {
    return this.#entries;
  }

  /** Adds a hook at the end, or at the beginning with `prepend`. */
  add(entry: HookEntry, prepend = false): void {
    if (prepend) this.#entries.unshift(entry);
    else this.#entries.push(entry);
  }

  /** Gives the hooks that run at a point. `gated` points, off under the switches, answer to their exact name alone. */
  at(name: string, direction: Direction, gated = false): HookEntry[] {
    return entriesAt(this.#entries, name, direction, gated);
  }

  /** Removes hooks by direction, permanence and level; with `at` only those that name this point. */
  remove(
    { direction = "both", includingPermanent = false, level = null }: RemovalOptions,
    at?: string,
  ): void {
    this.#entries = this.#entries.filter((entry) => {
      if (at !== undefined && entry.selector !== at) return true;
      if (direction !== "both" && entry.direction !== direction) return true;
      if (includingPermanent) return false;
      if (entry.isPermanent) return true;
      return level !== null && entry.level !== level;
    });
  }

  /** Removes the hooks that name one of these points exactly. */
  removeAt(names: ReadonlySet<string>): void {
    this.#entries = this.#entries.filter((entry) =>
      typeof entry.selector !== "string" || !names.has(entry.selector)
    );
  }
}
