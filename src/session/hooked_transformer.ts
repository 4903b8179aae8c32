/**
 * The hooked transformer: a model whose every activation can be read and changed.
 *
 * @module
 */

import { ConfigError, requireKnownOptions, ShapeError, TokenError } from "../core/errors.ts";
import type { FactoredMatrix } from "../core/factored_matrix.ts";
import { backwardMany } from "../core/backward_many.ts";
import { type BackwardOptions, releaseTapes } from "../core/gradients.ts";
import { explainPythonNames } from "../core/python_names.ts";
import { Slice } from "../core/slice.ts";
import { type Index, Tensor } from "../core/tensor.ts";
import { ActivationCache } from "../hooks/activation_cache.ts";
import type { HookPoint } from "../hooks/hook_point.ts";
import type { HookSpec, PointSelector } from "../hooks/hook_registry.ts";
import { HookedRoot } from "../hooks/hooked_root.ts";
import type { NameDict } from "../hooks/name_dict.ts";
import { isJoined } from "../hooks/points.ts";
import {
  type ConfigInput,
  type HookedTransformerConfig,
  resolveConfig,
  SHARED_ATTN_IN,
  sharesKeys,
} from "../model/config.ts";
import { type ModelWeights, modelWeights } from "../model/weights.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import * as tokens from "../tokenizer/tokens.ts";
import { type ProcessingOptions, processWeights } from "../weights/process.ts";
import { HookedSAE } from "../sae/hooked_sae.ts";
import { noteOrigin } from "../weights/origin.ts";
import type { StateDict } from "../weights/state_dict.ts";
import type { CacheSize } from "./cache_size.ts";
import * as circuits from "./circuits.ts";
import type { CompositionMode } from "./circuits.ts";
import { Execution } from "./execution.ts";
import { generate, generateStream, type GeneratingModel, type GenerationStep } from "./generate.ts";
import type {
  GenerateOptions,
  GenerateOutput,
  GenerateStreamOptions,
} from "./generation_options.ts";
import { initialWeights } from "./initial_weights.ts";
import { type InputOptions, type ModelInput, requireTokenizer, type TextOptions } from "./input.ts";
import {
  checkLoadOptions,
  loadModel,
  type LoadOptions,
  loadOrigin,
  type ModelFiles,
} from "./load.ts";
import { lmCrossEntropyLoss } from "./loss.ts";
import type {
  CacheOptions,
  ForwardOptions,
  ForwardOutput,
  NamesFilter,
  OutputOf,
  RunWithHooksOptions,
} from "./options.ts";
import { cacheRequest, type RunGrid } from "./plan.ts";
import type { RunCost } from "./run.ts";
import { beginSession, type Session, type SessionOptions } from "./session.ts";
import { requireMemoryLimit, withMemoryLimit } from "./memory_limit.ts";
import type { SweepOptions } from "./sweep.ts";
import { planThreads, releaseThreads, requireThreads } from "./threads.ts";
import { type BlockView, blockView, stackedWeights } from "./weight_views.ts";

/** What a model is made of beside its configuration. */
export interface ModelParts {
  /** Parameters by TransformerLens' names; random ones unless given. */
  stateDict?: StateDict;
  /** Turns text into tokens. */
  tokenizer?: Tokenizer;
  /** The side on which shorter prompts are padded; right unless said. */
  defaultPaddingSide?: tokens.PaddingSide;
}

/** The parts of a model whose weights are in the core already. */
type LoadedParts = ModelParts & { readonly weights?: ModelWeights };

/** A class of models, for static methods that make one. */
type ModelClass<M> = new (cfg: ConfigInput, parts?: ModelParts) => M;

/** Loads a model on the threads that its options ask for. */
async function loadOnThreads<M extends HookedTransformer>(
  Model: ModelClass<M>,
  source: string | URL | ModelFiles,
  options: LoadOptions,
): Promise<M> {
  const { defaultPaddingSide } = options;
  const planned = planThreads(options.threads);
  const [loaded, threads] = await Promise.all([loadModel(source, options, planned), planned]);
  const { cfg, parts, tokenizer } = loaded;
  const hold = await threads.start(cfg.nParams);
  try {
    const model = new Model(cfg, { ...parts, tokenizer, defaultPaddingSide });
    const origin = loadOrigin(source, options);
    if (origin) noteOrigin(executionOf(model).store, origin);
    hold.keepFor(model);
    return model;
  } catch (error) {
    hold.release();
    throw error;
  }
}

