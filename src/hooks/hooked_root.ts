/**
 * The life of hooks on a root: adding, scoping, removing.
 *
 * @module
 */

import {
  described,
  HookError,
  nearestNames,
  requireKnownOptions,
  requireOneOf,
  UnknownPointError,
} from "../core/errors.ts";
import { ActivationCache } from "./activation_cache.ts";
import { type CachingHooks, cachingHooks, type CachingOptions } from "./caching_hooks.ts";
import { runnable } from "./edit_hook.ts";
import { type Edit, isEdit } from "./edits.ts";
import { bindPoint, HookPoint } from "./hook_point.ts";
import {
  type Direction,
  type HookEntry,
  type HookFunction,
  HookRegistry,
  type HookSpec,
  type PointSelector,
  type RemovalOptions,
} from "./hook_registry.ts";
import { NameDict } from "./name_dict.ts";
import type { Tensor } from "../core/tensor.ts";

/** What `resetHooks` removes. */
export interface ResetOptions extends RemovalOptions {
  /** Clears the points' `ctx` as well. */
  clearContexts?: boolean;
}

/** Hooks for the length of a block or of a run. */
export interface HookScopeOptions {
  /** Hooks on activations, in the order in which they run. */
  fwdHooks?: readonly HookSpec[];
  /** Hooks on gradients. */
  bwdHooks?: readonly HookSpec[];
  /** Removes the hooks at the end; otherwise they stay until the next scope of the same depth ends. */
  resetHooksEnd?: boolean;
  /** Clears the points' `ctx` at the end. */
  clearContexts?: boolean;
}

/**
 * A root of hook points: a model, or a module that can be spliced into one.
 * The life cycle is that of TransformerLens' `HookedRootModule`.
 */
export abstract class HookedRoot {
  /**
   * The hooks of this root.
   *
   * @ignore
   */
  protected readonly registry: HookRegistry = new HookRegistry();
  #level = 0;

  /** Every hook point by name, those that the switches turn off included. */
  abstract get hookDict(): NameDict<HookPoint>;

  /** The hook points, in the order in which they fire. */
  hookPoints(): HookPoint[] {
    return [...this.hookDict.values()];
  }

  /** How many hook scopes are open. */
  get contextLevel(): number {
    return this.#level;
  }

  /**
   * Adds a hook.
   *
   * @param name A point's exact name, or a predicate that chooses points at each run.
   * @param hook The hook, or on activations an edit.
   * @param direction Whether it sees activations or gradients.
   * @throws {UnknownPointError} If no point has this name.
   * @throws {HookError} If the hook isn't a function.
   * @throws {ConfigError} If there is no such direction.
   */
  addHook(
    name: PointSelector,
    hook: HookFunction | Edit,
    direction: Direction = "fwd",
    options: {
      isPermanent?: boolean;
      level?: number | null;
      prepend?: boolean;
    } = {},
  ): void {
    const known = new Set(["isPermanent", "level", "prepend"]);
    requireKnownOptions("Cannot add a hook", options, known);
    const { isPermanent = false, level = null, prepend = false } = options;
    this.requirePoint(name);
    requireOneOf("Cannot add a hook for the direction", direction, ["fwd", "bwd"]);
    requireHook(name, hook, direction);
    this.registry.add(
      { selector: name, ...runnable(hook), direction, isPermanent, level },
      prepend,
    );
  }

  /** Adds a hook that `resetHooks()` leaves in place. */
  addPermaHook(
    name: PointSelector,
    hook: HookFunction | Edit,
    direction: Direction = "fwd",
  ): void {
    this.addHook(name, hook, direction, { isPermanent: true });
  }

  /** Removes hooks: all that aren't permanent, or those of a direction or context level. */
  resetHooks({ clearContexts = true, ...removal }: ResetOptions = {}): void {
    const { direction = "both" } = removal;
    requireOneOf("Cannot remove the hooks of the direction", direction, ["fwd", "bwd", "both"]);
    if (clearContexts) this.clearContexts();
    this.registry.remove(removal);
  }

  /** Forgets what hooks keep in the points' `ctx`. */
  clearContexts(): void {
    for (const point of this.hookDict.values()) point.clearContext();
  }

