/**
 * Execution: from a call's options to a run and its output.
 *
 * @module
 */

import { core } from "../core/engine.ts";
import { ConfigError, ShapeError } from "../core/errors.ts";
import { noGrad, recordedRun } from "../core/gradients.ts";
import { type Rows, RowSpace } from "../core/rows.ts";
import { currentScope, type Scope, scoped } from "../core/scope.ts";
import type { Slice } from "../core/slice.ts";
import { apply, handleOf, Tensor, tensorOf } from "../core/tensor.ts";
import type {
  HookEntry,
  HookFunction,
  HookRegistry,
  PointSelector,
} from "../hooks/hook_registry.ts";
import { runnable } from "../hooks/edit_hook.ts";
import type { PositionedText } from "../hooks/edit_positions.ts";
import { unknownPoint } from "../hooks/hooked_root.ts";
import { Mode } from "../hooks/points.ts";
import type { RowValue } from "../hooks/tap.ts";
import type { HookedTransformerConfig } from "../model/config.ts";
import {
  allBlockNames,
  finalNorm,
  type Pass,
  runBlocks,
  tokenEmbeddings,
  unembed,
} from "../model/forward.ts";
import { maskOf, type OpenCache, openCache } from "../model/kv_cache.ts";
import { type BlockNames, ROOT_NAMES } from "../model/points.ts";
import type { ModelWeights } from "../model/weights.ts";
import { type CacheSize, cacheSize, pointSizes } from "./cache_size.ts";
import { Attachments } from "./attachments.ts";
import type { BaseRun } from "./base_run.ts";
import { type EditPlaces, editPlaces, needsWholeText } from "./edit_growth.ts";
import {
  type EditHost,
  type Observation,
  resolveEdits,
  SourceValues,
  textsOf,
  type WholeTexts,
} from "./edit_runs.ts";
import { type Forecast, ForeseenRun } from "./forecast.ts";
import { foreseeEdits } from "./foreseen_edits.ts";
import type { GenerationHost } from "./generation_run.ts";
import {
  type InputContext,
  type InputOptions,
  type ModelInput,
  requireTokenizer,
  type ResolvedInput,
  resolveInput,
} from "./input.ts";
import { readingSnapshot, unreadViews } from "./logits.ts";
import { lmCrossEntropyLoss } from "./loss.ts";
import { ModelPoints, type RunSpan } from "./model_points.ts";
import { ParameterRun, PARAMETERS, requireParameterGradients } from "./parameter_run.ts";
import {
  checkForwardOptions,
  type ForwardOptions,
  type ForwardOutput,
  wantedPositions,
} from "./options.ts";
import {
  type ActivePoint,
  type CacheRequest,
  planRun,
  type PointPlan,
  requireReachable,
  type RunRequest,
} from "./plan.ts";
import { Resume, type ResumeRequest } from "./resume.ts";
import { Run, type RunCost, type RunOptions } from "./run.ts";
import { logitsAfter, readingBaseRun, runOutput } from "./run_output.ts";
import { HookedSAE } from "../sae/hooked_sae.ts";
import type { Splice } from "./splice.ts";
import { checkSweep, runSweep, type SweepOptions, variantsOf } from "./sweep.ts";
import type { BranchRequest, SweepHost } from "./sweep_chunk.ts";
import type { SweepDataEdit } from "./sweep_edit.ts";

/** What a model tells its execution: its configuration and tokenizer as they are now. */
export type ModelHost = InputContext;

/** A run, ready to go. */
interface PreparedRun {
  readonly resolved: ResolvedInput;
  readonly plans: ReadonlyMap<string, PointPlan>;
  readonly span: RunSpan;
  readonly options: ForwardOptions;
  /** The positions whose logits are wanted; `undefined` for all. */
  readonly logitsAt: readonly number[] | undefined;
  readonly request: RunRequest;
  /** Whether gradients of parameters are asked for. */
  readonly watchesParameters: boolean;
  /** Makes the hooks of a point that an edit among its entries stands for. */
  readonly compile: (
    entry: HookEntry,
    point: Pick<ActivePoint, "info" | "isGated">,
  ) => readonly HookEntry[];
}

