/**
 * A chunk of a sweep: variants at one point, run as texts of one pass.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { ConfigError } from "../core/errors.ts";
import { type Rows, RowSpace } from "../core/rows.ts";
import { copyOut, currentScope, sizeOf } from "../core/scope.ts";
import type { HookFunction } from "../hooks/hook_registry.ts";
import type { RowValue } from "../hooks/tap.ts";
import type { BaseRun, BaseValues } from "./base_run.ts";
import { copiedHookIn, type ReadHookIn, rowsOf } from "./finishing.ts";
import { cellsOf, type LogitReader } from "./logit_view.ts";
import type { RunCost } from "./run.ts";
import {
  type ChangedRows,
  editAt,
  editedCells,
  isCellEdit,
  positionsWritten,
  type SweepCell,
  type SweepDataEdit,
  type SweepEdit,
  type SweepHook,
  type SweptValue,
} from "./sweep_edit.ts";

/** A text of a variant that its edit changed: it runs as a text of its own. */
interface Branch {
  readonly variant: number;
  /** The text in the base run's batch. */
  readonly text: number;
}

/** Texts of the base run that run again with the value at a point edited. */
export interface BranchRequest {
  /** The base run's text for each of the pass. */
  readonly texts: readonly number[];
  /** The base run's values of these texts. */
  readonly values: BaseValues;
  /** The rows of the pass. */
  readonly space: RowSpace;
  /** The point. */
  readonly at: string;
  /** Gives the value's rows that differ. */
  readonly edit: (value: RowValue) => RowValue;
  /** The rows whose logits are read; all unless said. */
  readonly reads?: Rows;
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
  /** What the axes of a point's value are. */
  axesOf(name: string): readonly string[];
  /** The rows of the base run's value at a point that a hook or an edit there makes different. */
  hooked(name: string, hook: HookFunction | SweepDataEdit): RowValue;
  /** Runs texts again, and gives what the unembedding reads, by rows that differ. */
  run(request: BranchRequest): { hookIn: RowValue; cost: RunCost };
  /** Reads logits of what the unembedding reads in a run, and adds what that takes to its cost. */
  reader(hookIn: ReadHookIn, cost: RunCost): LogitReader;
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

function sweptValue({ base, batch, nPos, axesOf }: SweepHost, name: string): SweptValue {
  const whole = base.value(name);
  const tail = Array.from(core().shape_of(whole).subarray(1));
  return { name, axes: axesOf(name), batch, nPos, whole, tail };
}

/** Lets a hook or an edit see the value once for each variant. */
function editedByHook(
  host: SweepHost,
  { name, whole }: SweptValue,
  cells: readonly SweepCell[],
  edit: SweepHook | SweepDataEdit,
): ChangedRows {
  const values = cells.map((cell) =>
    host.hooked(
      name,
      typeof edit === "function" ? (value) => edit(value, cell) : editAt(edit, { name }, cell),
    )
  );
  const handles = values.filter(({ rows }) => !rows.isEmpty).map(({ handle }) => handle);
  return {
    places: values.flatMap(({ rows }, variant) =>
      Array.from(rows.indices, (row) => ({ variant, row }))
    ),
    handle: handles.length > 0
      ? core().cat(Uint32Array.from(handles), 0)
      : core().take_rows(whole, new Uint32Array()),
  };
}

/**
 * Bytes that a variant of a chunk may need at most: the edited rows, the texts that run again, and the logits that are read.
 *
 * @param nReads How many rows of logits the metric reads whole.
 */
export function bytesPerVariant(
  host: SweepHost,
  at: string,
  variants: readonly { readonly cell: SweepCell }[],
  edit: SweepEdit,
  nReads: number,
): number {
  const { batch, nPos, bytesPerRow, base, dVocab } = host;
  const size = sizeOf(Array.from(core().shape_of(base.value(at)).subarray(1)));
  const positions = isCellEdit(edit)
    ? positionsWritten(variants.map(({ cell }) => cell), nPos)
    : nPos;
  // The rows as they were, as they become, those that differ, and where their cells are.
  const written = batch * positions * size * 4;
  // In the core and out of it.
  const logits = nReads * dVocab * 2;
  return (written + logits) * Float32Array.BYTES_PER_ELEMENT + batch * nPos * bytesPerRow;
}

/**
 * Runs a chunk of variants.
 *
 * @param reads The rows of the base run's logits that the metric reads, those of them that it reads whole, and their reader.
 * @returns A reader of each variant's logits; the cost, `undefined` when no variant changed anything; and what gives back the memory of
 *   logits that were read.
 */
export function runChunk(
  host: SweepHost,
  at: string,
  cells: readonly SweepCell[],
  edit: SweepEdit,
  reads: {
    readonly rows: readonly number[];
    readonly wholeRows: ReadonlySet<number>;
    readonly base: LogitReader;
  },
): { readers: LogitReader[]; cost: RunCost | undefined; forget: () => void } {
  const { batch, nPos, dVocab } = host;
  const value = sweptValue(host, at);
  const changed = isCellEdit(edit)
    ? editedCells(value, cells, edit)
    : editedByHook(host, value, cells, edit);

  const branches: Branch[] = [];
  const edited = changed.places.map(({ variant, row }) => {
    const text = Math.floor(row / nPos);
    const last = branches.at(-1);
    if (last?.variant !== variant || last.text !== text) branches.push({ variant, text });
    return (branches.length - 1) * nPos + row % nPos;
  });
  if (branches.length === 0) {
    return { readers: cells.map(() => reads.base), cost: undefined, forget: () => {} };
  }

  const pass = branchPass(host, at, branches, edited, changed.handle);
  // Rows of the pass by those of the base run, for each branch.
  const placesOf = (rows: readonly number[]) =>
    branches.flatMap(({ text }, branch) =>
      rows.filter((row) => Math.floor(row / nPos) === text)
        .map((row) => branch * nPos + row % nPos)
    );
  const probed = placesOf(reads.rows);
  const run = host.run({ ...pass, reads: pass.space.of(probed.toSorted((a, b) => a - b)) });
  const logits = new BranchLogits(host, run);
  logits.read(placesOf(reads.rows.filter((row) => reads.wholeRows.has(row))));
  const isProbed = new Set(probed);
  // A metric that reads other rows than it did of the base run's logits: all rows are needed then.
  let others: BranchLogits | undefined;
  const scope = currentScope();
  const all = () => {
    if (!scope?.alive) throw notKept();
    return others ??= new BranchLogits(host, host.run(pass));
  };
  const branchOf = new Map(branches.map(({ variant, text }, i) => [variant * batch + text, i]));
  const placeOf = (variant: number, row: number): Place => {
    const branch = branchOf.get(variant * batch + Math.floor(row / nPos));
    if (branch === undefined) return { from: reads.base, row };
    const at = branch * nPos + row % nPos;
    const from = isProbed.has(at) ? logits : all();
    return from.differs(at) ? { from, row: at } : { from: reads.base, row };
  };
  const readers = cells.map((_, variant): LogitReader => ({
    rows: (rows) =>
      gathered(
        rows.map((row) => placeOf(variant, row)),
        dVocab,
        (from, places) => from.rows(places.map(({ row }) => row)),
      ),
    cells: (rows, tokens) =>
      gathered(
        rows.map((row, i) => ({ ...placeOf(variant, row), token: tokens[i] })),
        1,
        (from, places) =>
          from.cells(places.map(({ row }) => row), places.map(({ token }) => token)),
      ),
  }));
  const forget = () => [logits, others].forEach((branches) => branches?.forget());
  return { readers, cost: run.cost, forget };
}

/** Where a row of a variant's logits is read: in the branches' logits or in the base run's. */
interface Place {
  readonly from: LogitReader;
  readonly row: number;
}

/** Reads what is in several places, from each all at once: of a few rows' logits most of the time goes into reading the unembedding. */
function gathered<P extends Place>(
  places: readonly P[],
  width: number,
  read: (from: LogitReader, places: readonly P[]) => Float32Array,
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(places.length * width);
  for (const from of new Set(places.map((place) => place.from))) {
    const own = places.filter((place) => place.from === from);
    const values = read(from, own);
    let next = 0;
    places.forEach((place, i) => {
      if (place.from !== from) return;
      out.set(values.subarray(next * width, ++next * width), i * width);
    });
  }
  return out;
}

function notThere(row: number): never {
  throw new Error(`Row ${row} of the branches doesn't differ from the base run's.`);
}

function notKept(): ConfigError {
  return new ConfigError(
    "Cannot read these logits after the sweep: the metric read other rows. " +
      "Read them in the metric, or keep a copy: logits.at(...).clone().",
  );
}

/** What the branches' runs have in common. */
function branchPass(
  { base, nPos }: SweepHost,
  at: string,
  branches: readonly Branch[],
  edited: readonly number[],
  handle: Handle,
): BranchRequest {
  const texts = branches.map(({ text }) => text);
  const space = new RowSpace(branches.length, nPos);
  const rows = space.of(edited);
  return {
    texts,
    values: new RepeatedTexts(base, texts, nPos),
    space,
    at,
    edit: () => ({ name: at, rows, handle }),
  };
}

/** Logits of the rows in which branches differ from the base run, which can be read when the chunk is over. */
class BranchLogits implements LogitReader {
  readonly #reader: LogitReader;
  readonly #dVocab: number;
  readonly #places: ReadonlyMap<number, number>;
  readonly #known = new Map<number, Float32Array>();

