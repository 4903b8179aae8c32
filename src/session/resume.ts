/**
 * Resuming: which run stands on which, and how a base run is made.
 *
 * @module
 */

import { noGrad } from "../core/gradients.ts";
import { scoped } from "../core/scope.ts";
import { keyHeads, sharesKeys } from "../model/config.ts";
import {
  embed,
  finalNorm,
  type Pass,
  passParts,
  runBlock,
  runBlocks,
  runToLastMix,
  unembed,
} from "../model/forward.ts";
import { type BlockNames, ROOT_NAMES } from "../model/points.ts";
import { canFinishLater } from "./finishing.ts";
import { type BaseKey, BaseRun, isSameKey, type Recompute } from "./base_run.ts";
import { BaseRuns, type Fork, holdsLookedAt } from "./base_runs.ts";
import { type ActivePoint, planRun, type PointPlan } from "./plan.ts";
import { Run, type RunOptions } from "./run.ts";
import type { Splice } from "./splice.ts";

/** A base run larger than this isn't kept. */
const MAX_BASE_BYTES = 2 ** 29;

/** Where the values that a base run keeps anyway take less than this, it keeps all that are shown to a cache too. */
const SMALL_BASE_BYTES = 2 ** 22;

/** The values that a base run keeps; the others are computed from these. */
const KEPT =
  /(hook_resid_(pre|mid|post)|attn\.hook_([qkvz]|rot_[qk])|unembed\.hook_in|\.hook_sae_\w+( \(reconstruction\))?| \(spliced\))$/;

/** What a run brings along. */
export interface Standing {
  /** The base run that it stands on. */
  readonly base?: BaseRun;
  /** Whether the base run was made for this run's sake. */
  readonly isFresh?: boolean;
  /** Where its splices aren't those of the base run that it stands on. */
  readonly forks?: RunOptions["forks"];
  /** Computes values of the base run whose splices are others, before the first of them. */
  readonly recompute?: Recompute;
  /** The base run that it becomes, once it is through. */
  readonly made?: BaseRun;
  readonly record?: RunOptions["record"];
  readonly inherit?: RunOptions["inherit"];
}

/** A run that may stand on another. */
export interface ResumeRequest {
  readonly pass: Pass;
  /** From tokens to logits. */
  readonly isWhole: boolean;
  readonly names: readonly BlockNames[];
  readonly splices: readonly Splice[];
  readonly plans: ReadonlyMap<string, PointPlan>;
  /** The points of a whole run. */
  readonly points: () => readonly ActivePoint[];
  readonly common: Pick<RunOptions, "space" | "scope" | "excluded">;
  /** Changes when the model's weights do. */
  readonly weightsVersion: number;
}

/** Bytes that the base run of a pass keeps, codes aside. */
function baseBytes({ shape, cfg }: Pass): number {
  const heads = 2 * cfg.nHeads + 2 * keyHeads(cfg);
  const turned = cfg.positionalEmbeddingType === "rotary" ? cfg.nHeads + keyHeads(cfg) : 0;
  const perRow = cfg.nLayers * (3 * cfg.dModel + (heads + turned) * cfg.dHead);
  return shape.batch * shape.nPos * perRow * Float32Array.BYTES_PER_ELEMENT;
}

/** Keeps what a base run needs of what passes, and of what another one holds that it stands on. */
function keeping(
  base: BaseRun,
  fork: Fork | undefined,
  isKept: (name: string) => boolean,
): Pick<Standing, "record" | "inherit"> {
  return {
    record: (name, value) => {
      if (isKept(name)) base.keep(name, value);
    },
    inherit: fork && ((name) => base.inherit(name, { of: fork.base })),
  };
}

/** Whether a base run keeps a value that passes. */
function isNeeded(name: string): boolean {
  return KEPT.test(name);
}

/** Whether a name is one of a splice's own. */
function isOf({ outName }: Splice, name: string): boolean {
  return name.startsWith(`${outName}.`);
}

/** Whether `ln1` shows three values, one for each of queries, keys and values, under one name. */
function splitsNorms({ pass: { cfg }, plans }: ResumeRequest): boolean {
  return cfg.useSplitQkvInput && [...plans.keys()].some((name) => name.includes(".ln1."));
}

/** Whether those differ, in their numbers of heads or by what is spliced in, so that no base run's value stands for all of them. */
function splitsUnevenly(request: ResumeRequest): boolean {
  const { pass: { cfg }, splices } = request;
  return splitsNorms(request) &&
    (sharesKeys(cfg) || splices.some(({ outName }) => /hook_[qkv]_input$/.test(outName)));
}

