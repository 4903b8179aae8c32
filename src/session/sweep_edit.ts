/**
 * The edits of a sweep: which cells of a value each variant writes, and what.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { ConfigError, ShapeError, UnknownPointError } from "../core/errors.ts";
import { copyIn, sizeOf } from "../core/scope.ts";
import { handleOf, type Tensor } from "../core/tensor.ts";
import type { Edit, PathPatchEdit } from "../hooks/edits.ts";
import { describeShape, isJoined } from "../hooks/points.ts";

/** What a variant edits: a position, and a feature or a head there; what isn't given is all. */
export interface SweepCell {
  /** The layer, which says at which point. */
  readonly layer?: number;
  /** The position; negative counts from the end. */
  readonly pos?: number;
  /** The place on the last axis: a feature of codes, a neuron, a dimension. */
  readonly feature?: number;
  /** The head, at points that have heads. */
  readonly head?: number;
  /** The query's position, in attention scores and patterns. */
  readonly dest?: number;
  /** The key's position, in attention scores and patterns. */
  readonly src?: number;
}

/** Values of another run by name, such as an `ActivationCache`. */
export interface SweepSource {
  /** Gives an activation by its full name. */
  get(name: string): Tensor | undefined;
}

/**
 * An edit of one's own: it sees the whole value as a hook does, [batch, pos, ...], and changes it in place or returns another. The
 * rows that come out different are what its variant computes.
 */
export type SweepHook = (value: Tensor, cell: SweepCell) => Tensor | void;

/** An edit of cells as plain data: what is done to them. */
export type CellEdit =
  | "ablate"
  | number
  | { readonly scale: number }
  | { readonly patch: SweepSource };

/** An edit of `edits` at one point. */
export type SweepDataEdit = Exclude<Edit, PathPatchEdit>;

/**
 * What happens to the cells: `"ablate"` sets them to zero, a number is what they are set to, `{ scale }` multiplies them,
 * `{ patch }` takes them from another run (a clean cache; one text there serves every text here), an edit of `edits` that leaves the
 * sweep's axes open does what it does, and a function does as it likes.
 */
export type SweepEdit = CellEdit | SweepDataEdit | SweepHook;

/** The value that a sweep edits, as the base run has it. */
export interface SweptValue {
  /** The hook point. */
  readonly name: string;
  /** What its axes are, as hooks see it. */
  readonly axes: readonly string[];
  readonly batch: number;
  readonly nPos: number;
  /** All rows of it, [batch * pos, ...tail]. */
  readonly whole: Handle;
  readonly tail: readonly number[];
}

/** Rows of variants that came out different from the base run's. */
export interface ChangedRows {
  /** Which row of the base run each is, and of which variant; by variant, then by row. */
  readonly places: readonly { readonly variant: number; readonly row: number }[];
  /** The rows, [places.length, ...tail]. */
  readonly handle: Handle;
}

const [MUL, LIST] = [1, 3];

/** Attention scores and patterns: hooks see them by head, the core by query. */
export function isByHead(axes: readonly string[]): boolean {
  return axes[2] === "query";
}

function inRange(what: string, index: number, length: number): number {
  if (!Number.isInteger(index) || index < -length || index >= length) {
    throw new RangeError(`Cannot sweep over ${what} ${index}: there are ${length}.`);
  }
  return index < 0 ? index + length : index;
}

/** One of two names for the same axis, at most. */
function either(
  { name }: Pick<SweptValue, "name">,
  [first, a]: readonly [string, number | undefined],
  [second, b]: readonly [string, number | undefined],
): number | undefined {
  if (a !== undefined && b !== undefined) {
    throw new ConfigError(
      `Cannot sweep over "${first}" and "${second}" at "${name}": they are the same axis.`,
    );
  }
  return a ?? b;
}

