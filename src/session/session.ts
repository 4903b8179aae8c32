/**
 * Sessions: a cursor over stacks of edits, over one base run.
 *
 * @module
 */

import { ConfigError, described, requireKnownOptions } from "../core/errors.ts";
import { explainPythonNames } from "../core/python_names.ts";
import { Tensor } from "../core/tensor.ts";
import type { ActivationCache } from "../hooks/activation_cache.ts";
import { describeEdit } from "../hooks/edit_text.ts";
import { type Edit, isEdit } from "../hooks/edits.ts";
import type { HookFunction, HookSpec, PointSelector } from "../hooks/hook_registry.ts";
import { HookedSAE } from "../sae/hooked_sae.ts";
import type { Forecast } from "./forecast.ts";
import { executionOf, type HookedTransformer } from "./hooked_transformer.ts";
import { type ModelInput, resolveInput, type TextOptions } from "./input.ts";
import { checkMetric, type Metric, metricFunction } from "./metric.ts";
import type { RunCost } from "./run.ts";
import { diffOf, type DiffOptions, type SessionDiff } from "./session_diff.ts";
import { SessionGeneration, type SessionGenerationOptions } from "./session_generation.ts";
import {
  loadSession,
  type ReplayResult,
  replaySession,
  type SessionJson,
  type SessionLoadOptions,
  sessionToJson,
} from "./session_json.ts";
import {
  History,
  NO_EDITS,
  type SessionEdit,
  type SessionState,
  withEdit,
  withoutEdit,
  withSwitch,
} from "./session_state.ts";
import type { AttachOptions, SpliceableModule } from "./spliced_module.ts";

/** Options of a session. */
export interface SessionOptions extends TextOptions {
  /** What is measured of each run's logits. */
  metric?: Metric;
  /** 1 at real tokens, 0 at pads, [batch, pos]. */
  attentionMask?: Tensor | readonly (readonly number[])[];
}

/** What is spliced in during a session's runs. */
export interface SessionSplices {
  /** The SAEs. */
  readonly saes: readonly SpliceableModule[];
  /** How they are attached. */
  readonly options: AttachOptions;
  /** Attaches them until the result is disposed. */
  readonly attach: () => Disposable;
}

/** A run of a session's edits. */
export interface SessionRun {
  /** Logits [batch, pos, dVocab], unembedded when they are read. */
  readonly logits: Tensor;
  /** What the session's metric gives, [] or [batch]; `undefined` without a metric. */
  readonly metric: Tensor | undefined;
  /** Every activation, by another run when it is first asked for. */
  readonly cache: ActivationCache;
  /** What the run cost; `ms` includes the metric. */
  readonly ran: RunCost;
}

/** What a session is made of. */
export interface SessionParts {
  /** The model. */
  readonly model: HookedTransformer;
  /** The prompts, where they were texts. */
  readonly prompts: readonly string[] | undefined;
  /** Token ids [batch, pos]. */
  readonly tokens: Tensor;
  /** 1 at real tokens, 0 at pads [batch, pos]. */
  readonly attentionMask: Tensor;
  /** What is spliced in. */
  readonly splices: SessionSplices;
  /** What is measured. */
  readonly metric: Metric | undefined;
}

/** Runs that needn't be computed again, for some weights. */
interface KnownRuns {
  readonly weightsVersion: number;
  readonly byState: WeakMap<SessionState, SessionRun>;
}

function knownRuns(model: HookedTransformer): KnownRuns {
  return { weightsVersion: executionOf(model).weightsVersion, byState: new WeakMap() };
}

const NO_SPLICES: SessionSplices = {
  saes: [],
  options: {},
  attach: () => ({ [Symbol.dispose]: () => {} }),
};

/** Whether a stack's runs are the same each time: functions may have effects, and other hooks may come and go. */
function isRepeatable({ model, splices }: SessionParts, { edits }: SessionState): boolean {
  const { entries, all } = executionOf(model).attachments;
  const isPlain = (sae: SpliceableModule) =>
    sae instanceof HookedSAE && sae.listHooks().length === 0;
  return entries.length === 0 && all.length === 0 && splices.saes.every(isPlain) &&
    edits.every(({ edit, at }) => typeof edit !== "function" && typeof at !== "function");
}

