/**
 * Activation patching: an activation of a clean run is put into a corrupted one, at one place after another, and a metric of the
 * logits tells what that restores. The functions and the shapes of their results are TransformerLens'; all places of a layer run as
 * rows of one pass that computes only what they change (see `HookedTransformer.sweep`).
 *
 * @module
 */

import { ShapeError } from "../core/errors.ts";
import { type Index, Tensor } from "../core/tensor.ts";
import { getActName } from "../hooks/act_name.ts";
import type { ActivationCache } from "../hooks/activation_cache.ts";
import type { HookedTransformer } from "../session/hooked_transformer.ts";
import type { ModelInput } from "../session/input.ts";
import type { SweepCell } from "../session/sweep_edit.ts";
import { paddedTo, type PatchingMetric, type PatchingOptions, scalarOf } from "./_metric.ts";

export type { PatchingMetric, PatchingOptions } from "./_metric.ts";

export {
  type DirectPathOptions,
  getActPatchDirectPath,
  getActPatchDirectPathAllSources,
  type PathComponent,
} from "./direct_paths.ts";

/** An axis that a patch goes over. `head` and `head_index` are the same. */
export type PatchAxis = "layer" | "pos" | "head" | "head_index" | "dest_pos" | "src_pos";

/**
 * Patches one kind of activation at one place after another.
 *
 * @param model The model; SAEs that are attached to it stay so, hooks mustn't be in place.
 * @param corruptedTokens Tokens of the corrupted run [batch, pos], or its prompts.
 * @param cleanCache What the clean run cached: this activation of every layer, for as many texts and positions.
 * @param patchingMetric Reads a number off the logits of a patched run.
 * @param options Progress, abort, memory.
 * @returns The metric by the axes that the function names.
 * @throws {UnknownPointError} If the cache lacks the activation.
 * @throws {ShapeError} If the runs' shapes don't fit together, or the metric isn't one number.
 * @throws {ConfigError} If the model has hooks in place.
 */
export type ActPatch = (
  model: HookedTransformer,
  corruptedTokens: ModelInput,
  cleanCache: ActivationCache,
  patchingMetric: PatchingMetric,
  options?: PatchingOptions,
) => Tensor;

/** Rows of indices, one for each patched run, with what their columns mean. The first column is the layer. */
export interface PatchIndices {
  /** What each column says. */
  readonly columns: readonly PatchAxis[];
  /** The indices, a row for each run. */
  readonly rows: readonly (readonly number[])[];
}

/**
 * Puts a part of a clean activation into a corrupted one, in place or as a new tensor.
 *
 * @param corruptedActivation The activation as the corrupted run has it; its run owns it.
 * @param index Where, one number for each column of the indices.
 * @param cleanActivation The clean run's activation of the same name.
 */
export type PatchSetter = (
  corruptedActivation: Tensor,
  index: readonly number[],
  cleanActivation: Tensor,
) => Tensor | void;

/** Options of {@linkcode genericActivationPatch}: which places are patched, and how the runs go. */
export interface GenericPatchOptions extends PatchingOptions {
  /** Axes to go over from end to end; the result has them. */
  indexAxisNames?: readonly PatchAxis[];
  /** The places one by one instead; the result has one axis. */
  indexDf?: PatchIndices;
  /** Gives the indices too: `[result, indices]`. */
  returnIndexDf?: boolean;
}

/** What the sweep calls an axis. */
const CELL_KEY: Readonly<Record<PatchAxis, keyof SweepCell>> = {
  layer: "layer",
  pos: "pos",
  head: "head",
  head_index: "head",
  dest_pos: "dest",
  src_pos: "src",
};

/** Attention scores and patterns have the head in front of the positions. */
const BY_HEAD: readonly string[] = ["pattern", "attn_scores", "attn", "attn_logits"];

/** How far each axis goes. */
function axisLength(
  axis: PatchAxis,
  activationName: string,
  { cfg }: HookedTransformer,
  cleanCache: ActivationCache,
  nPos: number,
): number {
  switch (axis) {
    case "layer":
      return cfg.nLayers;
    case "head":
    case "head_index": {
      // Keys and values may have fewer heads than queries: the activation itself says how many.
      const { shape } = cleanCache.get(activationName, 0);
      return shape[shape.length - (BY_HEAD.includes(activationName) ? 3 : 2)];
    }
    default:
      return nPos;
  }
}

