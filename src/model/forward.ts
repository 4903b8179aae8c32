/**
 * The forward pass: stages in order, each over the rows of the pass.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import type { Rows } from "../core/rows.ts";
import { copyIn, scoped } from "../core/scope.ts";
import { ACTIVATION } from "../core/tensor.ts";
import { attnMix, attnOut, type KeysInView } from "./attention.ts";
import { attnIn } from "./attention_input.ts";
import { type HookedTransformerConfig, keyHeads } from "./config.ts";
import type { PastKeys } from "./kv_cache.ts";
import { byLookup } from "../hooks/learned.ts";
import { Mode } from "../hooks/points.ts";
import { mlpIn, mlpOut } from "./mlp.ts";
import { beforeNorm, norm } from "./norm.ts";
import { type BlockNames, blockNames, ROOT_NAMES } from "./points.ts";
import { Rotations } from "./rotary.ts";
import { Geometries, type PassShape } from "./rows.ts";
import type { RowValue, Tap } from "../hooks/tap.ts";
import { lookUp, type Table } from "../weights/parameter_store.ts";
import type { ModelWeights } from "./weights.ts";

const [ADD, MUL] = [0, 2];
const [W_E, W_POS] = ["embed.W_E", "pos_embed.W_pos"];
/** The core's codes of operations with a number. */
const [TIMES, OVER] = [1, 2];

/** What enters the first stage: tokens to embed, or a residual stream to go on from. */
export type PassInput =
  | {
    readonly kind: "tokens";
    /** Token ids, [batch, pos]. */
    readonly tokens: Int32Array<ArrayBuffer>;
    /** 0 where a pad gets no positional embedding, [batch, pos]; `undefined` without pads. */
    readonly realTokens?: Uint8Array<ArrayBuffer>;
    /** Stands for the tokens' embeddings, [rows, dModel]. */
    readonly embeds?: Handle;
  }
  | { readonly kind: "resid"; readonly resid: Handle };

/** What a pass computes with. */
export interface PassModel {
  readonly cfg: HookedTransformerConfig;
  readonly weights: ModelWeights;
}

/** A pass: where it begins and ends, and what it computes with. */
export interface Pass extends PassModel {
  readonly shape: PassShape;
  readonly input: PassInput;
  /** The keys and values that came before; `undefined` when the pass begins with the text. */
  readonly past?: PastKeys;
  /** The position of each row, [batch, pos]. */
  readonly positions: Int32Array<ArrayBuffer>;
  /** The first block to run. */
  readonly startAtLayer: number;
  /** The block to stop before. */
  readonly stopAtLayer: number;
}

/** What enters the first block. */
export interface Embedded {
  /** The residual stream, [rows, dModel]. */
  readonly resid: RowValue;
  /** A shortformer's positional embedding, which its blocks read beside the residual stream. */
  readonly positional: RowValue | undefined;
}

/**
 * Embeds tokens: `hook_embed` + `hook_pos_embed`, or the residual stream that the pass was given.
 */
export function embed(tap: Tap, pass: Pass): Embedded {
  const { weights, input, cfg } = pass;
  const { all } = tap.space;
  const first = blockNames(pass.startAtLayer).residPre;
  const isShortformer = cfg.positionalEmbeddingType === "shortformer";
  if (input.kind === "resid") {
    const resid = { name: first, rows: all, handle: input.resid };
    return { resid, positional: isShortformer ? positionsOf(tap, pass, all) : undefined };
  }
  // A base run has embedded these very tokens.
  const rows = tap.isResumed ? tap.space.none : all;
  tap.stage("embed", rows);
  const embedded = tap.visit(
    input.embeds
      ? { name: ROOT_NAMES.embed, rows, handle: input.embeds }
      : embeddedTokens(tap, weights, input.tokens, rows),
  );
  const positional = positionsOf(tap, pass, rows);
  if (!positional || isShortformer) return { resid: { ...embedded, name: first }, positional };
  const resid = tap.map(first, [embedded, positional], (a, b) => core().binary(ADD, a, b));
  return { resid, positional: undefined };
}

