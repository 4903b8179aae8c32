/**
 * The hook points of a transformer, in the order in which they fire.
 *
 * @module
 */

import { JOINED_AXES, type PointInfo, type PointSwitch } from "../hooks/points.ts";
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
  readonly qNorm: NormNames;
  readonly kNorm: NormNames;
  readonly attnInput: string;
  readonly rotQ: string;
  readonly rotK: string;
  readonly scores: string;
  readonly pattern: string;
  readonly z: string;
  readonly result: string;
  readonly ln1Post: NormNames;
  readonly attnOut: string;
  readonly residMid: string;
  readonly mlpIn: string;
  readonly ln2: NormNames;
  readonly mlpHookIn: string;
  readonly pre: string;
  readonly preLinear: string;
  readonly mid: string;
  readonly mlpLn: NormNames;
  readonly post: string;
  readonly ln2Post: NormNames;
  readonly mlpOut: string;
  readonly residPost: string;
}

/** The names of the points outside the blocks. */
export const ROOT_NAMES = {
  embedLn: { scale: "embed.ln.hook_scale", normalized: "embed.ln.hook_normalized" },
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
    qNorm: normNames(`${b}.attn.q_norm`),
    kNorm: normNames(`${b}.attn.k_norm`),
    attnInput: `${b}.attn.hook_attn_input`,
    rotQ: `${b}.attn.hook_rot_q`,
    rotK: `${b}.attn.hook_rot_k`,
    scores: `${b}.attn.hook_attn_scores`,
    pattern: `${b}.attn.hook_pattern`,
    z: `${b}.attn.hook_z`,
    result: `${b}.attn.hook_result`,
    ln1Post: normNames(`${b}.ln1_post`),
    attnOut: `${b}.hook_attn_out`,
    residMid: `${b}.hook_resid_mid`,
    mlpIn: `${b}.hook_mlp_in`,
    ln2: normNames(`${b}.ln2`),
    mlpHookIn: `${b}.mlp.hook_in`,
    pre: `${b}.mlp.hook_pre`,
    preLinear: `${b}.mlp.hook_pre_linear`,
    mid: `${b}.mlp.hook_mid`,
    mlpLn: normNames(`${b}.mlp.ln`),
    post: `${b}.mlp.hook_post`,
    ln2Post: normNames(`${b}.ln2_post`),
    mlpOut: `${b}.hook_mlp_out`,
    residPost: `${b}.hook_resid_post`,
  };
}

/** The stages of a block. */
const BLOCK_STAGES = ["attn_in", "attn_out", "mlp_in", "mlp_out"] as const;

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

/** Makes a point of a stage. */
type MakePoint = (
  name: string,
  axes: readonly string[],
  rest?: Pick<PointInfo, "gate" | "never">,
) => PointInfo;

function gated(gate: PointSwitch): { gate: PointSwitch } {
  return { gate };
}

function normPoints(
  point: MakePoint,
  { scale, normalized }: NormNames,
  axes: readonly string[],
): PointInfo[] {
  return [point(scale, [...axes.slice(0, -1), "1"]), point(normalized, axes)];
}

/** The points of the first stage: from the residual stream to queries, keys and values. */
function inputPoints(cfg: HookedTransformerConfig, n: BlockNames, point: MakePoint): PointInfo[] {
  return [
    point(n.residPre, RESID),
    point(n.attnIn, HEAD_RESID, gated("useAttnIn")),
    ...[n.input.q, n.input.k, n.input.v].map((name) =>
      point(name, HEAD_RESID, gated("useSplitQkvInput"))
    ),
    ...normPoints(point, n.ln1, RESID),
    ...[n.q, n.k, n.v].map((name) => point(name, BY_HEAD)),
    ...(cfg.useQkNorm
      ? [n.qNorm, n.kNorm].flatMap((names) => normPoints(point, names, JOINED_AXES))
      : []),
    ...(cfg.positionalEmbeddingType === "rotary"
      ? [point(n.rotQ, BY_HEAD), point(n.rotK, BY_HEAD)]
      : []),
    ...(cfg.positionalEmbeddingType === "shortformer"
      ? [point(n.attnInput, RESID, {
        never: "TransformerLens has it and passes nothing through it",
      })]
      : []),
  ];
}

