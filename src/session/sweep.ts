/**
 * Sweeps: one edit in many variants, stacked as rows of one pass over the base run.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { ConfigError } from "../core/errors.ts";
import { noGrad } from "../core/gradients.ts";
import { RowSpace } from "../core/rows.ts";
import { copyOut, scoped, sizeOf } from "../core/scope.ts";
import { lazyTensor, Tensor } from "../core/tensor.ts";
import type { RowValue } from "../hooks/tap.ts";
import type { BaseRun, BaseValues } from "./base_run.ts";
import { logitsByRow, type ReadRows } from "./logits.ts";
import type { RunCost } from "./run.ts";

/** What a variant edits: a position, and a feature or a head there; what isn't given is all. */
export interface SweepCell {
  /** The position; negative counts from the end. */
  readonly pos?: number;
  /** The place on the last axis: a feature of codes, a neuron, a dimension. */
  readonly feature?: number;
  /** The head, at points that have heads. */
  readonly head?: number;
}

/** What happens to the cells: `"ablate"` sets them to zero, a number is what they are set to, `{ scale }` multiplies them. */
export type SweepEdit = "ablate" | number | { readonly scale: number };

/** Options of a sweep. */
export interface SweepOptions {
  /** The hook point that is edited. */
  at: string;
  /** The axes of the sweep, by what they vary, in the order of the result's axes. */
  over: { readonly [axis in keyof SweepCell]: readonly number[] };
  /** What happens to each variant's cells. */
  edit?: SweepEdit;
  /** What is read off the logits [batch, pos, dVocab]: a tensor of shape [] or [batch]. */
  metric: (logits: Tensor) => Tensor;
  /** Told after each chunk of variants. */
  onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
  /** Stops the sweep between chunks. */
  signal?: AbortSignal;
  /** Bytes that a chunk of variants may use; 256 MiB unless said. */
  budgetBytes?: number;
}

const AXES: readonly string[] = ["pos", "feature", "head"];
const DEFAULT_BUDGET_BYTES = 2 ** 28;

/** A text of a variant that its edit changed: it runs as a text of its own. */
interface Branch {
  readonly variant: number;
  /** The text in the base run's batch. */
  readonly text: number;
}

/** What a sweep needs of the model that it runs on. */
export interface SweepHost {
  readonly base: BaseRun;
  readonly batch: number;
  readonly nPos: number;
  readonly dModel: number;
  readonly dVocab: number;
  /** Bytes that the run of one position needs, about. */
  readonly bytesPerRow: number;
  /**
   * Runs texts of the base run again, with the value at a point edited.
   *
   * @param texts The base run's text for each of the pass.
   * @param edit Gives the value's rows that differ, in the space of the pass.
   * @returns What the unembedding reads, by rows that differ.
   */
  run(
    texts: readonly number[],
    values: BaseValues,
    space: RowSpace,
    at: string,
    edit: (value: RowValue) => RowValue,
  ): { hookIn: RowValue; cost: RunCost };
  /** Unembeds rows [n, dModel]. */
  unembed(rows: Handle): Handle;
}

/** The variants of a sweep, in the order of the result. */
function variantsOf(over: SweepOptions["over"]): { cells: SweepCell[]; shape: number[] } {
  const axes = Object.entries(over);
  for (const [axis] of axes) {
    if (!AXES.includes(axis)) {
      throw new ConfigError(
        `Cannot sweep over "${axis}": expected ${AXES.map((known) => `"${known}"`).join(", ")}.`,
      );
    }
  }
  const cells = axes.reduce<SweepCell[]>(
    (so, [axis, values]) =>
      so.flatMap((cell) => Array.from(values, (value) => ({ ...cell, [axis]: value }))),
    [{}],
  );
  return { cells, shape: axes.map(([, values]) => values.length) };
}

function inRange(what: string, index: number, length: number): number {
  if (!Number.isInteger(index) || index < -length || index >= length) {
    throw new RangeError(`Cannot sweep over ${what} ${index}: there are ${length}.`);
  }
  return index < 0 ? index + length : index;
}

/** The base run's values for texts that are repeated. */
class RepeatedTexts implements BaseValues {
  readonly #base: BaseValues;
  readonly #rows: Uint32Array;
  readonly #taken = new Map<string, Handle>();