/** `hook_embed`, before it is shown. */
function embeddedTokens(
  tap: Tap,
  { wE, embedNorm, store }: ModelWeights,
  tokens: Int32Array<ArrayBuffer>,
  rows: Rows,
): RowValue {
  const found = (name: string) => {
    const looked = lookup(name, wE, tokens, rows);
    return byLookup(tap, looked, tokens, W_E, () => store.view(W_E).shape);
  };
  if (!embedNorm) return found(ROOT_NAMES.embed);
  const looked = tap.visit(found(beforeNorm(ROOT_NAMES.embed)));
  return { ...norm(tap, looked, ROOT_NAMES.embedLn, embedNorm), name: ROOT_NAMES.embed };
}

/** What `hook_embed` shows of tokens that nobody edits, [..., dModel]. */
export function tokenEmbeddings({ wE, embedNorm }: ModelWeights, tokens: Handle): Handle {
  const looked = lookUp(wE, tokens);
  if (!embedNorm) return looked;
  const { eps, center, weight, bias } = embedNorm;
  return core().norm(looked, eps, center, weight, bias);
}

/** Rows of a table. */
function lookup(
  name: string,
  table: Table,
  indices: Int32Array<ArrayBuffer>,
  rows: Rows,
): RowValue {
  if (rows.isEmpty) return { name, rows, handle: 0 };
  const at = copyIn(indices, [indices.length], "int32");
  return { name, rows, handle: lookUp(table, at) };
}

/** `hook_pos_embed`, [rows, dModel], in models that have it; zero at pads. */
function positionsOf(tap: Tap, { weights, input, positions }: Pass, rows: Rows) {
  if (weights.wPos === undefined) return undefined;
  const looked = byLookup(
    tap,
    lookup(ROOT_NAMES.posEmbed, weights.wPos, positions, rows),
    positions,
    W_POS,
    () => weights.store.view(W_POS).shape,
  );
  const flags = input.kind === "tokens" ? input.realTokens : undefined;
  if (!flags || rows.isEmpty) return tap.visit(looked);
  const real = copyIn(Float32Array.from(flags), [flags.length, 1], "float32");
  return tap.visit({ ...looked, handle: core().binary(MUL, looked.handle, real) });
}

/** What the blocks of a pass share. */
export interface PassParts extends Disposable {
  readonly geometries: Geometries;
  readonly rotations: Rotations;
}

/** Makes what the blocks of a pass share. */
export function passParts({ shape, cfg, positions }: Pass): PassParts {
  const geometries = new Geometries(shape, cfg.nHeads, keyHeads(cfg), cfg.dHead);
  return {
    geometries,
    rotations: new Rotations(positions),
    [Symbol.dispose]: () => geometries[Symbol.dispose](),
  };
}

/** Puts the keys and values of a cache in front of the run's own; where keys turn, `hook_rot_k` shows all of them. */
function keysInView(tap: Tap, pass: Pass, names: BlockNames, layer: number): KeysInView {
  const { past, weights, shape: { batch, nKeys } } = pass;
  if (!past) return (k, v) => [k, v];
  const showsTurned = weights.blocks[layer].attention.rotary !== undefined &&
    tap.mode(names.rotK) !== Mode.idle;
  return (k, v) => {
    const [keys, values] = past.extend(layer, k, v);
    if (!showsTurned) return [keys, values];
    const [, room, ...rest] = core().shape_of(keys);
    // What attention is given has as much room for keys as for values.
    const there = (x: Handle) => room === nKeys ? x : core().moved_room(x, nKeys, nKeys);
    const flat = core().reshape(there(keys), Uint32Array.of(batch * nKeys, ...rest));
    const shown = tap.visit({ name: names.rotK, rows: tap.space.all, handle: flat });
    return [core().reshape(shown.handle, Uint32Array.of(batch, nKeys, ...rest)), there(values)];
  };
}