  /**
   * Lists the points that have hooks, with how many of each direction.
   *
   * @param options `namesFilter` chooses points by name, names or predicate, `direction` the hooks that count, and
   *   `includingPermanent: false` leaves permanent ones out.
   */
  listHooks(
    { namesFilter = null, direction = "both", includingPermanent = true }: {
      namesFilter?: PointSelector | readonly string[] | null;
      direction?: Direction | "both";
      includingPermanent?: boolean;
    } = {},
  ): { name: string; fwd: number; bwd: number }[] {
    requireOneOf("Cannot list the hooks of the direction", direction, ["fwd", "bwd", "both"]);
    const isNamed = typeof namesFilter === "function"
      ? namesFilter
      : (name: string) => namesFilter === null || [namesFilter].flat().includes(name);
    const count = (hooks: readonly HookEntry[], of: Direction) =>
      direction === "both" || direction === of
        ? hooks.filter(({ isPermanent }) => includingPermanent || !isPermanent).length
        : 0;
    return this.hookPoints()
      .filter(({ name }) => isNamed(name))
      .map(({ name, fwdHooks, bwdHooks }) => ({
        name,
        fwd: count(fwdHooks, "fwd"),
        bwd: count(bwdHooks, "bwd"),
      }))
      .filter(({ fwd, bwd }) => fwd + bwd > 0);
  }

  /** Removes hooks as `resetHooks()` does, and leaves what they keep in the points' `ctx`. */
  removeAllHookFns(
    direction: Direction | "both" = "both",
    options: Omit<RemovalOptions, "direction"> = {},
  ): void {
    this.resetHooks({ ...options, direction, clearContexts: false });
  }

  /**
   * Adds hooks for the length of a block: `using _hooks = model.hooks({ fwdHooks })`. Scopes nest, and each removes only its
   * own hooks, on exceptions too.
   *
   * @throws {UnknownPointError} If a name matches no point; then none of the hooks is added.
   * @throws {HookError} If a hook isn't a function, or they aren't pairs; likewise.
   */
  hooks(
    { fwdHooks = [], bwdHooks = [], resetHooksEnd = true, clearContexts = false }:
      HookScopeOptions = {},
  ): Disposable {
    requireList(fwdHooks);
    requireList(bwdHooks);
    const check = (direction: Direction) => (spec: HookSpec) => {
      requirePair(spec);
      this.requirePoint(spec[0]);
      requireHook(...spec, direction);
    };
    fwdHooks.forEach(check("fwd"));
    bwdHooks.forEach(check("bwd"));
    const level = ++this.#level;
    const add = (direction: Direction) => ([selector, hook]: HookSpec) =>
      this.registry.add({ selector, ...runnable(hook), direction, isPermanent: false, level });
    fwdHooks.forEach(add("fwd"));
    bwdHooks.forEach(add("bwd"));
    let open = true;
    return {
      [Symbol.dispose]: () => {
        if (!open) return;
        open = false;
        if (resetHooksEnd) this.resetHooks({ clearContexts, level });
        this.#level--;
      },
    };
  }

  /**
   * Makes hooks that keep what they see, without adding them: for `hooks()` and `runWithHooks()`.
   *
   * @param namesFilter Points by name, names or predicate; those that predicates reach unless said.
   * @param options Whether gradients are kept too, and where.
   * @returns The map that a run will fill, by name, and the hooks.
   */
  getCachingHooks(
    namesFilter: PointSelector | readonly string[] | null = null,
    options: CachingOptions = {},
  ): CachingHooks {
    return cachingHooks(namesFilter, options);
  }

  /**
   * Adds hooks that keep what they see, until `resetHooks()`.
   *
   * @param namesFilter Points by name, names or predicate; those that predicates reach unless said.
   * @param options Whether gradients are kept too, and where.
   * @returns The map that runs fill, by name.
   * @throws {UnknownPointError} If no point has a name; then no hook is added.
   */
  addCachingHooks(
    namesFilter: PointSelector | readonly string[] | null = null,
    options: CachingOptions = {},
  ): Map<string, Tensor> {
    const [cache, fwdHooks, bwdHooks] = cachingHooks(namesFilter, options);
    fwdHooks.forEach(([selector]) => this.requirePoint(selector));
    for (const [selector, hook] of fwdHooks) this.addHook(selector, hook);
    for (const [selector, hook] of bwdHooks) this.addHook(selector, hook, "bwd");
    return cache;
  }

  /** Throws unless a selector is a predicate or names a point. */
  protected requirePoint(name: PointSelector): void {
    if (typeof name === "function") return;
    if (typeof name !== "string") {
      throw new UnknownPointError(
        `There is no hook point ${described(name)}: expected a name or a predicate over names.`,
      );
    }
    if (this.hasPoint(name)) return;
    throw unknownPoint(name, this.hookDict.keys());
  }

  /**
   * Whether {@linkcode HookedRoot.hookDict} has a point.
   *
   * @ignore
   */
  protected hasPoint(name: string): boolean {
    return this.hookDict.has(name);
  }
}

function requireList(hooks: unknown): void {
  if (!Array.isArray(hooks)) throw notPairs(hooks);
}

function requirePair(spec: HookSpec): void {
  if (!Array.isArray(spec) || spec.length !== 2) throw notPairs(spec);
}

