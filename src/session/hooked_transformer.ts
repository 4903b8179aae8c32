/**
 * The hooked transformer: a model whose every activation can be read and changed.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { ConfigError, ShapeError } from "../core/errors.ts";
import { noGrad, recordedRun, releaseTapes } from "../core/gradients.ts";
import { normal } from "../core/random.ts";
import { RowSpace } from "../core/rows.ts";
import { type Scope, scoped, sizeOf } from "../core/scope.ts";
import { handleOf, type Index, Tensor, tensorOf } from "../core/tensor.ts";
import { ActivationCache } from "../hooks/activation_cache.ts";
import { HookPoint } from "../hooks/hook_point.ts";
import type { HookEntry, HookSpec, PointSelector } from "../hooks/hook_registry.ts";
import { HookedRoot, type HookScopeOptions } from "../hooks/hooked_root.ts";
import { NameDict } from "../hooks/name_dict.ts";
import { Mode, type PointInfo } from "../hooks/points.ts";
import { type ConfigInput, type HookedTransformerConfig, resolveConfig } from "../model/config.ts";
import type { RowValue } from "../hooks/tap.ts";
import {
  allBlockNames,
  embed,
  finalNorm,
  type Pass,
  runBlock,
  runBlocks,
  unembed,
} from "../model/forward.ts";
import { type BlockNames, firstStage, modelPoints, ROOT_NAMES } from "../model/points.ts";
import { Geometries } from "../model/rows.ts";
import { type ModelWeights, modelWeights } from "../model/weights.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import * as tokens from "../tokenizer/tokens.ts";
import { type ProcessingOptions, processWeights } from "../weights/process.ts";
import type { StateDict } from "../weights/state_dict.ts";
import {
  type InputOptions,
  type ModelInput,
  requireTokenizer,
  type ResolvedInput,
  resolveInput,
  type TextOptions,
} from "./input.ts";
import { type LoadedModel, loadModel, type LoadOptions, type ModelFiles } from "./load.ts";
import { lmCrossEntropyLoss } from "./loss.ts";
import { BaseRun, type Recompute } from "./base_run.ts";
import { lazyLogits } from "./logits.ts";
import {
  type ActivePoint,
  type CacheRequest,
  planRun,
  type PointPlan,
  requireReachable,
  selects,
} from "./plan.ts";
import { type KeepValue, Run, type RunCost, type RunOptions } from "./run.ts";
import type { ErrorGrad, Splice } from "./splice.ts";

/** What a forward pass gives: logits, a loss, both, or nothing. */
export type ReturnType = "logits" | "loss" | "both" | null;

/** Options of a forward pass. */
export interface ForwardOptions extends InputOptions {
  /** What to give back; logits unless said. */
  returnType?: ReturnType;
  /** Gives the loss of each token [batch, pos - 1] instead of the mean. */
  lossPerToken?: boolean;
  /** The block to stop before; gives the residual stream there. Negative counts from the end. */
  stopAtLayer?: number;
  /** Positions to unembed, `"all"` unless said; the logits keep their rank. */
  logitsAt?: "all" | number | readonly number[];
  /** Points from which gradients are recorded. */
  watch?: readonly PointSelector[];
}

/** What to cache: everything, names, or those that a predicate chooses. */
export type NamesFilter = PointSelector | readonly string[] | null;

/** Options of `runWithCache`. */
export interface CacheOptions extends ForwardOptions {
  /** What to cache; everything unless said. */
  namesFilter?: NamesFilter;
  /** Runs `backward()` on the output, which must be a loss, and caches gradients as `name_grad`. */
  inclBwd?: boolean;
  /** Drops the batch axis of a single text. */
  removeBatchDim?: boolean;
  /** Caches these positions alone; the axis stays. */
  posSlice?: Index;
}

/** Options of `runWithHooks`. */
export type RunWithHooksOptions = ForwardOptions & HookScopeOptions;

/** A forward pass' result by return type: logits, a loss, both as a pair, or nothing. */
export type ForwardOutput = Tensor | LogitsAndLoss | null;

/** Logits and loss, as a pair and by name. */
export type LogitsAndLoss = [logits: Tensor, loss: Tensor] & { logits: Tensor; loss: Tensor };

/** What a model is made of beside its configuration. */
export interface ModelParts {
  /** Parameters by TransformerLens' names; random ones unless given. */
  stateDict?: StateDict;
  tokenizer?: Tokenizer;
  defaultPaddingSide?: tokens.PaddingSide;
}