/** The plan of a point of which nobody asks anything. */
const UNASKED = {
  fwd: [],
  bwd: [],
  cached: false,
  cachedGradient: false,
  watched: false,
  splice: undefined,
  readers: [],
} as const;

/** The scope of the chunk of variants that a sweep is at. */
function chunkScope(): Scope {
  const scope = currentScope();
  if (!scope) throw new Error("A sweep's variants run inside their chunk.");
  return scope;
}

/** How many sets of rows are remembered from one run to the next. */
const MOST_ROW_SETS = 256;

const NO_COST: RunCost = { stages: [], rows: 0, multiplyAdds: 0, ms: 0, resumedFrom: null };

/** Resolves a layer bound as a Python slice does. */
function layerBound(layer: number | undefined, nLayers: number): number | undefined {
  if (layer === undefined) return undefined;
  return Math.min(Math.max(layer < 0 ? layer + nLayers : layer, 0), nLayers);
}

/** A cache that grows has keys and values of every layer for each position. */
function requireEveryLayer(
  { pastKvCache }: ForwardOptions,
  span: RunSpan,
  nLayers: number,
): void {
  const { startAtLayer = 0, stopAtLayer = nLayers } = span;
  if (!pastKvCache || pastKvCache.frozen || (startAtLayer === 0 && stopAtLayer === nLayers)) return;
  throw new ConfigError(
    `Cannot run layers ${startAtLayer} to ${stopAtLayer} of ${nLayers} with a pastKvCache: the others would add nothing to it. ` +
      "Freeze it, or run all of them.",
  );
}

/** What looks at the positions before must see them. */
function requireWholeTexts(splices: readonly Splice[], { shape }: ResolvedInput): void {
  const mixing = splices.find(({ mixesPositions }) => mixesPositions);
  if (!mixing || shape.offset === 0) return;
  throw new ConfigError(
    `Cannot go on from a pastKvCache with what is spliced in at "${mixing.outName}": it looks at the positions before. ` +
      "Run the whole text.",
  );
}

function requireNoCache(options: object): void {
  if (!("pastKvCache" in options) || options.pastKvCache === undefined) return;
  throw new ConfigError("Cannot sweep with a pastKvCache: a sweep runs over whole texts.");
}

/** Runs a model: its weights, its points, what is attached, and the base run. */
export class Execution implements Disposable, GenerationHost {
  /** What is spliced in. */
  readonly attachments: Attachments;
  /** The hook points. */
  readonly points: ModelPoints;
  /** The kept values of the last input. */
  readonly resume = new Resume();
  /** What the last run cost. */
  ran: RunCost = NO_COST;
  readonly #host: ModelHost;
  readonly #names: readonly BlockNames[];
  /** Values that edits took from runs on other inputs. */
  readonly #sources = new SourceValues();
  #space = new RowSpace(0, 0);
  #weights: ModelWeights;
  #weightsVersion = 0;
  /** Weights that were replaced and may still be read by values that were begun with them. */
  #replaced: readonly WeakRef<ModelWeights["store"]>[] = [];

  /**
   * Prepares a model for running.
   *
   * @param host The model.
   * @param weights Its weights.
   * @param registry The model's hooks.
   */
  constructor(
    host: ModelHost,
    weights: ModelWeights,
    registry: HookRegistry,
    hasMlpHookIn: boolean,
  ) {
    const { cfg } = host;
    this.#host = host;
    this.#weights = weights;
    this.#names = allBlockNames(cfg.nLayers);
    this.points = new ModelPoints(cfg, hasMlpHookIn, registry);
    this.attachments = new Attachments(registry);
  }

  /** The parameters. */
  get store(): ModelWeights["store"] {
    return this.#weights.store;
  }

  /** The final norm of a residual stream, [..., dModel]. */
  lnFinal(resid: Tensor): Tensor {
    this.#requireWeights("normalise");
    const w = this.#weights.lnFinal;
    if (!w) return resid;
    return apply([resid], (x) => core().norm(x, w.eps, w.center, w.weight, w.bias));
  }

