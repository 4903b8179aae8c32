/**
 * Caching or observing a point leaves the logits' bits as they are; an edit that changes nothing does too; every point fires,
 * and an edit there moves the logits.
 */

import { assert, assertEquals } from "@std/assert";
import { type HookPoint, type HookedSAETransformer, Tensor } from "../../mod.ts";
import { assertSameBits, differs, tinyModel, tinySae, TOKENS } from "../session/_models.ts";

type Saes = { saes: ReturnType<typeof tinySae>[]; useErrorTerm: boolean };

/** How a model is looked at: alone, with SAEs on it, with SAEs and their error terms, with its switches on. */
const SETTINGS: Record<string, (model: HookedSAETransformer) => void> = {
  "a plain model": () => {},
  "a model with SAEs": (model) => attach(model, false),
  "a model with SAEs and error terms": (model) => attach(model, true),
  "a model with all switches": (model) => {
    model.setUseAttnResult(true);
    model.setUseSplitQkvInput(true);
    model.setUseAttnIn(true);
    model.setUseHookMlpIn(true);
  },
};

function attach(model: HookedSAETransformer, useErrorTerm: boolean): void {
  const points = ["blocks.0.attn.hook_z", "blocks.1.hook_resid_pre", "blocks.1.hook_mlp_out"];
  for (const point of points) model.addSae(tinySae(point), { useErrorTerm });
}

/** A point that never fires, with the reason. */
function neverFires(model: HookedSAETransformer, name: string): string | undefined {
  const hasErrorTerm = model.hookDict.has(name) && [...model.actsToSaes.values()].length > 0 && ERRORS.has(model);
  if (name.endsWith(".hook_sae_error") && !hasErrorTerm) return "there is no error term";
  // TransformerLens: with the split, the inputs of queries, keys and values come from the stream itself.
  if (name.endsWith(".hook_attn_in") && model.cfg.useSplitQkvInput) return "the split inputs take its place";
  return undefined;
}