const INPUT_OPTIONS: ReadonlySet<string> = new Set<keyof SessionOptions>([
  "prependBos",
  "paddingSide",
  "attentionMask",
]);

/**
 * Starts a session.
 *
 * @param prompts A prompt, several, or token ids.
 * @throws {ConfigError} If the metric isn't one.
 */
export function beginSession(
  model: HookedTransformer,
  prompts: ModelInput,
  { metric, ...input }: SessionOptions = {},
  splices: SessionSplices = NO_SPLICES,
): Session {
  requireKnownOptions("Cannot start a session", input, INPUT_OPTIONS);
  if (metric !== undefined && typeof metric !== "function") checkMetric(metric);
  const { tokens, mask, shape } = resolveInput(prompts, input, model);
  const dims = [shape.batch, shape.nPos];
  if (!tokens) throw new ConfigError("Cannot start a session from a residual stream.");
  const isText = typeof prompts === "string" ||
    (Array.isArray(prompts) && typeof prompts[0] === "string");
  return new Session({
    model,
    prompts: isText ? [prompts].flat() as string[] : undefined,
    tokens: Tensor.from(tokens, dims),
    attentionMask: mask ? Tensor.from(Int32Array.from(mask), dims) : Tensor.ones(dims, "int32"),
    splices,
    metric,
  });
}

/** A session on the same tokens as another, with prompts and states as they were stored. */
export let restored: (
  session: Session,
  prompts: readonly string[] | undefined,
  history: History,
) => Session;

/**
 * Edits of a model on some prompts, one after another: each adds to a stack, can be undone, switched off, compared and stored. Every
 * stack is immutable, and its logits have the bits of a fresh session with the same stack, whatever was done in between.
 *
 * @example
 * ```ts
 * import { edits, HookedSAETransformer, metrics, SAE } from "@splicer/splicer";
 * import { assert } from "@std/assert";
 *
 * const model = await HookedSAETransformer.fromPretrained("ioi-tiny");
 * const sae = await SAE.fromPretrained("ioi-tiny-hook-z", "blocks.1.hook_z");
 * const session = model.session("When John and Mary went to the shops, John gave the bag to", {
 *   saes: sae,
 *   useErrorTerm: true,
 *   metric: metrics.logitDiff([" Mary", " John"]),
 * });
 * const before = session.run().metric!.item();
 * session.edit("blocks.1.attn.hook_z.hook_sae_acts_post", edits.ablate({ pos: 10 }));
 * assert(session.run().metric!.item() < before);
 * session.undo();
 * assert(session.run().metric!.item() === before);
 * ```
 */
export class Session {
  readonly #parts: SessionParts;
  #history: History;
  /** The runs of stacks that are data, as long as the model stays as it is. */
  #runs: KnownRuns;

  /** Starts a session; `model.session(prompts, options)` does. */
  constructor(parts: SessionParts, history: History = new History()) {
    this.#parts = parts;
    this.#history = history;
    this.#runs = knownRuns(parts.model);
  }

  /** The model. */
  get model(): HookedTransformer {
    return this.#parts.model;
  }

  /** The prompts, where the session was given texts. */
  get prompts(): readonly string[] | undefined {
    return this.#parts.prompts;
  }

  /** Token ids [batch, pos]. */
  get tokens(): Tensor {
    return this.#parts.tokens;
  }

  /** 1 at real tokens, 0 at pads [batch, pos]. */
  get attentionMask(): Tensor {
    return this.#parts.attentionMask;
  }

  /** What is spliced in during runs. */
  get splices(): SessionSplices {
    return this.#parts.splices;
  }

  /** What is measured of each run's logits. */
  get metric(): Metric | undefined {
    return this.#parts.metric;
  }

  /** The edits, in the order in which they run; those that are off included. */
  get edits(): readonly SessionEdit[] {
    return this.#history.state.edits;
  }

