/**
 * Sessions as JSON, and back.
 *
 * @module
 */

import { ConfigError, described } from "../core/errors.ts";
import { Fingerprint } from "../core/fingerprint.ts";
import { moduleVariant } from "../core/module_variant.ts";
import { elementsOf, type Tensor } from "../core/tensor.ts";
import { editFromJson, editToJson, type StoredJson } from "../hooks/edit_json.ts";
import { HookedSAE, weightsOf } from "../sae/hooked_sae.ts";
import type { SaeLoadOptions } from "../sae/load.ts";
import { type Origin, originOf } from "../weights/origin.ts";
import { executionOf, type HookedTransformer } from "./hooked_transformer.ts";
import type { LoadOptions } from "./load.ts";
import { checkMetric, type Metric, type MetricSpec } from "./metric.ts";
import { diffOf } from "./session_diff.ts";
import { restored, type Session, type SessionOptions } from "./session.ts";
import { isRecord, requireOutline } from "./session_outline.ts";
import { History, NO_EDITS, type SessionState } from "./session_state.ts";
import type { AttachOptions, SpliceableModule } from "./spliced_module.ts";

/** Weights in a stored session. */
export interface StoredWeights {
  /** Where they were loaded from; left out when they were made or changed in memory. */
  readonly from?: Origin;
  /** Their fingerprint. */
  readonly fingerprint: string;
}

/** How SAEs are attached in a stored session. */
export interface StoredSplicing extends Omit<AttachOptions, "useErrorTerm"> {
  /** Whether each SAE has the error term. */
  readonly useErrorTerm: readonly boolean[];
}

/** What is to come out of a stored session. */
export interface ExpectedResult {
  /** The build of the core that computed it. */
  readonly module: string;
  /** The fingerprint of all logits' bits. */
  readonly logits: string;
  /** The metric, text by text. */
  readonly metric?: readonly number[];
  /** The tokens that stand highest at the end of each text, as [id, logit]. */
  readonly top: readonly (readonly (readonly [id: number, logit: number])[])[];
}

/** A session as JSON. */
export interface SessionJson {
  /** Says what the file is. */
  readonly format: "splicer session";
  /** The version of the format. */
  readonly version: 1;
  /** The model. */
  readonly model: StoredWeights & { readonly name: string };
  /** The SAEs, in the order in which they are attached. */
  readonly saes: readonly (StoredWeights & { readonly hookName: string })[];
  /** How the SAEs are attached. */
  readonly attach: StoredSplicing;
  /** The prompts, where they were texts. */
  readonly prompts?: readonly string[];
  /** Token ids [batch, pos]. */
  readonly tokens: readonly (readonly number[])[];
  /** Flags of real tokens [batch, pos], where some are pads. */
  readonly attentionMask?: readonly (readonly number[])[];
  /** What is measured. */
  readonly metric?: MetricSpec;
  /** The edits, in the order in which they run. */
  readonly edits: readonly {
    readonly id: number;
    readonly at: string;
    readonly edit: StoredJson;
    readonly isOff?: true;
  }[];
  /** What is to come out. */
  readonly expected: ExpectedResult;
}

/** What a stored session is loaded with. */
export interface SessionLoadOptions {
  /** The model, instead of loading it from where it came from. */
  model?: HookedTransformer;
  /** The SAEs, in the stored order. */
  saes?: SpliceableModule | readonly SpliceableModule[];
}

/** What came out of a stored session. */
export interface ReplayResult {
  /** The session. */
  readonly session: Session;
  /** What was to come out. */
  readonly expected: ExpectedResult;
  /** What came out. */
  readonly found: ExpectedResult;
  /** Whether all logits have the stored bits. */
  readonly isSameBits: boolean;
  /** Whether the same build of the core computed both: bits are promised for one build on one machine. */
  readonly isSameModule: boolean;
  /** The largest difference among the stored logits and metrics. */
  readonly difference: number;
  /** Whether that difference is within the tolerance. */
  readonly isClose: boolean;
}

/**
 * How far logits may be off under another build or on another machine: the reference's own tolerance for float32 on a CPU (1e-4 + 2e-5
 * of the value, see tests/parity), ten times over, as edits go through more rounding than a plain run.
 */
const TOLERANCE = { atol: 1e-3, rtol: 2e-4 };

/** How many tokens of each text are stored. */
const N_TOP = 5;

/** Fingerprints of weights, by what holds them: they are long to read. */
const known = new WeakMap<object, string>();

function fingerprintOf(holder: object, stateDict: () => ReadonlyMap<string, Tensor>): string {
  const found = known.get(holder);
  if (found !== undefined) return found;
  const print = new Fingerprint();
  for (const [name, tensor] of [...stateDict()].sort(([a], [b]) => (a < b ? -1 : 1))) {
    print.update(`${name} ${tensor.dtype} ${tensor.shape.join(" ")}`).update(elementsOf(tensor));
  }
  const hex = print.hex();
  known.set(holder, hex);
  return hex;
}