function notPairs(given: unknown): HookError {
  return new HookError(
    `Cannot add ${described(given)} as a hook: expected a list of pairs, [[name, hook], …].`,
  );
}

function requireHook(
  name: PointSelector,
  hook: HookFunction | Edit,
  direction: Direction,
): void {
  if (typeof hook === "function") return;
  const where = typeof name === "string" ? `"${name}"` : "a predicate";
  if (isEdit(hook) && direction === "fwd") return;
  const wanted = isEdit(hook) ? "a function, as edits are of activations" : "a function";
  throw new HookError(
    `Cannot add ${
      isEdit(hook) ? `the edit "${hook.kind}"` : described(hook)
    } as a hook at ${where}: expected ${wanted}.`,
  );
}

/** Why a name that looks like a point's isn't one; `undefined` where nothing but its spelling can be wrong. */
function reasonNotPoint(name: string, known: readonly string[]): string | undefined {
  const [spliced] = name.split(".hook_sae_");
  if (spliced !== name && known.includes(spliced) && !known.includes(`${spliced}.hook_sae_input`)) {
    return `No SAE is spliced in at "${spliced}": pass it as \`saes\`, or addSae() it first.`;
  }
  const blocks = new Set(known.map((other) => /^blocks\.(\d+)\./.exec(other)?.[1]));
  const layer = /^blocks\.(-?\d+)\./.exec(name)?.[1];
  if (layer !== undefined && !blocks.has(layer) && blocks.has("0")) {
    const last = Math.max(...[...blocks].filter((one) => one !== undefined).map(Number));
    return `There is no layer ${layer}: they go from 0 to ${last}.`;
  }
  const bare = name.replace(/^hook_/, "");
  const short = known.filter((other) => other.endsWith(`.hook_${bare}`));
  if (short.length === 0) return undefined;
  return `It is the end of ${short.length} names such as "${
    short[0]
  }": utils.getActName("${bare}", layer) gives one.`;
}

/** The error for a name that no point has. */
export function unknownPoint(name: string, known: Iterable<string>): UnknownPointError {
  const names = [...known];
  const near = nearestNames(name, names).map((candidate) => `"${candidate}"`);
  const hint = reasonNotPoint(name, names) ??
    (near.length > 0 ? `Did you mean ${near.join(", ")}?` : "");
  return new UnknownPointError(`There is no hook point "${name}". ${hint}`.trimEnd());
}

/**
 * A module of your own that can be spliced into a model: give it `cfg.hookName`, points in its fields, and a `forward` that
 * keeps the shape. A point made as `new HookPoint("hook_mid")` is seen as `<hookName>.hook_mid` once spliced.
 */
export abstract class HookedModule extends HookedRoot {
  #points: NameDict<HookPoint> | undefined;

  /** What the module makes of a value at its point. */
  abstract forward(x: Tensor): Tensor;

  /**
   * Runs the module alone with hooks for this run; its points have their own names then, `hook_sae_acts_post`.
   *
   * @throws {UnknownPointError} If a name matches no point.
   */
  runWithHooks(x: Tensor, hooks: HookScopeOptions): Tensor {
    using _hooks = this.hooks(hooks);
    return this.forward(x);
  }

  /**
   * Runs the module alone and caches what its points see.
   *
   * @returns The output and the cache, by the points' own names.
   * @throws {UnknownPointError} If `namesFilter` names no point.
   */
  runWithCache(
    x: Tensor,
    { namesFilter = null, removeBatchDim = false }: {
      namesFilter?: PointSelector | readonly string[] | null;
      removeBatchDim?: boolean;
    } = {},
  ): [output: Tensor, cache: ActivationCache] {
    const [values, fwdHooks] = this.getCachingHooks(namesFilter, { removeBatchDim });
    const output = this.runWithHooks(x, { fwdHooks });
    return [output, new ActivationCache(values, undefined, { hasBatchDim: !removeBatchDim })];
  }

  /** Finds the points first: hooks by predicate reach those that are known. */
  protected override requirePoint(name: PointSelector): void {
    this.hookPoints();
    super.requirePoint(name);
  }

  /** Gives the points back to the module after a run had them. */
  rebindPoints(): void {
    for (const point of this.hookDict.values()) bindPoint(point, this.registry);
  }

  /** Where the module goes. */
  abstract readonly cfg: { readonly hookName: string };

  /** The module's own points, found in its fields. */
  override get hookDict(): NameDict<HookPoint> {
    if (this.#points === undefined) {
      this.#points = new NameDict();
      for (const value of Object.values(this)) {
        if (value instanceof HookPoint) {
          // A point that stood alone may have hooks already.
          for (const entry of [...value.fwdHooks, ...value.bwdHooks]) this.registry.add(entry);
          bindPoint(value, this.registry);
          this.#points.set(value.name, value);
        }
      }
    }
    return this.#points;
  }
}
