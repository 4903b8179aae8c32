/**
 * The attention geometry of the rows that a pass computes.
 *
 * @module
 */

import { core } from "../core/engine.ts";
import { getOrInsertComputed } from "../core/get_or_insert.ts";
import type { Rows } from "../core/rows.ts";

/** The shape of a pass: `nPos` queries in each of `batch` texts, over `nKeys` keys of which `offset` are older. */
export interface PassShape {
  readonly batch: number;
  readonly nPos: number;
  readonly nKeys: number;
  /** Where the queries begin among the keys. */
  readonly offset: number;
  /** One flag per (batch, key), 0 for a pad; `undefined` when every key is real. */
  readonly keyMask?: Uint8Array;
}

/**
 * The positions of keys from `offset` on, [batch, nKeys - offset]: they count real tokens only; pads before the first sit at 0.
 *
 * @param mask Flags of real tokens, [batch, nKeys]; `undefined` when all are.
 */
export function positionsOf(
  mask: Uint8Array | undefined,
  batch: number,
  nKeys: number,
  offset = 0,
): Int32Array<ArrayBuffer> {
  const nPos = nKeys - offset;
  const positions = new Int32Array(batch * nPos);
  if (mask === undefined) {
    for (let i = 0; i < positions.length; i++) positions[i] = offset + i % nPos;
    return positions;
  }
  for (let b = 0; b < batch; b++) {
    let seen = 0;
    for (let key = 0; key < nKeys; key++) {
      seen += mask[b * nKeys + key] ? 1 : 0;
      if (key >= offset) positions[b * nPos + key - offset] = Math.max(0, seen - 1);
    }
  }
  return positions;
}

/** What a layer's attention makes of the products of queries and keys. Layers that are alike share one. */
export interface AttentionKind {
  /** What products are divided by. */
  readonly scale: number;
  /** Keys that a query sees, its own included; `undefined` for all before it. */
  readonly window: number | undefined;
  /** Bounds scores by c · tanh(score / c); 0 for none. */
  readonly softCap: number;
  /** What is added for each key of distance, by head; empty for none. */
  readonly slopes: Float64Array;
}

/** The geometries of a pass. The core holds them until the pass ends. */
export class Geometries implements Disposable {
  /** By the texts whose keys there are, the rows and the kind. */
  readonly #made = new Map<string, Map<Rows, Map<AttentionKind, number>>>();
  readonly #shape: PassShape;
  readonly #nHeads: number;
  readonly #nKeyHeads: number;
  readonly #dHead: number;

  /** @param nKeyHeads The heads that keys and values have in this pass. */
  constructor(shape: PassShape, nHeads: number, nKeyHeads: number, dHead: number) {
    this.#shape = shape;
    this.#nHeads = nHeads;
    this.#nKeyHeads = nKeyHeads;
    this.#dHead = dHead;
  }

  /**
   * The core's geometry of these rows, in layers of a kind.
   *
   * @param texts The texts whose keys and values attention is given, ascending; all of the pass unless said.
   */
  at(rows: Rows, kind: AttentionKind, texts?: readonly number[]): number {
    const { batch, nKeys } = this.#shape;
    const byRows = getOrInsertComputed(this.#made, texts?.join() ?? "all", () => new Map());
    const byKind = getOrInsertComputed(byRows, rows, () => new Map());
    return getOrInsertComputed(byKind, kind, () =>
      core().geometry(
        this.#pairs(rows, texts),
        this.#keyMask(texts),
        texts?.length ?? batch,
        nKeys,
        this.#nHeads,
        this.#nKeyHeads,
        this.#dHead,
        kind.scale,
        kind.window ?? 0,
        kind.softCap,
        kind.slopes,
      ));
  }

  /** The multiply-adds of scores and mix over these rows. */
  multiplyAdds(rows: Rows, { window = Infinity }: AttentionKind): number {
    const { nPos, offset } = this.#shape;
    let keys = 0;
    for (const row of rows.indices) keys += Math.min(offset + row % nPos + 1, window);
    return 2 * keys * this.#nHeads * this.#dHead;
  }

  [Symbol.dispose](): void {
    for (const byRows of this.#made.values()) {
      for (const byKind of byRows.values()) {
        for (const geometry of byKind.values()) core().free_geometry(geometry);
      }
    }
    this.#made.clear();
  }

  #keyMask(texts: readonly number[] | undefined): Uint8Array {
    const { nKeys, keyMask = new Uint8Array() } = this.#shape;
    if (!texts || keyMask.length === 0) return keyMask;
    return Uint8Array.from(
      texts.flatMap((text) => [...keyMask.subarray(text * nKeys, (text + 1) * nKeys)]),
    );
  }

  /** (text, key index) of each row. */
  #pairs({ indices }: Rows, texts: readonly number[] | undefined): Uint32Array {
    const { nPos, offset } = this.#shape;
    const places = texts && new Map(texts.map((text, place) => [text, place]));
    const pairs = new Uint32Array(indices.length * 2);
    indices.forEach((row, i) => {
      const text = Math.floor(row / nPos);
      pairs[i * 2] = places?.get(text) ?? text;
      pairs[i * 2 + 1] = offset + row % nPos;
    });
    return pairs;
  }
}
