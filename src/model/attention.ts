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
import type { Geometries } from "./rows.ts";
import type { RowValue, Tap } from "../hooks/tap.ts";

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

/** Queries, keys and values, [rows, head, dHead]. */
export interface Qkv {
  readonly q: RowValue;
  readonly k: RowValue;
  readonly v: RowValue;
}

const LETTERS = ["q", "k", "v"] as const;
const ADD = 0;

/** A copy of the residual stream for each head: [rows, head, dModel]. */
function perHead(tap: Tap, name: string, resid: RowValue, cfg: HookedTransformerConfig): RowValue {
  return tap.map(name, [resid], (handle) => {
    const rows = core().shape_of(handle)[0];
    const single = core().reshape(handle, new Uint32Array([rows, 1, cfg.dModel]));
    return core().expand(single, new Uint32Array([rows, cfg.nHeads, cfg.dModel]));
  });
}

function looksAtNorm(tap: Tap, names: BlockNames): boolean {
  return tap.mode(names.ln1.scale) + tap.mode(names.ln1.normalized) > 0;
}

/**
 * Gives each of q, k, v its input per head, or `undefined` where it shares the block's: `hook_attn_in` is one copy of the residual
 * stream for all three, `hook_q_input` and its kin have copies of their own (TransformerLens' `use_attn_in`, `use_split_qkv_input`).
 * With both, the three are copies of the one, so that edits of it count; in TransformerLens they have no effect then.
 */
function headInputs(
  tap: Tap,
  names: BlockNames,
  resid: RowValue,
  cfg: HookedTransformerConfig,
): (RowValue | undefined)[] {
  const attnIn = tap.mode(names.attnIn) === Mode.idle
    ? undefined
    : tap.visit(perHead(tap, names.attnIn, resid, cfg));
  return LETTERS.map((letter) => {
    const name = names.input[letter];
    if (tap.mode(name) !== Mode.idle) {
      return tap.visit(attnIn ? { ...attnIn, name } : perHead(tap, name, resid, cfg));
    }
    return attnIn ??
      (cfg.useSplitQkvInput && looksAtNorm(tap, names)
        ? perHead(tap, name, resid, cfg)
        : undefined);
  });
}

/**
 * Computes queries, keys and values from the residual stream, [rows, dModel].
 */
export function attnIn(
  tap: Tap,
  names: BlockNames,
  resid: RowValue,
  ln1: NormWeights | undefined,
  w: AttentionWeights,
  cfg: HookedTransformerConfig,
): Qkv {
  const inputs = headInputs(tap, names, resid, cfg);
  // With the switch, the norm's points fire for each of the three inputs; else once, for the block's own.
  const splitNames = cfg.useSplitQkvInput ? names.ln1 : undefined;
  const normed = inputs.map((input) => input && norm(tap, input, splitNames, ln1));
  const wantsShared = normed.includes(undefined) ||
    (looksAtNorm(tap, names) && !cfg.useSplitQkvInput);
  const shared = wantsShared ? norm(tap, resid, names.ln1, ln1) : resid;
  const heads = new Uint32Array([cfg.nHeads, cfg.dHead]);
  const [q, k, v] = LETTERS.map((letter, i) => {
    const { weight, bias } = w[letter];
    const own = normed[i];
    const value = own
      ? tap.map(names[letter], [own], (x) => core().linear_heads(x, weight, bias, cfg.nHeads))
      : tap.map(names[letter], [shared], (x) => core().linear(x, weight, bias, 1, heads, 0));
    tap.count(value.rows.count * cfg.dModel * cfg.nHeads * cfg.dHead);
    return tap.visit(value);
  });
  return { q, k, v };
}

/** Gives the keys and values that queries see: the run's own [batch * pos, head, dHead], with those of a cache in front. */
export type KeysInView = (k: Handle, v: Handle) => readonly [keys: Handle, values: Handle];

/** Computes scores, pattern and the mix of values z, [rows, head, dHead]. */
export function attnMix(
  tap: Tap,
  names: BlockNames,
  qkv: Qkv,
  w: AttentionWeights,
  geometries: Geometries,
  inView: KeysInView,
): RowValue {
  return tap.visit(mix(tap, names, qkv, w.scale, geometries, inView));
}

function mix(
  tap: Tap,
  names: BlockNames,
  { q, k, v }: Qkv,
  scale: number,
  geometries: Geometries,
  inView: KeysInView,
): RowValue {
  const { space } = tap;
  const rows = space.union(q.rows, space.grown(space.union(k.rows, v.rows)));
  const empty = { name: names.z, rows: space.none, handle: 0 };
  const mode = Math.max(tap.mode(names.scores), tap.mode(names.pattern));
  tap.count(geometries.multiplyAdds(rows));
  if (mode !== Mode.split && rows.isEmpty) {
    tap.observe({ ...empty, name: names.scores });
    tap.observe({ ...empty, name: names.pattern });
    return empty;
  }
  const geometry = geometries.at(rows, scale);
  const queries = tap.pick(q, rows);
  const [keys, values] = inView(tap.whole(k), tap.whole(v));
  if (mode === Mode.idle) {
    return { name: names.z, rows, handle: core().attention(geometry, queries, keys, values) };
  }
  if (mode === Mode.emit) {
    const [z, scores, pattern] = core().attention_parts(geometry, queries, keys, values);
    tap.observe({ name: names.scores, rows, handle: scores });
    tap.observe({ name: names.pattern, rows, handle: pattern });
    return { name: names.z, rows, handle: z };
  }
  const scored = rows.isEmpty ? 0 : core().attend_scores(geometry, queries, keys);
  const scores = tap.visit({ name: names.scores, rows, handle: scored });
  const pattern = tap.visit(
    tap.map(names.pattern, [scores], (scores) => core().softmax(scores, 2)),
  );
  const mixed = space.union(pattern.rows, rows);
  if (mixed.isEmpty) return empty;
  const at = geometries.at(mixed, scale);
  return {
    name: names.z,
    rows: mixed,
    handle: core().attend_mix(at, tap.pick(pattern, mixed), values),
  };
}

/**
 * Computes what attention adds to the residual stream, [rows, dModel].
 */
export function attnOut(
  tap: Tap,
  names: BlockNames,
  z: RowValue,
  w: AttentionWeights,
  cfg: HookedTransformerConfig,
): RowValue {
  tap.count(z.rows.count * cfg.nHeads * cfg.dHead * cfg.dModel);
  const { weight, bias } = w.o;
  if (tap.mode(names.result) === Mode.idle) {
    return tap.visit(
      tap.map(names.attnOut, [z], (z) => core().attn_out(z, weight, bias, cfg.nHeads)),
    );
  }
  const result = tap.visit(
    tap.map(names.result, [z], (z) => core().head_results(z, weight, cfg.nHeads)),
  );
  const summed = tap.map(
    names.attnOut,
    [result],
    (result) => core().binary(ADD, core().sum(result, new Uint32Array([1]), false), bias),
  );
  return tap.visit(summed);
}
