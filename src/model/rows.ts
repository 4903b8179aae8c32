/**
 * Which rows a pass computes, and the keys they see.
 *
 * @module
 */

import { core } from "../core/engine.ts";

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
 * The attention geometry of a pass for each scale that its layers use. The core holds it until the pass ends.
 */
export class Geometries implements Disposable {
  readonly #made = new Map<number, number>();
  readonly #shape: PassShape;
  readonly #nHeads: number;
  readonly #dHead: number;
  readonly #rows: Uint32Array;

  constructor(shape: PassShape, nHeads: number, dHead: number) {
    this.#shape = shape;
    this.#nHeads = nHeads;
    this.#dHead = dHead;
    this.#rows = new Uint32Array(shape.batch * shape.nPos * 2);
    for (let row = 0; row < shape.batch * shape.nPos; row++) {
      this.#rows[row * 2] = Math.floor(row / shape.nPos);
      this.#rows[row * 2 + 1] = shape.offset + row % shape.nPos;
    }
  }

  /** The core's geometry for scores divided by `scale`. */
  at(scale: number): number {
    let geometry = this.#made.get(scale);
    if (geometry === undefined) {
      const { batch, nKeys, keyMask = new Uint8Array() } = this.#shape;
      geometry = core().geometry(this.#rows, keyMask, batch, nKeys, this.#nHeads, this.#dHead, scale);
      this.#made.set(scale, geometry);
    }
    return geometry;
  }

  /** The multiply-adds of scores and mix over all rows. */
  get multiplyAdds(): number {
    let keys = 0;
    for (let i = 1; i < this.#rows.length; i += 2) keys += this.#rows[i] + 1;
    return 2 * keys * this.#nHeads * this.#dHead;
  }

  [Symbol.dispose](): void {
    for (const geometry of this.#made.values()) core().free_geometry(geometry);
    this.#made.clear();
  }
}
