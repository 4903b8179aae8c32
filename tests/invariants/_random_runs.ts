/** Random models, SAEs and inputs for properties that hold of all runs. */

import {
  HookedSAE,
  HookedSAETransformer,
  type HookFunction,
  type HookSpec,
  Tensor,
} from "../../mod.ts";
import type { uniform } from "../../src/core/random.ts";

/** Uniform numbers in [0, 1). */
export type Random = ReturnType<typeof uniform>;

/** A whole number below n. */
export const below = (random: Random, n: number) => Math.floor(random() * n);
/** One of a list. */
export const pick = <T>(random: Random, items: readonly T[]): T =>
  items[below(random, items.length)];

/** The bits of a float32 tensor. */
export function bits(tensor: Tensor): Uint32Array {
  return new Uint32Array(tensor.data().buffer);
}

/** A small model of three layers. */
export function randomModel(random: Random, seed: number): HookedSAETransformer {
  const nHeads = pick(random, [1, 2, 3]);
  const dHead = pick(random, [4, 5, 8]);
  return new HookedSAETransformer({
    nLayers: 3,
    dModel: nHeads * dHead,
    dHead,
    nHeads,
    nCtx: 16,
    dVocab: 23,
    dMlp: pick(random, [9, 16, 33]),
    actFn: pick(random, ["gelu_new", "relu", "silu"] as const),
    normalizationType: pick(random, ["LN", "LNPre"] as const),
    initializerRange: 0.4,
    seed,
  });
}

/** Kinds of SAEs: row by row, in many steps, and over positions. */
const KINDS = [
  { architecture: "standard" },
  { architecture: "topk", k: 4 },
  { architecture: "jumprelu" },
  { architecture: "abstopk", k: 3 },
  { architecture: "matching_pursuit", maxIterations: 4 },
  { architecture: "temporal", nHeads: 2, bottleneckFactor: 5, kvalTopk: 4 },
] as const;

/** Where the models' SAEs sit. */
export function saeSites({ cfg }: HookedSAETransformer) {
  return [
    { hookName: "blocks.0.attn.hook_z", dIn: cfg.nHeads * cfg.dHead, reshapeActivations: "hook_z" },
    { hookName: "blocks.1.hook_resid_pre", dIn: cfg.dModel, normalizeActivations: "layer_norm" },
    { hookName: "blocks.1.attn.hook_z", dIn: cfg.nHeads * cfg.dHead, reshapeActivations: "hook_z" },
    { hookName: "blocks.2.hook_mlp_out", dIn: cfg.dModel },
    { hookName: "blocks.2.hook_resid_post", dIn: cfg.dModel },
  ] as const;
}

/** An SAE of some kind at a site. */
export function randomSae(
  random: Random,
  site: ReturnType<typeof saeSites>[number],
  seed: number,
): HookedSAE {
  const kind = pick(random, KINDS);
  const useErrorTerm = random() < 0.5;
  return new HookedSAE({ ...site, ...kind, dSae: 20, useErrorTerm, seed });
}

/** SAEs at some of a model's points. */
export function randomSaes(
  random: Random,
  model: HookedSAETransformer,
  seed: number,
): HookedSAE[] {
  return saeSites(model).filter(() => random() < 0.35)
    .map((site, i) => randomSae(random, site, seed + i));
}

/**
 * The names of the points that a run with these SAEs passes, scores aside, whose masked cells are -inf.
 *
 * @param never Points that never fire in models of this kind.
 */
export function editablePoints(
  model: HookedSAETransformer,
  saes: readonly HookedSAE[],
  never?: RegExp,
): string[] {
  using _saes = model.saes(saes);
  // The error node fires with the error term alone.
  const withError = new Set(saes.filter((sae) => sae.useErrorTerm).map((sae) => sae.cfg.hookName));
  const isSilent = new Set(
    saes.filter((sae) => sae.cfg.architecture === "matching_pursuit")
      .map((sae) => `${sae.cfg.hookName}.hook_sae_acts_pre`),
  );
  return [...model.hookDict.keys()].filter((name) =>
    !name.endsWith("hook_attn_scores") && !isSilent.has(name) && !never?.test(name) &&
    (!name.endsWith("hook_sae_error") || withError.has(name.replace(".hook_sae_error", "")))
  );
}

/** An edit somewhere in a value of this shape: a cell, a position, everything, nothing, or a replacement. */
function randomEdit(random: Random): HookFunction {
  const [kind, a, b, c] = [below(random, 6), random(), random(), random() * 2 - 1];
  return (act) => {
    const [batch, axis] = [Math.floor(a * act.shape[0]), Math.floor(b * act.shape[1])];
    switch (kind) {
      case 0:
        act.set([batch, axis], c);
        return;
      case 1:
        act.set([":", axis], 0);
        return;
      case 2: {
        const cell = [batch, axis, 0].slice(0, act.rank);
        act.set(cell, act.at(...cell).mul(1 + c));
        return act;
      }
      case 3:
        return;
      case 4:
        return act.clone();
      default:
        return act.at("...", ":").mul(1 + 0.1 * c);
    }
  };
}

/** Hooks at some of the points that a run with these SAEs passes. */
export function randomHooks(
  random: Random,
  model: HookedSAETransformer,
  saes: readonly HookedSAE[],
  never?: RegExp,
): HookSpec[] {
  const names = editablePoints(model, saes, never);
  return Array.from(
    { length: below(random, 4) },
    (): HookSpec => [pick(random, names), randomEdit(random)],
  );
}

/** Some prompts, now and then padded on the left. */
export function randomTokens(
  random: Random,
): { tokens: Tensor; attentionMask: number[][] | undefined } {
  const [batch, nPos] = [1 + below(random, 4), 2 + below(random, 9)];
  const tokens = Tensor.from(Int32Array.from({ length: batch * nPos }, () => below(random, 23)), [
    batch,
    nPos,
  ]);
  if (random() < 0.7) return { tokens, attentionMask: undefined };
  const pads = Array.from({ length: batch }, () => below(random, nPos));
  return {
    tokens,
    attentionMask: pads.map((n) => Array.from({ length: nPos }, (_, p) => (p < n ? 0 : 1))),
  };
}