  constructor(base: BaseValues, texts: readonly number[], nPos: number) {
    this.#base = base;
    this.#rows = Uint32Array.from(
      { length: texts.length * nPos },
      (_, row) => texts[Math.floor(row / nPos)] * nPos + row % nPos,
    );
  }

  value(name: string): Handle {
    let taken = this.#taken.get(name);
    if (taken === undefined) {
      taken = core().take_rows(this.#base.value(name), this.#rows);
      this.#taken.set(name, taken);
    }
    return taken;
  }
}

/** Where a cell lies in a row of the edited value: offsets behind the row's first element. */
function offsetsOf({ feature, head }: SweepCell, tail: readonly number[]): number[] {
  const size = sizeOf(tail);
  const last = tail[tail.length - 1];
  if (head !== undefined && tail.length < 2) {
    throw new ConfigError(
      `Cannot sweep over heads of a value whose positions have shape [${tail.join(", ")}].`,
    );
  }
  const perHead = size / tail[0];
  const from = head === undefined ? 0 : inRange("head", head, tail[0]) * perHead;
  const all = Array.from({ length: head === undefined ? size : perHead }, (_, i) => from + i);
  if (feature === undefined) return all;
  const place = inRange("feature", feature, last);
  return all.filter((offset) => offset % last === place);
}

/** Applies an edit to cells of rows. */
function editedRows(rows: Handle, size: number, cells: readonly number[], edit: SweepEdit): Handle {
  const shape = core().shape_of(rows);
  const flat = core().share(core().reshape(rows, Uint32Array.of(size)));
  const codes = Int32Array.of(3, cells.length, ...cells);
  const MUL = 1;
  const value = typeof edit === "object"
    ? core().with_scalar(MUL, core().index(flat, codes), edit.scale)
    : core().with_scalar(
      0,
      core().with_scalar(MUL, core().index(flat, codes), 0),
      edit === "ablate" ? 0 : edit,
    );
  core().index_put(flat, value, codes);
  return core().reshape(flat, shape);
}

/** Runs a chunk of variants, and gives a reader of each variant's logits. */
function runChunk(
  host: SweepHost,
  options: SweepOptions,
  cells: readonly SweepCell[],
  readsRows: readonly number[],
  readBase: ReadRows,
): { readers: ReadRows[]; cost: RunCost | undefined } {
  const { base, batch, nPos, dModel, dVocab } = host;
  const { at, edit = "ablate" } = options;
  const whole = base.value(at);
  const tail = Array.from(core().shape_of(whole).subarray(1));
  const size = sizeOf(tail);

  // The rows that each variant writes, of every text; those that came out the same are dropped at once.
  const sources: { variant: number; row: number }[] = [];
  const touched: number[] = [];
  cells.forEach((cell, variant) => {
    const offsets = offsetsOf(cell, tail);
    const positions = cell.pos === undefined
      ? Array.from({ length: nPos }, (_, p) => p)
      : [inRange("position", cell.pos, nPos)];
    for (let text = 0; text < batch; text++) {
      for (const pos of positions) {
        for (const offset of offsets) touched.push(sources.length * size + offset);
        sources.push({ variant, row: text * nPos + pos });
      }
    }
  });
  const before = core().take_rows(whole, Uint32Array.from(sources, ({ row }) => row));
  const after = editedRows(before, sources.length * size, touched, edit);
  const changed = core().changed_rows(after, before);

  const branches: Branch[] = [];
  const places = Array.from(changed, (i) => {
    const { variant, row } = sources[i];
    const text = Math.floor(row / nPos);
    const last = branches.at(-1);
    if (last?.variant !== variant || last.text !== text) branches.push({ variant, text });
    return (branches.length - 1) * nPos + row % nPos;
  });
  const branchOf = new Map(branches.map(({ variant, text }, i) => [variant * batch + text, i]));
  const unedited = cells.map(() => readBase);
  if (branches.length === 0) return { readers: unedited, cost: undefined };

  const texts = branches.map(({ text }) => text);
  const space = new RowSpace(branches.length, nPos);
  const rows = space.of(places);
  const handle = core().take_rows(after, changed);
  const values = new RepeatedTexts(base, texts, nPos);
  const { hookIn, cost } = host.run(texts, values, space, at, () => ({ name: at, rows, handle }));

  // What the metric reads is unembedded for all variants at once.
  const place = new Map(Array.from(hookIn.rows.indices, (row, i) => [row, i]));
  const wanted = branches.flatMap(({ text }, branch) =>
    readsRows.filter((row) => Math.floor(row / nPos) === text)
      .map((row) => branch * nPos + row % nPos)
      .filter((row) => place.has(row))
  );
  const known = new Map<number, Float32Array>();
  const unembedRows = (branchRows: readonly number[]) => {
    const at = Uint32Array.from(branchRows, (row) => place.get(row) ?? 0);
    const logits = copyOut(
      host.unembed(core().take_rows(hookIn.handle, at)),
      "float32",
      at.length * dVocab,
    ) as Float32Array;
    branchRows.forEach((row, i) => known.set(row, logits.subarray(i * dVocab, (i + 1) * dVocab)));
  };
  if (wanted.length > 0) unembedRows(wanted);
  cost.multiplyAdds += wanted.length * dModel * dVocab;
  const readers = cells.map((_, variant): ReadRows => (read) => {
    const out = new Float32Array(read.length * dVocab);
    read.forEach((row, i) => {
      const branch = branchOf.get(variant * batch + Math.floor(row / nPos));
      const branchRow = branch === undefined ? -1 : branch * nPos + row % nPos;
      if (branch === undefined || !place.has(branchRow)) {
        out.set(readBase([row]), i * dVocab);
        return;
      }
      if (!known.has(branchRow)) unembedRows([branchRow]);
      out.set(known.get(branchRow) ?? [], i * dVocab);
    });
    return out;
  });
  return { readers, cost };
}