/** Loads a model under the budget that its options ask for. */
async function load<M extends HookedTransformer>(
  Model: ModelClass<M>,
  source: string | URL | ModelFiles,
  options: LoadOptions,
): Promise<M> {
  checkLoadOptions(options);
  requireMemoryLimit(options.memoryLimit);
  requireThreads(options.threads);
  return await withMemoryLimit(options.memoryLimit, () => loadOnThreads(Model, source, options));
}

const TEXT_OPTIONS: ReadonlySet<string> = new Set<keyof TextOptions | "truncate">([
  "prependBos",
  "paddingSide",
  "truncate",
]);

/** A model's execution, for the classes of this room. */
export let executionOf: (model: HookedTransformer) => Execution;

/**
 * A transformer with TransformerLens' hook points, names, shapes and numbers.
 *
 * @example
 * ```ts
 * import { HookedTransformer } from "@splicer/splicer";
 * import { assertEquals } from "@std/assert";
 *
 * const model = await HookedTransformer.fromPretrained("ioi-tiny");
 * const prompt = "When John and Mary went to the shops, John gave the bag to";
 * const logits = model.forward(prompt);
 * assertEquals(model.toString(logits.at(0, -1).argmax().item()), " Mary");
 * ```
 */
export class HookedTransformer extends HookedRoot implements Disposable {
  /** The model's configuration. The `set…` methods replace it. */
  cfg: HookedTransformerConfig;
  /** Turns text into tokens and back; `undefined` when the model has none. */
  readonly tokenizer: Tokenizer | undefined;
  readonly #defaultPaddingSide: tokens.PaddingSide;
  readonly #execution: Execution;