/** The parts of a run that differ by caller. */
interface RunRequest {
  readonly cache?: CacheRequest;
  readonly keep?: KeepValue;
  /** Selectors of the run's own hooks, which must reach a point. */
  readonly selectors?: readonly PointSelector[];
  readonly errorGrad?: ErrorGrad;
}

/** A run, ready to go. */
interface PreparedRun {
  readonly resolved: ResolvedInput;
  readonly plans: ReadonlyMap<string, PointPlan>;
  readonly scope: Scope;
  readonly startAtLayer: number;
  readonly stopAtLayer: number;
  readonly options: ForwardOptions;
  readonly request: RunRequest;
}

/** A base run larger than this isn't kept. */
const MAX_BASE_BYTES = 2 ** 29;

/** When more values than this would have to be computed again for a cache, a full run is cheaper. */
const MAX_RECOMPUTED = 4;

/** The values that a base run keeps of each layer; the others are computed from these. */
const KEPT =
  /(hook_resid_(pre|mid)|attn\.hook_[qkvz]|unembed\.hook_in|\.hook_sae_\w+( \(reconstruction\))?| \(spliced\))$/;

function keepIfNeeded(base: BaseRun, name: string, value: Handle): void {
  if (KEPT.test(name) || name.endsWith("hook_resid_post")) base.keep(name, value);
}

/** Bytes that the base run of a pass keeps, codes aside. */
function baseBytes({ shape, cfg }: Pass): number {
  const perRow = cfg.nLayers * (3 * cfg.dModel + 4 * cfg.nHeads * cfg.dHead);
  return shape.batch * shape.nPos * perRow * Float32Array.BYTES_PER_ELEMENT;
}

/** Whether two names belong to one splice, so that one is computed on the way to the other. */
function isOfSplice(splices: readonly Splice[], name: string, wanted: string): boolean {
  return splices.some(({ outName }) =>
    name.startsWith(`${outName}.`) && wanted.startsWith(`${outName}.`)
  );
}

/** A class of models, for static methods that make one. */
type ModelClass<M> = new (cfg: ConfigInput, parts?: ModelParts) => M;

const EMPTY_COST: RunCost = { stages: [], rows: 0, multiplyAdds: 0, ms: 0, resumedFrom: null };

/** The parameters that are zero, and those that are one, in a fresh model. */
const [ZERO_INIT, ONE_INIT] = [/\.b(_\w+)?$/, /ln\w*\.w$/];

function parameterShapes(cfg: HookedTransformerConfig): Record<string, readonly number[]> {
  const { dModel: D, dHead: d, nHeads: h, dVocab, dVocabOut, nCtx } = cfg;
  const M = cfg.dMlp ?? 0;
  const hasNorms = cfg.normalizationType === "LN";
  const ln = (name: string) => (hasNorms ? { [`${name}.w`]: [D], [`${name}.b`]: [D] } : {});
  const block = (l: number) => {
    const b = `blocks.${l}`;
    const byHead = ["Q", "K", "V"].map((x) => ({
      [`${b}.attn.W_${x}`]: [h, D, d],
      [`${b}.attn.b_${x}`]: [h, d],
    }));
    const mlp = cfg.attnOnly ? {} : {
      ...ln(`${b}.ln2`),
      [`${b}.mlp.W_in`]: [D, M],
      [`${b}.mlp.b_in`]: [M],
      [`${b}.mlp.W_out`]: [M, D],
      [`${b}.mlp.b_out`]: [D],
    };
    return Object.assign({}, ...byHead, ln(`${b}.ln1`), mlp, {
      [`${b}.attn.W_O`]: [h, d, D],
      [`${b}.attn.b_O`]: [D],
    });
  };
  return Object.assign(
    { "embed.W_E": [dVocab, D], "pos_embed.W_pos": [nCtx, D] },
    ...Array.from({ length: cfg.nLayers }, (_, l) => block(l)),
    ln("ln_final"),
    { "unembed.W_U": [D, dVocabOut], "unembed.b_U": [dVocabOut] },
  );
}

/** GPT-2's initialisation: normal weights, zero biases (TransformerLens `init_weights`). */
function freshWeights(cfg: HookedTransformerConfig): StateDict {
  const random = normal(cfg.seed ?? 0);
  return new Map(
    Object.entries(parameterShapes(cfg)).map(([name, shape]) => {
      const data = new Float32Array(sizeOf(shape));
      if (ONE_INIT.test(name)) data.fill(1);
      else if (!ZERO_INIT.test(name)) {
        for (let i = 0; i < data.length; i++) data[i] = random() * cfg.initializerRange;
      }
      return [name, { shape, data }];
    }),
  );
}

