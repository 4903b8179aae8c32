/**
 * Attribution: what a change of an activation would do to a metric, to first order or along a path, from gradients instead of runs.
 *
 * @module
 */

import { ConfigError, ShapeError } from "../core/errors.ts";
import { dropOnFailure } from "../core/gradients.ts";
import { Tensor } from "../core/tensor.ts";
import { ActivationCache } from "../hooks/activation_cache.ts";
import type { HookedTransformer } from "../session/hooked_transformer.ts";
import type { ModelInput } from "../session/input.ts";
import type { ForwardOptions, NamesFilter } from "../session/options.ts";

/** A number read off the logits [batch, pos, dVocab], by operations that gradients go through. */
export type Metric = (logits: Tensor) => Tensor;

/** Options of the runs. */
export interface AttributionOptions
  extends Pick<ForwardOptions, "prependBos" | "paddingSide" | "attentionMask"> {
  /** At which points; at all unless said. */
  namesFilter?: NamesFilter;
}

/** Activations of a run with the gradients of a metric. */
export interface GradientCache {
  /** The activations. */
  readonly activations: ActivationCache;
  /** The gradients of the metric at the same points, of the same shapes; points without influence on it are left out. */
  readonly gradients: ActivationCache;
  /** The metric, a scalar. */
  readonly metric: Tensor;
}

function scalarOf(metric: Metric, logits: Tensor): Tensor {
  const value = metric(logits);
  if (value instanceof Tensor && value.size === 1) return value;
  throw new ShapeError(
    `Cannot attribute: the metric gave ${value}, expected one number, e.g. the mean over the batch.`,
  );
}

/**
 * Runs forward and backward once, and keeps activations and the metric's gradients at them.
 *
 * @param model The model; SAEs that are attached to it stay so.
 * @param input Prompts or tokens.
 * @param metric Reads a number off the logits.
 * @throws {ShapeError} If the metric isn't one number.
 * @throws {GradientError} If it doesn't depend on the activations.
 */
export function cacheActivationsAndGradients(
  model: HookedTransformer,
  input: ModelInput,
  metric: Metric,
  { namesFilter = () => true, ...options }: AttributionOptions = {},
): GradientCache {
  const watch = namesFilter ?? (() => true);
  const { activations, value } = dropOnFailure(() => {
    const [logits, activations] = model.runWithCache(input, { ...options, namesFilter, watch });
    const value = scalarOf(metric, logits);
    value.backward();
    return { activations, value };
  });
  const gradients = new Map<string, Tensor>();
  for (const [name, { grad }] of activations) if (grad) gradients.set(name, grad);
  return {
    activations,
    gradients: new ActivationCache(gradients, model),
    metric: value.detach(),
  };
}

/**
 * The first-order estimate of what replacing activations does: gradient times change, element by element. Summed over the axes of a
 * node (positions, heads, features) it is that node's attribution.
 *
 * @param gradient The metric's gradient at the activation.
 * @param from The activation where the gradient was taken.
 * @param to What would replace it, of a shape that broadcasts; 0 stands for ablation.
 */
export function nodeAttribution(gradient: Tensor, from: Tensor, to: Tensor | number = 0): Tensor {
  const change = typeof to === "number" ? from.neg().add(to) : to.sub(from);
  return gradient.mul(change);
}

/**
 * Attribution patching: estimates at every point at once what patching from a clean run would do to the metric of a corrupted one
 * (Nanda, Attribution Patching, 2023): (clean - corrupted) times the gradient on the corrupted run. Positive means that patching raises
 * the metric.
 *
 * @param model The model; SAEs that are attached to it stay so.
 * @param clean Prompts or tokens of the clean run, of the corrupted one's shape.
 * @param corrupted Prompts or tokens of the corrupted run.
 * @param metric Reads a number off the logits.
 * @returns The attribution of each element of each activation, by the points' names.
 * @throws {ShapeError} If the runs have other shapes, or the metric isn't one number.
 */
export function attributionPatch(
  model: HookedTransformer,
  clean: ModelInput,
  corrupted: ModelInput,
  metric: Metric,
  options: AttributionOptions = {},
): ActivationCache {
  const run = cacheActivationsAndGradients(model, corrupted, metric, options);
  const { namesFilter: _, ...forward } = options;
  const names = [...run.gradients.keys()];
  const [, cleanCache] = model.runWithCache(clean, {
    ...forward,
    returnType: null,
    namesFilter: names.filter((name) => name !== "unembed.hook_out"),
  });
  const attributions = new Map<string, Tensor>();
  for (const name of cleanCache.keys()) {
    const [from, to] = [run.activations.get(name), cleanCache.get(name)];
    if (from.shape.join() !== to.shape.join()) {
      throw new ShapeError(
        `Cannot attribute "${name}": it is [${to.shape.join(", ")}] in the clean run and [${
          from.shape.join(", ")
        }] in the corrupted one.`,
      );
    }
    attributions.set(name, nodeAttribution(run.gradients.get(name), from, to));
  }
  return new ActivationCache(attributions, model);
}

/** Options of {@linkcode integratedGradients}. */
export interface IntegratedGradientsOptions extends Omit<AttributionOptions, "namesFilter"> {
  /** Where the path begins, of a shape that broadcasts to the activation's; 0 unless said. */
  baseline?: Tensor | number;
  /** At how many places of the path the gradient is taken, in the middle of as many parts; 10 unless said. */
  steps?: number;
}

/**
 * Integrated gradients (Sundararajan et al. 2017): the change of an activation from a baseline, times the mean gradient on the straight
 * way there. Over all elements the attributions sum to what the change does to the metric, up to the steps' coarseness.
 *
 * @param model The model; SAEs that are attached to it stay so.
 * @param input Prompts or tokens.
 * @param at The hook point, such as an SAE's codes.
 * @param metric Reads a number off the logits.
 * @returns The attribution of each element of the activation.
 * @throws {ShapeError} If the metric isn't one number, or the baseline doesn't broadcast.
 * @throws {ConfigError} If `steps` isn't a positive whole number.
 */
export function integratedGradients(
  model: HookedTransformer,
  input: ModelInput,
  at: string,
  metric: Metric,
  { baseline = 0, steps = 10, ...options }: IntegratedGradientsOptions = {},
): Tensor {
  if (!Number.isInteger(steps) || steps < 1) {
    throw new ConfigError(`Cannot integrate in ${steps} steps: expected a positive whole number.`);
  }
  const [, cache] = model.runWithCache(input, { ...options, returnType: null, namesFilter: at });
  const activation = cache.get(at);
  const change = activation.sub(baseline);
  let sum = Tensor.zeros(activation.shape);
  for (let step = 0; step < steps; step++) {
    const point = change.mul((step + 0.5) / steps).add(baseline);
    using _hooks = model.hooks({
      fwdHooks: [[at, () => point]],
      bwdHooks: [[at, (gradient) => {
        sum = sum.add(gradient);
      }]],
    });
    dropOnFailure(() => scalarOf(metric, model.forward(input, options)).backward());
  }
  return change.mul(sum.div(steps));
}