function tokensOf(model: HookedTransformer, input: ModelInput): Tensor {
  if (input instanceof Tensor) return input;
  const isText = typeof input === "string" || typeof (input as readonly unknown[])[0] === "string";
  if (isText) return model.toTokens(input as string | readonly string[]);
  return Tensor.from(
    input as readonly number[] | readonly (readonly number[])[],
    undefined,
    "int32",
  );
}

const counted = (length: number) => Array.from({ length }, (_, i) => i);

/** Patches every place along axes with what the clean run has there. */
function patchOver(activationName: string, axes: readonly PatchAxis[]): ActPatch {
  return (model, corruptedTokens, cleanCache, patchingMetric, options = {}) => {
    const tokens = tokensOf(model, corruptedTokens);
    const nPos = tokens.shape[tokens.rank - 1];
    const ranges = axes.map((axis) => [
      CELL_KEY[axis],
      counted(axisLength(axis, activationName, model, cleanCache, nPos)),
    ]);
    return model.sweep(tokens, {
      ...options,
      at: activationName,
      over: Object.fromEntries(ranges),
      edit: { patch: cleanCache },
      metric: scalarOf(patchingMetric),
    });
  };
}

/**
 * Lists every combination of indices below bounds, the last column running fastest.
 *
 * @param columnMaxRanges How far each column goes.
 * @param columnNames What the columns mean.
 */
export function makeDfFromRanges(
  columnMaxRanges: readonly number[],
  columnNames: readonly PatchAxis[],
): PatchIndices {
  const rows = columnMaxRanges.reduce<number[][]>(
    (so, length) => so.flatMap((row) => counted(length).map((i) => [...row, i])),
    [[]],
  );
  return { columns: columnNames, rows };
}

/**
 * Patches with a setter of one's own.
 *
 * @param model The model.
 * @param corruptedTokens Tokens of the corrupted run [batch, pos], or its prompts.
 * @param cleanCache What the clean run cached.
 * @param patchingMetric Reads a number off the logits of a patched run.
 * @param patchSetter Puts a part of the clean activation into the corrupted one.
 * @param activationName Which activation, by its short name: `"z"`, `"resid_pre"`.
 * @param options Which places: `indexAxisNames` or `indexDf`, one of them.
 * @returns The metric by the axes, or by the rows of `indexDf`; with `returnIndexDf` the indices too.
 * @throws {ShapeError} If neither or both say which places, or the first column isn't the layer.
 * @throws {HookError} If the setter throws.
 */
export function genericActivationPatch(
  model: HookedTransformer,
  corruptedTokens: ModelInput,
  cleanCache: ActivationCache,
  patchingMetric: PatchingMetric,
  patchSetter: PatchSetter,
  activationName: string,
  options: GenericPatchOptions & { returnIndexDf: true },
): [Tensor, PatchIndices];
/** Patches with a setter of one's own, and gives the metric by the axes, or by the rows of `indexDf`. */
export function genericActivationPatch(
  model: HookedTransformer,
  corruptedTokens: ModelInput,
  cleanCache: ActivationCache,
  patchingMetric: PatchingMetric,
  patchSetter: PatchSetter,
  activationName: string,
  options: GenericPatchOptions,
): Tensor;
export function genericActivationPatch(
  model: HookedTransformer,
  corruptedTokens: ModelInput,
  cleanCache: ActivationCache,
  patchingMetric: PatchingMetric,
  patchSetter: PatchSetter,
  activationName: string,
  { indexAxisNames, indexDf, returnIndexDf = false, ...options }: GenericPatchOptions,
): Tensor | [Tensor, PatchIndices] {
  if ((indexAxisNames === undefined) === (indexDf === undefined)) {
    throw new ShapeError("Cannot patch: expected indexAxisNames or indexDf, one of the two.");
  }
  const tokens = tokensOf(model, corruptedTokens);
  const nPos = tokens.shape[tokens.rank - 1];
  const lengths = (indexAxisNames ?? []).map((axis) =>
    axisLength(axis, activationName, model, cleanCache, nPos)
  );
  const indices = indexDf ?? makeDfFromRanges(lengths, indexAxisNames ?? []);
  const { columns, rows } = indices;
  if (columns[0] !== "layer") {
    throw new ShapeError(
      `Cannot patch over [${columns.join(", ")}]: the first column is the layer.`,
    );
  }
  const keys = columns.map((axis) => CELL_KEY[axis]);
  const result = model.sweep(tokens, {
    ...options,
    at: activationName,
    over: rows.map((row) => Object.fromEntries(keys.map((key, i) => [key, row[i]]))),
    edit: (activation, cell) =>
      patchSetter(
        activation,
        keys.map((key) => cell[key]!),
        cleanCache.get(getActName(activationName, cell.layer)),
      ),
    metric: scalarOf(patchingMetric),
  });
  const shaped = indexDf ? result : result.reshape(lengths);
  return returnIndexDf ? [shaped, indices] : shaped;
}