/** The points of the second stage: from scores to what attention adds. */
function attentionPoints(
  cfg: HookedTransformerConfig,
  n: BlockNames,
  point: MakePoint,
): PointInfo[] {
  return [
    point(n.scores, SCORES),
    point(n.pattern, SCORES),
    point(n.z, BY_HEAD),
    point(n.result, HEAD_RESID, gated("useAttnResult")),
    ...(cfg.useNormalizationBeforeAndAfter ? normPoints(point, n.ln1Post, RESID) : []),
    point(n.attnOut, RESID),
  ];
}

/** The points of the third stage: from the residual stream to the neurons. */
function neuronPoints(
  cfg: HookedTransformerConfig,
  n: BlockNames,
  point: MakePoint,
  hasMlpHookIn: boolean,
): PointInfo[] {
  return [
    ...(cfg.parallelAttnMlp ? [] : [point(n.residMid, RESID)]),
    point(n.mlpIn, RESID, gated("useHookMlpIn")),
    ...normPoints(point, n.ln2, RESID),
    ...(hasMlpHookIn ? [point(n.mlpHookIn, RESID)] : []),
    point(n.pre, MLP),
    ...(cfg.gatedMlp ? [point(n.preLinear, MLP)] : []),
    ...(cfg.actFn?.endsWith("_ln") ? [point(n.mid, MLP), ...normPoints(point, n.mlpLn, MLP)] : []),
    point(n.post, MLP),
  ];
}

function blockPoints(
  cfg: HookedTransformerConfig,
  layer: number,
  hasMlpHookIn: boolean,
): PointInfo[] {
  const n = blockNames(layer);
  const first = firstStage(layer);
  const at = (stage: number): MakePoint => (name, axes, rest = {}) => ({
    name,
    axes,
    stage: first + stage,
    ...rest,
  });
  const attention = [...inputPoints(cfg, n, at(0)), ...attentionPoints(cfg, n, at(1))];
  if (cfg.attnOnly) {
    const never = "the model has no MLPs";
    return [
      ...attention,
      at(2)(n.mlpIn, RESID, { gate: "useHookMlpIn", never }),
      at(3)(n.mlpOut, RESID, { never }),
      at(3)(n.residPost, RESID),
    ];
  }
  return [
    ...attention,
    ...neuronPoints(cfg, n, at(2), hasMlpHookIn),
    ...(cfg.useNormalizationBeforeAndAfter ? normPoints(at(3), n.ln2Post, RESID) : []),
    at(3)(n.mlpOut, RESID),
    at(3)(n.residPost, RESID),
  ];
}

/** The points before the blocks. */
function embeddingPoints(cfg: HookedTransformerConfig): PointInfo[] {
  const point: MakePoint = (name, axes, rest = {}) => ({ name, axes, stage: 0, ...rest });
  const never = "positions are added to attention scores, not to the residual stream";
  const isAlibi = cfg.positionalEmbeddingType === "alibi";
  return [
    ...(cfg.postEmbeddingLn ? normPoints(point, ROOT_NAMES.embedLn, RESID) : []),
    point(ROOT_NAMES.embed, RESID),
    ...(cfg.positionalEmbeddingType === "rotary"
      ? []
      : [point(ROOT_NAMES.posEmbed, RESID, isAlibi ? { never } : {})]),
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
    ...embeddingPoints(cfg),
    ...blocks.flat(),
    { name: ROOT_NAMES.lnFinal.scale, axes: SCALE, stage: last },
    { name: ROOT_NAMES.lnFinal.normalized, axes: RESID, stage: last },
    { name: ROOT_NAMES.unembedIn, axes: RESID, stage: last },
    { name: ROOT_NAMES.unembedOut, axes: ["batch", "pos", "dVocab"], stage: last },
  ];
  return cfg.normalizationType === null ? points.filter((point) => !isNorm(point)) : points;
}
