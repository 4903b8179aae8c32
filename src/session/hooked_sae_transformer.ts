/**
 * The hooked transformer into which SAEs are spliced.
 *
 * @module
 */

import { nearestNames, UnknownPointError } from "../core/errors.ts";
import type { ActivationCache } from "../hooks/activation_cache.ts";
import type { HookEntry } from "../hooks/hook_registry.ts";
import type { HookPoint } from "../hooks/hook_point.ts";
import { HookedModule } from "../hooks/hooked_root.ts";
import { NameDict } from "../hooks/name_dict.ts";
import {
  type CacheOptions,
  type ForwardOptions,
  type ForwardOutput,
  HookedTransformer,
  type RunWithHooksOptions,
} from "./hooked_transformer.ts";
import type { ModelInput } from "./input.ts";
import type { ActivePoint } from "./plan.ts";
import type { ErrorGrad, Splice } from "./splice.ts";
import { attach, type AttachOptions, type SpliceableModule } from "./spliced_module.ts";
import type { Tensor } from "../core/tensor.ts";

/** One SAE or several. */
export type Saes = SpliceableModule | readonly SpliceableModule[];

/** Options of the `runWith…Saes` methods. */
export interface SaeOptions extends AttachOptions {
  /** What to splice in for this run. */
  saes?: Saes;
  /** Whether the error term lets gradients through to the value it replaces (`"detach"`: no, as in SAELens). */
  errorGrad?: ErrorGrad;
  /** Takes the SAEs out at the end; `true` unless said. */
  resetSaesEnd?: boolean;
}

function listed(saes: Saes | undefined): readonly SpliceableModule[] {
  if (saes === undefined) return [];
  return Array.isArray(saes) ? saes : [saes as SpliceableModule];
}

/**
 * A {@linkcode HookedTransformer} that SAEs are spliced into: they take an activation's place, and everything inside them can be
 * hooked, cached and differentiated (SAELens' `HookedSAETransformer`). The activation that enters an SAE keeps its own point.
 *
 * @example
 * ```ts
 * import { HookedSAETransformer, SAE } from "@splicer/splicer";
 * import { assertEquals } from "@std/assert";
 *
 * const model = await HookedSAETransformer.fromPretrained("ioi-tiny");
 * const sae = await SAE.fromPretrained("ioi-tiny-hook-z", "blocks.2.hook_z");
 * const [, cache] = model.runWithCacheWithSaes("When John and Mary", { saes: sae });
 * assertEquals(cache.get("blocks.2.attn.hook_z.hook_sae_acts_post").shape, [1, 5, 1024]);
 * assertEquals(model.actsToSaes.size, 0);
 * ```
 */
export class HookedSAETransformer extends HookedTransformer {
  /** What is attached, the last added on top. */
  #attached: Splice[] = [];

  /** The attached SAEs by the hook name whose value they read. */
  get actsToSaes(): NameDict<SpliceableModule> {
    const map = new NameDict<SpliceableModule>();
    for (const { inName, outName, module } of this.splices) {
      map.set(map.has(inName) ? outName : inName, module as SpliceableModule);
    }
    return map;
  }