/** Whether inputs of their own lead queries, keys or values past what is spliced in at the norm of the one that they share. */
function leadsPast({ plans, splices }: ResumeRequest): boolean {
  return splices.some(({ outName }) => outName.includes(".ln1.")) &&
    [...plans.keys()].some((name) => /hook_(attn_in|[qkv]_input)$/.test(name));
}

/** Whether gradients are asked for at some point. */
function givesGradients(plans: ReadonlyMap<string, PointPlan>): boolean {
  return [...plans.values()].some(({ bwd, watched, cachedGradient }) =>
    bwd.length > 0 || watched || cachedGradient
  );
}

/** What makes runs stand on the same base: tokens, mask, weights, splices, and the axes that points have. */
function keyOf(request: ResumeRequest): BaseKey {
  const { pass: { input, shape, cfg }, splices, weightsVersion } = request;
  const [tokens, pads] = input.kind === "tokens"
    ? [input.tokens, input.realTokens ?? ""]
    : ["", ""];
  const text = [
    weightsVersion,
    shape.batch,
    shape.nPos,
    tokens,
    pads,
    splitsNorms(request),
    keyHeads(cfg),
  ].join("|");
  return { text, splices: new Map(splices.map(({ outName, signature }) => [outName, signature])) };
}

/** The values of the last input, for the runs that come after. */
export class Resume implements Disposable {
  readonly #bases = new BaseRuns();
  /** The last base run that was made for the sake of a run with edits, at the price of a run. */
  #filled: BaseRun | undefined;
  /** The key of the last run that found no base run. */
  #lastKey: BaseKey | undefined;
  #isOn = true;

  /** Whether base runs are kept. */
  get isOn(): boolean {
    return this.#isOn;
  }

  set isOn(on: boolean) {
    this.#isOn = on;
    if (on) return;
    this[Symbol.dispose]();
    this.#filled = this.#lastKey = undefined;
  }

  /**
   * What a run stands on: the base run of the same input and splices, or for what comes before the first other splice, that of others.
   * If nobody edits its values, they become a base run. A run with edits makes the base run first, unless the last one that was made so
   * was never used again, or it is the first with this input and gradients flow in it: from where they begin, it computes everything
   * itself.
   */
  standing(request: ResumeRequest): Standing {
    const { pass, plans } = request;
    if (!this.#isOn || !request.isWhole || baseBytes(pass) > MAX_BASE_BYTES) return {};
    if (splitsUnevenly(request) || leadsPast(request)) return {};
    const key = keyOf(request);
    const found = this.#bases.find(key);
    if (found && holdsLookedAt(found, plans)) {
      found.uses++;
      return { base: found };
    }
    const isEdited = [...plans.values()].some(({ fwd }) => fwd.length > 0);
    const isFirst = this.#lastKey === undefined || !isSameKey(this.#lastKey, key);
    const isWasted = this.#filled !== undefined && this.#filled.uses <= 1;
    this.#lastKey = key;
    if (isEdited && isFirst && (isWasted || givesGradients(plans))) {
      return this.#fork(key, request) ?? {};
    }
    if (isEdited) return { base: this.#fill(key, request), isFresh: true };
    this.#bases.makeRoom(key);
    const fork = this.#fork(key, request);
    const made = new BaseRun(key, recomputing(request, key));
    const isCached = [...plans.values()].some(({ cached }) => cached);
    const keepsAll = isCached && baseBytes(pass) < SMALL_BASE_BYTES;
    return { ...fork, made, ...keeping(made, fork, keepsAll ? () => true : isNeeded) };
  }

  /** The base run of an input, made if it isn't there: for those who will run on it many times. */
  base(request: ResumeRequest): BaseRun {
    const key = keyOf(request);
    const base = this.#bases.find(key) ?? this.#fill(key, request);
    base.uses++;
    return base;
  }

  /** The base run with other splices that a run stands on. */
  #fork(key: BaseKey, request: ResumeRequest): Fork & Pick<Standing, "recompute"> | undefined {
    const fork = this.#bases.fork(key, request);
    return fork && { ...fork, recompute: recomputing(request, key) };
  }

  /** Makes a base run by a run of its own. */
  #fill(key: BaseKey, request: ResumeRequest): BaseRun {
    this.#bases.makeRoom(key);
    const fork = this.#fork(key, { ...request, plans: barePlans(request) });
    const base = new BaseRun(key, recomputing(request, key));
    const run = () => noGrad(() => fill(request, { ...fork, ...keeping(base, fork, isNeeded) }));
    try {
      if (fork) fork.base.during(run, fork.recompute);
      else run();
    } catch (error) {
      base[Symbol.dispose]();
      throw error;
    }
    base.uses++;
    this.#bases.add(base);
    return this.#filled = base;
  }