  /** Logits of what the final norm gave, [..., dModel]. */
  unembed(normalized: Tensor): Tensor {
    this.#requireWeights("unembed");
    return apply([normalized], (x) => unembed(this.#weights, this.#host.cfg, x));
  }

  /** How large the cache of a run will be. */
  cacheSize(
    input: ModelInput,
    options: ForwardOptions,
    request: RunRequest & { readonly cache: CacheRequest },
    posSlice: Slice,
  ): CacheSize {
    const { resolved, plans, span } = this.#prepare(input, options, request);
    const { shape } = resolved;
    const { cfg } = this.#host;
    const { splices } = this.attachments;
    const points = this.points.active(cfg, splices, span).map(({ info }) => info);
    const cached = [...plans.values()].filter(({ cached }) => cached);
    const nKept = posSlice.indices(shape.nPos).length;
    const size = cacheSize(
      { cfg, shape, splices, nKept },
      points,
      cached.map(({ active }) => active.info),
      request.cache.gradients,
    );
    const { all } = new RowSpace(shape.batch, shape.nPos);
    // As if everything was new where the stream begins.
    const begins = [ROOT_NAMES.embed, this.#names[span.startAtLayer ?? 0]?.residPre ?? ""];
    const { multiplyAdds } = this.#foreseen(
      resolved,
      span,
      new Map(begins.map((name) => [name, all])),
    );
    return { ...size, multiplyAdds };
  }

  /** Foresees what a run under the hooks and edits that are in place will cost, without computing anything. */
  forecast(input: ModelInput, options: InputOptions): Forecast {
    const { cfg, tokenizer } = this.#host;
    const { splices, entries } = this.attachments;
    const resolved = resolveInput(input, options, this.#host);
    const { shape } = resolved;
    const space = new RowSpace(shape.batch, shape.nPos);
    const points = this.points.active(cfg, splices, {});
    const texts = textsOf(resolved, tokenizer, { nMost: this.#nMost(undefined) });
    const { rows, idle, otherRuns } = foreseeEdits(entries, { points, texts, space });
    const run = this.#foreseen(resolved, {}, rows);
    const { stages, multiplyAdds, bytes } = run;
    return { stages, rows: run.rows, multiplyAdds, bytes, otherRuns, idle };
  }

  /** Walks through a run in which rows are known alone, of which some differ from the base run's at points. */
  #foreseen(
    resolved: ResolvedInput,
    span: RunSpan,
    edits: ReadonlyMap<string, Rows>,
  ): ForeseenRun {
    const { cfg } = this.#host;
    const { splices } = this.attachments;
    const { shape } = resolved;
    const space = new RowSpace(shape.batch, shape.nPos);
    const points = this.points.active(cfg, splices, {}).map(({ info }) => info);
    const sizes = pointSizes({ cfg, shape, splices, nKept: shape.nPos }, points);
    const widthOf = (name: string) => (sizes.get(name) ?? 0) / space.all.count;
    const run = new ForeseenRun({ space, edits, splices, widthOf });
    scoped(() => {
      const pass = this.#passOf(resolved, span);
      const stream = runBlocks(run, pass, this.#names);
      if (span.stopAtLayer === undefined) finalNorm(run, pass, stream);
    });
    return run;
  }

  /** Changes when the parameters do. */
  get weightsVersion(): number {
    return this.#weightsVersion;
  }

  /**
   * Checks that a run could begin: what a run with these options would throw before its first stage.
   *
   * @param selectors Selectors of the run's own hooks, which must reach a point.
   */
  check(input: ModelInput, options: ForwardOptions, selectors: readonly PointSelector[]): void {
    this.#prepare(input, options, { selectors });
  }

  /** Replaces the parameters. Values that were begun with the old ones keep them. */
  replaceWeights(weights: ModelWeights): void {
    const left = this.#replaced.filter((store) => store.deref() !== undefined);
    this.#replaced = [...left, new WeakRef(this.store)];
    this.#weights = weights;
    this.#weightsVersion++;
    this.resume[Symbol.dispose]();
  }

  /** Runs the model: everything that runs comes through here. */
  execute(input: ModelInput, options: ForwardOptions, request: RunRequest): ForwardOutput {
    this.#requireWeights("run");
    const started = performance.now();
    const prepared = this.#prepare(input, options, request);
    const { shape } = prepared.resolved;
    const { batch, nPos } = shape;
    using past = options.pastKvCache && openCache(options.pastKvCache, shape);
    const result = recordedRun(`a run of [${batch}, ${nPos}] tokens`, () => {
      const output = scoped((scope) => this.#run(prepared, scope, past));
      const isStream = options.stopAtLayer !== undefined || output === null;
      return isStream ? output : asAsked(output, prepared);
    });
    past?.commit();
    this.ran.ms = performance.now() - started;
    return result;
  }

  /** The model's configuration. */
  get cfg(): HookedTransformerConfig {
    return this.#host.cfg;
  }

  /** The texts of a piece that is to be run. */
  textsOf(piece: ResolvedInput, whole: WholeTexts): PositionedText[] {
    return textsOf(piece, this.#host.tokenizer, { whole, nMost: this.cfg.nCtx });
  }

  /** Where the edits that are in place are in texts. */
  editPlaces(texts: readonly PositionedText[]): EditPlaces {
    return editPlaces(this.attachments.entries, texts);
  }

  /** Whether something is spliced in, or edited, for which texts have to be run from the beginning. */
  needsWholeTexts(texts: readonly PositionedText[], from: number): boolean {
    const { splices, entries } = this.attachments;
    if (splices.some(({ mixesPositions }) => mixesPositions)) return true;
    const names = () => this.points.active(this.cfg, splices, {}).map(({ info }) => info.name);
    return entries.some(({ edit, selector }) =>
      edit && needsWholeText(
        { edit, at: selector, names: typeof selector === "string" ? [] : names() },
        texts,
        from,
      )
    );
  }

  /** Embeds tokens: [..., dModel]. */
  embed(tokens: Tensor): Tensor {
    this.#requireWeights("run");
    return scoped(() => {
      const rows = tokenEmbeddings(this.#weights, handleOf(tokens.flatten()));
      return tensorOf(core().reshape(rows, Uint32Array.of(...tokens.shape, this.cfg.dModel)));
    });
  }

  /** Runs positions behind those of a cache, without recording, and gives the logits of rows. */
  advance(
    input: ResolvedInput,
    rows: readonly number[],
    { pastKvCache, request }: Parameters<GenerationHost["advance"]>[2],
  ): Float32Array<ArrayBuffer> {
    this.#requireWeights("run");
    const started = performance.now();
    const { batch, nPos } = input.shape;
    const observe = (wanted: Observation) => {
      const { tokens, mask } = input;
      if (!tokens) throw tokensNeeded("edit with values of an unedited run in", input);
      const attentionMask = mask && Tensor.from(Int32Array.from(mask), [batch, nPos]);
      const { whole } = request;
      return this.#observe(Tensor.from(tokens, [batch, nPos]), { attentionMask }, wanted, {
        isAside: true,
        whole,
      });
    };
    const prepared = this.#planned(input, { pastKvCache }, request, observe);
    using past = pastKvCache && openCache(pastKvCache, input.shape);
    const logits = noGrad(() =>
      scoped((scope) => {
        const pass = { ...this.#passOf(input, {}), past };
        const { common } = this.#resumeRequest(prepared, pass, scope);
        const { plans } = prepared;
        const posOffset = input.shape.offset;
        const run = new Run({ ...common, plans, posOffset, keep: request.keep ?? (() => {}) });
        this.ran = run.cost;
        const names = this.#names;
        return logitsAfter({ run, pass, names, span: {}, asked: [...plans.keys()] }, rows);
      })
    );
    past?.commit();
    this.ran.ms = performance.now() - started;
    return logits;
  }

  /**
   * Runs an edit in many variants.
   *
   * @throws {UnknownPointError} If there is no point to edit.
   * @throws {ConfigError} If an axis isn't one that a sweep knows, or hooks are in place, which a sweep would have to run for each
   *   variant.
   */
  sweep(input: ModelInput, inputOptions: InputOptions, options: SweepOptions): Tensor {
    this.#requireWeights("sweep");
    const started = performance.now();
    const { cfg } = this.#host;
    requireNoCache(inputOptions);
    checkSweep(options);
    const variants = variantsOf(options, cfg.nLayers);
    const selectors = [...new Set(variants.all.map(({ at }) => at))];
    if (selectors.includes(ROOT_NAMES.unembedOut)) {
      throw new ConfigError(
        `Cannot sweep at "${ROOT_NAMES.unembedOut}": nothing comes after it. Change the logits in the metric.`,
      );
    }
    const prepared = this.#prepare(input, inputOptions, { selectors });
    const { resolved, plans } = prepared;
    if ([...plans.values()].some(({ fwd, bwd }) => fwd.length + bwd.length > 0)) {
      throw new ConfigError(
        "Cannot sweep while hooks are in place: call resetHooks() first, or loop over runWithHooks().",
      );
    }
    const { batch, nPos } = resolved.shape;
    const pass = this.#passOf(resolved, {});
    const weights = this.#weights;
    const base = scoped((scope) => this.resume.base(this.#resumeRequest(prepared, pass, scope)));
    return base.during(() => {
      const asked = [...plans.keys()];
      const read = scoped(() => readingBaseRun(base, { pass, names: this.#names, asked }));
      const host: SweepHost = {
        base,
        batch,
        nPos,
        dModel: cfg.dModel,
        dVocab: cfg.dVocabOut,
        bytesPerRow: (12 * cfg.dModel + 2 * (cfg.dMlp ?? 0)) * Float32Array.BYTES_PER_ELEMENT,
        reader: (hookIn, cost) => {
          const count = (multiplyAdds: number) => void (cost.multiplyAdds += multiplyAdds);
          return readingSnapshot({ weights, cfg, count }, hookIn);
        },
        axesOf: (name) => this.#pointAt(name).info.axes,
        hooked: (name, hook) => this.#hookedBase(prepared, base, this.#pointAt(name), hook),
        run: (branches) => this.#branchRun(prepared, pass, branches),
      };
      const { result, cost } = runSweep(host, variants, options, read, unreadViews(weights.store));
      this.ran = { ...cost, ms: performance.now() - started };
      return result;
    });
  }

  /** Runs texts of the base run again with an edit that knows its rows. */
  #branchRun(
    { resolved, plans }: PreparedRun,
    pass: Pass,
    { texts, values, space, at, edit, reads }: BranchRequest,
  ): { hookIn: RowValue; cost: RunCost } {
    const { nPos } = resolved.shape;
    const ofTexts = <A extends Uint8Array | Int32Array>(all: A): number[] =>
      texts.flatMap((text) => Array.from(all.subarray(text * nPos, (text + 1) * nPos)));
    const repeated = (flags: Uint8Array) => Uint8Array.from(ofTexts(flags));
    const { keyMask } = pass.shape;
    const shape = { ...pass.shape, batch: texts.length, keyMask: keyMask && repeated(keyMask) };
    const positions = Int32Array.from(ofTexts(pass.positions));
    const own = plans.get(at) ?? { ...UNASKED, active: this.#pointAt(at) };
    const excluded = (which: boolean | readonly number[]) => {
      const flags = this.#excludedFlags(which, resolved);
      return flags && repeated(flags);
    };
    const edited = new Map(plans).set(at, { ...own, mode: Mode.split, edit });
    const scope = chunkScope();
    const onlyRead = reads && this.#readAtEnd(reads);
    const common = { scope, space, base: values, excluded, onlyRead };
    const run = new Run({ ...common, plans: edited, keep: () => {} });
    const branches = { ...pass, shape, positions };
    return {
      hookIn: finalNorm(run, branches, runBlocks(run, branches, this.#names)),
      cost: run.cost,
    };
  }

  /**
   * What of the last block is computed for the rows alone that the logits are read at: all but its keys and values, which these rows
   * see. A splice in it may mix rows, so that all are needed.
   */
  #readAtEnd(rows: Rows): RunOptions["onlyRead"] {
    const last = this.#names[this.#names.length - 1];
    const prefix = last.residPre.slice(0, -"hook_resid_pre".length);
    const isInside = ({ inName, outName }: Splice) =>
      inName.startsWith(prefix) || outName.startsWith(prefix);
    if (this.attachments.splices.some(isInside)) return undefined;
    const { q, attnOut, residMid, pre, post, mlpOut, residPost } = last;
    return { names: new Set([q, attnOut, residMid, pre, post, mlpOut, residPost]), rows };
  }

  /** The rows of the base run's value at a point that a hook or an edit there makes different. */
  #hookedBase(
    { resolved, compile }: PreparedRun,
    base: BaseRun,
    active: ActivePoint,
    given: HookFunction | SweepDataEdit,
  ): RowValue {
    const { name } = active.info;
    const { hook, edit } = runnable(given);
    const entry = { selector: name, hook, edit, isPermanent: false, level: null };
    const run = new Run({
      scope: chunkScope(),
      space: new RowSpace(resolved.shape.batch, resolved.shape.nPos),
      base,
      excluded: () => undefined,
      plans: new Map([[name, {
        ...UNASKED,
        active,
        mode: Mode.split,
        fwd: compile({ ...entry, direction: "fwd" }, active),
      }]]),
      keep: () => {},
    });
    return run.visit({ name, rows: run.space.none, handle: 0 });
  }

  #pointAt(name: string): ActivePoint {
    const points = this.points.active(this.#host.cfg, this.attachments.splices, {});
    const point = points.find(({ info }) => info.name === name);
    if (!point) throw unknownPoint(name, points.map(({ info }) => info.name));
    return point;
  }

  /** Gives the memory back, that of replaced weights too. */
  [Symbol.dispose](): void {
    this.resume[Symbol.dispose]();
    this.store[Symbol.dispose]();
    this.#replaced.forEach((store) => store.deref()?.[Symbol.dispose]());
  }

  #requireWeights(what: string): void {
    if (!this.store.disposed) return;
    throw new ConfigError(
      `Cannot ${what} ${this.#host.cfg.modelName}: the model was disposed.`,
    );
  }

  #prepare(input: ModelInput, options: ForwardOptions, request: RunRequest): PreparedRun {
    checkForwardOptions(options);
    const { pastKvCache: cache } = options;
    const past = cache && { length: cache.length, mask: maskOf(cache) };
    const { logitsAt: _, watch: __, pastKvCache: ___, ...again } = options;
    const observe = (wanted: Observation) => this.#observe(input, again, wanted, {});
    const resolved = resolveInput(input, options, this.#host, past);
    return this.#planned(resolved, options, request, observe);
  }

  /** Plans a run. @param observe Runs its input under other hooks, where it begins with the text. */
  #planned(
    resolved: ResolvedInput,
    options: ForwardOptions,
    request: RunRequest,
    observe: EditHost["observe"],
  ): PreparedRun {
    const { cfg } = this.#host;
    const logitsAt = wantedPositions(options.logitsAt, resolved.shape.nPos);
    const { splices } = this.attachments;
    const span = {
      startAtLayer: layerBound(options.startAtLayer, cfg.nLayers),
      stopAtLayer: layerBound(options.stopAtLayer, cfg.nLayers),
      returnType: options.returnType,
    };
    requireEveryLayer(options, span, cfg.nLayers);
    requireWholeTexts(splices, resolved);
    const points = this.points.active(cfg, splices, span);
    const asked = [options.watch ?? []].flat();
    const watchesParameters = asked.includes(PARAMETERS);
    if (watchesParameters) requireParameterGradients(options, splices);
    const watch = watchesParameters ? asked.filter((what) => what !== PARAMETERS) : asked;
    const exactNames = watch.filter((selector) => typeof selector === "string");
    requireReachable([...request.selectors ?? [], ...exactNames], points);
    const { entries, compile } = resolveEdits(
      request.entries ?? this.attachments.entries,
      this.#editHost(resolved, request.whole, points, observe),
    );
    const plans = planRun({
      points,
      hooksAt: (active, direction) => {
        const found = this.attachments.hooksAt(active, direction, entries);
        return found.length === 0 ? found : found.flatMap((entry) => compile(entry, active));
      },
      splices,
      cache: request.cache,
      watch,
      hooked: this.attachments.hookedNames(entries),
    });
    return { resolved, plans, span, options, logitsAt, request, compile, watchesParameters };
  }

  /** How many positions a run's texts may come to have, where they are gone on with. */
  #nMost(whole: WholeTexts | undefined): number | undefined {
    return whole || this.attachments.mayGrow ? this.cfg.nCtx : undefined;
  }

  /** What edits of a run ask of other runs. */
  #editHost(
    resolved: ResolvedInput,
    whole: WholeTexts | undefined,
    points: readonly ActivePoint[],
    observe: EditHost["observe"],
  ): EditHost {
    return {
      tokenizer: this.#host.tokenizer,
      resolved,
      whole,
      nMost: this.#nMost(whole),
      pointNames: () => points.map(({ info }) => info.name),
      observe: (observation) => {
        if (resolved.shape.offset === 0) return observe(observation);
        throw new ConfigError(
          "Cannot edit with values of an unedited run while going on from a cache: give the values.",
        );
      },
      elsewhere: (source, name, options) => this.#elsewhere(source, name, options),
    };
  }

  /** The value that a point has for another input. */
  #elsewhere(
    source: ModelInput,
    name: string,
    options: Pick<InputOptions, "attentionMask"> = {},
  ): { value: Tensor; resolved: ResolvedInput } {
    const resolved = resolveInput(source, options, this.#host);
    const observe = () => {
      const wanted = { names: [name], entries: [] };
      const value = this.#observe(source, options, wanted, { isAside: true }).get(name);
      if (!value) throw new Error(`The run never passes "${name}".`);
      return value;
    };
    const { attachments: { splices } } = this;
    const { batch, nPos } = resolved.shape;
    const { tokens, mask = "" } = resolved;
    const signatures = splices.map(({ signature }) => signature);
    const { useSplitQkvInput } = this.#host.cfg;
    const key = [
      this.#weightsVersion,
      batch,
      nPos,
      tokens,
      mask,
      signatures,
      useSplitQkvInput,
      name,
    ]
      .join("|");
    const value = splices.every(isPlain) ? this.#sources.get(key, observe) : observe();
    return { value, resolved };
  }

  /** Runs an input under other hooks for the values that points have. */
  #observe(
    input: ModelInput,
    options: ForwardOptions,
    { names, entries }: Observation,
    { isAside, whole }: Pick<RunRequest, "isAside" | "whole">,
  ): Map<string, Tensor> {
    const seen = new Map<string, Tensor>();
    const wanted = new Set(names);
    const request: RunRequest = {
      entries,
      isAside,
      whole,
      selectors: names,
      cache: { wants: (name) => wanted.has(name), gradients: false },
      keep: (name, value) => seen.set(name, value),
    };
    noGrad(() => this.execute(input, { ...options, returnType: "logits" }, request));
    return seen;
  }

  /** Runs the pass, on the base run where there is one for this input. */
  #run(prepared: PreparedRun, scope: Scope, past: OpenCache | undefined): Tensor | null {
    const { resolved, plans, span, request, watchesParameters } = prepared;
    const pass = { ...this.#passOf(resolved, span), past };
    const resumable = this.#resumeRequest(prepared, pass, scope);
    const isApart = request.isAside || watchesParameters;
    const standing = isApart ? {} : this.resume.standing(resumable);
    const runOptions = {
      ...resumable.common,
      ...standing,
      plans,
      keep: request.keep ?? (() => {}),
      posOffset: resolved.shape.offset,
    };
    const run = watchesParameters
      ? new ParameterRun(runOptions, pass.weights.store.gradients)
      : new Run(runOptions);
    this.ran = run.cost;
    const base = standing.made ?? (standing.forks ? undefined : standing.base);
    const asked = [...plans.keys(), ...standing.forks ?? []];
    const passing = { run, pass, names: this.#names, span, asked };
    return this.resume.taking(standing, () => runOutput(passing, base));
  }

  /** A run as the base run's keeper sees it. */
  #resumeRequest({ resolved, plans, span }: PreparedRun, pass: Pass, scope: Scope): ResumeRequest {
    const { splices } = this.attachments;
    const { batch, nPos } = resolved.shape;
    return {
      pass,
      splices,
      plans,
      isWhole: span.startAtLayer === undefined && span.stopAtLayer === undefined && !pass.past,
      names: this.#names,
      points: () => this.points.active(pass.cfg, splices, {}),
      weightsVersion: this.#weightsVersion,
      common: {
        scope,
        space: this.#spaceOf(batch, nPos),
        excluded: (which) => this.#excludedFlags(which, resolved),
      },
    };
  }

  /** The rows of a run: those of the last one, where it has as many texts and positions, for most runs know the same sets of them. */
  #spaceOf(batch: number, nPos: number): RowSpace {
    const { batch: lastBatch, nPos: lastPos, nKnown } = this.#space;
    if (lastBatch !== batch || lastPos !== nPos || nKnown > MOST_ROW_SETS) {
      this.#space = new RowSpace(batch, nPos);
    }
    return this.#space;
  }

  #passOf({ tokens, positions, resid, embeds, mask, shape }: ResolvedInput, span: RunSpan): Pass {
    const { cfg } = this.#host;
    const { batch, nPos } = shape;
    const { startAtLayer = 0, stopAtLayer = cfg.nLayers } = span;
    const rows = Uint32Array.of(batch * nPos, cfg.dModel);
    return {
      cfg,
      weights: this.#weights,
      shape,
      startAtLayer,
      stopAtLayer,
      positions,
      input: resid ? { kind: "resid", resid: core().reshape(handleOf(resid), rows) } : {
        kind: "tokens",
        tokens: tokens ?? new Int32Array(),
        realTokens: mask?.includes(0) ? mask : undefined,
        embeds: embeds && core().reshape(handleOf(embeds), rows),
      },
    };
  }

  /** Flags of the rows whose token a splice leaves alone; `undefined` when there are none. */
  #excludedFlags(
    which: boolean | readonly number[],
    resolved: ResolvedInput,
  ): Uint8Array | undefined {
    const { tokens } = resolved;
    if (which === false) return undefined;
    const ids = which === true
      ? requireTokenizer(this.#host.tokenizer, "exclude special tokens").specialTokenIds
      : which;
    if (!tokens) throw tokensNeeded("exclude tokens in", resolved);
    const excluded = new Set(ids);
    return Uint8Array.from(tokens, (id) => (excluded.has(id) ? 1 : 0));
  }
}

/** Whether a splice computes the same whenever it is given the same. */
function isPlain({ module }: Splice): boolean {
  return module instanceof HookedSAE && module.listHooks().length === 0;
}

function tokensNeeded(what: string, { embeds }: ResolvedInput): ShapeError {
  return new ShapeError(
    embeds
      ? `Cannot ${what} a text that begins with embeddings: nobody knows its tokens.`
      : `Cannot ${what} a run that starts at a layer: pass the \`tokens\` that the residual stream came from.`,
  );
}

/** The output that was asked for. */
function asAsked(logits: Tensor, { resolved, options, logitsAt }: PreparedRun): ForwardOutput {
  const { tokens, mask, shape } = resolved;
  const { returnType = "logits", lossPerToken: perToken = false } = options;
  const wanted = () => (logitsAt ? logits.at(":", logitsAt) : logits);
  if (returnType === "logits") return wanted();
  if (!tokens) throw tokensNeeded("take the loss of", resolved);
  const dims = [shape.batch, shape.nPos];
  const loss = lmCrossEntropyLoss(logits, Tensor.from(tokens, dims), {
    perToken,
    attentionMask: mask && Tensor.from(Int32Array.from(mask), dims),
  });
  if (returnType === "loss") return loss;
  const pair: [Tensor, Tensor] = [wanted(), loss];
  return Object.assign(pair, { logits: pair[0], loss });
}
