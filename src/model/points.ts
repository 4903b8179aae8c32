/**
 * The hook points of a transformer, in the order in which they fire.
 *
 * @module
 */

import type { PointInfo, PointSwitch } from "../hooks/points.ts";
import type { HookedTransformerConfig } from "./config.ts";

/** The names of a norm's points. */
export interface NormNames {
  readonly scale: string;
  readonly normalized: string;
}

/** The names of a block's points. */
export interface BlockNames {
  readonly residPre: string;
  readonly attnIn: string;
  readonly input: { readonly q: string; readonly k: string; readonly v: string };
  readonly ln1: NormNames;
  readonly q: string;
  readonly k: string;
  readonly v: string;
  readonly scores: string;
  readonly pattern: string;
  readonly z: string;
  readonly result: string;
  readonly attnOut: string;
  readonly residMid: string;
  readonly mlpIn: string;
  readonly ln2: NormNames;
  readonly mlpHookIn: string;
  readonly pre: string;
  readonly post: string;
  readonly mlpOut: string;
  readonly residPost: string;
}

/** The names of the points outside the blocks. */
export const ROOT_NAMES = {
  embed: "hook_embed",
  posEmbed: "hook_pos_embed",
  lnFinal: { scale: "ln_final.hook_scale", normalized: "ln_final.hook_normalized" },
  unembedIn: "unembed.hook_in",
  unembedOut: "unembed.hook_out",
} as const;

function normNames(prefix: string): NormNames {
  return { scale: `${prefix}.hook_scale`, normalized: `${prefix}.hook_normalized` };
}

/** The names of block `layer`'s points. */
export function blockNames(layer: number): BlockNames {
  const b = `blocks.${layer}`;
  return {
    residPre: `${b}.hook_resid_pre`,
    attnIn: `${b}.hook_attn_in`,
    input: { q: `${b}.hook_q_input`, k: `${b}.hook_k_input`, v: `${b}.hook_v_input` },
    ln1: normNames(`${b}.ln1`),
    q: `${b}.attn.hook_q`,
    k: `${b}.attn.hook_k`,
    v: `${b}.attn.hook_v`,
    scores: `${b}.attn.hook_attn_scores`,
    pattern: `${b}.attn.hook_pattern`,
    z: `${b}.attn.hook_z`,
    result: `${b}.attn.hook_result`,
    attnOut: `${b}.hook_attn_out`,
    residMid: `${b}.hook_resid_mid`,
    mlpIn: `${b}.hook_mlp_in`,
    ln2: normNames(`${b}.ln2`),
    mlpHookIn: `${b}.mlp.hook_in`,
    pre: `${b}.mlp.hook_pre`,
    post: `${b}.mlp.hook_post`,
    mlpOut: `${b}.hook_mlp_out`,
    residPost: `${b}.hook_resid_post`,
  };
}

/** The stages of a block. */
export const BLOCK_STAGES = ["attn_in", "attn_out", "mlp_in", "mlp_out"] as const;

/** The names of a model's stages in order: `embed`, `0.attn_in` …, `unembed`. */
export function stageNames(nLayers: number): string[] {
  const blocks = Array.from({ length: nLayers }, (_, l) => BLOCK_STAGES.map((s) => `${l}.${s}`));
  return ["embed", ...blocks.flat(), "unembed"];
}

/** The place of a block's first stage in the order of stages. */
export function firstStage(layer: number): number {
  return 1 + layer * BLOCK_STAGES.length;
}

const RESID = ["batch", "pos", "dModel"];
const BY_HEAD = ["batch", "pos", "head", "dHead"];
const HEAD_RESID = ["batch", "pos", "head", "dModel"];
const SCORES = ["batch", "head", "query", "key"];
const MLP = ["batch", "pos", "dMlp"];
const SCALE = ["batch", "pos", "1"];

function blockPoints(
  cfg: HookedTransformerConfig,
  layer: number,
  hasMlpHookIn: boolean,
): PointInfo[] {
  const n = blockNames(layer);
  const first = firstStage(layer);
  const point = (
    stage: number,
    name: string,
    axes: readonly string[],
    gate?: PointSwitch,
  ): PointInfo => ({ name, axes, stage: first + stage, gate });
  const attention = [
    point(0, n.residPre, RESID),
    point(0, n.attnIn, HEAD_RESID, "useAttnIn"),
    point(0, n.input.q, HEAD_RESID, "useSplitQkvInput"),
    point(0, n.input.k, HEAD_RESID, "useSplitQkvInput"),
    point(0, n.input.v, HEAD_RESID, "useSplitQkvInput"),
    point(0, n.ln1.scale, SCALE),
    point(0, n.ln1.normalized, RESID),
    point(0, n.q, BY_HEAD),
    point(0, n.k, BY_HEAD),
    point(0, n.v, BY_HEAD),
    point(1, n.scores, SCORES),
    point(1, n.pattern, SCORES),
    point(1, n.z, BY_HEAD),
    point(1, n.result, HEAD_RESID, "useAttnResult"),
    point(1, n.attnOut, RESID),
  ];
  if (cfg.attnOnly) return [...attention, point(3, n.residPost, RESID)];
  return [
    ...attention,
    point(2, n.residMid, RESID),
    point(2, n.mlpIn, RESID, "useHookMlpIn"),
    point(2, n.ln2.scale, SCALE),
    point(2, n.ln2.normalized, RESID),
    ...(hasMlpHookIn ? [point(2, n.mlpHookIn, RESID)] : []),
    point(2, n.pre, MLP),
    point(2, n.post, MLP),
    point(3, n.mlpOut, RESID),
    point(3, n.residPost, RESID),
  ];
}

/**
 * The point table of a model.
 *
 * @param cfg The model's configuration.
 * @param hasMlpHookIn Whether `mlp.hook_in` exists, as it does on SAELens' transformer alone.
 */
export function modelPoints(cfg: HookedTransformerConfig, hasMlpHookIn: boolean): PointInfo[] {
  const last = firstStage(cfg.nLayers);
  const blocks = Array.from({ length: cfg.nLayers }, (_, l) => blockPoints(cfg, l, hasMlpHookIn));
  const isNorm = ({ name }: PointInfo) => /(^|\.)ln(1|2|_final)\./.test(name);
  const points: PointInfo[] = [
    { name: ROOT_NAMES.embed, axes: RESID, stage: 0 },
    { name: ROOT_NAMES.posEmbed, axes: RESID, stage: 0 },
    ...blocks.flat(),
    { name: ROOT_NAMES.lnFinal.scale, axes: SCALE, stage: last },
    { name: ROOT_NAMES.lnFinal.normalized, axes: RESID, stage: last },
    { name: ROOT_NAMES.unembedIn, axes: RESID, stage: last },
    { name: ROOT_NAMES.unembedOut, axes: ["batch", "pos", "dVocab"], stage: last },
  ];
  return cfg.normalizationType === null ? points.filter((point) => !isNorm(point)) : points;
}
