/**
 * The parameters of a transformer: TransformerLens' names and shapes.
 *
 * @module
 */

import type { HookedTransformerConfig } from "./config.ts";

type Shapes = Record<string, readonly number[]>;

/** Whether a parameter is a bias, of a matrix or of a norm. */
export function isBias(name: string): boolean {
  return /\._?b(_\w+)?$/.test(name);
}

/** Whether a parameter is what a norm multiplies by. */
export function isNormWeight(name: string): boolean {
  return name.endsWith(".w");
}

function normShapes(name: string, length: number, hasBias: boolean): Shapes {
  return { [`${name}.w`]: [length], ...(hasBias ? { [`${name}.b`]: [length] } : {}) };
}

/** A norm that is folded into what reads from it has no parameters. */
function readingNorm(cfg: HookedTransformerConfig, name: string): Shapes {
  const { normalizationType, dModel } = cfg;
  const isFinalRms = name === "ln_final" && cfg.finalRms;
  const hasWeight = normalizationType === "LN" || normalizationType === "RMS";
  return hasWeight ? normShapes(name, dModel, normalizationType === "LN" && !isFinalRms) : {};
}

function postNorm(cfg: HookedTransformerConfig, name: string): Shapes {
  if (!cfg.useNormalizationBeforeAndAfter) return {};
  return normShapes(name, cfg.dModel, !cfg.normalizationType?.startsWith("RMS"));
}

function attentionShapes(cfg: HookedTransformerConfig, attn: string): Shapes {
  const { dModel, dHead, nHeads, nKeyValueHeads, useQkNorm } = cfg;
  const byHead = (letter: string, heads: number, mark = ""): Shapes => ({
    [`${attn}.${mark}W_${letter}`]: [heads, dModel, dHead],
    [`${attn}.${mark}b_${letter}`]: [heads, dHead],
  });
  const mark = nKeyValueHeads === null ? "" : "_";
  return {
    ...byHead("Q", nHeads),
    ...byHead("K", nKeyValueHeads ?? nHeads, mark),
    ...byHead("V", nKeyValueHeads ?? nHeads, mark),
    [`${attn}.W_O`]: [nHeads, dHead, dModel],
    [`${attn}.b_O`]: [dModel],
    ...(useQkNorm ? normShapes(`${attn}.q_norm`, dHead, false) : {}),
    ...(useQkNorm ? normShapes(`${attn}.k_norm`, dHead, false) : {}),
  };
}

function mlpShapes(cfg: HookedTransformerConfig, mlp: string): Shapes {
  const { dModel, gatedMlp, actFn, normalizationType } = cfg;
  const dMlp = cfg.dMlp ?? 0;
  const hasNorm = actFn?.endsWith("_ln") && normalizationType === "LN";
  return {
    [`${mlp}.W_in`]: [dModel, dMlp],
    ...(gatedMlp ? { [`${mlp}.W_gate`]: [dModel, dMlp] } : {}),
    [`${mlp}.b_in`]: [dMlp],
    [`${mlp}.W_out`]: [dMlp, dModel],
    [`${mlp}.b_out`]: [dModel],
    ...(hasNorm ? normShapes(`${mlp}.ln`, dMlp, true) : {}),
  };
}

function blockShapes(cfg: HookedTransformerConfig, layer: number): Shapes {
  const block = `blocks.${layer}`;
  return {
    ...readingNorm(cfg, `${block}.ln1`),
    ...attentionShapes(cfg, `${block}.attn`),
    ...postNorm(cfg, `${block}.ln1_post`),
    ...(cfg.attnOnly ? {} : {
      ...readingNorm(cfg, `${block}.ln2`),
      ...mlpShapes(cfg, `${block}.mlp`),
      ...postNorm(cfg, `${block}.ln2_post`),
    }),
  };
}

/** The shape of every parameter of a model, by name. */
export function parameterShapes(
  cfg: HookedTransformerConfig,
): ReadonlyMap<string, readonly number[]> {
  const { dModel, dVocab, dVocabOut, nCtx, postEmbeddingLn, positionalEmbeddingType } = cfg;
  const hasPositions = ["standard", "shortformer"].includes(positionalEmbeddingType);
  const blocks = Array.from({ length: cfg.nLayers }, (_, layer) => blockShapes(cfg, layer));
  return new Map(Object.entries({
    "embed.W_E": [dVocab, dModel],
    ...(postEmbeddingLn ? normShapes("embed.ln", dModel, true) : {}),
    ...(hasPositions ? { "pos_embed.W_pos": [nCtx, dModel] } : {}),
    ...Object.assign({}, ...blocks) as Shapes,
    ...readingNorm(cfg, "ln_final"),
    "unembed.W_U": [dModel, dVocabOut],
    "unembed.b_U": [dVocabOut],
  }));
}
