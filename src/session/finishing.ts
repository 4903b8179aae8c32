/**
 * The end of a run for the rows whose logits are read alone: after its attention, the last block goes row by row. Rows that nobody reads
 * have no part in gradients, not even where they aren't finite.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { MemoryBudgetError } from "../core/errors.ts";
import { withGrad } from "../core/gradients.ts";
import { RowSpace } from "../core/rows.ts";
import { copyIn, copyOut, scoped, sizeOf } from "../core/scope.ts";
import { handleOf, type Tensor, tensorOf } from "../core/tensor.ts";
import type { RowValue } from "../hooks/tap.ts";
import { finish, type PassModel } from "../model/forward.ts";
import type { BlockNames } from "../model/points.ts";
import type { BaseRun } from "./base_run.ts";
import type { RunSpan } from "./model_points.ts";
import type { RunGrid } from "./plan.ts";
import { Run } from "./run.ts";

/** Gives what the unembedding reads of rows, [rows.length, dModel]. */
export type ReadHookIn = (rows: readonly number[]) => Handle;

/** A row of a value, [width]. */
export type RowElements = (row: number) => Float32Array;

/** The rows of a value's elements. */
export function rowsOf(elements: Float32Array, width: number): RowElements {
  return (row) => elements.subarray(row * width, (row + 1) * width);
}

/** The points of the last block that are passed by the time its values are mixed. */
const BEFORE_THE_END =
  /^(hook_(resid_pre|attn_in|[qkv]_input)|ln1\.hook_\w+|attn\.([qk]_norm\.)?hook_(?!result)\w+)(\.hook_sae_\w+)?$/;

/**
 * Whether the rows of a run can be finished one by one, when somebody reads their logits.
 *
 * @param asked The points of which somebody asks something.
 */
export function canFinishLater(
  { startAtLayer = 0, stopAtLayer }: RunSpan,
  names: readonly BlockNames[],
  { nPos }: RunGrid,
  asked: Iterable<string>,
): boolean {
  const last = names.length - 1;
  if (nPos === 1 || startAtLayer > last || stopAtLayer !== undefined) return false;
  const block = `blocks.${last}.`;
  for (const name of asked) {
    const isInLast = name.startsWith(block);
    const isAfter = isInLast ? !BEFORE_THE_END.test(name.slice(block.length)) : isFinal(name);
    if (isAfter) return false;
  }
  return true;
}

function isFinal(name: string): boolean {
  return name.startsWith("ln_final.") || name.startsWith("unembed.");
}

/** What the end of a run computes with. */
export interface EndContext extends PassModel {
  readonly names: readonly BlockNames[];
  /** Told how many multiply-adds it cost. */
  readonly count: (multiplyAdds: number) => void;
}

/**
 * Computes what the unembedding reads of rows, with the bits of a pass over all rows.
 *
 * @param pre The residual stream before the last block, [n, dModel].
 * @param z The last block's mix of values, [n, head, dHead].
 */
export function finishRows({ names, count, ...model }: EndContext, pre: Handle, z: Handle): Handle {
  const space = new RowSpace(core().shape_of(pre)[0], 1);
  const value = (name: string, handle: Handle): RowValue => ({ name, rows: space.all, handle });
  const last = names[names.length - 1];
  return scoped((scope) => {
    const nothing = { plans: new Map(), keep: () => {}, excluded: () => undefined };
    const run = new Run({ scope, space, ...nothing });
    const mixed = { pre: value(last.residPre, pre), z: value(last.z, z) };
    const { handle } = finish(run, model, names, mixed);
    count(run.cost.multiplyAdds);
    return handle;
  }, (handle) => [handle]);
}

/** Rows of a tensor, on the tape where it is. */
function taken(source: Tensor, rows: readonly number[]): Handle {
  const handle = handleOf(source);
  const isAll = rows.length === source.shape[0] && rows.every((row, i) => row === i);
  if (isAll) return handle;
  return core().index_select(handle, 0, copyIn(Int32Array.from(rows), [rows.length], "int32"));
}

/** Rows of a snapshot, [rows.length, ...shape]. */
function copied(rowAt: RowElements, rows: readonly number[], shape: readonly number[]): Handle {
  const width = sizeOf(shape);
  const input = new Float32Array(rows.length * width);
  rows.forEach((row, i) => input.set(rowAt(row), i * width));
  return copyIn(input, [rows.length, ...shape], "float32");
}

/** Gives rows of what the unembedding reads, [batch * pos, dModel], on the tape where it is. */
export function hookInOf(source: Tensor): ReadHookIn {
  return (rows) => taken(source, rows);
}

/** Gives rows of a snapshot of what the unembedding reads. */
export function copiedHookIn(rowAt: RowElements, dModel: number): ReadHookIn {
  return (rows) => copied(rowAt, rows, [dModel]);
}

