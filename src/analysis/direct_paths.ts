/**
 * Direct paths between heads: what one head's output does to a later head's queries, keys or values, and to nothing else.
 *
 * @module
 */

import { requireOneOf } from "../core/errors.ts";
import { Slice } from "../core/slice.ts";
import { Tensor } from "../core/tensor.ts";
import { getActName } from "../hooks/act_name.ts";
import type { ActivationCache } from "../hooks/activation_cache.ts";
import { headResults } from "../hooks/residual_stacks.ts";
import type { HookedTransformer } from "../session/hooked_transformer.ts";
import type { ModelInput } from "../session/input.ts";
import { paddedTo, type PatchingMetric, type PatchingOptions, scalarOf } from "./_metric.ts";

/** What of the later head is reached: its queries, its keys or its values. */
export type PathComponent = "q" | "k" | "v";

/** Options of {@linkcode getActPatchDirectPath}. */
export interface DirectPathOptions extends PatchingOptions {
  /** What of the later head is reached; its queries unless said. */
  component?: PathComponent;
}

/** What a head's output changes from one run to another, [batch, pos, dModel]. */
function headChange(
  model: HookedTransformer,
  clean: ActivationCache,
  corrupted: ActivationCache,
  layer: number,
  head: number,
): Tensor {
  const [to, from] = [clean, corrupted].map((cache) =>
    headResults(cache, model, layer, new Slice()).at(head)
  );
  const change = to.sub(from);
  return change.rank === 2 ? change.unsqueeze(0) : change;
}

/** A change of the residual stream behind a layer's first norm, whose scale stays as it was: [batch, pos, dModel]. */
function normed(
  { cfg, blocks }: HookedTransformer,
  corrupted: ActivationCache,
  change: Tensor,
  layer: number,
): Tensor {
  if (cfg.normalizationType === null) return change;
  const isCentered = cfg.normalizationType.startsWith("LN");
  const centered = isCentered ? change.sub(change.mean(-1, { keepdim: true })) : change;
  const scaled = centered.div(corrupted.get("scale", layer, "ln1"));
  return cfg.normalizationType.endsWith("Pre") ? scaled : scaled.mul(blocks[layer].ln1.w);
}

/** The corrupted run's queries, keys or values of all heads of a layer, each with the change that reaches it: [batch, pos, head, dHead]. */
function reached(
  model: HookedTransformer,
  corrupted: ActivationCache,
  change: Tensor,
  layer: number,
  component: PathComponent,
): Tensor {
  const value = corrupted.get(component, layer);
  const all = model.blocks[layer].attn[`W_${component.toUpperCase()}` as "W_Q" | "W_K" | "W_V"];
  // Where a key or value serves several query heads, the weights may stand there once for each of these.
  const nHeads = value.shape[value.rank - 2];
  const weights = all.at(`::${all.shape[0] / nHeads}`);
  const added = normed(model, corrupted, change, layer).unsqueeze(1).matmul(weights);
  return value.add(added.permute(0, 2, 1, 3));
}

/**
 * Patches the direct path from one head to each later head: what the earlier head writes in the clean run instead of the corrupted one
 * is added to the later head's queries (or keys, or values) through the norm with its scale as it was, and reaches nothing else.
 *
 * @param model The model, without hooks in place.
 * @param corruptedTokens Tokens of the corrupted run [batch, pos], or its prompts.
 * @param cleanCache What the clean run cached: `z` of the earlier head's layer.
 * @param corruptedCache What the corrupted run cached: that, and `ln1`'s scale and the component of the later layers.
 * @param patchingMetric Reads a number off the logits of a patched run.
 * @param srcLayer The earlier head's layer.
 * @param srcHead The earlier head.
 * @returns [layer, head] of the later head; 0 up to the earlier one's layer.
 * @throws {RangeError} If there is no such head.
 * @throws {UnknownPointError} If a cache lacks what is needed.
 */
export function getActPatchDirectPath(
  model: HookedTransformer,
  corruptedTokens: ModelInput,
  cleanCache: ActivationCache,
  corruptedCache: ActivationCache,
  patchingMetric: PatchingMetric,
  srcLayer: number,
  srcHead: number,
  { component = "q", ...options }: DirectPathOptions = {},
): Tensor {
  requireOneOf("Cannot patch a path into", component, ["q", "k", "v"]);
  const { nLayers, nHeads } = model.cfg;
  if (
    ![srcLayer, srcHead].every(Number.isInteger) || srcLayer < 0 || srcLayer >= nLayers ||
    srcHead < 0 || srcHead >= nHeads
  ) {
    throw new RangeError(
      `There is no head ${srcLayer}.${srcHead}: the model has ${nLayers} layers of ${nHeads} heads.`,
    );
  }
  const layers = Array.from({ length: nLayers - srcLayer - 1 }, (_, i) => srcLayer + 1 + i);
  const before = Tensor.zeros([srcLayer + 1, nHeads]);
  if (layers.length === 0) return before;
  const change = headChange(model, cleanCache, corruptedCache, srcLayer, srcHead);
  const patched = new Map(layers.map((layer) => [
    getActName(component, layer),
    reached(model, corruptedCache, change, layer, component),
  ]));
  const [first] = patched.values();
  const later = model.sweep(corruptedTokens, {
    ...options,
    at: component,
    over: { layer: layers, head: Array.from({ length: first.shape[2] }, (_, head) => head) },
    edit: { patch: patched },
    metric: scalarOf(patchingMetric),
  });
  return Tensor.cat([before, paddedTo(nHeads, later)]);
}

/**
 * Patches the direct path from every head to every later head, as {@linkcode getActPatchDirectPath} does.
 *
 * @returns [layer, head, later layer, its head]; 0 where the layer isn't later.
 */
export function getActPatchDirectPathAllSources(
  model: HookedTransformer,
  corruptedTokens: ModelInput,
  cleanCache: ActivationCache,
  corruptedCache: ActivationCache,
  patchingMetric: PatchingMetric,
  { onProgress, ...options }: DirectPathOptions = {},
): Tensor {
  const { nLayers, nHeads } = model.cfg;
  const total = nLayers * nHeads;
  const results = Array.from({ length: total }, (_, i) => {
    const result = getActPatchDirectPath(
      model,
      corruptedTokens,
      cleanCache,
      corruptedCache,
      patchingMetric,
      Math.floor(i / nHeads),
      i % nHeads,
      options,
    );
    onProgress?.({ done: i + 1, total });
    return result;
  });
  return Tensor.stack(results).reshape(nLayers, nHeads, nLayers, nHeads);
}
