/**
 * Sets of rows: the (batch, position) pairs that a run computes.
 *
 * @module
 */

import { getOrInsertComputed } from "./get_or_insert.ts";

/** A set of rows, ascending. Sets of one {@linkcode RowSpace} are equal when they are the same object. */
export interface Rows {
  /** The rows' places in the flattened [batch, pos] grid. */
  readonly indices: Uint32Array<ArrayBuffer>;
  readonly count: number;
  readonly isAll: boolean;
  readonly isEmpty: boolean;
}

/** A number that equal lists have in common, and most others haven't (FNV-1a). */
function checksum(indices: ArrayLike<number>): number {
  let sum = 0x811c9dc5;
  for (let i = 0; i < indices.length; i++) sum = Math.imul(sum ^ indices[i], 0x01000193);
  return sum;
}

function isSame(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** What was made of sets, by two keys: runs in a loop ask for the same again and again. */
class KnownPairs<A> {
  readonly #made = new Map<A, Map<Rows, Rows>>();

  get(a: A, b: Rows, make: () => Rows): Rows {
    return getOrInsertComputed(
      getOrInsertComputed(this.#made, a, () => new Map<Rows, Rows>()),
      b,
      make,
    );
  }
}

/** The rows of a [batch, pos] grid, and what can be made of sets of them. */
export class RowSpace {
  readonly batch: number;
  readonly nPos: number;
  /** Every row. */
  readonly all: Rows;
  /** No row. */
  readonly none: Rows;
  /** Sets by a number that equal ones have in common. */
  readonly #known = new Map<number, Rows[]>();
  #nKnown = 0;
  readonly #grown = new KnownPairs<number>();
  readonly #unions = new KnownPairs<Rows>();
  readonly #common = new KnownPairs<Rows>();

  constructor(batch: number, nPos: number) {
    this.batch = batch;
    this.nPos = nPos;
    const count = batch * nPos;
    this.none = { indices: new Uint32Array(), count: 0, isAll: count === 0, isEmpty: true };
    const indices = Uint32Array.from({ length: count }, (_, row) => row);
    this.all = { indices, count, isAll: true, isEmpty: count === 0 };
  }

  /** How many sets of rows are known, all and none aside. */
  get nKnown(): number {
    return this.#nKnown;
  }

  /** The set of these rows, which ascend. */
  of(indices: ArrayLike<number>): Rows {
    if (indices.length === this.all.count) return this.all;
    if (indices.length === 0) return this.none;
    const alike = getOrInsertComputed(this.#known, checksum(indices), () => []);
    let rows = alike.find((one) => isSame(one.indices, indices));
    if (!rows) {
      rows = {
        indices: Uint32Array.from(indices),
        count: indices.length,
        isAll: false,
        isEmpty: false,
      };
      alike.push(rows);
      this.#nKnown++;
    }
    return rows;
  }

  /** The rows that are in any of the sets. */
  union(...sets: readonly Rows[]): Rows {
    let all = this.none;
    for (const set of sets) all = this.#joined(all, set);
    return all;
  }

  #joined(a: Rows, b: Rows): Rows {
    if (a === b || b.isEmpty || a.isAll) return a;
    if (a.isEmpty || b.isAll) return b;
    return this.#unions.get(a, b, () => {
      const merged = new Set(a.indices);
      for (const row of b.indices) merged.add(row);
      return this.of([...merged].sort((a, b) => a - b));
    });
  }

  /** The texts that these rows are of, ascending. */
  textsOf({ indices }: Rows): number[] {
    return [...new Set(Array.from(indices, (row) => Math.floor(row / this.nPos)))];
  }

  /** All rows of these texts, which ascend. */
  ofTexts(texts: readonly number[]): Rows {
    return this.of(
      texts.flatMap((text) =>
        Array.from({ length: this.nPos }, (_, pos) => text * this.nPos + pos)
      ),
    );
  }

  /** The rows that are in both sets. */
  common(a: Rows, b: Rows): Rows {
    if (a === b || b.isAll || a.isEmpty) return a;
    if (a.isAll || b.isEmpty) return b;
    return this.#common.get(a, b, () => {
      const inA = new Set(a.indices);
      return this.of(b.indices.filter((row) => inA.has(row)));
    });
  }

  /**
   * The rows that see one of these: each with the later positions of its text.
   *
   * @param window How many positions see a row, its own included; all that come later unless said.
   */
  grown(rows: Rows, window = Infinity): Rows {
    if (rows.isEmpty || rows.isAll) return rows;
    const reach = Math.min(window, this.nPos);
    return this.#grown.get(reach, rows, () => {
      const out: number[] = [];
      for (const row of rows.indices) {
        const end = Math.min(row + reach, (Math.floor(row / this.nPos) + 1) * this.nPos);
        for (let seer = Math.max(row, (out.at(-1) ?? -1) + 1); seer < end; seer++) out.push(seer);
      }
      return this.of(out);
    });
  }
}

/** Where the rows of one set are among those of another; `undefined` when some aren't. */
export function placesIn(rows: Rows, among: Rows): Uint32Array<ArrayBuffer> | undefined {
  const places = new Uint32Array(rows.count);
  let at = 0;
  for (let i = 0; i < rows.count; i++) {
    while (at < among.count && among.indices[at] < rows.indices[i]) at++;
    if (at === among.count || among.indices[at] !== rows.indices[i]) return undefined;
    places[i] = at;
  }
  return places;
}