/** Patches the cells that an index names. */
function setterAt(cellsOf: (index: readonly number[]) => readonly Index[]): PatchSetter {
  return (corruptedActivation, index, cleanActivation) => {
    const cells = cellsOf(index);
    corruptedActivation.set(cells, cleanActivation.at(...cells));
  };
}

/** Patches a position of a residual-stream activation; index [layer, pos]. */
export const layerPosPatchSetter: PatchSetter = setterAt(([, pos]) => [":", pos]);

/** Patches a head's vector at a position: q, k, v, z, result; index [layer, pos, head]. */
export const layerPosHeadVectorPatchSetter: PatchSetter = setterAt((
  [, pos, head],
) => [":", pos, head]);

/** Patches a head's vectors at all positions; index [layer, head]. */
export const layerHeadVectorPatchSetter: PatchSetter = setterAt(([, head]) => [":", ":", head]);

/** Patches a head's attention pattern; index [layer, head]. */
export const layerHeadPatternPatchSetter: PatchSetter = setterAt(([, head]) => [":", head]);

/** Patches a row of a head's attention pattern; index [layer, head, dest_pos]. */
export const layerHeadPosPatternPatchSetter: PatchSetter = setterAt((
  [, head, dest],
) => [":", head, dest]);

/** Patches one entry of a head's attention pattern; index [layer, head, dest_pos, src_pos]. */
export const layerHeadDestSrcPosPatternPatchSetter: PatchSetter = setterAt((
  [, head, dest, src],
) => [":", head, dest, src]);

const LAYER_POS = ["layer", "pos"] as const;
const LAYER_POS_HEAD = ["layer", "pos", "head"] as const;
const LAYER_HEAD = ["layer", "head"] as const;

/** Patches the residual stream before each block, by position: [layer, pos]. */
export const getActPatchResidPre: ActPatch = patchOver("resid_pre", LAYER_POS);

/** Patches the residual stream between attention and MLP, by position: [layer, pos]. */
export const getActPatchResidMid: ActPatch = patchOver("resid_mid", LAYER_POS);

/** Patches what attention adds to the residual stream, by position: [layer, pos]. */
export const getActPatchAttnOut: ActPatch = patchOver("attn_out", LAYER_POS);

/** Patches what the MLP adds to the residual stream, by position: [layer, pos]. */
export const getActPatchMlpOut: ActPatch = patchOver("mlp_out", LAYER_POS);

/** Patches each head's mix of values (z), by position: [layer, pos, head]. */
export const getActPatchAttnHeadOutByPos: ActPatch = patchOver("z", LAYER_POS_HEAD);

/** Patches each head's queries, by position: [layer, pos, head]. */
export const getActPatchAttnHeadQByPos: ActPatch = patchOver("q", LAYER_POS_HEAD);

/** Patches each head's keys, by position: [layer, pos, head], as many heads as there are keys for. */
export const getActPatchAttnHeadKByPos: ActPatch = patchOver("k", LAYER_POS_HEAD);

/** Patches each head's values, by position: [layer, pos, head], as many heads as there are values for. */
export const getActPatchAttnHeadVByPos: ActPatch = patchOver("v", LAYER_POS_HEAD);

/** Patches each head's attention pattern, by the query's position: [layer, head, dest]. */
export const getActPatchAttnHeadPatternByPos: ActPatch = patchOver("pattern", [
  "layer",
  "head_index",
  "dest_pos",
]);