  /** The stack of edits as it is now: a value that never changes. */
  get state(): SessionState {
    return this.#history.state;
  }

  /** How many steps can be undone. */
  get nUndo(): number {
    return this.#history.nUndo;
  }

  /** How many steps can be redone. */
  get nRedo(): number {
    return this.#history.nRedo;
  }

  /**
   * Adds an edit.
   *
   * @param at The hook point.
   * @param edit An edit, or any hook.
   * @returns The edit's number.
   * @throws {UnknownPointError} If there is no such point.
   * @throws {TokenError} If no position of the prompts is meant, nor one that generated text may come to. The stack stays as it was,
   *   whatever is wrong.
   */
  edit(at: PointSelector, edit: Edit | HookFunction): number {
    if (typeof edit !== "function" && !isEdit(edit)) {
      throw new ConfigError(`Cannot add ${described(edit)}: expected an edit or a function.`);
    }
    const state = withEdit(this.state, at, edit);
    this.#under(state, () => executionOf(this.model).check(this.tokens, this.#options(), [at]));
    this.#history = this.#history.to(state);
    return state.nextId - 1;
  }

  /** Takes an edit out of runs; all of them when none is named. */
  off(id?: number): void {
    this.#history = this.#history.to(withSwitch(this.state, id, false));
  }

  /** Lets an edit take part in runs again; all of them when none is named. */
  on(id?: number): void {
    this.#history = this.#history.to(withSwitch(this.state, id, true));
  }

  /** Takes an edit out of the stack; as with every step, `undo` brings it back. */
  remove(id: number): void {
    this.#history = this.#history.to(withoutEdit(this.state, id));
  }

  /**
   * Undoes steps.
   *
   * @param steps How many; as far as there are some.
   * @returns How many there were.
   */
  undo(steps = 1): number {
    const before = this.nUndo;
    this.#history = this.#history.back(steps);
    return before - this.nUndo;
  }

  /** Does again what was undone. */
  redo(steps = 1): number {
    const before = this.nRedo;
    this.#history = this.#history.back(-steps);
    return before - this.nRedo;
  }

  /** Goes on to a stack that a session of these prompts has been at; as with every step, `undo` comes back. */
  goTo(state: SessionState): void {
    this.#history = this.#history.to(state);
  }