/** Resolves a layer bound as a Python slice does. */
function layerBound(layer: number | undefined, otherwise: number, nLayers: number): number {
  if (layer === undefined) return otherwise;
  return Math.min(Math.max(layer < 0 ? layer + nLayers : layer, 0), nLayers);
}

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
 * const logits = model.forward(prompt) as import("@splicer/splicer").Tensor;
 * assertEquals(model.toString(logits.at(0, -1).argmax().item()), " Mary");
 * ```
 */
export class HookedTransformer extends HookedRoot implements Disposable {
  /** The model's configuration. The `set…` methods replace it. */
  cfg: HookedTransformerConfig;
  /** Turns text into tokens and back; `undefined` when the model has none. */
  readonly tokenizer: Tokenizer | undefined;
  /** What the last run cost. */
  ran: RunCost = EMPTY_COST;
  #weights: ModelWeights;
  #weightsVersion = 0;
  #base: BaseRun | undefined;
  /** The key of the last run, whether or not it has a base. */
  #lastKey: string | undefined;
  #keepBase = true;
  #names: BlockNames[];
  readonly #defaultPaddingSide: tokens.PaddingSide;
  readonly #points: PointInfo[];
  readonly #dict = new NameDict<HookPoint>();

  /**
   * Makes a model with random weights, the same for the same `cfg.seed`, or with the parameters given.
   *
   * @param cfg The configuration; `nLayers`, `dModel`, `nCtx` and `dVocab` are required.
   * @throws {ConfigError} If it is incomplete or contradictory.
   */
  constructor(
    cfg: ConfigInput,
    { stateDict, tokenizer, defaultPaddingSide = "right" }: ModelParts = {},
  ) {
    super();
    this.cfg = resolveConfig(cfg);
    this.tokenizer = tokenizer;
    this.#defaultPaddingSide = defaultPaddingSide;
    this.#weights = modelWeights(this.cfg, stateDict ?? freshWeights(this.cfg));
    this.#names = allBlockNames(this.cfg.nLayers);
    this.#points = modelPoints(this.cfg, this.hasMlpHookIn);
    for (const { name } of this.#points) this.#dict.set(name, new HookPoint(name, this.registry));
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
   */
  static async fromPretrained<M extends HookedTransformer>(
    this: ModelClass<M>,
    model: string | URL | ModelFiles = "ioi-tiny",
    options: LoadOptions = {},
  ): Promise<M> {
    const { cfg, stateDict, tokenizer }: LoadedModel = await loadModel(model, options);
    return new this(cfg, { stateDict, tokenizer, defaultPaddingSide: options.defaultPaddingSide });
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
    const { cfg, stateDict, tokenizer } = await loadModel(model, { ...none, ...options });
    return new this(cfg, { stateDict, tokenizer, defaultPaddingSide: options.defaultPaddingSide });
  }

  /** Every hook point by name, those that the switches turn off included. */
  override get hookDict(): NameDict<HookPoint> {
    return this.#dict;
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
    return this.#keepBase;
  }

  set keepBase(keep: boolean) {
    this.#keepBase = keep;
    if (!keep) this.#dropBase();
  }

  // --- tokens ---

  /**
   * Turns text into token ids [batch, pos], int32. Shorter prompts are padded, longer ones cut at the context unless `truncate` is false.
   */
  toTokens(
    input: string | readonly string[],
    { truncate = true, ...options }: TextOptions & { truncate?: boolean } = {},
  ): Tensor {
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
    const ids = input instanceof Tensor ? input.toArray() : input;
    // Rows give a list of texts; the declared type is that of a single text, which is what most callers have.
    return tokens.toString(this.#tokenizer("decode"), ids) as string;
  }

  /** Splits text, or token ids, into the text of each token; several prompts give a list of lists. */
  toStrTokens(input: string, options?: TextOptions): string[];
  toStrTokens(input: readonly string[], options?: TextOptions): string[][];
  toStrTokens(input: Tensor | readonly number[], options?: TextOptions): string[];
  toStrTokens(
    input: string | readonly string[] | Tensor | readonly number[],
    options: TextOptions = {},
  ): string[] | string[][] {
    const given = input instanceof Tensor ? input.toArray() : input;
    return tokens.toStrTokens(this.#tokenizer("tokenize"), given, this.#textOptions(options));
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
  forward(input: ModelInput, options: ForwardOptions & { returnType?: "logits" | "loss" }): Tensor;
  forward(input: ModelInput, options: ForwardOptions & { returnType: "both" }): LogitsAndLoss;
  forward(
    input: ModelInput,
    options: ForwardOptions & { returnType: null; stopAtLayer?: undefined },
  ): null;
  forward(input: ModelInput): Tensor;
  forward(input: ModelInput, options: ForwardOptions): ForwardOutput;
  forward(input: ModelInput, options: ForwardOptions = {}): ForwardOutput {
    return this.execute(input, options, {});
  }

  /**
   * Runs the model and caches activations.
   *
   * @returns The output and the cache. User hooks run before the cache looks.
   * @throws {UnknownPointError} If `namesFilter` names a point that isn't there or that the run doesn't reach.
   */
  runWithCache(
    input: ModelInput,
    options: CacheOptions & { returnType?: "logits" | "loss" },
  ): [Tensor, ActivationCache];
  runWithCache(input: ModelInput): [Tensor, ActivationCache];
  runWithCache(input: ModelInput, options: CacheOptions): [ForwardOutput, ActivationCache];
  runWithCache(
    input: ModelInput,
    { namesFilter = null, inclBwd = false, removeBatchDim = false, posSlice, ...forward }:
      CacheOptions = {},
  ): [ForwardOutput, ActivationCache] {
    return this.#cachedRun(input, forward, { namesFilter, inclBwd, removeBatchDim, posSlice }, {});
  }

  /**
   * Runs the model with hooks for this run.
   *
   * @throws {UnknownPointError} If a hook can never fire, with the reason.
   */
  runWithHooks(
    input: ModelInput,
    options: RunWithHooksOptions & { returnType?: "logits" | "loss" },
  ): Tensor;
  runWithHooks(input: ModelInput, options: RunWithHooksOptions): ForwardOutput;
  runWithHooks(input: ModelInput, options: RunWithHooksOptions): ForwardOutput {
    const { fwdHooks = [], bwdHooks = [], resetHooksEnd, clearContexts, ...forward } = options;
    return this.hookedRun(input, forward, { fwdHooks, bwdHooks, resetHooksEnd, clearContexts }, {});
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

  /** Makes `hook_attn_in` one of the points that predicates and full caches reach. */
  setUseAttnIn(on: boolean): void {
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
   * Gives keys and values a head for each query head. Models without grouped queries have that already.
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
    this.#weights = modelWeights(processed.cfg, processed.stateDict);
    this.#weightsVersion++;
    this.#dropBase();
    this.cfg = processed.cfg;
  }

  /** All parameters by TransformerLens' names. */
  stateDict(): Map<string, Tensor> {
    const { store } = this.#weights;
    return new Map(store.names().map((name) => [name, store.view(name)]));
  }

  /** Each block's parameters: `model.blocks[5].attn.W_O`. */
  get blocks(): readonly BlockView[] {
    return this.#names.map((_, layer) =>
      blockView((name) => this.#weights.store.view(`blocks.${layer}.${name}`))
    );
  }

  /** The embedding [dVocab, dModel]. */
  get W_E(): Tensor {
    return this.#weights.store.view("embed.W_E");
  }

  /** The positional embedding [nCtx, dModel]. */
  get W_pos(): Tensor {
    return this.#weights.store.view("pos_embed.W_pos");
  }

  /** The unembedding [dModel, dVocab]. */
  get W_U(): Tensor {
    return this.#weights.store.view("unembed.W_U");
  }

  /** The unembedding's bias [dVocab]. */
  get b_U(): Tensor {
    return this.#weights.store.view("unembed.b_U");
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

  /** Gives the weights' memory back. The model can't be run after that. */
  [Symbol.dispose](): void {
    this.#dropBase();
    this.#weights.store[Symbol.dispose]();
  }

  // --- what subclasses build on ---

  /** What is spliced in, in the order in which it was added. */
  protected get splices(): readonly Splice[] {
    return [];
  }

  /** The hooks at a point, in the order in which they run. */
  protected hooksAt(
    { info, isGated }: ActivePoint,
    direction: "fwd" | "bwd",
  ): readonly HookEntry[] {
    return this.registry.at(info.name, direction, isGated);
  }

  /** Runs with hooks that are removed at the end. */
  protected hookedRun(
    input: ModelInput,
    forward: ForwardOptions,
    hooks: HookScopeOptions,
    request: RunRequest,
  ): ForwardOutput {
    using _hooks = this.hooks(hooks);
    const own = [...hooks.fwdHooks ?? [], ...hooks.bwdHooks ?? []].map(([selector]: HookSpec) =>
      selector
    );
    return this.execute(input, forward, { ...request, selectors: own });
  }

  /** Runs with a cache. */
  protected cachedRun(
    input: ModelInput,
    options: CacheOptions,
    request: RunRequest,
  ): [ForwardOutput, ActivationCache] {
    const { namesFilter = null, inclBwd = false, removeBatchDim = false, posSlice, ...forward } =
      options;
    return this.#cachedRun(
      input,
      forward,
      { namesFilter, inclBwd, removeBatchDim, posSlice },
      request,
    );
  }

  /** Runs the model: everything that runs comes through here. */
  protected execute(
    input: ModelInput,
    options: ForwardOptions,
    request: RunRequest,
  ): ForwardOutput {
    if (this.#weights.store.disposed) {
      throw new ConfigError(`Cannot run ${this.cfg.modelName}: the model was disposed.`);
    }
    const started = performance.now();
    const { cfg } = this;
    const resolved = resolveInput(input, options, {
      cfg,
      tokenizer: this.tokenizer,
      defaultPaddingSide: this.#defaultPaddingSide,
    });
    const startAtLayer = layerBound(options.startAtLayer, 0, cfg.nLayers);
    const stopAtLayer = layerBound(options.stopAtLayer, cfg.nLayers, cfg.nLayers);
    const points = this.#activePoints(startAtLayer, stopAtLayer, options);
    const { watch = [], returnType = "logits" } = options;
    const exactNames = watch.filter((selector) => typeof selector === "string");
    requireReachable([...request.selectors ?? [], ...exactNames], points);
    const plans = planRun({
      points,
      hooksAt: (active, direction) => this.hooksAt(active, direction),
      splices: this.splices,
      cache: request.cache,
      watch,
    });
    const output = recordedRun(
      `a run of [${resolved.shape.batch}, ${resolved.shape.nPos}] tokens`,
      () =>
        scoped((scope) =>
          this.#run({ resolved, plans, scope, startAtLayer, stopAtLayer, options, request })
        ),
    );
    const result = options.stopAtLayer !== undefined || output === null
      ? output
      : this.#result(output, resolved, returnType, options.lossPerToken ?? false);
    this.ran.ms = performance.now() - started;
    return result;
  }

  /** Runs the pass, on the base run where there is one for this input. */
  #run(prepared: PreparedRun): Tensor | null {
    const { resolved, plans, scope, startAtLayer, stopAtLayer, options, request } = prepared;
    const { batch, nPos } = resolved.shape;
    const space = new RowSpace(batch, nPos);
    const common = {
      space,
      scope,
      excluded: (which: boolean | readonly number[]) => this.#excludedFlags(which, resolved),
      errorGrad: request.errorGrad ?? "detach",
    };
    const pass = this.#passOf(resolved, startAtLayer, stopAtLayer);
    const standing = this.#standing(prepared, pass, common);
    const run = new Run({ ...common, ...standing, plans, keep: request.keep ?? (() => {}) });
    const last = runBlocks(run, pass, this.#names);
    this.ran = run.cost;
    if (options.stopAtLayer !== undefined) {
      return tensorOf(
        core().reshape(run.whole(last), Uint32Array.of(batch, nPos, this.cfg.dModel)),
      );
    }
    const hookIn = finalNorm(run, pass, last);
    if (standing.made) this.#base = standing.made;
    if (options.returnType === null) return null;
    const logits = this.#logits(run, pass.weights, hookIn, standing.base ?? standing.made);
    return options.logitsAt === undefined || options.logitsAt === "all"
      ? logits
      : logits.at(":", [options.logitsAt].flat());
  }

  #passOf(
    { tokens, positions, resid, mask, shape }: ResolvedInput,
    startAtLayer: number,
    stopAtLayer: number,
  ): Pass {
    const { batch, nPos } = shape;
    const input = resid
      ? {
        kind: "resid" as const,
        resid: core().reshape(handleOf(resid), Uint32Array.of(batch * nPos, this.cfg.dModel)),
      }
      : {
        kind: "tokens" as const,
        tokens: tokens ?? new Int32Array(),
        positions,
        realTokens: mask?.includes(0) ? mask : undefined,
      };
    return { cfg: this.cfg, weights: this.#weights, shape, input, startAtLayer, stopAtLayer };
  }

  /**
   * What a run stands on: the base run of the same input; or that this run's values become one, when nobody edits them. A run with
   * edits makes the base run first, unless the last one that was made so was never used again.
   */
  #standing(
    { resolved, plans, options, request }: PreparedRun,
    pass: Pass,
    common: Pick<RunOptions, "space" | "scope" | "excluded" | "errorGrad">,
  ): { base?: BaseRun; made?: BaseRun; record?: RunOptions["record"] } {
    const isPartial = options.startAtLayer !== undefined || options.stopAtLayer !== undefined;
    if (!this.#keepBase || isPartial || baseBytes(pass) > MAX_BASE_BYTES) return {};
    const key = this.#keyOf(resolved, plans, request);
    const found = this.#base?.key === key ? this.#base : undefined;
    const observed = [...plans.values()].filter(({ active, mode }) =>
      mode === Mode.emit && !found?.has(active.info.name)
    );
    if (found && observed.length <= MAX_RECOMPUTED) {
      found.uses++;
      return { base: found };
    }
    const isEdited = [...plans.values()].some(({ fwd }) => fwd.length > 0);
    const isWasted = this.#base !== undefined && this.#base.uses === 0 && this.#lastKey !== key;
    this.#lastKey = key;
    if (isEdited && isWasted) return {};
    this.#dropBase();
    const base = this.#newBase(key, pass, common);
    if (!isEdited) return { made: base, record: (name, value) => keepIfNeeded(base, name, value) };
    noGrad(() => this.#fill(base, pass, common));
    this.#base = base;
    return { base };
  }

  /** What makes runs stand on the same base: tokens, mask, weights, splices, and the axes that points have. */
  #keyOf(
    { tokens, mask, shape }: ResolvedInput,
    plans: ReadonlyMap<string, PointPlan>,
    request: RunRequest,
  ): string {
    const splices = this.splices.map(({ signature }) => signature);
    const hasHeadNorms = this.cfg.useSplitQkvInput &&
      [...plans.keys()].some((name) => name.includes(".ln1."));
    return [
      this.#weightsVersion,
      [shape.batch, shape.nPos],
      tokens,
      mask?.includes(0) ? mask : "",
      splices,
      splices.length > 0 ? request.errorGrad : "",
      hasHeadNorms,
    ].join("|");
  }

  #newBase(
    key: string,
    pass: Pass,
    common: Pick<RunOptions, "space" | "scope" | "excluded" | "errorGrad">,
  ): BaseRun {
    const { space, excluded, errorGrad } = common;
    const { splices } = this;
    const points = this.#activePoints(0, this.cfg.nLayers, {}, splices);
    const recompute: Recompute = (wanted, keep) =>
      noGrad(() =>
        scoped((scope) => {
          const all = (name: string) => ({ name, rows: space.all, handle: base.value(name) });
          const run = new Run({
            space,
            scope,
            excluded,
            errorGrad,
            keep: () => {},
            plans: planRun({ points, hooksAt: () => [], splices, cache: undefined, watch: [] }),
            looksAt: (name) => name === wanted || isOfSplice(splices, name, wanted),
            record: (name, value) => name === wanted && keep(name, value),
            elsewhere: (name) => base.value(name),
          });
          const layer = /^blocks\.(\d+)\./.exec(wanted)?.[1];
          if (layer !== undefined) {
            using geometries = new Geometries(pass.shape, pass.cfg.nHeads, pass.cfg.dHead);
            const names = this.#names[Number(layer)];
            runBlock(run, pass, names, Number(layer), all(names.residPre), geometries);
          } else if (wanted === ROOT_NAMES.embed || wanted === ROOT_NAMES.posEmbed) {
            embed(run, pass);
          } else {
            const hookIn = finalNorm(
              run,
              pass,
              run.visit(all(this.#names[this.#names.length - 1].residPost)),
            );
            if (wanted === ROOT_NAMES.unembedOut) {
              keep(wanted, unembed(pass.weights, pass.cfg, hookIn.handle));
            }
          }
        })
      );
    const base = new BaseRun(key, recompute);
    return base;
  }

  /** Runs without hooks for the base run's sake. */
  #fill(
    base: BaseRun,
    pass: Pass,
    common: Pick<RunOptions, "space" | "scope" | "excluded" | "errorGrad">,
  ): void {
    const points = this.#activePoints(0, this.cfg.nLayers, {}, this.splices);
    const plans = planRun({
      points,
      hooksAt: () => [],
      splices: this.splices,
      cache: undefined,
      watch: [],
    });
    const looksAt = (name: string) =>
      this.splices.some(({ outName }) => name.startsWith(`${outName}.`));
    const record = (name: string, value: Handle) => keepIfNeeded(base, name, value);
    const run = new Run({ ...common, plans, looksAt, record, keep: () => {} });
    finalNorm(run, pass, runBlocks(run, pass, this.#names));
  }

  #dropBase(): void {
    this.#base?.[Symbol.dispose]();
    this.#base = undefined;
  }

  /** Logits: computed in the run where somebody asks for `unembed.hook_out`, else when they are read. */
  #logits(run: Run, weights: ModelWeights, hookIn: RowValue, base: BaseRun | undefined): Tensor {
    const { cfg } = this;
    const { batch, nPos } = run.space;
    const context = { weights, cfg, count: (multiplyAdds: number) => run.count(multiplyAdds) };
    if (run.mode(ROOT_NAMES.unembedOut) !== Mode.idle) {
      run.count(hookIn.rows.count * cfg.dModel * cfg.dVocabOut);
      const out = run.visit(
        run.map(ROOT_NAMES.unembedOut, [hookIn], (rows) => unembed(weights, cfg, rows)),
      );
      return tensorOf(core().reshape(run.whole(out), Uint32Array.of(batch, nPos, cfg.dVocabOut)));
    }
    const changed = new Set(run.isResumed ? hookIn.rows.indices : []);
    const known = base && { rows: base.logits, differs: (row: number) => changed.has(row) };
    return lazyLogits(context, run.whole(hookIn), [batch, nPos], known);
  }

  #result(
    logits: Tensor,
    { tokens, mask, shape }: ResolvedInput,
    returnType: ReturnType,
    perToken: boolean,
  ): ForwardOutput {
    if (returnType === "logits") return logits;
    if (!tokens) {
      throw new ShapeError(
        "Cannot take the loss of a run that starts at a layer: pass the `tokens` that the residual stream came from.",
      );
    }
    const dims = [shape.batch, shape.nPos];
    const loss = lmCrossEntropyLoss(logits, Tensor.from(tokens, dims), {
      perToken,
      attentionMask: mask && Tensor.from(Int32Array.from(mask), dims),
    });
    if (returnType === "loss") return loss;
    const pair: [Tensor, Tensor] = [logits, loss];
    return Object.assign(pair, { logits, loss });
  }

  #cachedRun(
    input: ModelInput,
    forward: ForwardOptions,
    { namesFilter, inclBwd, removeBatchDim, posSlice }: Pick<
      CacheOptions,
      "namesFilter" | "inclBwd" | "removeBatchDim" | "posSlice"
    >,
    request: RunRequest,
  ): [ForwardOutput, ActivationCache] {
    const cache = new ActivationCache(new Map(), this);
    const filters = namesFilter === null || namesFilter === undefined
      ? undefined
      : [namesFilter].flat() as PointSelector[];
    filters?.forEach((filter) => this.requirePoint(filter));
    const output = this.execute(input, forward, {
      ...request,
      selectors: [
        ...request.selectors ?? [],
        ...(filters ?? []).filter((filter) => typeof filter === "string"),
      ],
      cache: {
        wants: (name, isGated) =>
          filters ? filters.some((filter) => selects(filter, name, isGated)) : !isGated,
        gradients: inclBwd ?? false,
      },
      keep: (name, value) =>
        cache.add(name, posSlice === undefined ? value : atPositions(name, value, posSlice)),
    });
    if (inclBwd) {
      if (!(output instanceof Tensor) || output.size !== 1) {
        releaseTapes();
        throw new ShapeError(
          'Cannot cache gradients with inclBwd: the output isn\'t a scalar, so pass returnType: "loss".',
        );
      }
      output.backward();
    }
    return [output, removeBatchDim ? cache.toBatchless() : cache];
  }

  /** The points of a run, with why it doesn't come past some of them. */
  #activePoints(
    start: number,
    stop: number,
    options: ForwardOptions,
    splices: readonly Splice[] = this.splices,
  ): ActivePoint[] {
    const { cfg } = this;
    const [from, to] = [firstStage(start), firstStage(stop)];
    const unreachable = ({ name, stage }: PointInfo): string | undefined => {
      if (options.startAtLayer !== undefined && stage < from) {
        return `the run starts at layer ${start}`;
      }
      if (options.stopAtLayer !== undefined && stage >= to) {
        return `the run stops before layer ${stop}`;
      }
      if (options.returnType === null && name === ROOT_NAMES.unembedOut) {
        return "returnType: null unembeds nothing";
      }
      return undefined;
    };
    const own = this.#points.map((info): ActivePoint => ({
      info,
      point: this.#dict.get(info.name)!,
      isGated: info.gate !== undefined && !cfg[info.gate],
      unreachable: unreachable(info),
    }));
    const spliced = splices.flatMap((splice) =>
      splice.points.map(({ info, point }): ActivePoint => ({
        info,
        point,
        isGated: false,
        unreachable: unreachable({ ...info, stage: this.#stageOf(splice.outName) }) ??
          (info.name.endsWith(".hook_sae_error") && !splice.useErrorTerm
            ? "it is spliced in without the error term"
            : undefined),
      }))
    );
    return spliced.length > 0 ? inFiringOrder(own, spliced, splices) : own;
  }

  #stageOf(name: string): number {
    return this.#points.find((point) => point.name === name)?.stage ?? 0;
  }

  /** Flags of the rows whose token a splice leaves alone; `undefined` when there are none. */
  #excludedFlags(
    which: boolean | readonly number[],
    { tokens }: ResolvedInput,
  ): Uint8Array | undefined {
    if (which === false) return undefined;
    const ids = which === true
      ? requireTokenizer(this.tokenizer, "exclude special tokens").specialTokenIds
      : which;
    if (!tokens) {
      throw new ShapeError(
        "Cannot exclude tokens in a run that starts at a layer: pass the `tokens` that the residual stream came from.",
      );
    }
    const excluded = new Set(ids);
    return Uint8Array.from(tokens, (id) => (excluded.has(id) ? 1 : 0));
  }

  #stacked(name: string): Tensor {
    return Tensor.stack(
      this.#names.map((_, layer) => this.#weights.store.read(`blocks.${layer}.${name}`)),
    );
  }

  #tokenizer(what: string): Tokenizer {
    return requireTokenizer(this.tokenizer, what);
  }

  #textOptions(
    { prependBos = this.cfg.defaultPrependBos, paddingSide = this.#defaultPaddingSide }:
      TextOptions,
  ) {
    return { prependBos, paddingSide };
  }
}

/** A block's parameters, read when somebody looks. */
export interface BlockView {
  readonly attn: Readonly<
    Record<"W_Q" | "W_K" | "W_V" | "W_O" | "b_Q" | "b_K" | "b_V" | "b_O", Tensor>
  >;
  readonly mlp: Readonly<Record<"W_in" | "W_out" | "b_in" | "b_out", Tensor>>;
  readonly ln1: Readonly<Record<"w" | "b", Tensor>>;
  readonly ln2: Readonly<Record<"w" | "b", Tensor>>;
}

function blockView(read: (name: string) => Tensor): BlockView {
  const part = (prefix: string) =>
    new Proxy({}, {
      get: (_, name) => (typeof name === "string" ? read(`${prefix}.${name}`) : undefined),
    });
  return { attn: part("attn"), mlp: part("mlp"), ln1: part("ln1"), ln2: part("ln2") } as BlockView;
}

/** Puts the points of splices behind the point they sit on. */
function inFiringOrder(
  own: readonly ActivePoint[],
  spliced: readonly ActivePoint[],
  splices: readonly Splice[],
): ActivePoint[] {
  const outNames = new Set(splices.map(({ outName }) => outName));
  return own.flatMap((active) => {
    const { name } = active.info;
    if (!outNames.has(name)) return [active];
    return [active, ...spliced.filter(({ info }) => info.name.startsWith(`${name}.`))];
  });
}

/** Takes positions of a cached value; the axis stays. Values by head have it one axis further left. */
function atPositions(name: string, value: Tensor, posSlice: Index): Tensor {
  const axis = /\.hook_(q|k|v|z|result)(_grad)?$/.test(name) ? value.rank - 3 : value.rank - 2;
  if (axis < 0) return value;
  const kept = typeof posSlice === "number" ? [posSlice] : posSlice;
  return value.at(...Array<Index>(axis).fill(":"), kept);
}