/** How many variants fit the budget: the edited rows, and the texts that run again. */
function chunkLength(
  host: SweepHost,
  { at, over, budgetBytes = DEFAULT_BUDGET_BYTES }: SweepOptions,
): number {
  const tail = core().shape_of(host.base.value(at)).subarray(1);
  const written = (over.pos ? 1 : host.nPos) * sizeOf(Array.from(tail)) * 3 *
    Float32Array.BYTES_PER_ELEMENT;
  return Math.max(
    1,
    Math.floor(budgetBytes / (host.batch * (written + host.nPos * host.bytesPerRow))),
  );
}

/**
 * Runs an edit in many variants. Each variant's logits have the bits of a run of its own.
 *
 * @param readBase Reads the base run's logits by row.
 * @returns The metric of every variant: the axes of `over` in key order, then the metric's; and what it cost.
 */
export function runSweep(
  host: SweepHost,
  options: SweepOptions,
  readBase: ReadRows,
): { result: Tensor; cost: RunCost } {
  const { metric, onProgress, signal } = options;
  const { cells, shape } = variantsOf(options.over);
  const { batch, nPos, dVocab } = host;
  const cost: RunCost = { stages: [], rows: 0, multiplyAdds: 0, ms: 0, resumedFrom: null };
  const logitsFrom = (read: ReadRows) =>
    lazyTensor([batch, nPos, dVocab], logitsByRow([batch, nPos], dVocab, read));
  // The metric of the base run's own logits tells which rows it reads.
  const readsRows = new Set<number>();
  const probe = metric(logitsFrom((rows) => {
    rows.forEach((row) => readsRows.add(row));
    return readBase(rows);
  }));
  const results: Tensor[] = [];
  const length = chunkLength(host, options);
  for (let from = 0; from < cells.length; from += length) {
    signal?.throwIfAborted();
    const chunk = cells.slice(from, from + length);
    noGrad(() =>
      scoped(() => {
        const { readers, cost: spent } = runChunk(host, options, chunk, [...readsRows], readBase);
        for (const read of readers) results.push(metric(logitsFrom(read)).detach());
        if (!spent) return;
        cost.stages = spent.stages;
        cost.resumedFrom = spent.resumedFrom;
        cost.rows += spent.rows;
        cost.multiplyAdds += spent.multiplyAdds;
      })
    );
    onProgress?.({ done: Math.min(from + length, cells.length), total: cells.length });
  }
  const stacked = results.length > 0 ? Tensor.stack(results) : Tensor.zeros([0, ...probe.shape]);
  return { result: stacked.reshape([...shape, ...probe.shape]), cost };
}
