/**
 * Hook points: the named places in a model at which activations can be read and changed.
 *
 * @module
 */

import { described, HookError, requireOneOf } from "../core/errors.ts";
import { type Tensor, watchedTensor } from "../core/tensor.ts";
import { runnable } from "./edit_hook.ts";
import { type Edit, isEdit } from "./edits.ts";
import {
  type Direction,
  type HookEntry,
  type HookFunction,
  HookRegistry,
  type RemovalOptions,
} from "./hook_registry.ts";

/** How a hook is added. */
export interface AddHookOptions {
  /** Keeps the hook through `resetHooks()`. */
  isPermanent?: boolean;
  /** The context level that the hook belongs to. */
  level?: number | null;
  /** Puts the hook before those that are there. */
  prepend?: boolean;
}

/** Passes a value through a point during a run: its hooks, its cache, what is spliced there. */
export type Visitor = (point: HookPoint, value: Tensor) => Tensor;

/** Hands a point to a registry and, during a run, to a visitor; for roots, and for the session that splices a module. */
export let bindPoint: (point: HookPoint, registry: HookRegistry, visitor?: Visitor) => void;

/**
 * A place in a model, known by its name. In TransformerLens this is a module that does nothing but carry hooks; here it is the
 * name, the hooks of its root that match it, and a scratch space for them.
 *
 * A module of your own creates points and calls {@linkcode HookPoint.apply} in its forward pass.
 */
export class HookPoint {
  /** The dotted path from the root, `blocks.5.attn.hook_z`. */
  readonly name: string;
  /** What hooks like to remember between runs; cleared by `resetHooks()`. */
  ctx: Record<string, unknown> = {};
  /** Where the positions that a hook sees begin, when a run computes only the end of a longer text. */
  posOffset = 0;
  #registry: HookRegistry;
  #visitor: Visitor | undefined;

  /**
   * Creates a point.
   *
   * @param name The point's name within its module or model.
   * @param registry The hooks of its root; its own when it stands alone.
   */
  constructor(name: string, registry: HookRegistry = new HookRegistry()) {
    this.name = name;
    this.#registry = registry;
  }

  /** The forward hooks at this point, in order. */
  get fwdHooks(): readonly HookEntry[] {
    return this.#registry.at(this.name, "fwd");
  }

  /** The backward hooks at this point, in order. */
  get bwdHooks(): readonly HookEntry[] {
    return this.#registry.at(this.name, "bwd");
  }

  /** Adds a hook here. */
  addHook(
    hook: HookFunction | Edit,
    direction: Direction = "fwd",
    options: AddHookOptions = {},
  ): void {
    const { isPermanent = false, level = null, prepend = false } = options;
    requireOneOf("Cannot add a hook for the direction", direction, ["fwd", "bwd"]);
    if (typeof hook !== "function" && !(isEdit(hook) && direction === "fwd")) {
      throw new HookError(
        `Cannot add ${described(hook)} as a hook at "${this.name}": expected a function.`,
      );
    }
    this.#registry.add(
      { selector: this.name, ...runnable(hook), direction, isPermanent, level },
      prepend,
    );
  }

  /** Adds a hook that stays through `resetHooks()`. */
  addPermaHook(hook: HookFunction | Edit, direction: Direction = "fwd"): void {
    this.addHook(hook, direction, { isPermanent: true });
  }

  /**
   * Whether hooks are here: of a direction, and by the options only those that aren't permanent, or that a context level added.
   */
  hasHooks(
    direction: Direction | "both" = "both",
    { includingPermanent = true, level = null }: {
      includingPermanent?: boolean;
      level?: number | null;
    } = {},
  ): boolean {
    requireOneOf("Cannot look for hooks of the direction", direction, ["fwd", "bwd", "both"]);
    const isMeant = (hook: HookEntry) =>
      (includingPermanent || !hook.isPermanent) && (level === null || hook.level === level);
    return (direction !== "bwd" && this.fwdHooks.some(isMeant)) ||
      (direction !== "fwd" && this.bwdHooks.some(isMeant));
  }

  /** Removes the hooks at this point that name it: forward ones, unless options say otherwise. A predicate's stay. */
  removeHooks(
    direction: Direction | "both" = "fwd",
    options: Omit<RemovalOptions, "direction"> = {},
  ): void {
    requireOneOf("Cannot remove the hooks of the direction", direction, ["fwd", "bwd", "both"]);
    this.#registry.remove({ ...options, direction }, this.name);
  }

  /** Forgets what hooks remembered. */
  clearContext(): void {
    this.ctx = {};
  }

  /** The layer in the point's name, as in `blocks.5.attn.hook_z`. */
  layer(): number {
    return Number(this.name.split(".")[1]);
  }

  /**
   * Passes a value through the point: its hooks see it, may edit or replace it. For the forward pass of a module.
   *
   * @param value The activation.
   * @returns The activation after the hooks.
   */
  apply(value: Tensor): Tensor {
    if (this.#visitor) return this.#visitor(this, value);
    for (const { hook } of this.fwdHooks) value = hook(value, this) ?? value;
    const { bwdHooks } = this;
    if (bwdHooks.length === 0) return value;
    return watchedTensor(value, (gradient) => {
      let replacement: Tensor | void = undefined;
      for (const { hook } of bwdHooks) replacement = hook(gradient, this) ?? replacement;
      return replacement;
    });
  }

  static {
    bindPoint = (point, registry, visitor) => {
      point.#registry = registry;
      point.#visitor = visitor;
    };
  }
}

export type { RemovalOptions };