  /** Runs what may become the base run: if it fails, no base run stays that wasn't there before. */
  taking<R>({ base, made, isFresh, recompute }: Standing, body: () => R): R {
    try {
      const result = base ? base.during(body, recompute) : body();
      if (made) this.#bases.add(made);
      return result;
    } catch (error) {
      made?.[Symbol.dispose]();
      if (isFresh && base) this.#bases.drop(base);
      throw error;
    }
  }

  /** Drops the base runs. */
  [Symbol.dispose](): void {
    this.#bases[Symbol.dispose]();
  }
}

const NO_NAMES: ReadonlySet<string> = new Set();

/** What is asked of points where there are no hooks. */
function barePlans({ points, splices }: Pick<ResumeRequest, "points" | "splices">) {
  return planRun({
    points: points(),
    hooksAt: () => [],
    hooked: NO_NAMES,
    splices,
    cache: undefined,
    watch: [],
  });
}

/** A run without hooks, all rows of it unless it stands on another. */
function bareRun(
  request: ResumeRequest,
  options: Omit<RunOptions, "plans" | "keep" | "space" | "excluded">,
  plans = barePlans(request),
): Run {
  return new Run({ ...request.common, ...options, plans, keep: () => {} });
}

/** Runs without hooks for the base run's sake. */
function fill(request: ResumeRequest, standing: Standing): void {
  const { pass, names, splices, common } = request;
  // Pre-activations are seldom wanted, and without them an encoder computes little more than the codes that are alive.
  const looksAt = (name: string) =>
    !name.endsWith(".hook_sae_acts_pre") && splices.some((splice) => isOf(splice, name));
  const plans = barePlans(request);
  const run = bareRun(request, { ...standing, looksAt, scope: common.scope }, plans);
  const asked = [...plans.keys(), ...request.plans.keys(), ...standing.forks ?? []];
  if (canFinishLater({}, names, common.space, asked)) runToLastMix(run, pass, names);
  else finalNorm(run, pass, runBlocks(run, pass, names));
}

/** Computes values that a base run doesn't hold: by the block that they are in, from the residual stream before it. */
function recomputing(request: ResumeRequest, key: BaseKey): Recompute {
  const { names, splices, common } = request;
  // The switch adds a head axis to ln1's points: runs for which it matters have base runs of their own.
  const cfg = { ...request.pass.cfg, useSplitQkvInput: splitsNorms(request) };
  const pass = { ...request.pass, cfg };
  const compute = (base: BaseRun, wanted: string) => {
    const all = (name: string) => ({ name, rows: common.space.all, handle: base.value(name) });
    // What a run that was finished later left out of the last block is wanted together. With other splices nothing else is the base's.
    const isOwn = isSameKey(base.key, key);
    const isKept = (name: string) => name === wanted || (isOwn && isNeeded(name));
    const run = (scope: RunOptions["scope"]) =>
      bareRun(request, {
        scope,
        looksAt: (name) =>
          name === wanted || splices.some((splice) => isOf(splice, name) && isOf(splice, wanted)),
        record: (name, value) => isKept(name) && base.keep(name, value),
        elsewhere: (name) => base.value(name),
      });
    scoped((scope) => {
      const layer = /^blocks\.(\d+)\./.exec(wanted)?.[1];
      if (layer !== undefined) {
        using parts = passParts(pass);
        const block = names[Number(layer)];
        const isShortformer = pass.cfg.positionalEmbeddingType === "shortformer";
        const positional = isShortformer ? all(base.nameAfter(ROOT_NAMES.posEmbed)) : undefined;
        const resid = all(block.residPre);
        runBlock(run(scope), pass, block, Number(layer), { resid, positional }, parts);
      } else if (/^(embed\.|hook_(pos_)?embed)/.test(wanted)) {
        embed(run(scope), pass);
      } else {
        const last = run(scope);
        const hookIn = finalNorm(last, pass, last.visit(all(names[names.length - 1].residPost)));
        if (wanted === ROOT_NAMES.unembedOut) {
          base.keep(wanted, unembed(pass.weights, pass.cfg, hookIn.handle));
        }
      }
    });
  };
  return (base, wanted) => noGrad(() => compute(base, wanted));
}
