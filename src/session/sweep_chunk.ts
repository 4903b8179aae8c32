/**
 * A chunk of a sweep: variants at one point, run as texts of one pass.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { type Rows, RowSpace } from "../core/rows.ts";
import { copyOut, sizeOf } from "../core/scope.ts";
import type { HookFunction } from "../hooks/hook_registry.ts";
import type { RowValue } from "../hooks/tap.ts";
import type { BaseRun, BaseValues } from "./base_run.ts";
import type { LogitReader } from "./logit_view.ts";
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
  /** Unembeds rows [n, dModel]. */
  unembed(rows: Handle): Handle;
  /** Gives the logit of one token in one of the rows [n, dModel]: [1]. */
  logitAt(rows: Handle, row: number, token: number): Handle;
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
 * @returns A reader of each variant's logits; and the cost, `undefined` when no variant changed anything.
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
): { readers: LogitReader[]; cost: RunCost | undefined } {
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
  if (branches.length === 0) return { readers: cells.map(() => reads.base), cost: undefined };

  const pass = branchPass(host, at, branches, edited, changed.handle);
  const { nPos: n } = host;
  // Rows of the pass by those of the base run, for each branch.
  const placesOf = (rows: readonly number[]) =>
    branches.flatMap(({ text }, branch) =>
      rows.filter((row) => Math.floor(row / n) === text).map((row) => branch * n + row % n)
    );
  const probed = placesOf(reads.rows);
  const run = host.run({ ...pass, reads: pass.space.of(probed.toSorted((a, b) => a - b)) });
  const logits = new BranchLogits(host, run);
  logits.read(placesOf(reads.rows.filter((row) => reads.wholeRows.has(row))));
  const isProbed = new Set(probed);
  // A metric that reads other rows than it did of the base run's logits: all rows are needed then.
  let others: BranchLogits | undefined;
  const all = () => others ??= new BranchLogits(host, host.run(pass));
  const branchOf = new Map(branches.map(({ variant, text }, i) => [variant * batch + text, i]));
  /** Where a row of a variant is in the branches' logits; `undefined` where it is the base run's. */
  const inBranch = (variant: number, row: number) => {
    const branch = branchOf.get(variant * batch + Math.floor(row / n));
    if (branch === undefined) return undefined;
    const at = branch * n + row % n;
    return { from: isProbed.has(at) ? logits : all(), at };
  };
  const readers = cells.map((_, variant): LogitReader => ({
    rows: (rows) => {
      const found = rows.map((row) => inBranch(variant, row));
      // Of a few rows' logits most of the time goes into reading the unembedding: once for all of them.
      const places = found.filter((place) => place !== undefined);
      for (const from of new Set(places.map((place) => place.from))) {
        from.read(places.filter((place) => place.from === from).map(({ at }) => at));
      }
      const known = found.map((place) => place?.from.of(place.at));
      const ofBase = rows.filter((_, i) => !known[i]);
      const base = ofBase.length > 0 ? reads.base.rows(ofBase) : new Float32Array();
      const out = new Float32Array(rows.length * dVocab);
      let next = 0;
      known.forEach((row, i) =>
        out.set(row ?? base.subarray(next * dVocab, ++next * dVocab), i * dVocab)
      );
      return out;
    },
    cells: (rows, tokens) =>
      Float32Array.from(rows, (row, i) => {
        const place = inBranch(variant, row);
        const found = place?.from.cell(place.at, tokens[i]);
        return found ?? reads.base.cells([row], [tokens[i]])[0];
      }),
  }));
  return { readers, cost: run.cost };
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

/** Logits of the rows in which branches differ from the base run, kept once they are computed. */
class BranchLogits {
  readonly #host: SweepHost;
  readonly #handle: Handle;
  readonly #cost: RunCost;
  readonly #places: ReadonlyMap<number, number>;
  readonly #known = new Map<number, Float32Array>();

  /** Takes what the unembedding reads in a run of the branches; what is unembedded is added to its cost. */
  constructor(host: SweepHost, { hookIn, cost }: ReturnType<SweepHost["run"]>) {
    const { rows, handle } = hookIn;
    this.#host = host;
    this.#handle = handle;
    this.#cost = cost;
    this.#places = new Map(Array.from(rows.indices, (row, i) => [row, i]));
  }

  /** Unembeds those of the rows that differ and aren't known, all at once. */
  read(rows: readonly number[]): void {
    const differing = [...new Set(rows)].filter((row) =>
      this.#places.has(row) && !this.#known.has(row)
    );
    if (differing.length === 0) return;
    const { dModel, dVocab } = this.#host;
    this.#cost.multiplyAdds += differing.length * dModel * dVocab;
    const at = Uint32Array.from(differing, (row) => this.#places.get(row) ?? 0);
    const logits = copyOut(
      this.#host.unembed(core().take_rows(this.#handle, at)),
      "float32",
      at.length * dVocab,
    ) as Float32Array;
    differing.forEach((row, i) =>
      this.#known.set(row, logits.subarray(i * dVocab, (i + 1) * dVocab))
    );
  }

  /** The logit of a token in a row; `undefined` where it is the base run's. */
  cell(row: number, token: number): number | undefined {
    const known = this.#known.get(row)?.[token];
    const place = this.#places.get(row);
    if (known !== undefined || place === undefined) return known;
    this.#cost.multiplyAdds += this.#host.dModel;
    return copyOut(this.#host.logitAt(this.#handle, place, token), "float32", 1)[0];
  }

  /** The logits of a row that was read; `undefined` where they are the base run's. */
  of(row: number): Float32Array | undefined {
    return this.#known.get(row);
  }
}
