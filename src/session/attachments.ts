/**
 * What is attached to a model, and which hooks its points have.
 *
 * @module
 */

import { entriesAt, type HookEntry, type HookRegistry } from "../hooks/hook_registry.ts";
import { HookedModule } from "../hooks/hooked_root.ts";
import type { ActivePoint } from "./plan.ts";
import type { Splice } from "./splice.ts";

const NONE: readonly HookEntry[] = [];

/** Of several splices at one point the last. */
function onTop(attached: readonly Splice[]): readonly Splice[] {
  return attached.filter((splice, i) =>
    attached.findLastIndex(({ outName }) => outName === splice.outName) === i
  );
}

/** The splices of a model, the last added on top. */
export class Attachments {
  readonly #registry: HookRegistry;
  #attached: readonly Splice[] = [];
  #inEffect: readonly Splice[] = [];
  #nGrowing = 0;

  /** Starts with none. @param registry The model's hooks. */
  constructor(registry: HookRegistry) {
    this.#registry = registry;
  }

  /** The splices in effect: of several at one point, the last added. */
  get splices(): readonly Splice[] {
    return this.#inEffect;
  }

  /** All of them, those that another one covers included. */
  get all(): readonly Splice[] {
    return this.#attached;
  }

  /** The model's hooks, in the order in which they run. */
  get entries(): readonly HookEntry[] {
    return this.#registry.entries;
  }

  /** Whether the texts of runs are gone on with, so that edits may speak of positions that aren't there yet. */
  get mayGrow(): boolean {
    return this.#nGrowing > 0;
  }

  /** Lets edits speak of positions that aren't there yet, until the result is disposed. */
  growing(): Disposable {
    this.#nGrowing++;
    return { [Symbol.dispose]: () => void this.#nGrowing-- };
  }

  /** Adds splices on top. */
  add(splices: readonly Splice[]): void {
    this.#attached = [...this.#attached, ...splices];
    this.#inEffect = onTop(this.#attached);
  }

  /** Removes splices; hooks that name their points go with them. */
  remove(splices: readonly Splice[]): void {
    const leaving = new Set(splices);
    this.#attached = this.#attached.filter((splice) => !leaving.has(splice));
    this.#inEffect = onTop(this.#attached);
    const names = (of: readonly Splice[]) =>
      of.flatMap(({ points }) => points.map(({ info }) => info.name));
    const remaining = new Set(names(this.splices));
    this.#registry.removeAt(new Set(names(splices).filter((name) => !remaining.has(name))));
  }

  /**
   * The points at which there may be hooks; `undefined` where a predicate chooses them.
   *
   * @param entries The model's hooks.
   */
  hookedNames(entries: readonly HookEntry[]): ReadonlySet<string> | undefined {
    const names = new Set<string>();
    for (const { selector } of entries) {
      if (typeof selector !== "string") return undefined;
      names.add(selector);
    }
    for (const { points } of this.#inEffect) for (const { info } of points) names.add(info.name);
    return names;
  }

  /**
   * The hooks at a point in the order in which they run: a spliced module's own, then the model's.
   *
   * @param entries The model's hooks.
   */
  hooksAt(
    { info, isGated }: ActivePoint,
    direction: "fwd" | "bwd",
    entries: readonly HookEntry[],
  ): readonly HookEntry[] {
    if (entries.length === 0 && this.#inEffect.length === 0) return NONE;
    const { name } = info;
    const onModel = entriesAt(entries, name, direction, isGated);
    const splice = this.#inEffect.find(({ points }) =>
      points.some(({ info }) => info.name === name)
    );
    if (!splice || !(splice.module instanceof HookedModule)) return onModel;
    const point = splice.module.hookDict.get(name.slice(splice.outName.length + 1));
    return [...(direction === "fwd" ? point?.fwdHooks : point?.bwdHooks) ?? [], ...onModel];
  }
}