/** Patches each entry of each head's attention pattern: [layer, head, dest, src]. */
export const getActPatchAttnHeadPatternDestSrcPos: ActPatch = patchOver("pattern", [
  "layer",
  "head_index",
  "dest_pos",
  "src_pos",
]);

/** Patches each head's mix of values (z) at all positions: [layer, head]. */
export const getActPatchAttnHeadOutAllPos: ActPatch = patchOver("z", LAYER_HEAD);

/** Patches each head's queries at all positions: [layer, head]. */
export const getActPatchAttnHeadQAllPos: ActPatch = patchOver("q", LAYER_HEAD);

/** Patches each head's keys at all positions: [layer, head], as many heads as there are keys for. */
export const getActPatchAttnHeadKAllPos: ActPatch = patchOver("k", LAYER_HEAD);

/** Patches each head's values at all positions: [layer, head], as many heads as there are values for. */
export const getActPatchAttnHeadVAllPos: ActPatch = patchOver("v", LAYER_HEAD);

/** Patches each head's attention pattern at all positions: [layer, head]. */
export const getActPatchAttnHeadPatternAllPos: ActPatch = patchOver("pattern", LAYER_HEAD);

/** Runs several patchings and tells how far all of them are. */
function stacked(
  patches: readonly ActPatch[],
  [model, corruptedTokens, cleanCache, metric, options = {}]: Parameters<ActPatch>,
): Tensor[] {
  const { onProgress } = options;
  return patches.map((patch, i) =>
    patch(model, corruptedTokens, cleanCache, metric, {
      ...options,
      onProgress: onProgress &&
        (({ done, total }) =>
          onProgress({ done: i * total + done, total: patches.length * total })),
    })
  );
}

/**
 * Patches each head's z, q, k, v and pattern at all positions: [5, layer, head] in this order. Where keys and values have fewer heads,
 * zeros stand for those that there aren't.
 */
export function getActPatchAttnHeadAllPosEvery(
  model: HookedTransformer,
  corruptedTokens: ModelInput,
  cleanCache: ActivationCache,
  patchingMetric: PatchingMetric,
  options: PatchingOptions = {},
): Tensor {
  const results = stacked([
    getActPatchAttnHeadOutAllPos,
    getActPatchAttnHeadQAllPos,
    getActPatchAttnHeadKAllPos,
    getActPatchAttnHeadVAllPos,
    getActPatchAttnHeadPatternAllPos,
  ], [model, corruptedTokens, cleanCache, patchingMetric, options]);
  return Tensor.stack(results.map((result) => paddedTo(model.cfg.nHeads, result)));
}

/**
 * Patches each head's z, q, k, v and pattern by position (the query's, of patterns): [5, layer, pos, head] in this order. Where keys
 * and values have fewer heads, zeros stand for those that there aren't.
 */
export function getActPatchAttnHeadByPosEvery(
  model: HookedTransformer,
  corruptedTokens: ModelInput,
  cleanCache: ActivationCache,
  patchingMetric: PatchingMetric,
  options: PatchingOptions = {},
): Tensor {
  const results = stacked([
    getActPatchAttnHeadOutByPos,
    getActPatchAttnHeadQByPos,
    getActPatchAttnHeadKByPos,
    getActPatchAttnHeadVByPos,
    (...args) => getActPatchAttnHeadPatternByPos(...args).permute(0, 2, 1),
  ], [model, corruptedTokens, cleanCache, patchingMetric, options]);
  return Tensor.stack(results.map((result) => paddedTo(model.cfg.nHeads, result)));
}

/** Patches the residual stream before each block, attention's output and the MLP's, by position: [3, layer, pos] in this order. */
export function getActPatchBlockEvery(
  model: HookedTransformer,
  corruptedTokens: ModelInput,
  cleanCache: ActivationCache,
  patchingMetric: PatchingMetric,
  options: PatchingOptions = {},
): Tensor {
  return Tensor.stack(
    stacked([getActPatchResidPre, getActPatchAttnOut, getActPatchMlpOut], [
      model,
      corruptedTokens,
      cleanCache,
      patchingMetric,
      options,
    ]),
  );
}