  /** A session that begins where this one is, with the way back; neither sees what the other does. */
  fork(): Session {
    const fork = new Session(this.#parts, this.#history);
    fork.#runs = this.#runs;
    return fork;
  }

  /** A session that is where this one is, with another metric. */
  withMetric(metric: Metric | undefined): Session {
    if (metric !== undefined && typeof metric !== "function") checkMetric(metric);
    return new Session({ ...this.#parts, metric }, this.#history);
  }

  /**
   * Runs the edits. A stack that has been run is known, unless it holds functions.
   *
   * @returns Logits, the metric, every activation, and what it cost.
   */
  run(): SessionRun {
    return this.runOf(this.state);
  }

  /** The run without edits. */
  base(): SessionRun {
    return this.runOf(NO_EDITS);
  }

  /** The run of a stack of edits. */
  runOf(state: SessionState): SessionRun {
    if (!isRepeatable(this.#parts, state)) return this.#compute(state);
    const { weightsVersion } = executionOf(this.model);
    if (this.#runs.weightsVersion !== weightsVersion) this.#runs = knownRuns(this.model);
    const known = this.#runs.byState.get(state) ?? this.#compute(state);
    this.#runs.byState.set(state, known);
    return known;
  }

  /**
   * Goes on with the prompts token after token, under the edits as they are at each: `using text = session.generate()`, then
   * `text.step()`.
   *
   * @throws {ConfigError} If an option isn't one that there is.
   */
  generate(options: SessionGenerationOptions = {}): SessionGeneration {
    return new SessionGeneration(this, options);
  }

  /**
   * Foresees what the stack would cost to run, with one more edit where one is given: stages, rows, multiply-adds and bytes at most, and
   * which edits won't fire. Nothing is computed.
   *
   * @param at The hook point of the edit.
   * @param edit An edit, or any hook: of a function nobody knows which rows it touches, so all count.
   */
  explain(at?: PointSelector, edit?: Edit | HookFunction): Forecast {
    const state = at !== undefined && edit ? withEdit(this.state, at, edit) : this.state;
    return this.#under(
      state,
      () => executionOf(this.model).forecast(this.tokens, this.#options()),
    );
  }

  /**
   * Compares this session's run with another's: the next tokens, and the metric.
   *
   * @param other A session on the same prompts; the run without edits unless given.
   */
  diff(other?: Session, options: DiffOptions = {}): SessionDiff {
    if (other && other.tokens.shape.join() !== this.tokens.shape.join()) {
      throw new ConfigError(
        `Cannot compare prompts of [${this.tokens.shape.join(", ")}] tokens with [${
          other.tokens.shape.join(", ")
        }].`,
      );
    }
    return diffOf(this, this.run(), other ? other.run() : this.base(), options);
  }

  /** Says each edit in words, with its number and point. */
  describe(): string[] {
    return this.edits.map(({ id, at, edit, isOn }) => {
      const what = typeof edit === "function" ? edit.name || "a function" : describeEdit(edit);
      const where = typeof at === "function" ? "where a predicate says" : at;
      return `${id}. ${where}: ${what}${isOn ? "" : " (off)"}`;
    });
  }

  /**
   * The session as JSON: where model and SAEs come from, with fingerprints, the tokens, the edits in order, and what is to come out.
   *
   * @throws {ConfigError} If an edit, the metric or what is spliced in can't be stored.
   */
  toJSON(): SessionJson {
    return sessionToJson(this);
  }

  /**
   * Loads a stored session.
   *
   * @param json What {@linkcode Session.toJSON} gave, parsed or as text.
   * @param options The model and the SAEs, where they can't be loaded from where they came from.
   * @throws {ConfigError} If it isn't a session, or model or SAEs are others.
   */
  static load(json: unknown, options: SessionLoadOptions = {}): Promise<Session> {
    return loadSession(json, options);
  }

  /**
   * Loads a stored session, runs it, and compares what comes out with what is to come out: bit for bit under the same module, else within
   * a tolerance.
   */
  static replay(json: unknown, options: SessionLoadOptions = {}): Promise<ReplayResult> {
    return replaySession(json, options);
  }

  #options(): { attentionMask: Tensor } {
    return { attentionMask: this.attentionMask };
  }

  /**
   * Does something while the session's edits and SAEs are in place: whatever runs of the model there see them.
   *
   * @param body What to do, with the model.
   */
  within<R>(body: (model: HookedTransformer) => R): R {
    return this.#under(this.state, () => body(this.model));
  }

  /** Does something while a state's edits and the SAEs are in place. */
  #under<R>({ edits }: SessionState, body: () => R): R {
    using _saes = this.splices.attach();
    using _growing = executionOf(this.model).attachments.growing();
    const active = edits.filter(({ isOn }) => isOn);
    const fwdHooks = active.map(({ at, edit }): HookSpec => [at, edit]);
    using _hooks = this.model.hooks({ fwdHooks });
    return body();
  }

  #compute(state: SessionState): SessionRun {
    const { model, tokens, metric } = this;
    const started = performance.now();
    const logits = this.#under(state, () => model.forward(tokens, this.#options()));
    const { ran } = model;
    const toId = (text: string) => model.toSingleToken(text);
    const measured = metric && metricFunction(metric, toId, tokens.shape[0])(logits).detach();
    ran.ms = performance.now() - started;
    let cache: ActivationCache | undefined;
    const observe = () =>
      this.#under(state, () => model.runWithCache(tokens, { ...this.#options() })[1]);
    return {
      logits,
      metric: measured,
      ran,
      get cache() {
        return cache ??= observe();
      },
    };
  }

  /** Lets stored sessions be put together. */
  static {
    restored = (session, prompts, history) => new Session({ ...session.#parts, prompts }, history);
  }

  static {
    explainPythonNames(Session);
  }
}
