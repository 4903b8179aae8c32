/**
 * The hooked transformer into which SAEs are spliced.
 *
 * @module
 */

import { nearestNames, UnknownPointError } from "../core/errors.ts";
import type { ActivationCache } from "../hooks/activation_cache.ts";
import type { HookSpec } from "../hooks/hook_registry.ts";
import { NameDict } from "../hooks/name_dict.ts";
import type { Attachments } from "./attachments.ts";
import type { CacheSize } from "./cache_size.ts";
import { executionOf, HookedTransformer } from "./hooked_transformer.ts";
import type { GenerationStep } from "./generate.ts";
import type {
  GenerateOptions,
  GenerateOutput,
  GenerateStreamOptions,
} from "./generation_options.ts";
import type { InputOptions, ModelInput } from "./input.ts";
import type { CacheOptions, ForwardOptions, OutputOf, RunWithHooksOptions } from "./options.ts";
import type { Splice } from "./splice.ts";
import { beginSession, type Session, type SessionOptions } from "./session.ts";
import { loadSessionsWith } from "./session_json.ts";
import type { SweepOptions } from "./sweep.ts";
import type { Tensor } from "../core/tensor.ts";
import type { HookedSAE } from "../sae/hooked_sae.ts";
import { type ProcessingDifference, processingDifferences, rebasedSae } from "./sae_processing.ts";
import { attach, type AttachOptions, type SpliceableModule } from "./spliced_module.ts";

/** One SAE or several. */
export type Saes = SpliceableModule | readonly SpliceableModule[];

/** Options of the `runWith…Saes` methods. */
export interface SaeOptions extends AttachOptions {
  /** What to splice in for this run. */
  saes?: Saes;
  /** Takes the SAEs out at the end; `true` unless said. */
  resetSaesEnd?: boolean;
}