function storedModel(model: HookedTransformer): StoredWeights {
  const { store } = executionOf(model);
  const from = originOf(store);
  return { ...(from && { from }), fingerprint: fingerprintOf(store, () => model.stateDict()) };
}

function storedSae(sae: SpliceableModule): SessionJson["saes"][number] {
  if (!(sae instanceof HookedSAE)) {
    throw new ConfigError(
      `Cannot store the session: what is spliced in at "${sae.cfg.hookName}" is code, expected an SAE.`,
    );
  }
  const weights = weightsOf(sae);
  const from = originOf(weights);
  return {
    hookName: sae.cfg.hookName,
    ...(from && { from }),
    fingerprint: fingerprintOf(weights, () => sae.stateDict()),
  };
}

/** How SAEs are attached, with their own flags spelt out. */
function storedOptions({ saes, options }: Session["splices"]): StoredSplicing {
  const { useErrorTerm, excludeSpecialTokens, errorGrad } = options;
  const own = saes.map((sae) => sae instanceof HookedSAE && sae.useErrorTerm);
  return {
    useErrorTerm: own.map((flag) => useErrorTerm ?? flag),
    ...(excludeSpecialTokens !== undefined && { excludeSpecialTokens }),
    ...(errorGrad !== undefined && { errorGrad }),
  };
}

function storedMetric(metric: Metric): MetricSpec {
  if (typeof metric !== "function") return metric;
  throw new ConfigError(
    "Cannot store the session: its metric is a function, expected one of `metrics`.",
  );
}

/** What comes out of a session's run. */
function resultOf(session: Session): ExpectedResult {
  const run = session.run();
  const { texts, metric } = diffOf(session, run, run, { k: N_TOP });
  return {
    module: moduleVariant(),
    logits: new Fingerprint().update(elementsOf(run.logits)).hex(),
    ...(metric && { metric: metric.now }),
    top: texts.map(({ tokens }) => tokens.map(({ id, now }) => [id, now.logit])),
  };
}

function requireStorable(session: Session): void {
  const { entries, all } = executionOf(session.model).attachments;
  if (entries.length === 0 && all.length === 0) return;
  throw new ConfigError(
    "Cannot store the session: the model has hooks or SAEs of its own, which would be missing. Call resetHooks() and resetSaes() first.",
  );
}

/**
 * Writes a session as JSON.
 *
 * @throws {ConfigError} If a part of it is code.
 */
export function sessionToJson(session: Session): SessionJson {
  requireStorable(session);
  const { model, splices, prompts, tokens, attentionMask, metric, edits } = session;
  return {
    format: "splicer session",
    version: 1,
    model: { name: model.cfg.modelName, ...storedModel(model) },
    saes: splices.saes.map(storedSae),
    attach: storedOptions(splices),
    ...(prompts && { prompts }),
    tokens: tokens.toArray(),
    ...(elementsOf(attentionMask).includes(0) && { attentionMask: attentionMask.toArray() }),
    ...(metric !== undefined && { metric: storedMetric(metric) }),
    edits: edits.map(({ id, at, edit, isOn }) => {
      if (typeof at === "function" || typeof edit === "function") {
        throw new ConfigError(`Cannot store edit ${id}: it is code, expected one of \`edits\`.`);
      }
      return { id, at, edit: editToJson(edit), ...(isOn ? {} : { isOff: true }) };
    }),
    expected: resultOf(session),
  };
}

/** Checks the outline of a stored session; what its parts say is checked where they are used. */
function parsed(json: unknown): SessionJson {
  let read = json;
  if (typeof json === "string") {
    try {
      read = JSON.parse(json);
    } catch (cause) {
      throw new ConfigError("Cannot load the session: it isn't JSON.", { cause });
    }
  }
  if (!isRecord(read) || read.format !== "splicer session") {
    throw new ConfigError(
      `Cannot load ${described(read)} as a session: expected { format: "splicer session", … }.`,
    );
  }
  if (read.version !== 1) {
    throw new ConfigError(
      `Cannot load a session of version ${described(read.version)}: this reads version 1.`,
    );
  }
  requireOutline(read);
  return read;
}

function requireSame(what: string, stored: StoredWeights, found: StoredWeights): void {
  if (stored.fingerprint === found.fingerprint) return;
  throw new ConfigError(
    `Cannot load the session: ${what} has the fingerprint ${found.fingerprint}, expected ${stored.fingerprint}.`,
  );
}

type ModelLoader = (model: string, options: LoadOptions) => Promise<HookedTransformer>;

let loadModel: ModelLoader | undefined;

