/**
 * The forward pass: stages in order, each over the rows of the pass.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { copyIn } from "../core/scope.ts";
import { attnIn, attnMix, attnOut } from "./attention.ts";
import type { HookedTransformerConfig } from "./config.ts";
import type { PastKeys } from "./kv_cache.ts";
import { mlpIn, mlpOut } from "./mlp.ts";
import { norm } from "./norm.ts";
import { type BlockNames, blockNames, ROOT_NAMES } from "./points.ts";
import { Geometries, type PassShape } from "./rows.ts";
import type { RowValue, Tap } from "../hooks/tap.ts";
import type { ModelWeights } from "./weights.ts";

const [ADD, MUL] = [0, 2];

/** What enters the first stage: tokens to embed, or a residual stream to go on from. */
export type PassInput =
  | {
    readonly kind: "tokens";
    /** Token ids, [batch, pos]. */
    readonly tokens: Int32Array<ArrayBuffer>;
    /** The position of each token, [batch, pos]. */
    readonly positions: Int32Array<ArrayBuffer>;
    /** 0 where a pad gets no positional embedding, [batch, pos]; `undefined` without pads. */
    readonly realTokens?: Uint8Array<ArrayBuffer>;
    /** Stands for the tokens' embeddings, [rows, dModel]. */
    readonly embeds?: Handle;
  }
  | { readonly kind: "resid"; readonly resid: Handle };

/** A pass: where it begins and ends, and what it computes with. */
export interface Pass {
  readonly cfg: HookedTransformerConfig;
  readonly weights: ModelWeights;
  readonly shape: PassShape;
  readonly input: PassInput;
  /** The keys and values that came before; `undefined` when the pass begins with the text. */
  readonly past?: PastKeys;
  /** The first block to run. */
  readonly startAtLayer: number;
  /** The block to stop before. */
  readonly stopAtLayer: number;
}

/**
 * Embeds tokens: `hook_embed` + `hook_pos_embed`, or the residual stream that the pass was given. [rows, dModel].
 */
export function embed(tap: Tap, pass: Pass): RowValue {
  const { weights, input } = pass;
  const { all } = tap.space;
  const first = blockNames(pass.startAtLayer).residPre;
  if (input.kind === "resid") return { name: first, rows: all, handle: input.resid };
  // A base run has embedded these very tokens.
  const rows = tap.isResumed ? tap.space.none : all;
  tap.stage("embed", rows);
  const lookup = (name: string, table: Handle, indices: Int32Array<ArrayBuffer>) => ({
    name,
    rows,
    handle: rows.isEmpty
      ? 0
      : core().index_select(table, 0, copyIn(indices, [indices.length], "int32")),
  });
  const embedded = tap.visit(
    input.embeds
      ? { name: ROOT_NAMES.embed, rows, handle: input.embeds }
      : lookup(ROOT_NAMES.embed, weights.wE, input.tokens),
  );
  let positional = lookup(ROOT_NAMES.posEmbed, weights.wPos, input.positions);
  if (input.realTokens && positional.handle) {
    const real = copyIn(
      Float32Array.from(input.realTokens),
      [input.realTokens.length, 1],
      "float32",
    );
    positional = { ...positional, handle: core().binary(MUL, positional.handle, real) };
  }
  return tap.map(first, [embedded, tap.visit(positional)], (a, b) => core().binary(ADD, a, b));
}

/**
 * Runs a block.
 *
 * @param resid The residual stream before it, [rows, dModel].
 * @returns The residual stream after it.
 */
export function runBlock(
  tap: Tap,
  pass: Pass,
  names: BlockNames,
  layer: number,
  resid: RowValue,
  geometries: Geometries,
): RowValue {
  const { cfg } = pass;
  const w = pass.weights.blocks[layer];
  const add = (name: string, a: RowValue, b: RowValue) =>
    tap.map(name, [a, b], (a, b) => core().binary(ADD, a, b));
  const pre = tap.visit({ ...resid, name: names.residPre });
  tap.stage(`${layer}.attn_in`, pre.rows);
  const qkv = attnIn(tap, names, pre, w.ln1, w.attention, cfg);
  const inView = (k: Handle, v: Handle) => pass.past?.extend(layer, k, v) ?? [k, v] as const;
  const z = attnMix(tap, names, qkv, w.attention, geometries, inView);
  tap.stage(`${layer}.attn_out`, z.rows);
  const attn = attnOut(tap, names, z, w.attention, cfg);
  if (!w.mlp) return tap.visit(add(names.residPost, pre, attn));
  const mid = tap.visit(add(names.residMid, pre, attn));
  tap.stage(`${layer}.mlp_in`, mid.rows);
  const post = mlpIn(tap, names, mid, w.ln2, w.mlp, cfg);
  tap.stage(`${layer}.mlp_out`, post.rows);
  const mlp = mlpOut(tap, names, post, w.mlp, cfg);
  return tap.visit(add(names.residPost, mid, mlp));
}

/**
 * Runs the blocks from `startAtLayer` up to `stopAtLayer`.
 *
 * @returns The residual stream that leaves the last of them, [rows, dModel].
 */
export function runBlocks(tap: Tap, pass: Pass, names: readonly BlockNames[]): RowValue {
  using geometries = new Geometries(pass.shape, pass.cfg.nHeads, pass.cfg.dHead);
  let resid = embed(tap, pass);
  for (let layer = pass.startAtLayer; layer < pass.stopAtLayer; layer++) {
    resid = runBlock(tap, pass, names[layer], layer, resid, geometries);
  }
  return resid;
}

/**
 * Runs the final norm.
 *
 * @param resid The residual stream after the last block, [rows, dModel].
 * @returns What the unembedding reads, `unembed.hook_in`.
 */
export function finalNorm(tap: Tap, pass: Pass, resid: RowValue): RowValue {
  tap.stage("unembed", resid.rows);
  const normed = norm(tap, resid, ROOT_NAMES.lnFinal, pass.weights.lnFinal);
  return tap.visit({ ...normed, name: ROOT_NAMES.unembedIn });
}

/**
 * Unembeds rows.
 *
 * @param rows What the unembedding reads, [..., dModel].
 * @returns Logits [..., dVocab].
 */
export function unembed(weights: ModelWeights, cfg: HookedTransformerConfig, rows: Handle): Handle {
  const { weight, bias } = weights.unembed;
  return core().linear(rows, weight, bias, 1, new Uint32Array([cfg.dVocabOut]), 0);
}

/** The names of all blocks' points. */
export function allBlockNames(nLayers: number): BlockNames[] {
  return Array.from({ length: nLayers }, (_, layer) => blockNames(layer));
}
