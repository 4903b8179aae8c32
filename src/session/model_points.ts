/**
 * The hook points of a model, and those of a run.
 *
 * @module
 */

import { HookPoint } from "../hooks/hook_point.ts";
import type { HookRegistry } from "../hooks/hook_registry.ts";
import { NameDict } from "../hooks/name_dict.ts";
import type { PointInfo } from "../hooks/points.ts";
import { type HookedTransformerConfig, SHARED_ATTN_IN, sharesKeys } from "../model/config.ts";
import { firstStage, modelPoints, ROOT_NAMES } from "../model/points.ts";
import type { ReturnType } from "./options.ts";
import type { ActivePoint } from "./plan.ts";
import type { Splice } from "./splice.ts";

/** The part of the model that a run goes through. */
export interface RunSpan {
  /** The first block, when the run doesn't begin with tokens. */
  readonly startAtLayer?: number;
  /** The block that the run stops before, when it doesn't unembed. */
  readonly stopAtLayer?: number;
  readonly returnType?: ReturnType;
}

/** Why a run never comes past a point; `undefined` when it does. */
function whyUnreachable(
  { name, stage, gate, never }: PointInfo,
  cfg: HookedTransformerConfig,
  { startAtLayer, stopAtLayer, returnType }: RunSpan,
): string | undefined {
  if (never !== undefined) return never;
  if (gate === "useAttnIn" && sharesKeys(cfg)) return SHARED_ATTN_IN;
  if (startAtLayer !== undefined && stage < firstStage(startAtLayer)) {
    return `the run starts at layer ${startAtLayer}`;
  }
  if (stopAtLayer !== undefined && stage >= firstStage(stopAtLayer)) {
    return `the run stops before layer ${stopAtLayer}`;
  }
  if (returnType === null && name === ROOT_NAMES.unembedOut) {
    return "returnType: null unembeds nothing";
  }
  return undefined;
}

/** A model's hook points. */
export class ModelPoints {
  readonly #infos: readonly PointInfo[];
  readonly #dict = new NameDict<HookPoint>();
  /** The model's points in the last run: most runs are like the one before. */
  #last:
    | {
      readonly cfg: HookedTransformerConfig;
      readonly key: string;
      readonly points: readonly ActivePoint[];
    }
    | undefined;

  /** Makes the points of a model. @param registry The model's hooks. */
  constructor(cfg: HookedTransformerConfig, hasMlpHookIn: boolean, registry: HookRegistry) {
    this.#infos = modelPoints(cfg, hasMlpHookIn);
    for (const { name } of this.#infos) this.#dict.set(name, new HookPoint(name, registry));
  }

  /** Whether the model itself has a point, splices aside. */
  has(name: string): boolean {
    return this.#dict.has(name);
  }

  /** The names of the model's own points. */
  names(): IterableIterator<string> {
    return this.#dict.keys();
  }

  /** Every point by name; those of splices follow the point that they sit on. */
  dict(splices: readonly Splice[]): NameDict<HookPoint> {
    if (splices.length === 0) return this.#dict;
    const all = new NameDict<HookPoint>();
    for (const [name, point] of this.#dict) {
      all.set(name, point);
      const here = splices.find(({ outName }) => outName === name);
      for (const { info, point } of here?.points ?? []) all.set(info.name, point);
    }
    return all;
  }

  /** The points of a run in firing order, with why it doesn't come past some of them. */
  active(
    cfg: HookedTransformerConfig,
    splices: readonly Splice[],
    span: RunSpan,
  ): readonly ActivePoint[] {
    const own = this.#own(cfg, span);
    if (splices.length === 0) return own;
    const byName = new Map(splices.map((splice) => [splice.outName, splice]));
    const points: ActivePoint[] = [];
    for (const point of own) {
      points.push(point);
      const splice = byName.get(point.info.name);
      if (splice) points.push(...innerPoints(splice, point));
    }
    return points;
  }

  /** The model's own points. */
  #own(cfg: HookedTransformerConfig, span: RunSpan): readonly ActivePoint[] {
    const key = `${span.startAtLayer} ${span.stopAtLayer} ${span.returnType}`;
    if (this.#last?.cfg !== cfg || this.#last.key !== key) {
      const points = this.#infos.map((info): ActivePoint => ({
        info,
        point: this.#dict.get(info.name)!,
        isGated: info.gate !== undefined && !cfg[info.gate],
        unreachable: whyUnreachable(info, cfg, span),
      }));
      this.#last = { cfg, key, points };
    }
    return this.#last.points;
  }
}

/** The points of a splice at a point of the model. */
function innerPoints({ points, useErrorTerm }: Splice, { unreachable }: ActivePoint) {
  return points.map(({ info, point, unreachable: own }): ActivePoint => ({
    info,
    point,
    isGated: false,
    unreachable: unreachable ?? own ??
      (info.name.endsWith(".hook_sae_error") && !useErrorTerm
        ? "it is spliced in without the error term"
        : undefined),
  }));
}