function requireQueries({ name, axes }: SweptValue, { dest, src }: SweepCell): void {
  if (isByHead(axes) || (dest === undefined && src === undefined)) return;
  throw new ConfigError(
    `Cannot sweep over "${
      dest === undefined ? "src" : "dest"
    }" at "${name}": only attention scores and patterns have queries and keys.`,
  );
}

/** The positions whose rows a cell writes. */
function positionsOf(value: SweptValue, cell: SweepCell): number[] {
  const pos = either(value, ["pos", cell.pos], ["dest", cell.dest]);
  if (pos === undefined) return Array.from({ length: value.nPos }, (_, p) => p);
  return [inRange("position", pos, value.nPos)];
}

/** Where a cell lies in a row of the value: offsets behind the row's first element; `undefined` for the whole row. */
function offsetsOf(value: SweptValue, cell: SweepCell): number[] | undefined {
  requireQueries(value, cell);
  const { head } = cell;
  const { tail } = value;
  const place = either(value, ["feature", cell.feature], ["src", cell.src]);
  if (head === undefined && place === undefined) return undefined;
  if (head !== undefined && tail.length < 2) {
    throw new ConfigError(
      `Cannot sweep over heads of a value whose positions have shape [${tail.join(", ")}].`,
    );
  }
  const last = tail[tail.length - 1];
  const what = cell.src === undefined ? "feature" : "key position";
  const wanted = place === undefined ? undefined : inRange(what, place, last);
  const perHead = sizeOf(tail.slice(1));
  const from = head === undefined ? 0 : inRange("head", head, tail[0]) * perHead;
  const length = head === undefined ? sizeOf(tail) : perHead;
  const offsets: number[] = [];
  for (let i = wanted ?? 0; i < length; i += wanted === undefined ? 1 : last) {
    offsets.push(from + i);
  }
  return offsets;
}

/** Whether an edit is one of cells, which all variants do at once. */
export function isCellEdit(edit: SweepEdit): edit is CellEdit {
  return typeof edit === "string" || typeof edit === "number" ||
    (typeof edit === "object" && !("kind" in edit));
}

/** The edit that a variant does: the one given, at the variant's cell. */
export function editAt(
  edit: SweepDataEdit,
  value: Pick<SweptValue, "name">,
  cell: SweepCell,
): SweepDataEdit {
  const pos = either(value, ["pos", cell.pos], ["dest", cell.dest]);
  const feature = either(value, ["feature", cell.feature], ["src", cell.src]);
  const own = { ...(pos !== undefined && { pos }), ...(feature !== undefined && { feature }) };
  const places = { ...own, ...(cell.head !== undefined && { head: cell.head }) };
  const said: object = edit;
  const twice = Object.keys(places).find((axis) => axis in said);
  if (twice !== undefined || edit.kind === "cutEdge") {
    throw new ConfigError(
      `Cannot sweep the edit "${edit.kind}" over "${twice ?? "from"}": ${
        twice === undefined ? "it cuts edges, not cells" : "it says which already"
      }.`,
    );
  }
  return { ...edit, ...places };
}

/** How many positions the largest of the cells writes. */
export function positionsWritten(cells: readonly SweepCell[], nPos: number): number {
  return cells.every(({ pos, dest }) => (pos ?? dest) !== undefined) ? 1 : nPos;
}

/** Another run's value with an axis of texts, which caches of one text and norms of heads don't show. */
function withTexts(found: Tensor, { name, nPos, tail }: SweptValue): Tensor {
  const row = nPos * sizeOf(tail);
  if (isJoined(name) && found.size % row === 0) return found.reshape(-1, nPos, ...tail);
  return found.rank === tail.length + 1 ? found.unsqueeze(0) : found;
}