/** Has the rows that are asked for finished. Whoever asks twice may go on row by row: then all that are left are finished together. */
class Finisher {
  readonly #nRows: number;
  #isAgain = false;

  constructor(nRows: number) {
    this.#nRows = nRows;
  }

  /**
   * Finishes the rows that aren't there.
   *
   * @param finish Finishes rows; they are there from then on.
   */
  require(
    rows: readonly number[],
    isThere: (row: number) => boolean,
    finish: (rows: readonly number[]) => void,
  ): void {
    const missing = [...new Set(rows)].filter((row) => !isThere(row));
    if (missing.length === 0) return;
    if (this.#isAgain) {
      const all = Array.from({ length: this.#nRows }, (_, row) => row);
      try {
        return finish(all.filter((row) => !isThere(row)));
      } catch (error) {
        // Without the memory for all of them, those that are asked for have to do.
        if (!(error instanceof MemoryBudgetError)) throw error;
      }
    }
    finish(missing);
    this.#isAgain = true;
  }
}

function notFinished(row: number): never {
  throw new Error(`Row ${row} wasn't finished.`);
}

/**
 * Finishes rows on the tape when they are asked for, each once.
 *
 * @param pre The residual stream before the last block, [batch * pos, dModel].
 * @param z The last block's mix of values, [batch * pos, head, dHead].
 */
export function finishingRecorded(context: EndContext, pre: Tensor, z: Tensor): ReadHookIn {
  const places = new Map<number, number>();
  const finisher = new Finisher(pre.shape[0]);
  let known: Tensor | undefined;
  const finish = (fresh: readonly number[]) => {
    // Others may read them with recording.
    known = withGrad(() => {
      const made = finishRows(context, taken(pre, fresh), taken(z, fresh));
      return tensorOf(known ? core().cat(Uint32Array.of(handleOf(known), made), 0) : made);
    });
    for (const row of fresh) places.set(row, places.size);
  };
  return (rows) => {
    // Nothing has its place on the tape, too: hooks see that no gradient comes.
    const wanted = rows.length === 0 && !known ? [0] : rows;
    finisher.require(wanted, (row) => places.has(row), finish);
    return taken(known ?? notFinished(0), rows.map((row) => places.get(row) ?? notFinished(row)));
  };
}

/** What somebody has read of a base run, by row, kept from one reading to the next. */
export interface KnownRows {
  readonly rows: Map<number, Float32Array>;
  /** The rows of this run that differ from the base run's. */
  readonly differs: (row: number) => boolean;
}

/**
 * Finishes rows of a snapshot when they are asked for, each once.
 *
 * @param pre The residual stream before the last block, by row.
 * @param z The last block's mix of values, by row.
 * @param nRows How many rows there are.
 * @param known The base run's rows, where there is one.
 * @param done What was finished already.
 */
export function finishing(
  context: EndContext,
  { pre, z }: { readonly pre: RowElements; readonly z: RowElements },
  nRows: number,
  known?: KnownRows,
  done?: RowValue,
): ReadHookIn {
  const { dModel, nHeads, dHead } = context.cfg;
  const own = new Map<number, Float32Array>();
  const keptWith = (row: number) => known && !known.differs(row) ? known.rows : own;
  const found = (row: number) => keptWith(row).get(row);
  const keep = (rows: ArrayLike<number>, made: Handle) => {
    const elements = copyOut(made, "float32", rows.length * dModel) as Float32Array;
    for (let i = 0; i < rows.length; i++) {
      keptWith(rows[i]).set(rows[i], elements.subarray(i * dModel, (i + 1) * dModel));
    }
  };
  if (done && !done.rows.isEmpty) keep(done.rows.indices, done.handle);
  const finisher = new Finisher(nRows);
  const finish = (fresh: readonly number[]) => {
    const [a, b] = [copied(pre, fresh, [dModel]), copied(z, fresh, [nHeads, dHead])];
    keep(fresh, finishRows(context, a, b));
  };
  return (rows) => {
    finisher.require(rows, (row) => found(row) !== undefined, finish);
    return copied((row) => found(row) ?? notFinished(row), rows, [dModel]);
  };
}

/** Finishes rows of a base run when they are asked for. */
export function finishingBase(context: EndContext, base: BaseRun, nRows: number): ReadHookIn {
  const { cfg: { dModel, nHeads, dHead }, names } = context;
  const last = names[names.length - 1];
  const values = (point: string, width: number) =>
    rowsOf(base.elements(base.nameAfter(point)), width);
  const mixed = { pre: values(last.residPre, dModel), z: values(last.z, nHeads * dHead) };
  return finishing(context, mixed, nRows, { rows: base.hookIn, differs: () => false });
}