/** The SAEs of a generation. */
export type GenerationSaeOptions = Omit<SaeOptions, "resetSaesEnd">;

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
  /** The attached SAEs by the hook name whose value they read. */
  get actsToSaes(): NameDict<SpliceableModule> {
    const map = new NameDict<SpliceableModule>();
    for (const { inName, outName, module } of this.#attachments.splices) {
      map.set(map.has(inName) ? outName : inName, module);
    }
    return map;
  }

  /**
   * Attaches an SAE until {@linkcode HookedSAETransformer.resetSaes}. One that is there already at the same point comes back when this
   * one is taken out.
   *
   * @throws {UnknownPointError} If the model has no point of the SAE's hook name.
   */
  addSae(sae: SpliceableModule, options: AttachOptions = {}): void {
    this.#attachments.add([this.#checked(sae, options)]);
  }

  /**
   * Compares how this model's weights were processed with what an SAE says of those it was trained on: folding and centring change
   * what some points hold. Nothing is refused: an SAE that says nothing is taken to fit.
   *
   * @returns The steps that change what the SAE's points hold, and that only one of the two has.
   */
  processingDifferences(sae: HookedSAE): ProcessingDifference[] {
    return processingDifferences(this, sae);
  }

  /**
   * Makes an SAE of `hook_z` fit this model where its value biases are folded and those in training weren't, or the other way round.
   *
   * @param sae The SAE; left as it is.
   * @param unprocessed The same model unprocessed, where this one has lost its biases.
   * @returns A copy that computes the codes that it computes in its own model.
   * @throws {ConfigError} If they differ in something else, or the biases can't be told.
   */
  rebase(sae: HookedSAE, unprocessed?: HookedTransformer): HookedSAE {
    return rebasedSae(this, sae, unprocessed);
  }

  /**
   * Takes attached SAEs out: all of them, or those at these hook names.
   *
   * @throws {UnknownPointError} If a name has no SAE attached.
   */
  resetSaes(names?: string | readonly string[]): void {
    const wanted = names === undefined ? undefined : [names].flat();
    const { all } = this.#attachments;
    const isAt = (name: string) => ({ inName, outName }: Splice) =>
      inName === name || outName === name;
    for (const name of wanted ?? []) {
      if (all.some(isAt(name))) continue;
      const attached = [...this.actsToSaes.keys()].map((known) => `"${known}"`);
      throw new UnknownPointError(
        `There is no SAE attached at "${name}".${
          attached.length > 0 ? ` Attached: ${attached.join(", ")}.` : ""
        }`,
      );
    }
    this.#attachments.remove(
      all.filter((splice) => wanted?.some((name) => isAt(name)(splice)) ?? true),
    );
  }

  /** Attaches SAEs for the length of a block: `using _saes = model.saes(list)`. They leave last in, first out. */
  saes(saes: Saes, options: AttachOptions = {}): Disposable {
    const added = listed(saes).map((sae) => this.#checked(sae, options));
    this.#attachments.add(added);
    return { [Symbol.dispose]: () => this.#attachments.remove(added) };
  }

  /**
   * Runs with SAEs spliced in for this run.
   *
   * @throws {UnknownPointError} If the model has no point of an SAE's hook name.
   */
  runWithSaes<O extends ForwardOptions & SaeOptions>(input: ModelInput, options: O): OutputOf<O> {
    return this.#withSaes(options, (rest) => this.forward(input, rest)) as OutputOf<O>;
  }

  /** Runs with SAEs spliced in for this run, and caches activations, theirs included. */
  runWithCacheWithSaes<O extends CacheOptions & SaeOptions>(
    input: ModelInput,
    options: O,
  ): [OutputOf<O>, ActivationCache] {
    const run = (rest: CacheOptions) => this.runWithCache(input, rest);
    return this.#withSaes(options, run) as [OutputOf<O>, ActivationCache];
  }

  /** Tells how large a cache will be, with SAEs spliced in. */
  override cacheSize(input: ModelInput, options: CacheOptions & SaeOptions = {}): CacheSize {
    return this.#withSaes(options, (rest: CacheOptions) => super.cacheSize(input, rest));
  }

  /** Runs with SAEs spliced in and hooks added, both for this run. */
  runWithHooksWithSaes<O extends RunWithHooksOptions & SaeOptions>(
    input: ModelInput,
    options: O,
  ): OutputOf<O> {
    return this.#withSaes(options, (rest) => this.runWithHooks(input, rest)) as OutputOf<O>;
  }

  /** Sweeps with SAEs spliced in. */
  override sweep(input: ModelInput, options: SweepOptions & InputOptions & SaeOptions): Tensor {
    return this.#withSaes(
      options,
      (rest) => super.sweep(input, rest as SweepOptions & InputOptions),
    );
  }

  /**
   * Generates, with SAEs spliced in where `saes` gives some.
   *
   * @throws {UnknownPointError} If the model has no point of an SAE's hook name.
   */
  override generate<
    const I extends ModelInput = "",
    O extends GenerateOptions & GenerationSaeOptions = GenerateOptions,
  >(input?: I, options?: O): GenerateOutput<I, O> {
    return super.generate(input, options);
  }

  /** Generates as a stream, with SAEs spliced in where `saes` gives some. */
  override generateStream(
    input: ModelInput = "",
    options: GenerateStreamOptions & GenerationSaeOptions = {},
  ): AsyncGenerator<GenerationStep, void, void> {
    return super.generateStream(input, options);
  }

  /** What a generation has in place during each step: SAEs, then hooks, which may name the SAEs' points. */
  protected override generationParts<O extends { readonly fwdHooks?: readonly HookSpec[] }>(
    options: O & GenerationSaeOptions,
  ): { attach: () => Disposable; rest: O } {
    const { saes = [], useErrorTerm, excludeSpecialTokens, errorGrad, ...rest } = options;
    const attach = () => {
      const added = this.saes(saes, { useErrorTerm, excludeSpecialTokens, errorGrad });
      try {
        const hooks = this.hooks({ fwdHooks: options.fwdHooks });
        return {
          [Symbol.dispose]: () => {
            hooks[Symbol.dispose]();
            added[Symbol.dispose]();
          },
        };
      } catch (error) {
        added[Symbol.dispose]();
        throw error;
      }
    };
    // What is left of the options is all that the caller's type says, SAEs aside.
    return { attach, rest: rest as unknown as O };
  }

  /** Starts a session with SAEs spliced in during its runs. */
  override session(
    prompts: ModelInput,
    options: SessionOptions & Omit<SaeOptions, "resetSaesEnd"> = {},
  ): Session {
    const { saes, useErrorTerm, excludeSpecialTokens, errorGrad, ...rest } = options;
    const list = listed(saes);
    const attachOptions = { useErrorTerm, excludeSpecialTokens, errorGrad };
    const attach = () => this.saes(list, attachOptions);
    attach()[Symbol.dispose]();
    return beginSession(this, prompts, rest, { saes: list, options: attachOptions, attach });
  }

  /** SAELens' transformer has `mlp.hook_in`, for transcoders. */
  protected override get hasMlpHookIn(): boolean {
    return true;
  }

  get #attachments(): Attachments {
    return executionOf(this).attachments;
  }

  #checked(sae: SpliceableModule, options: AttachOptions): Splice {
    const splice = attach(sae, this.registry, options);
    const { points } = executionOf(this);
    for (const name of [splice.inName, splice.outName]) {
      if (points.has(name)) continue;
      const near = nearestNames(name, points.names()).map((known) => `"${known}"`).join(", ");
      throw new UnknownPointError(
        `Cannot splice at "${name}": the model has no such hook point. Did you mean ${near}?`,
      );
    }
    return splice;
  }

  /** Runs with SAEs in place, and takes them out at the end, on exceptions too. */
  #withSaes<O extends SaeOptions, R>(
    options: O,
    run: (rest: Omit<O, keyof SaeOptions>) => R,
  ): R {
    const { saes, useErrorTerm, excludeSpecialTokens, errorGrad, resetSaesEnd = true, ...rest } =
      options;
    const added = this.saes(saes ?? [], { useErrorTerm, excludeSpecialTokens, errorGrad });
    try {
      return run(rest);
    } finally {
      if (resetSaesEnd) added[Symbol.dispose]();
    }
  }

  /** Lets stored sessions find a model that takes SAEs. */
  static {
    loadSessionsWith((model, options) => HookedSAETransformer.fromPretrained(model, options));
  }
}
