/**
 * The forward pass: stages in order, each over the rows of the pass.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { copyIn } from "../core/scope.ts";
import { attnIn, attnOut } from "./attention.ts";
import type { HookedTransformerConfig } from "./config.ts";
import { mlpIn, mlpOut } from "./mlp.ts";
import { norm } from "./norm.ts";
import { type BlockNames, blockNames, ROOT_NAMES } from "./points.ts";
import { Geometries, type PassShape } from "./rows.ts";
import type { Tap } from "../hooks/tap.ts";
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
  }
  | { readonly kind: "resid"; readonly resid: Handle };

/** A pass: where it begins and ends, and what it computes with. */
export interface Pass {
  readonly cfg: HookedTransformerConfig;
  readonly weights: ModelWeights;
  readonly shape: PassShape;
  readonly input: PassInput;
  /** The first block to run. */
  readonly startAtLayer: number;
  /** The block to stop before. */
  readonly stopAtLayer: number;
}

function embed(tap: Tap, pass: Pass): Handle {
  const { cfg, weights, input, shape } = pass;
  if (input.kind === "resid") return input.resid;
  tap.stage("embed");
  const dims = new Uint32Array([shape.batch, shape.nPos, cfg.dModel]);
  const rows = (table: Handle, indices: Int32Array<ArrayBuffer>) =>
    core().reshape(core().index_select(table, 0, copyIn(indices, [indices.length], "int32")), dims);
  const embedded = tap.visit(ROOT_NAMES.embed, rows(weights.wE, input.tokens));
  let positional = rows(weights.wPos, input.positions);
  if (input.realTokens) {
    const real = copyIn(Float32Array.from(input.realTokens), [shape.batch, shape.nPos, 1], "float32");
    positional = core().binary(MUL, positional, real);
  }
  return core().binary(ADD, embedded, tap.visit(ROOT_NAMES.posEmbed, positional));
}

function block(tap: Tap, pass: Pass, names: BlockNames, layer: number, resid: Handle, geometries: Geometries): Handle {
  const { cfg, shape } = pass;
  const w = pass.weights.blocks[layer];
  const pre = tap.visit(names.residPre, resid);
  tap.stage(`${layer}.attn_in`);
  const qkv = attnIn(tap, names, pre, w.ln1, w.attention, shape, cfg);
  tap.stage(`${layer}.attn_out`);
  const attn = attnOut(tap, names, qkv, w.attention, geometries, shape, cfg);
  const sum = core().binary(ADD, pre, attn);
  if (!w.mlp) return tap.visit(names.residPost, sum);
  const mid = tap.visit(names.residMid, sum);
  tap.stage(`${layer}.mlp_in`);
  const post = mlpIn(tap, names, mid, w.ln2, w.mlp, shape, cfg);
  tap.stage(`${layer}.mlp_out`);
  const mlp = mlpOut(tap, names, post, w.mlp, shape, cfg);
  return tap.visit(names.residPost, core().binary(ADD, mid, mlp));
}

/**
 * Runs the blocks from `startAtLayer` up to `stopAtLayer`.
 *
 * @returns The residual stream that leaves the last of them, [batch, pos, dModel].
 */
export function runBlocks(tap: Tap, pass: Pass, names: readonly BlockNames[]): Handle {
  using geometries = new Geometries(pass.shape, pass.cfg.nHeads, pass.cfg.dHead);
  let resid = embed(tap, pass);
  for (let layer = pass.startAtLayer; layer < pass.stopAtLayer; layer++) {
    resid = block(tap, pass, names[layer], layer, resid, geometries);
  }
  return resid;
}

/**
 * Runs the final norm.
 *
 * @param resid The residual stream after the last block, [batch, pos, dModel].
 * @returns What the unembedding reads, `unembed.hook_in`.
 */
export function finalNorm(tap: Tap, pass: Pass, resid: Handle): Handle {
  tap.stage("unembed");
  const normed = norm(tap, resid, ROOT_NAMES.lnFinal, pass.weights.lnFinal);
  return tap.visit(ROOT_NAMES.unembedIn, normed);
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
