/**
 * The attention geometry of the rows that a pass computes.
 *
 * @module
 */

import { core } from "../core/engine.ts";
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

/** The geometries of a pass, by rows and scale. The core holds them until the pass ends. */
export class Geometries implements Disposable {
  readonly #made = new Map<Rows, Map<number, number>>();
  readonly #shape: PassShape;
  readonly #nHeads: number;
  readonly #dHead: number;

  constructor(shape: PassShape, nHeads: number, dHead: number) {
    this.#shape = shape;
    this.#nHeads = nHeads;
    this.#dHead = dHead;
  }

  /** The core's geometry of these rows, for scores divided by `scale`. */
  at(rows: Rows, scale: number): number {
    const { batch, nKeys, keyMask = new Uint8Array() } = this.#shape;
    let byScale = this.#made.get(rows);
    if (!byScale) this.#made.set(rows, byScale = new Map());
    let geometry = byScale.get(scale);
    if (geometry === undefined) {
      geometry = core().geometry(
        this.#pairs(rows),
        keyMask,
        batch,
        nKeys,
        this.#nHeads,
        this.#dHead,
        scale,
      );
      byScale.set(scale, geometry);
    }
    return geometry;
  }

  /** The multiply-adds of scores and mix over these rows. */
  multiplyAdds(rows: Rows): number {
    const { nPos, offset } = this.#shape;
    let keys = 0;
    for (const row of rows.indices) keys += offset + row % nPos + 1;
    return 2 * keys * this.#nHeads * this.#dHead;
  }

  [Symbol.dispose](): void {
    for (const byScale of this.#made.values()) {
      for (const geometry of byScale.values()) core().free_geometry(geometry);
    }
    this.#made.clear();
  }

  /** (batch, key index) of each row. */
  #pairs({ indices }: Rows): Uint32Array {
    const { nPos, offset } = this.#shape;
    const pairs = new Uint32Array(indices.length * 2);
    indices.forEach((row, i) => {
      pairs[i * 2] = Math.floor(row / nPos);
      pairs[i * 2 + 1] = offset + row % nPos;
    });
    return pairs;
  }
}
