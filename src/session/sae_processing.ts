/**
 * Whether an SAE was trained on activations of weights that were processed as a model's are.
 *
 * Folding and centring change what some points hold, and nothing else: a `hook_z` of folded weights lacks the value biases, and the
 * residual stream of centred ones its mean. An SAE of the one, spliced into the other, reads values that it has never seen.
 *
 * @module
 */

import { ConfigError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import type { HookedTransformerConfig } from "../model/config.ts";
import type { HookedSAE } from "../sae/hooked_sae.ts";
import type { BlockView } from "./weight_views.ts";

/** A step of processing that an SAE's training and a model differ in, by TransformerLens' name. */
export interface ProcessingDifference {
  /** The step. */
  readonly step: "fold_ln" | "center_writing_weights" | "fold_value_biases";
  /** The point of the SAE whose values it changes. */
  readonly point: string;
  /** Whether the step was taken where the SAE was trained. */
  readonly isInTraining: boolean;
  /** Whether it was taken here. */
  readonly isInModel: boolean;
  /** What it does to the point. */
  readonly effect: string;
}

/** What of a model tells how its weights were processed. */
export interface ProcessedModel {
  readonly cfg: HookedTransformerConfig;
  readonly blocks: readonly BlockView[];
  readonly W_E: Tensor;
  readonly b_V: Tensor;
  readonly b_O: Tensor;
  stateDict(): ReadonlyMap<string, Tensor>;
}

interface Step {
  readonly step: ProcessingDifference["step"];
  /** The points whose values it changes. */
  readonly points: RegExp;
  readonly effect: string;
  /** Whether a model's weights show it; `undefined` where it makes no difference to the model. */
  isIn(model: ProcessedModel): boolean | undefined;
}

/** Rows of the embedding that are looked at: one would do. */
const LOOKED_AT = 4;

/** A centred row's mean, in units of its elements: float32 leaves 1e-7, and rows of no model are centred by chance. */
const CENTRED = 1e-4;

function isCentred({ W_E }: ProcessedModel): boolean {
  const rows = Math.min(LOOKED_AT, W_E.shape[0]);
  return Array.from({ length: rows }, (_, row) => W_E.at(row)).every((row) =>
    Math.abs(row.mean().item()) <= CENTRED * row.abs().mean().item()
  );
}

const isZero = (tensor: Tensor) => !tensor.ne(0).any().item();

const STEPS: readonly Step[] = [
  {
    step: "fold_value_biases",
    points: /\.attn\.hook_(v|z|result)$/,
    effect: "folding takes the value biases out of it",
    isIn({ b_V, b_O }) {
      if (!isZero(b_V)) return false;
      // Without a bias behind them there were none to fold.
      return isZero(b_O) ? undefined : true;
    },
  },
  {
    step: "center_writing_weights",
    points: /(^|\.)hook_(resid_(pre|mid|post)|attn_out|mlp_out|embed|pos_embed)$/,
    effect: "centring takes its mean over dModel out of it",
    isIn(model) {
      const centres = model.cfg.normalizationType?.startsWith("LN") ?? false;
      return centres ? isCentred(model) : undefined;
    },
  },
  {
    step: "fold_ln",
    points: /\.mlp\.hook_in$/,
    effect: "folding takes the norm's weights out of it",
    isIn: ({ cfg }) => cfg.normalizationType?.endsWith("Pre") ?? undefined,
  },
];

/**
 * Compares how a model's weights were processed with what an SAE says of those it was trained on (`model_from_pretrained_kwargs`:
 * what SAELens loads the unprocessed model with). An SAE that says nothing is taken to fit.
 *
 * @returns The steps that change what the SAE's points hold, and that only one of the two has.
 */
export function processingDifferences(
  model: ProcessedModel,
  sae: HookedSAE,
): ProcessingDifference[] {
  const { hookName, hookNameOut = hookName, metadata } = sae.cfg;
  const declared = metadata.modelFromPretrainedKwargs;
  if (declared === undefined) return [];
  return STEPS.flatMap(({ step, points, effect, isIn }) => {
    const point = [hookName, hookNameOut].find((name) => points.test(name));
    if (point === undefined) return [];
    const isInTraining = declared[step] === true;
    const isInModel = isIn(model);
    if (isInModel === undefined || isInModel === isInTraining) return [];
    return [{ step, point, isInTraining, isInModel, effect }];
  });
}

/** What folding the value biases takes out of a layer's `hook_z`: `b_V + b_ln1 W_V` [head * dHead]. */
function foldedValueBiases(model: ProcessedModel, layer: number): Tensor {
  const { nHeads, dHead } = model.cfg;
  const { attn } = model.blocks[layer];
  const [nValues] = attn.W_V.shape;
  const norm = model.stateDict().get(`blocks.${layer}.ln1.b`);
  const fromNorm = norm ? norm.matmul(attn.W_V).reshape(nValues, dHead) : 0;
  // Query heads share their group's values.
  const byGroup = attn.b_V.add(fromNorm).reshape(nValues, 1, dHead);
  return byGroup.expand(nValues, nHeads / nValues, dHead).reshape(nHeads * dHead);
}

/**
 * Makes an SAE of `hook_z` fit a model whose value biases are folded where those in training weren't, or the other way round. It
 * computes the same codes then, exactly: a pattern's rows sum to 1, so the biases are a constant of `z`.
 *
 * @param model Where the SAE is to be spliced in.
 * @param sae The SAE; left as it is.
 * @param unprocessed The same model unprocessed, when `model` has lost its biases.
 * @throws {ConfigError} If they differ in something else, or the biases can't be told.
 */
export function rebasedSae(
  model: ProcessedModel,
  sae: HookedSAE,
  unprocessed: ProcessedModel | undefined,
): HookedSAE {
  const differences = processingDifferences(model, sae);
  const other = differences.find(({ step }) => step !== "fold_value_biases");
  if (other) {
    throw new ConfigError(
      `Cannot rebase ${sae}: ${other.point} differs by ${other.step}, which loses what can't be had back. ` +
        "Load the model as the SAE says, with fromPretrainedNoProcessing(name, options of sae.cfg.metadata.modelFromPretrainedKwargs).",
    );
  }
  const rebased = sae.clone();
  const [difference] = differences;
  if (!difference) return rebased;
  const origin = difference.isInModel ? unprocessed : model;
  if (!origin || isZero(origin.b_V)) {
    throw new ConfigError(
      `Cannot rebase ${sae}: this model's value biases are folded and can't be told any more; pass the unprocessed model too.`,
    );
  }
  const layer = Number(/^blocks\.(\d+)\./.exec(difference.point)?.[1]);
  const biases = foldedValueBiases(origin, layer);
  rebased.foldActivationShift(difference.isInTraining ? biases : biases.neg());
  const { metadata } = rebased.cfg;
  const modelFromPretrainedKwargs = {
    ...metadata.modelFromPretrainedKwargs,
    fold_value_biases: difference.isInModel,
  };
  rebased.cfg = { ...rebased.cfg, metadata: { ...metadata, modelFromPretrainedKwargs } };
  return rebased;
}