/** Says how stored sessions load a model: the class of models with SAEs, which is built on the one that sessions know, does. */
export function loadSessionsWith(loader: ModelLoader): void {
  loadModel = loader;
}

async function loadedModel({ model: stored }: SessionJson): Promise<HookedTransformer> {
  if (!stored.from) {
    throw new ConfigError(
      `Cannot load the session: its model "${stored.name}" was made in memory. Pass { model }.`,
    );
  }
  const { model, ...options } = stored.from;
  if (!loadModel) throw new Error("No class of models has said how to load one for a session.");
  return await loadModel(String(model), options as LoadOptions);
}

async function loadedSae({ from, hookName }: SessionJson["saes"][number]): Promise<HookedSAE> {
  if (!from) {
    throw new ConfigError(
      `Cannot load the session: its SAE at "${hookName}" was made in memory. Pass { saes }.`,
    );
  }
  const { folder, ...options } = from;
  return from.release === undefined
    ? await HookedSAE.fromDisk(String(folder), options as SaeLoadOptions)
    : await HookedSAE.fromPretrained(String(from.release), String(from.id));
}

/** The states on the way to the stored one: an edit more in each. */
function historyOf({ edits }: SessionJson): History {
  const read = edits.map(({ id, at, edit, isOff }) => ({
    id,
    at,
    edit: editFromJson(edit),
    isOn: isOff !== true,
  }));
  const nextId = 1 + Math.max(0, ...read.map(({ id }) => id));
  const states = read.map((_, i): SessionState => ({ edits: read.slice(0, i + 1), nextId }));
  return new History([NO_EDITS, ...states]);
}

/**
 * Loads a stored session.
 *
 * @throws {ConfigError} If it isn't one, or model or SAEs are others than those that it was stored with.
 */
export async function loadSession(json: unknown, options: SessionLoadOptions): Promise<Session> {
  const stored = parsed(json);
  const model = options.model ?? await loadedModel(stored);
  requireSame("the model", stored.model, storedModel(model));
  const saes = options.saes === undefined
    ? await Promise.all(stored.saes.map(loadedSae))
    : [options.saes].flat() as SpliceableModule[];
  if (saes.length !== stored.saes.length) {
    throw new ConfigError(
      `Cannot load the session with ${saes.length} SAEs: it was stored with ${stored.saes.length}.`,
    );
  }
  stored.saes.forEach((sae, i) =>
    requireSame(`the SAE at "${sae.hookName}"`, sae, storedSae(saes[i]))
  );
  const { useErrorTerm, ...attach } = stored.attach;
  const flagged = saes.map((sae, i) => withErrorTerm(sae as HookedSAE, useErrorTerm[i]));
  const { metric, attentionMask } = stored;
  if (metric !== undefined) checkMetric(metric);
  const sessionOptions: SessionOptions & AttachOptions & { saes?: SpliceableModule[] } = {
    ...attach,
    ...(saes.length > 0 && { saes: flagged }),
    attentionMask,
    metric,
  };
  const session = model.session(stored.tokens, sessionOptions);
  return restored(session, stored.prompts, historyOf(stored));
}

/** An SAE with its flag as it was stored. */
function withErrorTerm(sae: HookedSAE, useErrorTerm: boolean): HookedSAE {
  if (sae.useErrorTerm === useErrorTerm) return sae;
  const clone = sae.clone();
  clone.useErrorTerm = useErrorTerm;
  return clone;
}

/** The largest difference between numbers, and whether all are within the tolerance. */
function compared(
  found: readonly number[],
  expected: readonly number[],
): { difference: number; isClose: boolean } {
  const { atol, rtol } = TOLERANCE;
  const errors = expected.map((value, i) => Math.abs(value - (found[i] ?? NaN)));
  return {
    difference: errors.reduce((most, error) => Math.max(most, error), 0),
    isClose: errors.every((error, i) => error <= atol + rtol * Math.abs(expected[i])),
  };
}

/**
 * Loads a stored session, runs it, and compares.
 *
 * @throws {ConfigError} If it isn't one, or model or SAEs are others.
 */
export async function replaySession(
  json: unknown,
  options: SessionLoadOptions,
): Promise<ReplayResult> {
  const session = await loadSession(json, options);
  const { expected } = parsed(json);
  const found = resultOf(session);
  // The stored tokens' own logits, wherever those tokens stand now.
  const { logits } = session.run();
  const at = expected.top.flatMap((tokens, text) =>
    tokens.map(([id]) => logits.at(text, -1, id).item())
  );
  const { difference, isClose } = compared(
    [...at, ...found.metric ?? []],
    [...expected.top.flat().map(([, logit]) => logit), ...expected.metric ?? []],
  );
  return {
    session,
    expected,
    found,
    difference,
    isClose,
    isSameBits: found.logits === expected.logits,
    isSameModule: found.module === expected.module,
  };
}
