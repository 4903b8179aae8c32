/**
 * The first stage of a block: queries, keys and values from the residual stream.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { Mode } from "../hooks/points.ts";
import type { RowValue, Tap } from "../hooks/tap.ts";
import type { AttentionWeights, Qkv } from "./attention.ts";
import { type HookedTransformerConfig, keyHeads } from "./config.ts";
import { byHeads } from "../hooks/learned.ts";
import { norm, type NormWeights } from "./norm.ts";
import type { BlockNames, NormNames } from "./points.ts";
import { type Rotations, turned } from "./rotary.ts";

/** What the first stage needs beside the residual stream. */
export interface AttentionInput {
  readonly ln1: NormWeights | undefined;
  readonly weights: AttentionWeights;
  readonly rotations: Rotations;
  /** A shortformer's positional embedding [rows, dModel], which queries and keys read beside the residual stream. */
  readonly positional: RowValue | undefined;
  /** Whether turned keys are shown here, not later with those of a cache. */
  readonly showsKeys: boolean;
}

const LETTERS = ["q", "k", "v"] as const;
type Letter = typeof LETTERS[number];
const ADD = 0;

/** The heads that queries, or keys and values, have in a run. */
function headsOf(letter: Letter, cfg: HookedTransformerConfig): number {
  return letter === "q" ? cfg.nHeads : keyHeads(cfg);
}

/** A copy of each row's vector for each head: [rows, head, dModel]. */
function perHead(tap: Tap, name: string, value: RowValue, heads: number): RowValue {
  return tap.map(name, [value], (handle) => {
    const [rows, dModel] = core().shape_of(handle);
    const single = core().reshape(handle, Uint32Array.of(rows, 1, dModel));
    return core().expand(single, Uint32Array.of(rows, heads, dModel));
  });
}

/** Gives each of the heads in `shared` to as many neighbouring heads as share it: [rows, heads, dHead]. */
function ungrouped(shared: Handle, heads: number): Handle {
  const [rows, own, dHead] = core().shape_of(shared);
  const single = core().reshape(shared, Uint32Array.of(rows, own, 1, dHead));
  const copied = core().expand(single, Uint32Array.of(rows, own, heads / own, dHead));
  return core().reshape(copied, Uint32Array.of(rows, heads, dHead));
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
    : tap.visit(perHead(tap, names.attnIn, resid, cfg.nHeads));
  return LETTERS.map((letter) => {
    const name = names.input[letter];
    const copies = () => perHead(tap, name, resid, headsOf(letter, cfg));
    if (tap.mode(name) !== Mode.idle) return tap.visit(attnIn ? { ...attnIn, name } : copies());
    return attnIn ?? (cfg.useSplitQkvInput && looksAtNorm(tap, names) ? copies() : undefined);
  });
}

/** A value in its own rows and in those where positions differ, for they come together. */
function withRowsOf(tap: Tap, value: RowValue, positional: RowValue | undefined): RowValue {
  if (!positional || positional.rows.isEmpty) return value;
  const rows = tap.space.union(value.rows, positional.rows);
  return { ...value, rows, handle: tap.pick(value, rows) };
}

/** A shortformer's queries and keys read positions too, by head or for all heads. */
function withPositions(
  tap: Tap,
  name: string,
  input: RowValue,
  positional: RowValue | undefined,
): RowValue {
  if (!positional) return input;
  return tap.map(name, [input, positional], (a, b) => {
    const [rows, dModel] = core().shape_of(b);
    const isByHead = core().shape_of(a).length === 3;
    const addend = isByHead ? core().reshape(b, Uint32Array.of(rows, 1, dModel)) : b;
    return core().binary(ADD, a, addend);
  });
}

/** Queries, keys and values as their points show them. */
function projected(
  tap: Tap,
  names: BlockNames,
  resid: RowValue,
  input: AttentionInput,
  cfg: HookedTransformerConfig,
): Qkv {
  const { ln1, weights, positional } = input;
  const inputs = headInputs(tap, names, resid, cfg).map((own) =>
    own && withRowsOf(tap, own, positional)
  );
  // With the switch, the norm's points fire for each of the three inputs; else once, for the block's own.
  const splitNames = cfg.useSplitQkvInput ? names.ln1 : undefined;
  const normed = inputs.map((own) => own && norm(tap, own, splitNames, ln1));
  const wantsShared = normed.includes(undefined) ||
    (looksAtNorm(tap, names) && !cfg.useSplitQkvInput);
  const read = withRowsOf(tap, resid, positional);
  const shared = wantsShared ? norm(tap, read, names.ln1, ln1) : read;
  const [q, k, v] = LETTERS.map((letter, i) => {
    const { weight, bias, names: parameters } = weights[letter];
    const heads = headsOf(letter, cfg);
    const nOwn = letter === "q" ? cfg.nHeads : cfg.nKeyValueHeads ?? cfg.nHeads;
    const own = normed[i];
    const name = `${names[letter]} (input)`;
    const x = withPositions(tap, name, own ?? shared, letter === "v" ? undefined : positional);
    const value = tap.map(names[letter], [x], (x) => {
      if (own) return core().linear_heads(x, weight, bias, heads, heads / nOwn);
      const shared = core().linear(x, weight, bias, 1, Uint32Array.of(nOwn, cfg.dHead), 0);
      return nOwn === heads ? shared : ungrouped(shared, heads);
    });
    tap.count(value.rows.count * cfg.dModel * nOwn * cfg.dHead);
    return tap.visit(byHeads(tap, value, x, parameters, nOwn));
  });
  return { q, k, v };
}

/**
 * Computes queries, keys and values from the residual stream, [rows, dModel]; queries and keys normalised and turned as they are
 * compared.
 */
export function attnIn(
  tap: Tap,
  names: BlockNames,
  resid: RowValue,
  input: AttentionInput,
  cfg: HookedTransformerConfig,
): Qkv {
  const { qNorm, kNorm, rotary } = input.weights;
  const { q, k, v } = projected(tap, names, resid, input, cfg);
  // Under names of their own, so that a base run can tell them from what comes before.
  const normed = (value: RowValue, points: NormNames, w: NormWeights | undefined) =>
    w ? tap.visit({ ...norm(tap, value, points, w), name: `${value.name} (normalized)` }) : value;
  const turn = (name: string, value: RowValue) =>
    rotary
      ? tap.map(name, [value], (x) => turned(x, input.rotations.at(value.rows, rotary), rotary))
      : value;
  const queries = turn(names.rotQ, normed(q, names.qNorm, qNorm));
  const keys = turn(names.rotK, normed(k, names.kNorm, kNorm));
  const shows = (value: RowValue, isShown: boolean) => rotary && isShown ? tap.visit(value) : value;
  return { q: shows(queries, true), k: shows(keys, input.showsKeys), v };
}