  /** Copies what the unembedding reads in a run of the branches; what is unembedded is added to its cost. */
  constructor({ dModel, dVocab, reader }: SweepHost, run: ReturnType<SweepHost["run"]>) {
    const { hookIn: { rows, handle }, cost } = run;
    const all = rows.isEmpty ? new Float32Array() : copyOut(handle, "float32", rows.count * dModel);
    const placed = rowsOf(all as Float32Array, dModel);
    const places = new Map(Array.from(rows.indices, (row, i) => [row, i]));
    const rowAt = (row: number) => placed(places.get(row) ?? notThere(row));
    this.#reader = reader(copiedHookIn(rowAt, dModel), cost);
    this.#dVocab = dVocab;
    this.#places = places;
  }

  /** Whether a row differs from the base run's: those alone can be read. */
  differs(row: number): boolean {
    return this.#places.has(row);
  }

  /** Unembeds those of the rows that differ and aren't known, all at once. */
  read(rows: readonly number[]): void {
    const fresh = [...new Set(rows)].filter((row) => this.differs(row) && !this.#known.has(row));
    if (fresh.length === 0) return;
    const logits = this.#reader.rows(fresh);
    const dVocab = this.#dVocab;
    fresh.forEach((row, i) => this.#known.set(row, logits.subarray(i * dVocab, (i + 1) * dVocab)));
  }

  rows(rows: readonly number[]): Float32Array<ArrayBuffer> {
    this.read(rows);
    const out = new Float32Array(rows.length * this.#dVocab);
    rows.forEach((row, i) => out.set(this.#known.get(row) ?? notThere(row), i * this.#dVocab));
    return out;
  }

  cells(rows: readonly number[], tokens: readonly number[]): Float32Array<ArrayBuffer> {
    return cellsOf(rows, tokens, (row) => this.#known.get(row), this.#reader);
  }

  /** Forgets logits that were read: whoever keeps one row of them would keep all. */
  forget(): void {
    this.#known.clear();
  }
}
