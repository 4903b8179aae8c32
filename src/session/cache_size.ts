/**
 * How large a cache will be, before a run fills it.
 *
 * @module
 */

import { JOINED_AXES, type PointInfo } from "../hooks/points.ts";
import { type HookedTransformerConfig, keyHeads } from "../model/config.ts";
import type { PassShape } from "../model/rows.ts";
import { HookedSAE } from "../sae/hooked_sae.ts";
import type { Splice } from "./splice.ts";

/** What a cache will hold, and what the run that fills it costs. */
export interface CacheSize {
  /** How many activations, gradients included. */
  readonly points: number;
  /** Their bytes. */
  readonly bytes: number;
  /** Points of modules of one's own: their size isn't known before they run, and isn't in `bytes`. */
  readonly unknown: readonly string[];
  /**
   * Multiply-adds of matrix products, attention and encoding in a run from the beginning; what is unembedded comes on top. A base run
   * on the same input saves some, or all.
   */
  readonly multiplyAdds: number;
}

/** The run whose cache is measured. */
export interface MeasuredRun {
  readonly cfg: HookedTransformerConfig;
  readonly shape: PassShape;
  readonly splices: readonly Splice[];
  /** How many positions are kept. */
  readonly nKept: number;
}

/** Keys and values have heads of their own number. */
const OF_KEYS = /\.(hook_([kv]|rot_k|[kv]_input)|k_norm\.\w+)$/;

function lengthOf(axis: string, name: string, { cfg, shape, nKept }: MeasuredRun): number {
  const heads = OF_KEYS.test(name) ? keyHeads(cfg) : cfg.nHeads;
  const lengths: Readonly<Record<string, number>> = {
    batch: shape.batch,
    pos: nKept,
    query: nKept,
    key: shape.nKeys,
    head: heads,
    dHead: cfg.dHead,
    dModel: cfg.dModel,
    dMlp: cfg.dMlp ?? 0,
    dVocab: cfg.dVocabOut,
    [JOINED_AXES[0]]: shape.batch * nKept * heads,
    "1": 1,
  };
  return lengths[axis];
}

/** How many numbers the model's own point holds. */
function elementsOf({ name, axes: plain }: PointInfo, run: MeasuredRun): number {
  const hasHeads = run.cfg.useSplitQkvInput && name.includes(".ln1.");
  const axes = hasHeads ? [...plain, "head"] : plain;
  return axes.reduce((product, axis) => product * lengthOf(axis, name, run), 1);
}

/** How many numbers a point of an SAE holds: as many rows as the value that it reads has, each as wide as the point is. */
function elementsInSae(
  name: string,
  { module, inName, outName }: Splice,
  sizes: ReadonlyMap<string, number>,
): number | undefined {
  if (!(module instanceof HookedSAE)) return undefined;
  const [read, written] = [inName, outName].map((host) => sizes.get(host));
  if (read === undefined || written === undefined) return undefined;
  const { dIn, dSae } = module.cfg;
  if (/\.hook_sae_acts_(pre|post)$/.test(name)) return read / dIn * dSae;
  return name.endsWith(".hook_sae_input") ? read : written;
}

/** How many numbers each of the model's own points holds, by name. */
export function pointSizes(run: MeasuredRun, all: readonly PointInfo[]): Map<string, number> {
  const known = all.filter(({ axes }) => axes.length > 0);
  return new Map(known.map((info) => [info.name, elementsOf(info, run)]));
}

/**
 * Measures a cache.
 *
 * @param all The model's own points, which say how large what splices read is.
 * @param cached The points that are cached.
 * @param gradients Whether their gradients are cached too.
 */
export function cacheSize(
  run: MeasuredRun,
  all: readonly PointInfo[],
  cached: readonly PointInfo[],
  gradients: boolean,
): Omit<CacheSize, "multiplyAdds"> {
  const own = pointSizes(run, all);
  const unknown: string[] = [];
  let elements = 0;
  for (const { name } of cached) {
    const splice = run.splices.find(({ outName }) => name.startsWith(`${outName}.`));
    const count = splice ? elementsInSae(name, splice, own) : own.get(name);
    if (count === undefined) unknown.push(name);
    elements += count ?? 0;
  }
  const copies = gradients ? 2 : 1;
  return {
    points: cached.length * copies,
    bytes: elements * copies * Float32Array.BYTES_PER_ELEMENT,
    unknown,
  };
}