  /** Every hook point by name; those of attached SAEs follow the model's. */
  override get hookDict(): NameDict<HookPoint> {
    const own = super.hookDict;
    if (this.#attached === undefined || this.#attached.length === 0) return own;
    const all = new NameDict<HookPoint>();
    for (const [name, point] of own) {
      all.set(name, point);
      const here = this.splices.find(({ outName }) => outName === name);
      for (const { info, point } of here?.points ?? []) all.set(info.name, point);
    }
    return all;
  }

  /**
   * Attaches an SAE until {@linkcode HookedSAETransformer.resetSaes}. One that is there already at the same point comes back when this
   * one is taken out.
   *
   * @throws {UnknownPointError} If the model has no point of the SAE's hook name.
   */
  addSae(sae: SpliceableModule, options: AttachOptions = {}): void {
    this.#attached.push(this.#checked(sae, options));
  }

  /**
   * Takes attached SAEs out: all of them, or those at these hook names.
   *
   * @throws {UnknownPointError} If a name has no SAE attached.
   */
  resetSaes(names?: string | readonly string[]): void {
    const wanted = names === undefined ? undefined : [names].flat();
    for (const name of wanted ?? []) {
      if (this.#attached.some((splice) => splice.inName === name || splice.outName === name)) {
        continue;
      }
      const near = nearestNames(name, this.actsToSaes.keys()).map((known) => `"${known}"`);
      throw new UnknownPointError(
        `There is no SAE attached at "${name}".${
          near.length > 0 ? ` Attached: ${near.join(", ")}.` : ""
        }`,
      );
    }
    const leaves = ({ inName, outName }: Splice) =>
      !wanted || wanted.includes(inName) || wanted.includes(outName);
    this.#detach(this.#attached.filter(leaves));
  }

  /** Attaches SAEs for the length of a block: `using _saes = model.saes(list)`. They leave last in, first out. */
  saes(saes: Saes, options: AttachOptions = {}): Disposable {
    const added = listed(saes).map((sae) => this.#checked(sae, options));
    this.#attached.push(...added);
    return { [Symbol.dispose]: () => this.#detach(added) };
  }

  /**
   * Runs with SAEs spliced in for this run.
   *
   * @throws {UnknownPointError} If the model has no point of an SAE's hook name.
   */
  runWithSaes(
    input: ModelInput,
    options: ForwardOptions & SaeOptions & { returnType?: "logits" | "loss" },
  ): Tensor;
  runWithSaes(input: ModelInput, options: ForwardOptions & SaeOptions): ForwardOutput;
  runWithSaes(input: ModelInput, options: ForwardOptions & SaeOptions): ForwardOutput {
    const { forward, errorGrad, run } = this.#taken(options);
    return run(() => this.execute(input, forward, { errorGrad }));
  }

  /** Runs with SAEs spliced in for this run, and caches activations, theirs included. */
  runWithCacheWithSaes(
    input: ModelInput,
    options: CacheOptions & SaeOptions & { returnType?: "logits" | "loss" },
  ): [Tensor, ActivationCache];
  runWithCacheWithSaes(
    input: ModelInput,
    options: CacheOptions & SaeOptions,
  ): [ForwardOutput, ActivationCache];
  runWithCacheWithSaes(
    input: ModelInput,
    options: CacheOptions & SaeOptions,
  ): [ForwardOutput, ActivationCache] {
    const { forward, errorGrad, run } = this.#taken(options);
    return run(() => this.cachedRun(input, forward, { errorGrad }));
  }

  /** Runs with SAEs spliced in and hooks added, both for this run. */
  runWithHooksWithSaes(
    input: ModelInput,
    options: RunWithHooksOptions & SaeOptions & { returnType?: "logits" | "loss" },
  ): Tensor;
  runWithHooksWithSaes(input: ModelInput, options: RunWithHooksOptions & SaeOptions): ForwardOutput;
  runWithHooksWithSaes(
    input: ModelInput,
    options: RunWithHooksOptions & SaeOptions,
  ): ForwardOutput {
    const { forward: rest, errorGrad, run } = this.#taken(options);
    const { fwdHooks, bwdHooks, resetHooksEnd, clearContexts, ...forward } = rest;
    const hooks = { fwdHooks, bwdHooks, resetHooksEnd, clearContexts };
    return run(() => this.hookedRun(input, forward, hooks, { errorGrad }));
  }

  protected override get hasMlpHookIn(): boolean {
    return true;
  }

  /** The splices in effect: of several at one point, the last added. */
  protected override get splices(): readonly Splice[] {
    const attached = this.#attached;
    return attached.filter((splice, i) =>
      attached.findLastIndex(({ outName }) => outName === splice.outName) === i
    );
  }

  protected override hooksAt(active: ActivePoint, direction: "fwd" | "bwd"): readonly HookEntry[] {
    const { name } = active.info;
    const onModel = super.hooksAt(active, direction);
    const splice = this.splices.find(({ points }) => points.some(({ info }) => info.name === name));
    if (!splice || !(splice.module instanceof HookedModule)) return onModel;
    const point = splice.module.hookDict.get(name.slice(splice.outName.length + 1));
    return [...(direction === "fwd" ? point?.fwdHooks : point?.bwdHooks) ?? [], ...onModel];
  }

  #checked(sae: SpliceableModule, options: AttachOptions): Splice {
    const splice = attach(sae, this.registry, options);
    const own = super.hookDict;
    for (const name of [splice.inName, splice.outName]) {
      if (own.has(name)) continue;
      const near = nearestNames(name, own.keys()).map((known) => `"${known}"`).join(", ");
      throw new UnknownPointError(
        `Cannot splice at "${name}": the model has no such hook point. Did you mean ${near}?`,
      );
    }
    return splice;
  }

  #detach(splices: readonly Splice[]): void {
    const leaving = new Set(splices);
    this.#attached = this.#attached.filter((splice) => !leaving.has(splice));
    const remaining = new Set(
      this.splices.flatMap(({ points }) => points.map(({ info }) => info.name)),
    );
    const gone = splices.flatMap(({ points }) => points.map(({ info }) => info.name));
    this.registry.removeAt(new Set(gone.filter((name) => !remaining.has(name))));
  }

  /** Takes the SAE options of a run apart from the rest, and runs with the SAEs in place. */
  #taken<O extends SaeOptions>(options: O) {
    const { saes, useErrorTerm, excludeSpecialTokens, errorGrad, resetSaesEnd = true, ...forward } =
      options;
    const run = <R>(body: () => R): R => {
      const added = this.saes(saes ?? [], { useErrorTerm, excludeSpecialTokens });
      try {
        return body();
      } finally {
        if (resetSaesEnd) added[Symbol.dispose]();
      }
    };
    return { forward, errorGrad, run };
  }
}
