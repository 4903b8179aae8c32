/**
 * The second stage of a block: scores, pattern and the mix of values, and what they add to the residual stream.
 *
 * @module
 */

import { core, type Handle, type WeightHandle } from "../core/engine.ts";
import { Mode } from "../hooks/points.ts";
import type { HookedTransformerConfig } from "./config.ts";
import { byHeads, byMatrix, type ParameterNames } from "../hooks/learned.ts";
import { beforeNorm, norm, type NormWeights } from "./norm.ts";
import type { BlockNames } from "./points.ts";
import type { RotaryKind } from "./rotary.ts";
import type { AttentionKind, Geometries } from "./rows.ts";
import type { RowValue, Tap } from "../hooks/tap.ts";

/** A projection: a packed matrix and its bias. */
export interface Projection {
  readonly weight: WeightHandle;
  readonly bias: Handle;
  /** The parameters' names. */
  readonly names: ParameterNames;
}

/** Queries [rows, head, dHead]; keys and values [rows, head, dHead], of fewer heads where those are shared. */
export interface Qkv {
  readonly q: RowValue;
  readonly k: RowValue;
  readonly v: RowValue;
}

/** The weights of an attention layer. */
export interface AttentionWeights {
  readonly q: Projection;
  readonly k: Projection;
  readonly v: Projection;
  readonly o: Projection;
  readonly kind: AttentionKind;
  /** How queries and keys turn; `undefined` where they don't. */
  readonly rotary: RotaryKind | undefined;
  /** The norms of each head's queries and keys, where there are any. */
  readonly qNorm: NormWeights | undefined;
  readonly kNorm: NormWeights | undefined;
  /** The norm of what attention adds to the residual stream, where there is one. */
  readonly postNorm: NormWeights | undefined;
}

const ADD = 0;

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
  return tap.visit(mix(tap, names, qkv, w.kind, geometries, inView));
}

/** Does something when it is first asked for. */
function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

function mix(
  tap: Tap,
  names: BlockNames,
  { q, k, v }: Qkv,
  kind: AttentionKind,
  geometries: Geometries,
  inView: KeysInView,
): RowValue {
  const { space } = tap;
  const rows = space.union(q.rows, space.grown(space.union(k.rows, v.rows), kind.window));
  const empty = { name: names.z, rows: space.none, handle: 0 };
  const mode = Math.max(tap.mode(names.scores), tap.mode(names.pattern));
  tap.count(geometries.multiplyAdds(rows, kind));
  if (mode !== Mode.split && rows.isEmpty) {
    tap.observe({ ...empty, name: names.scores });
    tap.observe({ ...empty, name: names.pattern });
    return empty;
  }
  const operands = once(() => {
    const [keys, values] = inView(tap.whole(k), tap.whole(v));
    return { queries: tap.pick(q, rows), keys, values };
  });
  if (mode === Mode.emit) {
    const { queries, keys, values } = operands();
    const geometry = geometries.at(rows, kind);
    const [z, scores, pattern] = core().attention_parts(geometry, queries, keys, values);
    tap.observe({ name: names.scores, rows, handle: scores });
    tap.observe({ name: names.pattern, rows, handle: pattern });
    return { name: names.z, rows, handle: z };
  }
  if (mode === Mode.idle) {
    return tap.made(names.z, rows, () => {
      const texts = space.textsOf(rows);
      if (tap.isResumed && texts.length < space.batch) {
        // The others' keys and values are seen by no row that is computed.
        const own = space.ofTexts(texts);
        const [queries, keys, values] = [tap.pick(q, rows), tap.pick(k, own), tap.pick(v, own)];
        return core().attention(geometries.at(rows, kind, texts), queries, keys, values);
      }
      const { queries, keys, values } = operands();
      return core().attention(geometries.at(rows, kind), queries, keys, values);
    });
  }
  const scored = tap.made(names.scores, rows, () => {
    const { queries, keys } = operands();
    return core().attend_scores(geometries.at(rows, kind), queries, keys);
  });
  const scores = tap.visit(scored);
  const pattern = tap.visit(
    tap.map(names.pattern, [scores], (scores) => core().softmax(scores, 2)),
  );
  const mixed = space.union(pattern.rows, rows);
  return tap.made(names.z, mixed, () => {
    const { values } = operands();
    return core().attend_mix(geometries.at(mixed, kind), tap.pick(pattern, mixed), values);
  });
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
  if (!w.postNorm) return tap.visit(summedHeads(tap, names, names.attnOut, z, w.o, cfg));
  const summed = tap.visit(summedHeads(tap, names, beforeNorm(names.attnOut), z, w.o, cfg));
  return tap.visit({ ...norm(tap, summed, names.ln1Post, w.postNorm), name: names.attnOut });
}

/** What the heads give together. */
function summedHeads(
  tap: Tap,
  names: BlockNames,
  name: string,
  z: RowValue,
  { weight, bias, names: own }: Projection,
  { nHeads }: HookedTransformerConfig,
): RowValue {
  if (tap.mode(names.result) === Mode.idle) {
    const out = tap.map(name, [z], (z) => core().attn_out(z, weight, bias, nHeads));
    return byMatrix(tap, out, z, own);
  }
  const byHead = tap.map(names.result, [z], (z) => core().head_results(z, weight, nHeads));
  const result = tap.visit(byHeads(tap, byHead, z, { weight: own.weight }, nHeads));
  const summed = tap.map(
    name,
    [result],
    (result) => core().binary(ADD, core().sum(result, Uint32Array.of(1), false), bias),
  );
  return byMatrix(tap, summed, z, { bias: own.bias });
}
