/**
 * The base runs of a text: what is computed before the first point at which other things are spliced in is the same in all of them.
 *
 * @module
 */

import { memoryBudget } from "../core/engine.ts";
import { Mode } from "../hooks/points.ts";
import { type BaseKey, type BaseRun, bytesHeld, forksOf, isSameKey } from "./base_run.ts";
import type { ActivePoint, PointPlan } from "./plan.ts";

/** Base runs beside the last one are kept up to this many bytes. */
const MAX_BYTES = 3 * 2 ** 24;

/** More base runs than this aren't kept: each keeps modules and logits too. */
const MOST_RUNS = 8;

/** When more values than this would have to be computed again for a cache, running is cheaper. */
const MAX_RECOMPUTED = 4;

/**
 * Points that a run passes only where somebody asks something of them. What another run has spliced in there would go on in what stands
 * on it.
 */
const PASSED_BY =
  /hook_(attn_scores|pattern|result|scale|normalized|attn_in|mlp_in|[qkv]_input)$|mlp\.hook_pre(_linear)?$|unembed\.hook_out$/;

/** A base run with other splices, whose values stand for those that come before the first of them. */
export interface Fork {
  readonly base: BaseRun;
  /** The points at which other things are spliced in. */
  readonly forks: ReadonlySet<string>;
}

/** A run as it is planned. */
interface PlannedRun {
  readonly plans: ReadonlyMap<string, PointPlan>;
  /** The points of a whole run. */
  readonly points: () => readonly ActivePoint[];
}

/** Whether the values at some points that somebody looks at are held, all but a few. */
export function holdsLookedAt(
  base: BaseRun,
  plans: ReadonlyMap<string, PointPlan>,
  names: Iterable<string> = plans.keys(),
): boolean {
  let missing = 0;
  for (const name of names) {
    if (plans.get(name)?.mode === Mode.emit && !base.has(name)) missing++;
  }
  return missing <= MAX_RECOMPUTED;
}

/** Base runs of one text that differ in what is spliced in, the one that was used last in front. */
export class BaseRuns implements Disposable {
  #runs: readonly BaseRun[] = [];
  /** Bytes of what they held when the last one was added. */
  #bytes = 0;

  /** The base run of a key, if it is kept. */
  find(key: BaseKey): BaseRun | undefined {
    const found = this.#runs.find((run) => isSameKey(run.key, key));
    if (found) this.#used(found);
    return found;
  }

  /** The base run that shares most with a run that is to come; `undefined` if none shares anything. */
  fork(key: BaseKey, { plans, points }: PlannedRun): Fork | undefined {
    const related = this.#runs.filter((run) => run.key.text === key.text);
    if (related.length === 0) return undefined;
    const names = points().map(({ info }) => info.name);
    let [best, shared]: [Fork | undefined, number] = [undefined, 0];
    for (const base of related) {
      const forks = forksOf(base.key, key);
      if ([...forks].some((name) => PASSED_BY.test(name))) continue;
      const nShared = forks.size > 0 ? names.findIndex((name) => forks.has(name)) : names.length;
      if (nShared <= shared || !holdsLookedAt(base, plans, names.slice(0, nShared))) continue;
      [best, shared] = [{ base, forks }, nShared];
    }
    if (best) this.#used(best.base);
    return best;
  }

  /** Makes room for a base run: those of other texts go, and all of them where memory is scarce. */
  makeRoom({ text }: BaseKey): void {
    const isScarce = memoryBudget() < Infinity || this.#bytes > MAX_BYTES;
    this.#keep(isScarce ? [] : this.#runs.filter((run) => run.key.text === text));
  }

  /** Adds a base run. */
  add(base: BaseRun): void {
    const others = this.#runs.filter(({ key }) =>
      key.text === base.key.text && !isSameKey(key, base.key)
    );
    let kept = memoryBudget() < Infinity ? [base] : [base, ...others].slice(0, MOST_RUNS);
    // Rows that somebody read are the last run's alone: they aren't counted.
    for (const { logits, hookIn } of kept.slice(1)) {
      logits.clear();
      hookIn.clear();
    }
    this.#bytes = bytesHeld(kept);
    while (kept.length > 1 && this.#bytes > MAX_BYTES) {
      kept = kept.slice(0, -1);
      this.#bytes = bytesHeld(kept);
    }
    this.#keep(kept);
  }

  /** Drops a base run. */
  drop(base: BaseRun): void {
    this.#keep(this.#runs.filter((run) => run !== base));
  }

  /** Drops all of them. */
  [Symbol.dispose](): void {
    this.#keep([]);
  }

  #used(base: BaseRun): void {
    this.#runs = [base, ...this.#runs.filter((run) => run !== base)];
  }

  #keep(runs: readonly BaseRun[]): void {
    const left = this.#runs.filter((run) => !runs.includes(run));
    this.#runs = runs;
    for (const run of left) run[Symbol.dispose]();
  }
}
