/**
 * The attention half of a block: inputs to queries, keys and values; scores, pattern and mix; the output.
 *
 * @module
 */

import { core, type Handle, type WeightHandle } from "../core/engine.ts";
import { Mode } from "../hooks/points.ts";
import type { HookedTransformerConfig } from "./config.ts";
import { norm, type NormWeights } from "./norm.ts";
import type { BlockNames } from "./points.ts";
import type { Geometries, PassShape } from "./rows.ts";
import type { Tap } from "../hooks/tap.ts";

/** A projection: a packed matrix and its bias. */
export interface Projection {
  readonly weight: WeightHandle;
  readonly bias: Handle;
}

/** The weights of an attention layer. */
export interface AttentionWeights {
  readonly q: Projection;
  readonly k: Projection;
  readonly v: Projection;
  readonly o: Projection;
  /** What scores are divided by. */
  readonly scale: number;
}

/** Queries, keys and values, [batch, pos, head, dHead]. */
export interface Qkv {
  readonly q: Handle;
  readonly k: Handle;
  readonly v: Handle;
}

const LETTERS = ["q", "k", "v"] as const;
const ADD = 0;

/** A copy of the residual stream for each head: [batch, pos, head, dModel]. */
function perHead(resid: Handle, shape: PassShape, cfg: HookedTransformerConfig): Handle {
  const { batch, nPos } = shape;
  const single = core().reshape(resid, new Uint32Array([batch, nPos, 1, cfg.dModel]));
  return core().expand(single, new Uint32Array([batch, nPos, cfg.nHeads, cfg.dModel]));
}

/**
 * Gives each of q, k, v its input per head, or `undefined` where it shares the block's: `hook_q_input` and its kin have their own
 * copies of the residual stream, `hook_attn_in` one copy for all three (TransformerLens' `use_split_qkv_input`, `use_attn_in`).
 */
function headInputs(
  tap: Tap,
  names: BlockNames,
  resid: Handle,
  shape: PassShape,
  cfg: HookedTransformerConfig,
): Record<"q" | "k" | "v", Handle | undefined> {
  const attnIn = tap.mode(names.attnIn) === Mode.idle
    ? undefined
    : tap.visit(names.attnIn, perHead(resid, shape, cfg));
  const looksAtNorm = tap.mode(names.ln1.scale) + tap.mode(names.ln1.normalized) > 0;
  const input = (letter: "q" | "k" | "v") => {
    const name = names.input[letter];
    if (tap.mode(name) !== Mode.idle) return tap.visit(name, perHead(resid, shape, cfg));
    return attnIn ?? (cfg.useSplitQkvInput && looksAtNorm ? perHead(resid, shape, cfg) : undefined);
  };
  return { q: input("q"), k: input("k"), v: input("v") };
}

/**
 * Computes queries, keys and values from the residual stream.
 *
 * @param resid The residual stream [batch, pos, dModel].
 */
export function attnIn(
  tap: Tap,
  names: BlockNames,
  resid: Handle,
  ln1: NormWeights | undefined,
  w: AttentionWeights,
  shape: PassShape,
  cfg: HookedTransformerConfig,
): Qkv {
  const inputs = headInputs(tap, names, resid, shape, cfg);
  // With the switch, the norm's points fire for each of the three inputs; else once, for the block's own.
  const splitNames = cfg.useSplitQkvInput ? names.ln1 : undefined;
  const normed = LETTERS.map((letter) => {
    const input = inputs[letter];
    return input === undefined ? undefined : norm(tap, input, splitNames, ln1);
  });
  const looksAtNorm = tap.mode(names.ln1.scale) + tap.mode(names.ln1.normalized) > 0;
  const shared = normed.includes(undefined) || (looksAtNorm && !cfg.useSplitQkvInput)
    ? norm(tap, resid, names.ln1, ln1)
    : 0;
  const heads = new Uint32Array([cfg.nHeads, cfg.dHead]);
  tap.count(3 * shape.batch * shape.nPos * cfg.dModel * cfg.nHeads * cfg.dHead);
  const [q, k, v] = LETTERS.map((letter, i) => {
    const { weight, bias } = w[letter];
    const own = normed[i];
    const value = own === undefined
      ? core().linear(shared, weight, bias, 1, heads, 0)
      : core().linear_heads(own, weight, bias, cfg.nHeads);
    return tap.visit(names[letter], value);
  });
  return { q, k, v };
}

/** Scores, pattern and mix: z as [batch, pos, head, dHead]. */
function mix(
  tap: Tap,
  names: BlockNames,
  { q, k, v }: Qkv,
  geometry: number,
  shape: PassShape,
  cfg: HookedTransformerConfig,
): Handle {
  const { batch, nPos, nKeys } = shape;
  const rowsShape = new Uint32Array([batch, nPos, cfg.nHeads, nKeys]);
  const swap = new Uint32Array([0, 2, 1, 3]);
  const toHooks = (rows: Handle) => core().permute(core().reshape(rows, rowsShape), swap);
  const toCore = (byHead: Handle) => core().permute(byHead, swap);
  const mode = Math.max(tap.mode(names.scores), tap.mode(names.pattern));
  if (mode === Mode.idle) return core().attention(geometry, q, k, v);
  if (mode === Mode.emit) {
    const [z, scores, pattern] = core().attention_parts(geometry, q, k, v);
    if (tap.mode(names.scores)) tap.observe(names.scores, toHooks(scores));
    if (tap.mode(names.pattern)) tap.observe(names.pattern, toHooks(pattern));
    return z;
  }
  const scores = tap.visit(names.scores, toHooks(core().attend_scores(geometry, q, k)));
  const pattern = tap.visit(names.pattern, core().softmax(scores, 3));
  return core().attend_mix(geometry, toCore(pattern), v);
}

/**
 * Computes what attention adds to the residual stream, [batch, pos, dModel].
 */
export function attnOut(
  tap: Tap,
  names: BlockNames,
  qkv: Qkv,
  w: AttentionWeights,
  geometries: Geometries,
  shape: PassShape,
  cfg: HookedTransformerConfig,
): Handle {
  const mixed = mix(tap, names, qkv, geometries.at(w.scale), shape, cfg);
  const byHead = new Uint32Array([shape.batch, shape.nPos, cfg.nHeads, cfg.dHead]);
  const z = tap.visit(names.z, core().reshape(mixed, byHead));
  tap.count(geometries.multiplyAdds + shape.batch * shape.nPos * cfg.nHeads * cfg.dHead * cfg.dModel);
  if (tap.mode(names.result) === Mode.idle) {
    return tap.visit(names.attnOut, core().attn_out(z, w.o.weight, w.o.bias, cfg.nHeads));
  }
  const result = tap.visit(names.result, core().head_results(z, w.o.weight, cfg.nHeads));
  const summed = core().sum(result, new Uint32Array([2]), false);
  return tap.visit(names.attnOut, core().binary(ADD, summed, w.o.bias));
}
