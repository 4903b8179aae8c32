/**
 * The plan of a run: which points somebody asks something of, and what.
 *
 * @module
 */

import { UnknownPointError } from "../core/errors.ts";
import type { RowSpace } from "../core/rows.ts";
import type { Tensor } from "../core/tensor.ts";
import type { HookPoint } from "../hooks/hook_point.ts";
import type { HookEntry, PointSelector } from "../hooks/hook_registry.ts";
import { unknownPoint } from "../hooks/hooked_root.ts";
import { Mode, type PointInfo } from "../hooks/points.ts";
import type { RowValue } from "../hooks/tap.ts";
import type { WholeTexts } from "./edit_runs.ts";
import type { Splice } from "./splice.ts";

/** What a run may be asked to keep. */
export interface CacheRequest {
  /** Whether a point's value is wanted. */
  readonly wants: (name: string, isGated: boolean) => boolean;
  /** Whether gradients are wanted too. */
  readonly gradients: boolean;
}

/** The texts and positions of a run. */
export type RunGrid = Pick<RowSpace, "batch" | "nPos">;

/** Takes what a run is asked to keep. */
export type KeepValue = (name: string, value: Tensor, grid: RunGrid) => void;

/** What a run is asked beside the options of a forward pass. */
export interface RunRequest {
  readonly cache?: CacheRequest;
  readonly keep?: KeepValue;
  /** Selectors of the run's own hooks, which must reach a point. */
  readonly selectors?: readonly PointSelector[];
  /** The model's hooks for this run; those that are added to it unless said. */
  readonly entries?: readonly HookEntry[];
  /** Leaves the values that are kept of the last input alone. */
  readonly isAside?: boolean;
  /** The whole texts, for edits in a run that goes on from a cache. */
  readonly whole?: WholeTexts;
}

/** Asks for the points that a filter chooses; for those active under the switches without one. */
export function cacheRequest(
  filters: readonly PointSelector[] | undefined,
  gradients: boolean,
): CacheRequest {
  return {
    wants: (name, isGated) =>
      filters ? filters.some((filter) => selects(filter, name, isGated)) : !isGated,
    gradients,
  };
}

/** A point that is there in a run. */
export interface ActivePoint {
  readonly info: PointInfo;
  readonly point: HookPoint;
  /** Off under the switches: only an exact name reaches it. */
  readonly isGated: boolean;
  /** Why the run never comes past it; `undefined` when it does. */
  readonly unreachable?: string;
}

/** What is asked of one point in a run. */
export interface PointPlan {
  readonly active: ActivePoint;
  readonly mode: Mode;
  /** An edit that knows its rows; before the hooks. */
  readonly edit?: (value: RowValue) => RowValue;
  readonly fwd: readonly HookEntry[];
  readonly bwd: readonly HookEntry[];
  readonly cached: boolean;
  readonly cachedGradient: boolean;
  /** Named in `watch`. */
  readonly watched: boolean;
  /** The splice whose output replaces the value here. */
  readonly splice: Splice | undefined;
  /** Splices elsewhere that read the value here. */
  readonly readers: readonly Splice[];
}

/** What a plan is made from. */
export interface PlanRequest {
  readonly points: readonly ActivePoint[];
  readonly hooksAt: (active: ActivePoint, direction: "fwd" | "bwd") => readonly HookEntry[];
  readonly splices: readonly Splice[];
  readonly cache: CacheRequest | undefined;
  readonly watch: readonly PointSelector[];
  /** The points at which hooks may be; all unless said. */
  readonly hooked?: ReadonlySet<string>;
}

/** Points by what is spliced in there. */
function spliceNames(splices: readonly Splice[]): string[] {
  return splices.flatMap(({ inName, outName }) => [inName, outName]);
}

/** The points of which something may be asked; `undefined` where that may be any. */
function askedNames({ cache, watch, splices, hooked }: PlanRequest): Set<string> | undefined {
  const isNamed = (selector: PointSelector) => typeof selector === "string";
  if (cache || !hooked || !watch.every(isNamed)) return undefined;
  return new Set([...hooked, ...watch as readonly string[], ...spliceNames(splices)]);
}

/** Whether a selector means a point. */
export function selects(selector: PointSelector, name: string, isGated: boolean): boolean {
  return typeof selector === "string" ? selector === name : !isGated && selector(name);
}

function modeOf(plan: Omit<PointPlan, "mode">): Mode {
  const mayChange = plan.fwd.length > 0 || plan.splice !== undefined || plan.watched ||
    plan.bwd.length > 0 || plan.cachedGradient;
  // What a splice reads here has to have a gradient, which values that are only shown lack.
  if (mayChange || plan.readers.length > 0) return Mode.split;
  return plan.cached ? Mode.emit : Mode.idle;
}

/** Plans a run: an entry for every point that isn't idle. */
export function planRun(request: PlanRequest): Map<string, PointPlan> {
  const plans = new Map<string, PointPlan>();
  const asked = askedNames(request);
  for (const active of request.points) {
    const { info: { name }, isGated, unreachable } = active;
    if (unreachable !== undefined || asked?.has(name) === false) continue;
    const cached = request.cache?.wants(name, isGated) ?? false;
    const [fwd, bwd] = [request.hooksAt(active, "fwd"), request.hooksAt(active, "bwd")];
    const { splices, watch } = request;
    // As it is at most points of most runs.
    if (!cached && fwd.length + bwd.length + splices.length + watch.length === 0) continue;
    const parts = {
      active,
      fwd,
      bwd,
      cached,
      cachedGradient: cached && (request.cache?.gradients ?? false),
      watched: watch.some((selector) => selects(selector, name, isGated)),
      splice: splices.find((splice) => splice.outName === name),
      readers: splices.filter((splice) => splice.inName === name && splice.outName !== name),
    };
    const mode = modeOf(parts);
    if (mode !== Mode.idle) plans.set(name, { ...parts, mode });
  }
  return plans;
}

/**
 * Checks that each selector of a run's own options reaches a point.
 *
 * @throws {UnknownPointError} If one can never fire, with the reason.
 */
export function requireReachable(
  selectors: readonly PointSelector[],
  points: readonly ActivePoint[],
): void {
  for (const selector of selectors) {
    const meant = points.filter(({ info, isGated }) => selects(selector, info.name, isGated));
    if (typeof selector === "string" && meant.length === 0) {
      throw unknownPoint(selector, points.map(({ info }) => info.name));
    }
    if (meant.some(({ unreachable }) => unreachable === undefined)) continue;
    const name = typeof selector === "string" ? `"${selector}"` : "the predicate";
    const why = meant.length > 0
      ? `${meant[0].unreachable}`
      : "it matches no hook point of this run";
    throw new UnknownPointError(`A hook on ${name} can never fire: ${why}.`);
  }
}