  /**
   * Makes a model with random weights, the same for the same `cfg.seed`, or with the parameters given.
   *
   * @param cfg The configuration; `nLayers`, `dModel`, `nCtx` and `dVocab` are required.
   * @throws {ConfigError} If it is incomplete or contradictory.
   */
  constructor(
    cfg: ConfigInput,
    parts: ModelParts = {},
  ) {
    super();
    const { weights, stateDict, tokenizer, defaultPaddingSide = "right" }: LoadedParts = parts;
    this.cfg = resolveConfig(cfg);
    this.tokenizer = tokenizer;
    this.#defaultPaddingSide = defaultPaddingSide;
    this.#execution = new Execution(
      this,
      weights ?? modelWeights(this.cfg, stateDict ?? initialWeights(this.cfg)),
      this.registry,
      this.hasMlpHookIn,
    );
  }

  /**
   * Loads a model and processes its weights as TransformerLens does: norms folded, writing weights and unembedding centred, value
   * biases folded.
   *
   * @param model `"ioi-tiny"` (embedded, the default), a directory's path, a `file:` or `http(s):` URL of a directory in Hugging Face
   *   layout, or `{ config, weights, tokenizer }` in memory.
   * @param options Processing, context, tokenizer, progress.
   * @throws {UnknownPointError} If it is a name that isn't known.
   * @throws {ConfigError} If the configuration is malformed, of an unknown family, or holds a key that matters and isn't known.
   * @throws {WeightFileError} If files or tensors are missing or malformed.
   * @throws {MemoryBudgetError} If the weights don't fit the budget; then none has been read, as far as the configuration tells.
   */
  static async fromPretrained<M extends HookedTransformer>(
    this: ModelClass<M>,
    model: string | URL | ModelFiles = "ioi-tiny",
    options: LoadOptions = {},
  ): Promise<M> {
    return await load(this, model, options);
  }

  /** Loads a model and leaves its weights as they are. */
  static async fromPretrainedNoProcessing<M extends HookedTransformer>(
    this: ModelClass<M>,
    model: string | URL | ModelFiles = "ioi-tiny",
    options: LoadOptions = {},
  ): Promise<M> {
    const none = {
      foldLn: false,
      centerWritingWeights: false,
      centerUnembed: false,
      foldValueBiases: false,
    };
    return await load(this, model, { ...none, ...options });
  }

  /** Every hook point by name, those that the switches turn off included; those of splices follow the point that they sit on. */
  override get hookDict(): NameDict<HookPoint> {
    const { points, attachments } = this.#execution;
    return points.dict(attachments.splices);
  }

  /**
   * The same as looking into the dictionary, which takes long to make.
   *
   * @ignore
   */
  protected override hasPoint(name: string): boolean {
    const { points, attachments } = this.#execution;
    return points.has(name) || attachments.splices.some((splice) => {
      return splice.points.some(({ info }) => info.name === name);
    });
  }

  /** The side on which shorter prompts are padded unless said otherwise. */
  get defaultPaddingSide(): tokens.PaddingSide {
    return this.#defaultPaddingSide;
  }

  /** What the last run cost. */
  get ran(): RunCost {
    return this.#execution.ran;
  }

  /** Whether MLPs have `mlp.hook_in`, which SAELens adds for transcoders. */
  protected get hasMlpHookIn(): boolean {
    return false;
  }

  /**
   * Whether the values of the last input are kept, so that a run with hooks computes only the rows that its hooks change. Turning it
   * off gives their memory back. The bits are the same either way.
   */
  get keepBase(): boolean {
    return this.#execution.resume.isOn;
  }

  set keepBase(keep: boolean) {
    this.#execution.resume.isOn = keep;
  }

  // --- tokens ---

  /**
   * Turns text into token ids [batch, pos], int32. Shorter prompts are padded, longer ones cut at the context unless `truncate` is false.
   */
  toTokens(
    input: string | readonly string[],
    { truncate = true, ...options }: TextOptions & { truncate?: boolean } = {},
  ): Tensor {
    requireKnownOptions("Cannot tokenize", options, TEXT_OPTIONS);
    const { ids } = tokens.toTokens(this.#tokenizer("tokenize"), input, {
      ...this.#textOptions(options),
      truncate,
      nCtx: this.cfg.nCtx,
    });
    return Tensor.from(Int32Array.from(ids.flat()), [ids.length, ids[0].length]);
  }

  /** Turns a token, a row of tokens or rows of them into text; rows give a list. */
  override toString(
    input?: Tensor | number | readonly number[] | readonly (readonly number[])[],
  ): string {
    if (input === undefined) return `${this.constructor.name}(${this.cfg.modelName})`;
    if (input instanceof Tensor && input.rank > 2) {
      throw new TokenError(
        `Cannot decode tokens of shape [${
          input.shape.join(", ")
        }]: expected one, [pos] or [batch, pos].`,
      );
    }
    const ids = input instanceof Tensor ? input.toArray() : input;
    // Rows give a list of texts; the declared type is that of a single text, which is what most callers have.
    return tokens.toString(this.#tokenizer("decode"), ids) as string;
  }

  /** Splits text, or token ids, into the text of each token; several prompts give a list of lists. Text is cut at the context. */
  toStrTokens(input: string, options?: TextOptions): string[];
  /** Splits several texts into the text of each token. */
  toStrTokens(input: readonly string[], options?: TextOptions): string[][];
  /** Gives the text of each token id. */
  toStrTokens(input: Tensor | readonly number[], options?: TextOptions): string[];
  toStrTokens(
    input: string | readonly string[] | Tensor | readonly number[],
    options: TextOptions = {},
  ): string[] | string[][] {
    requireKnownOptions("Cannot tokenize", options, TEXT_OPTIONS);
    const given = input instanceof Tensor ? input.toArray() : input;
    const { nCtx } = this.cfg;
    return tokens.toStrTokens(this.#tokenizer("tokenize"), given, {
      ...this.#textOptions(options),
      nCtx,
    });
  }

  /**
   * Gives the id of a text that is one token.
   *
   * @throws {TokenError} If it isn't exactly one token.
   */
  toSingleToken(text: string): number {
    return tokens.toSingleToken(this.#tokenizer("tokenize"), text);
  }

  /** Gives the text of a token id. */
  toSingleStrToken(id: number): string {
    return tokens.toSingleStrToken(this.#tokenizer("decode"), id);
  }

  /**
   * Finds the position of a token in a prompt.
   *
   * @throws {TokenError} If it doesn't occur.
   */
  getTokenPosition(
    singleToken: string | number,
    input: string | Tensor | readonly number[],
    mode: "first" | "last" = "first",
    options: TextOptions = {},
  ): number {
    const given = input instanceof Tensor ? input.toArray() : input;
    return tokens.getTokenPosition(
      this.#tokenizer("tokenize"),
      singleToken,
      given,
      mode,
      this.#textOptions(options),
    );
  }

  /** Gives the unembedding's direction of tokens: [dModel] for one, [..., dModel] for a tensor of ids. */
  tokensToResidualDirections(input: string | number | Tensor | readonly number[]): Tensor {
    const single = typeof input === "string" ? this.toSingleToken(input) : input;
    const ids = typeof single === "number" ? Tensor.from(single, [], "int32") : single;
    const index = ids instanceof Tensor ? ids : Tensor.from(ids, undefined, "int32");
    const columns = this.W_U.transpose(0, 1).indexSelect(0, index.flatten());
    return columns.reshape(...index.shape, this.cfg.dModel);
  }

  // --- running ---

  /**
   * Runs the model.
   *
   * @param input A prompt, several, token ids, or with `startAtLayer` a residual stream.
   * @returns Logits [batch, pos, dVocab] (unembedded when they are read), the loss, both, or nothing with `returnType: null`; the
   *   residual stream [batch, pos, dModel] with `stopAtLayer`.
   * @throws {TokenError} If the prompt is empty or longer than the context.
   * @throws {HookError} If a hook throws or returns a Promise.
   * @throws {ShapeError} If a hook returns another shape.
   */
  forward<O extends ForwardOptions = Record<never, never>>(
    input: ModelInput,
    options?: O,
  ): OutputOf<O> {
    return this.#execution.execute(input, options ?? {}, {}) as OutputOf<O>;
  }

  /**
   * The loss that `forward()` gives, of logits at hand.
   *
   * @param logits Logits [batch, pos, dVocab].
   * @param tokens Token ids [batch, pos].
   * @param options `attentionMask` [batch, pos] leaves out pairs with a pad; `perToken` gives [batch, pos - 1] instead of the mean.
   */
  lossFn(
    logits: Tensor,
    tokens: Tensor,
    options: { attentionMask?: Tensor; perToken?: boolean } = {},
  ): Tensor {
    return lmCrossEntropyLoss(logits, tokens, options);
  }

  /**
   * Runs the model and caches activations.
   *
   * @returns The output and the cache. User hooks run before the cache looks.
   * @throws {UnknownPointError} If `namesFilter` names a point that isn't there or that the run doesn't reach.
   */
  runWithCache<O extends CacheOptions = Record<never, never>>(
    input: ModelInput,
    options?: O,
  ): [OutputOf<O>, ActivationCache] {
    const { namesFilter = null, inclBwd = false, removeBatchDim = false, posSlice, ...forward } =
      options ?? {} as CacheOptions;
    const cache = new ActivationCache(new Map(), this);
    const output = this.#execution.execute(input, forward, {
      ...this.#cacheRequest(namesFilter, inclBwd),
      keep: (name, value, grid) =>
        cache.add(name, posSlice === undefined ? value : atPositions(name, value, posSlice, grid)),
    });
    if (inclBwd) backwardFrom(output);
    return [output as OutputOf<O>, removeBatchDim ? cache.toBatchless() : cache];
  }

  /**
   * Tells how large the cache of {@linkcode HookedTransformer.runWithCache} with the same options will be. Nothing runs.
   *
   * @returns How many activations and bytes it will hold.
   * @throws {UnknownPointError} If `namesFilter` names a point that isn't there or that the run doesn't reach.
   */
  cacheSize(input: ModelInput, options: CacheOptions = {}): CacheSize {
    const { namesFilter = null, inclBwd = false, removeBatchDim: _, posSlice, ...forward } =
      options;
    const request = this.#cacheRequest(namesFilter, inclBwd);
    return this.#execution.cacheSize(input, forward, request, new Slice(posSlice));
  }

  /**
   * Runs the model with hooks for this run.
   *
   * @throws {UnknownPointError} If a hook can never fire, with the reason.
   */
  runWithHooks<O extends RunWithHooksOptions>(input: ModelInput, options: O): OutputOf<O> {
    const { fwdHooks = [], bwdHooks = [], resetHooksEnd, clearContexts, ...forward } = options;
    using _hooks = this.hooks({ fwdHooks, bwdHooks, resetHooksEnd, clearContexts });
    const selectors = [...fwdHooks, ...bwdHooks].map(([selector]) => selector);
    return this.#execution.execute(input, forward, { selectors }) as OutputOf<O>;
  }

  /**
   * Runs one edit in many variants, stacked as rows of one pass over the base run: each variant computes only the rows that it
   * changes, and has the bits of a run of its own.
   *
   * @param input A prompt, several, or token ids.
   * @param options Where, over what, which edit, and the metric that is read off each variant's logits.
   * @returns The axes of `over` in key order, then the metric's.
   * @throws {UnknownPointError} If there is no point to edit.
   * @throws {ConfigError} If an axis isn't one that a sweep knows, or hooks are in place.
   */
  sweep(input: ModelInput, options: SweepOptions & InputOptions): Tensor {
    const { at, over, edit, metric, onProgress, signal, budgetBytes, ...inputOptions } = options;
    const sweep = { at, over, edit, metric, onProgress, signal, budgetBytes };
    return this.#execution.sweep(input, inputOptions, sweep);
  }

  /**
   * Adds tokens to prompts, each chosen from the logits after the ones before. Hooks and SAEs that are attached are active; a hook sees
   * the positions of a step, and `hook.posOffset` says where they begin. Nothing is recorded for gradients.
   *
   * @param input A prompt, several (which are padded on the left), token ids, or embeddings [batch, pos, dModel].
   * @param options How many tokens, how they are chosen, and what is given back.
   * @returns What the input was: text with the new text behind it, or token ids [batch, pos + new], or embeddings. For a prompt of
   *   embeddings, `returnType: "tokens"` gives the new tokens alone. With `returnCache` a pair of that and the activations of the whole
   *   text.
   * @throws {TokenError} If the prompt is empty, the context too short, no end token known, or the logits hold NaN.
   * @throws {ConfigError} If an option isn't one that there is.
   *
   * @example
   * ```ts
   * import { HookedTransformer } from "@splicer/splicer";
   * import { assertEquals } from "@std/assert";
   *
   * const model = await HookedTransformer.fromPretrained("ioi-tiny");
   * const prompt = "When John and Mary went to the shops, John gave the bag to";
   * assertEquals(model.generate(prompt, { maxNewTokens: 1, doSample: false }), `${prompt} Mary`);
   * ```
   */
  generate<
    const I extends ModelInput = "",
    O extends GenerateOptions = GenerateOptions,
  >(input?: I, options?: O): GenerateOutput<I, O> {
    const { attach, rest } = this.generationParts(options ?? {});
    return generate(this.#generating(attach), input ?? "", rest) as GenerateOutput<I, O>;
  }

  /**
   * Generates as a stream: `for await (const step of model.generateStream(prompt))`. Each step has the new tokens, the text so far and
   * what it adds. Between steps, hooks may be added and removed; leaving the loop ends the generation and gives its memory back.
   *
   * @throws {TokenError} If the prompt is empty, the context too short, no end token known, or the logits hold NaN.
   * @throws {ConfigError} If an option isn't one that there is.
   */
  generateStream(
    input: ModelInput = "",
    options: GenerateStreamOptions = {},
  ): AsyncGenerator<GenerationStep, void, void> {
    const { attach, rest } = this.generationParts(options);
    return generateStream(this.#generating(attach), input, rest);
  }

  /**
   * Walks back from several scalars over one recorded forward pass: each fires the `bwd` hooks and adds to `grad`, as `backward()` of
   * each in turn would, and the recording goes after the last.
   *
   * @param scalars The scalars, or a tensor whose elements they are, such as a metric of each prompt [batch].
   * @param options `retainGraph` keeps the recording.
   * @returns For each scalar, the gradients at the points that are watched or have `bwd` hooks, by name.
   * @throws {ShapeError} If one isn't a scalar.
   * @throws {GradientError} If nothing that led to one was watched, or its recording is gone; then no walk begins.
   */
  backwardMany(
    scalars: readonly Tensor[] | Tensor,
    options: BackwardOptions = {},
  ): ReadonlyMap<string, Tensor>[] {
    return backwardMany(scalars, options);
  }

  /**
   * Starts a session of edits on some prompts: each edit adds to a stack, can be undone, switched off, compared and stored.
   *
   * @param prompts A prompt, several, or token ids.
   * @param options What is measured of each run.
   */
  session(prompts: ModelInput, options: SessionOptions = {}): Session {
    return beginSession(this, prompts, options);
  }

  /** Forgets the gradients that parameters have, those of the SAEs that are spliced in too. Replacing parameters does it as well. */
  zeroGrad(): void {
    this.#execution.store.gradients.clear();
    for (const { module } of this.#execution.attachments.splices) {
      if (module instanceof HookedSAE) module.zeroGrad();
    }
  }

  /** Drops every recorded run that waits for a backward pass. */
  releaseTapes(): void {
    releaseTapes();
  }

  // --- switches ---

  /** Makes `attn.hook_result` one of the points that predicates and full caches reach. */
  setUseAttnResult(on: boolean): void {
    this.cfg = { ...this.cfg, useAttnResult: on };
  }

  /** Makes `hook_q_input`, `hook_k_input` and `hook_v_input` reachable by predicates, and gives `ln1` a head axis. */
  setUseSplitQkvInput(on: boolean): void {
    this.cfg = { ...this.cfg, useSplitQkvInput: on };
  }

  /**
   * Makes `hook_attn_in` one of the points that predicates and full caches reach.
   *
   * @throws {ConfigError} If heads share keys.
   */
  setUseAttnIn(on: boolean): void {
    if (on && sharesKeys(this.cfg)) {
      throw new ConfigError(`Cannot use hook_attn_in: ${SHARED_ATTN_IN}.`);
    }
    this.cfg = { ...this.cfg, useAttnIn: on };
  }

  /**
   * Makes `hook_mlp_in` one of the points that predicates and full caches reach.
   *
   * @throws {ConfigError} If the model has no MLPs.
   */
  setUseHookMlpIn(on: boolean): void {
    if (on && this.cfg.attnOnly) {
      throw new ConfigError("Cannot use hook_mlp_in: the model has no MLPs.");
    }
    this.cfg = { ...this.cfg, useHookMlpIn: on };
  }

  /**
   * Gives keys and values a head for each query head, in `hook_k`, `hook_v` and their inputs; the numbers stay. Models whose heads share
   * no keys have that already.
   */
  setUngroupGroupedQueryAttention(on: boolean): void {
    this.cfg = { ...this.cfg, ungroupGroupedQueryAttention: on };
  }

  // --- weights ---

  /**
   * Replaces the parameters, processed as `options` say. Values begun with the old ones keep them.
   *
   * @param stateDict Parameters by TransformerLens' names.
   */
  loadAndProcessStateDict(stateDict: StateDict, options: ProcessingOptions = {}): void {
    const processed = processWeights(this.cfg, stateDict, options);
    this.#execution.replaceWeights(modelWeights(processed.cfg, processed.stateDict));
    this.cfg = processed.cfg;
  }

  /** All parameters by TransformerLens' names. */
  stateDict(): Map<string, Tensor> {
    const { store } = this.#execution;
    return new Map(store.names().map((name) => [name, store.view(name)]));
  }

  /** Each block's parameters: `model.blocks[5].attn.W_O`. */
  get blocks(): readonly BlockView[] {
    const { store } = this.#execution;
    const { nLayers, nHeads } = this.cfg;
    return Array.from({ length: nLayers }, (_, layer) => blockView(store, nHeads, layer));
  }

  /** The embedding [dVocab, dModel]. */
  get W_E(): Tensor {
    return this.#execution.store.view("embed.W_E");
  }

  /** The positional embedding [nCtx, dModel]. */
  get W_pos(): Tensor {
    return this.#execution.store.view("pos_embed.W_pos");
  }

  /**
   * The embeddings of tokens and of positions, [dVocab + nCtx, dModel].
   *
   * @throws {WeightFileError} If positions have no embeddings.
   */
  get W_E_pos(): Tensor {
    return Tensor.cat([this.W_E, this.W_pos]);
  }

  /** How many parameters there are: `cfg.nParams` counts the weights of attention and MLPs alone. */
  get nParamsTotal(): number {
    const { store } = this.#execution;
    return store.names().reduce((total, name) => total + store.view(name).size, 0);
  }

  /** The unembedding [dModel, dVocab]. */
  get W_U(): Tensor {
    return this.#execution.store.view("unembed.W_U");
  }

  /** The unembedding's bias [dVocab]. */
  get b_U(): Tensor {
    return this.#execution.store.view("unembed.b_U");
  }

  /** Queries' weights [layer, head, dModel, dHead]. */
  get W_Q(): Tensor {
    return this.#stacked("attn.W_Q");
  }

  /** Keys' weights [layer, head, dModel, dHead]. */
  get W_K(): Tensor {
    return this.#stacked("attn.W_K");
  }

  /** Values' weights [layer, head, dModel, dHead]. */
  get W_V(): Tensor {
    return this.#stacked("attn.W_V");
  }

  /** Outputs' weights [layer, head, dHead, dModel]. */
  get W_O(): Tensor {
    return this.#stacked("attn.W_O");
  }

  /** MLPs' input weights [layer, dModel, dMlp]. */
  get W_in(): Tensor {
    return this.#stacked("mlp.W_in");
  }

  /**
   * MLPs' gate weights [layer, dModel, dMlp].
   *
   * @throws {WeightFileError} If the MLPs have no gates.
   */
  get W_gate(): Tensor {
    return this.#stacked("mlp.W_gate");
  }

  /** MLPs' output weights [layer, dMlp, dModel]. */
  get W_out(): Tensor {
    return this.#stacked("mlp.W_out");
  }

  /** Queries' biases [layer, head, dHead]. */
  get b_Q(): Tensor {
    return this.#stacked("attn.b_Q");
  }

  /** Keys' biases [layer, head, dHead]. */
  get b_K(): Tensor {
    return this.#stacked("attn.b_K");
  }

  /** Values' biases [layer, head, dHead]. */
  get b_V(): Tensor {
    return this.#stacked("attn.b_V");
  }

  /** Attention's output biases [layer, dModel]. */
  get b_O(): Tensor {
    return this.#stacked("attn.b_O");
  }

  /** MLPs' input biases [layer, dMlp]. */
  get b_in(): Tensor {
    return this.#stacked("mlp.b_in");
  }

  /** MLPs' output biases [layer, dModel]. */
  get b_out(): Tensor {
    return this.#stacked("mlp.b_out");
  }

  /** What each head attends by, W_Q W_K^T: [layer, head, dModel, dModel]. */
  get QK(): FactoredMatrix {
    return circuits.qkOf(this);
  }

  /** What each head moves, W_V W_O: [layer, head, dModel, dModel]. */
  get OV(): FactoredMatrix {
    return circuits.ovOf(this);
  }

  /**
   * How much each head's output is read by the heads of later layers, through their queries, keys or values.
   *
   * @returns [layer, head, later layer, its head]; zero where the layer isn't later.
   */
  allCompositionScores(mode: CompositionMode): Tensor {
    return circuits.allCompositionScores(this, mode);
  }

  /** The heads' names, `L0H0` …, in the order in which they are stacked. */
  allHeadLabels(): string[] {
    return circuits.headLabels(this.cfg);
  }

  /**
   * What the biases of attention and MLPs add to the residual stream before a layer, [dModel].
   *
   * @param layer The layer; the number of layers stands for the end of the stream.
   * @param options `mlpInput` goes up to the layer's MLP; `includeMlpBiases: false` leaves the MLPs' out.
   * @throws {RangeError} If there is no such layer.
   */
  accumulatedBias(
    layer: number,
    options: { mlpInput?: boolean; includeMlpBiases?: boolean } = {},
  ): Tensor {
    return circuits.accumulatedBias(this, layer, options);
  }

  /** The final norm of a residual stream [..., dModel], with its weight and bias where they aren't folded away. No hook sees it. */
  lnFinal(resid: Tensor): Tensor {
    return this.#execution.lnFinal(resid);
  }

  /** Logits [..., dVocab] of what the final norm gave [..., dModel]. No hook sees it. */
  unembed(normalized: Tensor): Tensor {
    return this.#execution.unembed(normalized);
  }

  /** Gives the weights' memory back. The model can't be run after that. */
  [Symbol.dispose](): void {
    this.#execution[Symbol.dispose]();
    releaseThreads(this);
  }

  /** What a cache asks of a run. */
  #cacheRequest(namesFilter: NamesFilter, gradients: boolean) {
    const filters = namesFilter === null ? undefined : [namesFilter].flat() as PointSelector[];
    filters?.forEach((filter) => this.requirePoint(filter));
    return {
      selectors: filters?.filter((filter) => typeof filter === "string"),
      cache: cacheRequest(filters, gradients),
    };
  }

  /** What a generation has in place during each step, and the options that say how it goes. */
  protected generationParts<O extends { readonly fwdHooks?: readonly HookSpec[] }>(
    options: O,
  ): { attach: () => Disposable; rest: O } {
    return { attach: () => this.hooks({ fwdHooks: options.fwdHooks }), rest: options };
  }

  #generating(attach: () => Disposable): GeneratingModel {
    const { cfg, tokenizer } = this;
    const context = { cfg, tokenizer, defaultPaddingSide: this.#defaultPaddingSide };
    return { host: this.#execution, context, cached: this, attach };
  }

  #tokenizer(what: string): Tokenizer {
    return requireTokenizer(this.tokenizer, what);
  }

  #stacked(name: string): Tensor {
    return stackedWeights(this.#execution.store, this.cfg, name);
  }

  #textOptions(
    { prependBos = this.cfg.defaultPrependBos, paddingSide = this.#defaultPaddingSide }:
      TextOptions,
  ) {
    return { prependBos, paddingSide };
  }

  /** Lets the SAE transformer reach what users don't. */
  static {
    executionOf = (model) => model.#execution;
    explainPythonNames(HookedRoot);
    explainPythonNames(HookedTransformer, {
      to:
        "it computes on the CPU. Leave the call out; { threads } of fromPretrained takes more of them.",
      cuda: "it computes on the CPU. Leave the call out.",
      cpu: "it is on the CPU. Leave the call out.",
      eval: "it doesn't train unless `watch` asks for gradients. Leave the call out.",
    });
  }
}

/** Takes positions of a cached value; the axis stays. Scores and patterns have the head in front of the query's position. */
function atPositions(
  name: string,
  value: Tensor,
  posSlice: Index,
  { batch, nPos }: RunGrid,
): Tensor {
  if (isJoined(name)) {
    const [joined, width] = value.shape;
    const kept = value.reshape([batch, nPos, joined / (batch * nPos), width]).at(":", posSlice);
    return kept.reshape([kept.size / width, width]);
  }
  const axis = /\.hook_(attn_scores|pattern)(_grad)?$/.test(name) ? 2 : 1;
  const kept = typeof posSlice === "number" ? [posSlice] : posSlice;
  return value.at(...Array<Index>(axis).fill(":"), kept);
}

/** Runs the backward pass of a loss whose gradients are cached. */
function backwardFrom(output: ForwardOutput): void {
  if (output instanceof Tensor && output.size === 1) return output.backward();
  releaseTapes();
  throw new ShapeError(
    'Cannot cache gradients with inclBwd: the output isn\'t a scalar, so pass returnType: "loss".',
  );
}