/** What a block's attention has mixed, beside what entered the block: from here on it goes row by row. */
export interface Mixed {
  /** The residual stream before the block, [rows, dModel]. */
  readonly pre: RowValue;
  /** The mix of values, [rows, head, dHead]. */
  readonly z: RowValue;
}

/**
 * Runs a block up to its mix of values.
 *
 * @param embedded The residual stream before it, [rows, dModel], and positions where blocks read them.
 */
function mix(
  tap: Tap,
  pass: Pass,
  names: BlockNames,
  layer: number,
  { resid, positional }: Embedded,
  { geometries, rotations }: PassParts,
): Mixed {
  const { cfg } = pass;
  const { ln1, attention: weights } = pass.weights.blocks[layer];
  const pre = tap.visit({ ...resid, name: names.residPre });
  tap.stage(`${layer}.attn_in`, pre.rows);
  const showsKeys = pass.past === undefined;
  const qkv = attnIn(tap, names, pre, { ln1, weights, rotations, positional, showsKeys }, cfg);
  const inView = keysInView(tap, pass, names, layer);
  return { pre, z: attnMix(tap, names, qkv, weights, geometries, inView) };
}

/**
 * Runs a block from its mix of values on.
 *
 * @returns The residual stream after it.
 */
function afterMix(
  tap: Tap,
  { cfg, weights }: PassModel,
  names: BlockNames,
  layer: number,
  { pre, z }: Mixed,
): RowValue {
  const { attention, ln2, mlp } = weights.blocks[layer];
  const sum = (name: string, ...addends: RowValue[]) =>
    tap.map(name, addends, (...handles) => handles.reduce((a, b) => core().binary(ADD, a, b)));
  tap.stage(`${layer}.attn_out`, z.rows);
  const attn = attnOut(tap, names, z, attention, cfg);
  if (!mlp) return tap.visit(sum(names.residPost, pre, attn));
  const mid = cfg.parallelAttnMlp ? pre : tap.visit(sum(names.residMid, pre, attn));
  tap.stage(`${layer}.mlp_in`, mid.rows);
  const post = mlpIn(tap, names, mid, ln2, mlp, cfg);
  tap.stage(`${layer}.mlp_out`, post.rows);
  const out = mlpOut(tap, names, post, mlp, cfg);
  const addends = cfg.parallelAttnMlp ? [pre, attn, out] : [mid, out];
  return tap.visit(sum(names.residPost, ...addends));
}

/**
 * Runs a block.
 *
 * @param embedded The residual stream before it, [rows, dModel], and positions where blocks read them.
 * @returns The residual stream after it.
 */
export function runBlock(
  tap: Tap,
  pass: Pass,
  names: BlockNames,
  layer: number,
  embedded: Embedded,
  parts: PassParts,
): RowValue {
  return afterMix(tap, pass, names, layer, mix(tap, pass, names, layer, embedded, parts));
}

/** Runs the blocks from `startAtLayer` up to another. */
function blocksUpTo(
  end: number,
  tap: Tap,
  pass: Pass,
  names: readonly BlockNames[],
  parts: PassParts,
): Embedded {
  const { resid, positional } = embed(tap, pass);
  const isPassing = tap.isPassing === true && core().node_of(resid.handle) === 0;
  let stream = resid;
  for (let layer = pass.startAtLayer; layer < end; layer++) {
    const block = (parts: PassParts) =>
      runBlock(tap, pass, names[layer], layer, { resid: stream, positional }, parts);
    // Angles are values too: a block whose values go has its own.
    stream = isPassing
      ? scoped(
        () => block({ ...parts, rotations: new Rotations(pass.positions) }),
        ({ handle }) => [handle],
      )
      : block(parts);
  }
  return { resid: stream, positional };
}

/**
 * Runs the blocks from `startAtLayer` up to `stopAtLayer`.
 *
 * @returns The residual stream that leaves the last of them, [rows, dModel].
 */
export function runBlocks(tap: Tap, pass: Pass, names: readonly BlockNames[]): RowValue {
  using parts = passParts(pass);
  return blocksUpTo(pass.stopAtLayer, tap, pass, names, parts).resid;
}

