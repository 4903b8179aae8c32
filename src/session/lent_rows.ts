/**
 * A base run's value as a hook is lent it: nothing is copied but the rows that the hook reads or writes.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { flatIndices, type IndexPart, resolveIndex } from "../core/index_spec.ts";
import type { Rows } from "../core/rows.ts";
import type { Scope } from "../core/scope.ts";
import { handleOf, type RowBacking, type Tensor, tensorOf } from "../core/tensor.ts";
import type { RowValue, Tap } from "../hooks/tap.ts";

/** The rows that an index chooses, when its first two parts say so plainly. */
interface Chosen {
  readonly rows: Rows;
  /** The shape of the choice: batch and position axes that weren't dropped. */
  readonly lead: readonly number[];
}

/** What is written to a choice of rows, with one axis for them: [rows, ...]. */
function byRow(value: Handle, { rows, lead }: Chosen, tail: readonly number[]): Handle {
  if (lead.length === 1 || core().shape_of(value).length === 0) return value;
  const region = core().expand(value, Uint32Array.of(...lead, ...tail));
  return core().reshape(region, Uint32Array.of(rows.count, ...tail));
}

/** Rows of a value over those of the base run. */
export class LentRows implements RowBacking {
  readonly #tap: Pick<Tap, "space" | "pick" | "whole">;
  readonly #scope: Scope;
  #value: RowValue;
  readonly #tail: readonly number[];

  /**
   * Lends a value.
   *
   * @param scope The run's: a hook may run other models, and touch the value while they run.
   * @param tail The value's axes behind batch and position.
   */
  constructor(
    tap: Pick<Tap, "space" | "pick" | "whole">,
    scope: Scope,
    value: RowValue,
    tail: readonly number[],
  ) {
    this.#tap = tap;
    this.#scope = scope;
    this.#value = value;
    this.#tail = tail;
  }

  /** The value as it is now: the rows that came in, and those that were written. */
  get value(): RowValue {
    return this.#value;
  }

  whole(): Handle {
    const { batch, nPos } = this.#tap.space;
    const grid = core().reshape(
      this.#tap.whole(this.#value),
      Uint32Array.of(batch, nPos, ...this.#tail),
    );
    return this.#scope.adopt(core().share(grid));
  }

  at(parts: readonly IndexPart[]): Tensor | undefined {
    const chosen = this.#chosen(parts);
    if (!chosen) return undefined;
    const shape = Uint32Array.of(...chosen.lead, ...this.#tail);
    const rows = tensorOf(core().reshape(this.#tap.pick(this.#value, chosen.rows), shape));
    const rest = parts.slice(2);
    if (rest.length === 0) return rows;
    const { encoded, shape: region, isFlat } = resolveIndex([
      ...chosen.lead.map(() => ":"),
      ...rest,
    ], rows.shape);
    if (isFlat) return undefined;
    return tensorOf(core().reshape(core().index(handleOf(rows), encoded), new Uint32Array(region)));
  }

  set(parts: readonly IndexPart[], value: Tensor): boolean {
    const chosen = this.#chosen(parts);
    if (!chosen) return false;
    const tail = resolveIndex(parts.slice(2), this.#tail);
    if (tail.isFlat) return false;
    const rows = this.#tap.space.union(this.#value.rows, chosen.rows);
    const target = core().share(this.#tap.pick(this.#value, rows));
    const places = Array.from(chosen.rows.indices, (row) => rows.indices.indexOf(row));
    core().index_put(
      target,
      byRow(handleOf(value), chosen, tail.shape),
      Int32Array.of(3, places.length, ...places, ...tail.encoded),
    );
    if (core().node_of(target) !== 0) return false;
    this.#value = { ...this.#value, rows, handle: this.#scope.adopt(target) };
    return true;
  }

  #chosen(parts: readonly IndexPart[]): Chosen | undefined {
    const { batch, nPos } = this.#tap.space;
    const lead = parts.slice(0, 2);
    const isPlain = (part: IndexPart) =>
      part !== "..." && !(typeof part === "object" && part.isMask);
    const isListed = (part: IndexPart) => typeof part === "object";
    if (lead.length < 2 || !parts.every(isPlain)) return undefined;
    if (lead.some(isListed) && parts.filter(isListed).length > 1) return undefined;
    const { indices, shape } = flatIndices(lead, [batch, nPos]);
    if (indices.length === 0 || indices.some((row, i) => i > 0 && row <= indices[i - 1])) {
      return undefined;
    }
    return { rows: this.#tap.space.of(indices), lead: shape };
  }
}

/** The axes of attention scores as hooks see them, [batch, head, query, key], by where rows have them. */
const BY_HEAD = [0, 2, 1, 3];

/** Attention scores over those of the base run: hooks see the head in front of the query, the core behind it. */
export class LentScores implements RowBacking {
  readonly #rows: LentRows;
  readonly #scope: Scope;
  readonly #shape: readonly number[];

  /** Lends scores. @param shape As hooks see them. */
  constructor(rows: LentRows, scope: Scope, shape: readonly number[]) {
    this.#rows = rows;
    this.#scope = scope;
    this.#shape = shape;
  }

  /** The scores as they are now: the rows that came in, and those that were written. */
  get value(): RowValue {
    return this.#rows.value;
  }

  whole(): Handle {
    const scores = core().permute(this.#rows.whole(), Uint32Array.from(BY_HEAD));
    return this.#scope.adopt(core().share(scores));
  }

  at(parts: readonly IndexPart[]): Tensor | undefined {
    const all = spelledOut(parts);
    const region = all && this.#rows.at(byQuery(all));
    const swapped = all && swappedAxes(all);
    return region && swapped ? region.transpose(...swapped) : region;
  }

  set(parts: readonly IndexPart[], value: Tensor): boolean {
    const all = spelledOut(parts);
    if (!all) return false;
    const swapped = swappedAxes(all);
    if (!swapped || value.rank === 0) return this.#rows.set(byQuery(all), value);
    const { shape } = resolveIndex(all, this.#shape);
    return this.#rows.set(byQuery(all), value.expand(shape).transpose(...swapped));
  }
}

/** An index with a part for each of four axes, where each part is plain. */
function spelledOut(parts: readonly IndexPart[]): IndexPart[] | undefined {
  const isPlain = (part: IndexPart) =>
    part !== "..." && !(typeof part === "object" && (part.isMask || part.shape.length !== 1));
  if (parts.length > 4 || !parts.every(isPlain)) return undefined;
  return [...parts, ...Array<IndexPart>(4 - parts.length).fill(":")];
}

function byQuery(parts: readonly IndexPart[]): IndexPart[] {
  return BY_HEAD.map((axis) => parts[axis]);
}

/** The axes of a region that rows have the other way round: head and query, where neither is dropped. */
function swappedAxes([batch, head, query]: readonly IndexPart[]): [number, number] | undefined {
  if (typeof head === "number" || typeof query === "number") return undefined;
  const first = typeof batch === "number" ? 0 : 1;
  return [first, first + 1];
}