/** The rows of another run's value that are written over rows of this one, [rows.length, ...tail]. */
function patchedRows(value: SweptValue, source: SweepSource, rows: readonly number[]): Handle {
  const { name, axes, batch, nPos, tail } = value;
  const found = source.get(name);
  if (!found) {
    throw new UnknownPointError(
      `Cannot patch "${name}": what it is patched from has no such value.`,
    );
  }
  const rank = tail.length + 2;
  let handle = handleOf(withTexts(found, value));
  if (isByHead(axes) && core().shape_of(handle).length === rank) {
    handle = core().permute(handle, Uint32Array.of(0, 2, 1, 3));
  }
  const [texts, positions, ...rest] = core().shape_of(handle);
  const reads = rows.reduce((most, row) => Math.max(most, row % nPos + 1), 0);
  const fits = (texts === 1 || texts === batch) && rest.join() === tail.join() &&
    positions >= reads;
  if (!fits) {
    const [head, query, ...key] = tail;
    const wanted = isByHead(axes) ? [batch, head, nPos, query, ...key] : [batch, nPos, ...tail];
    throw new ShapeError(
      `Cannot patch "${name}" from a value of shape [${found.shape.join(", ")}]: expected ${
        describeShape(wanted, axes)
      }, or batch 1.`,
    );
  }
  const flat = core().reshape(handle, Uint32Array.of(texts * positions, ...tail));
  const from = Uint32Array.from(
    rows,
    (row) => (texts === 1 ? 0 : Math.floor(row / nPos)) * positions + row % nPos,
  );
  return core().take_rows(flat, from);
}

/** What is written: taken of the cells as they were, or of the other run's at the same place. */
function written(
  edit: CellEdit,
  before: () => Handle,
  patched: (source: SweepSource) => Handle,
): Handle {
  if (edit === "ablate") return copyIn(Float32Array.of(0), [], "float32");
  if (typeof edit === "number") return copyIn(Float32Array.of(edit), [], "float32");
  return "scale" in edit ? core().with_scalar(MUL, before(), edit.scale) : patched(edit.patch);
}

/** Says where cells of rows lie, as the core's index of the flattened rows. */
function flatIndex(offsets: readonly (readonly number[])[], size: number): Int32Array {
  const count = offsets.reduce((sum, { length }) => sum + length, 0);
  const index = new Int32Array(2 + count);
  index.set([LIST, count]);
  let next = 2;
  offsets.forEach((cells, row) => {
    for (const offset of cells) index[next++] = row * size + offset;
  });
  return index;
}

/**
 * Writes each variant's cells, of every text, and finds the rows that differ then.
 *
 * @param cells What each variant writes.
 */
export function editedCells(
  value: SweptValue,
  cells: readonly SweepCell[],
  edit: CellEdit,
): ChangedRows {
  const { batch, nPos, whole, tail } = value;
  const size = sizeOf(tail);
  const places: { variant: number; row: number }[] = [];
  const offsets: (readonly number[] | undefined)[] = [];
  cells.forEach((cell, variant) => {
    const within = offsetsOf(value, cell);
    const positions = positionsOf(value, cell);
    for (let text = 0; text < batch; text++) {
      for (const pos of positions) {
        offsets.push(within);
        places.push({ variant, row: text * nPos + pos });
      }
    }
  });
  const rows = places.map(({ row }) => row);
  const before = core().take_rows(whole, Uint32Array.from(rows));
  const flatten = (handle: Handle) => core().reshape(handle, Uint32Array.of(rows.length * size));
  const flat = core().share(flatten(before));
  // Every variant leaves out the same axes of its cell.
  const index = offsets.every((within) => within !== undefined)
    ? flatIndex(offsets, size)
    : Int32Array.of(0);
  const source = written(
    edit,
    () => core().index(flat, index),
    (from) => core().index(flatten(patchedRows(value, from, rows)), index),
  );
  core().index_put(flat, source, index);
  const after = core().reshape(flat, core().shape_of(before));
  const changed = core().changed_rows(after, before);
  return {
    places: Array.from(changed, (i) => places[i]),
    handle: changed.length === rows.length ? after : core().take_rows(after, changed),
  };
}