/** Notes the stages that {@linkcode finish} runs, without running them. */
export function noteFinish(
  tap: Pick<Tap, "space" | "stage">,
  { cfg, weights }: PassModel,
  { pre, z }: Mixed,
): void {
  const last = weights.blocks.length - 1;
  const rows = tap.space.union(pre.rows, z.rows);
  tap.stage(`${last}.attn_out`, z.rows);
  if (weights.blocks[last].mlp) {
    const mid = cfg.parallelAttnMlp ? pre.rows : rows;
    tap.stage(`${last}.mlp_in`, mid);
    tap.stage(`${last}.mlp_out`, mid);
  }
  tap.stage("unembed", rows);
}

/** Runs the blocks from `startAtLayer` on, the last one up to its mix of values: {@linkcode finish} does the rest. */
export function runToLastMix(tap: Tap, pass: Pass, names: readonly BlockNames[]): Mixed {
  using parts = passParts(pass);
  const last = names.length - 1;
  return mix(tap, pass, names[last], last, blocksUpTo(last, tap, pass, names, parts), parts);
}

/**
 * Runs what is left after the last block's mix of values, and the final norm.
 *
 * @returns What the unembedding reads, `unembed.hook_in`.
 */
export function finish(
  tap: Tap,
  pass: PassModel,
  names: readonly BlockNames[],
  mixed: Mixed,
): RowValue {
  const last = names.length - 1;
  return finalNorm(tap, pass, afterMix(tap, pass, names[last], last, mixed));
}

/**
 * Runs the final norm.
 *
 * @param resid The residual stream after the last block, [rows, dModel].
 * @returns What the unembedding reads, `unembed.hook_in`.
 */
export function finalNorm(tap: Tap, { weights }: PassModel, resid: RowValue): RowValue {
  tap.stage("unembed", resid.rows);
  const normed = norm(tap, resid, ROOT_NAMES.lnFinal, weights.lnFinal);
  return tap.visit({ ...normed, name: ROOT_NAMES.unembedIn });
}

/**
 * Unembeds rows.
 *
 * @param rows What the unembedding reads, [..., dModel].
 * @returns `unembed.hook_out`, [..., dVocab]: the logits, but for a soft cap.
 */
export function unembed(weights: ModelWeights, cfg: HookedTransformerConfig, rows: Handle): Handle {
  const { weight, bias } = weights.unembed;
  return core().linear(rows, weight, bias, 1, new Uint32Array([cfg.dVocabOut]), 0);
}

/** The logits that `unembed.hook_out` gives: bounded by c · tanh(x / c) where the model has a soft cap (Gemma 2). */
export function cappedLogits(cfg: HookedTransformerConfig, unembedded: Handle): Handle {
  const cap = cfg.outputLogitsSoftCap;
  if (cap <= 0) return unembedded;
  const bounded = core().activate(ACTIVATION.tanh, core().with_scalar(OVER, unembedded, cap));
  return core().with_scalar(TIMES, bounded, cap);
}

/** Unembeds rows [..., dModel] to logits [..., dVocab]. */
export function logitsOf(
  weights: ModelWeights,
  cfg: HookedTransformerConfig,
  rows: Handle,
): Handle {
  return cappedLogits(cfg, unembed(weights, cfg, rows));
}

/** Single logits of rows [n, dModel]: those of `tokens[i]` in row `at[i]`, with the bits that {@linkcode logitsOf} has there. */
export function logitsAt(
  weights: ModelWeights,
  cfg: HookedTransformerConfig,
  rows: Handle,
  at: readonly number[],
  tokens: readonly number[],
): Handle {
  const { weight, bias } = weights.unembed;
  const cells = core().linear_at(
    rows,
    weight,
    bias,
    Uint32Array.from(at),
    Uint32Array.from(tokens),
  );
  return cappedLogits(cfg, cells);
}

/** The names of all blocks' points. */
export function allBlockNames(nLayers: number): BlockNames[] {
  return Array.from({ length: nLayers }, (_, layer) => blockNames(layer));
}
