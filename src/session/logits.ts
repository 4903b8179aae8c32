/**
 * Logits that are unembedded when somebody reads them, row by row.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { ConfigError } from "../core/errors.ts";
import { copyIn, copyOut, scoped } from "../core/scope.ts";
import {
  elementsOf,
  handleOf,
  type Index,
  lazyTensor,
  type LazyValue,
  ownedTensor,
  Tensor,
  tensorOf,
} from "../core/tensor.ts";
import type { HookedTransformerConfig } from "../model/config.ts";
import { logitsOf } from "../model/forward.ts";
import { ROOT_NAMES } from "../model/points.ts";
import type { ModelWeights } from "../model/weights.ts";

/** Logits of the base run, by row, kept from one reading to the next. */
export interface KnownLogits {
  readonly rows: Map<number, Float32Array>;
  /** The rows of this run that differ from the base run's. */
  readonly differs: (row: number) => boolean;
}

/** What unembedding needs. */
export interface UnembedContext {
  readonly weights: ModelWeights;
  readonly cfg: HookedTransformerConfig;
  /** Told how many multiply-adds a reading cost. */
  readonly count: (multiplyAdds: number) => void;
}

/** Known rows beyond this many bytes aren't kept. */
const MAX_KNOWN_BYTES = 64 * 2 ** 20;

function unembedded({ weights, cfg, count }: UnembedContext, rows: Handle): Handle {
  const n = core().shape_of(rows).subarray(0, -1).reduce((n, m) => n * m, 1);
  count(n * cfg.dModel * cfg.dVocabOut);
  return logitsOf(weights, cfg, rows);
}

function requireWeights({ weights }: UnembedContext): void {
  if (weights.store.disposed) {
    throw new ConfigError("Cannot unembed logits: the model was disposed before they were read.");
  }
}

/** Whether the first two parts of an index choose rows, and nothing in it needs all of them. */
function choosesRows(index: readonly Index[]): boolean {
  const isPlain = index.length <= 3 && !index.includes("...") &&
    !index.some((part) => part instanceof Tensor && part.dtype === "bool");
  const isLess = index.slice(0, 2).some((part) => part !== ":");
  return isPlain && isLess && index.filter((part) => typeof part === "object").length <= 1;
}

function rowsThenVocabulary(
  index: readonly Index[],
  read: (rows: readonly Index[]) => Tensor,
): Tensor | undefined {
  if (!choosesRows(index)) return undefined;
  const rows = read(index.slice(0, 2));
  return index.length > 2 ? rows.at("...", index[2]) : rows;
}

/** Logits on the tape: rows of the recorded value are taken, then unembedded. */
function recorded(context: UnembedContext, source: Tensor): LazyValue {
  const compute = (rows: Tensor) => {
    requireWeights(context);
    return scoped(() => tensorOf(unembedded(context, handleOf(rows))));
  };
  return {
    all: () => compute(source),
    at: (index) => rowsThenVocabulary(index, (rows) => compute(source.at(...rows))),
  };
}

/** Reads logits of rows: [rows.length * dVocab]. */
export type ReadRows = (rows: readonly number[]) => Float32Array<ArrayBuffer>;

/** Logits [batch, pos, dVocab] that come row by row. */
export function logitsByRow(
  [batch, nPos]: readonly number[],
  dVocab: number,
  read: ReadRows,
): LazyValue {
  const grid = Tensor.arange(batch * nPos).reshape(batch, nPos);
  const readIndex = (index: readonly Index[]) => {
    const rows = grid.at(...index);
    return ownedTensor(read(Array.from(elementsOf(rows))), [...rows.shape, dVocab]);
  };
  return {
    all: () => readIndex([]),
    at: (index) => rowsThenVocabulary(index, readIndex),
  };
}

/** Unembeds rows of a snapshot of what the unembedding reads. */
function readingSnapshot(context: UnembedContext, snapshot: Float32Array): ReadRows {
  const { dModel, dVocabOut } = context.cfg;
  return (rows) => {
    requireWeights(context);
    const input = new Float32Array(rows.length * dModel);
    rows.forEach((row, i) =>
      input.set(snapshot.subarray(row * dModel, (row + 1) * dModel), i * dModel)
    );
    return scoped(() => {
      const out = unembedded(context, copyIn(input, [rows.length, dModel], "float32"));
      return copyOut(out, "float32", rows.length * dVocabOut) as Float32Array<ArrayBuffer>;
    });
  };
}

/** Takes rows over that the base run's readers have computed, and leaves them what is computed now. */
function readingKnown(read: ReadRows, dVocab: number, known: KnownLogits): ReadRows {
  return (rows) => {
    const isKnown = (row: number) => !known.differs(row) && known.rows.has(row);
    const fresh = rows.filter((row) => !isKnown(row));
    const computed = fresh.length > 0 ? read(fresh) : new Float32Array();
    const data = new Float32Array(rows.length * dVocab);
    let next = 0;
    rows.forEach((row, i) => {
      const found = isKnown(row) ? known.rows.get(row) : undefined;
      const logits = found ?? computed.subarray(next * dVocab, ++next * dVocab);
      data.set(logits, i * dVocab);
      const isRoom = (known.rows.size + 1) * logits.byteLength <= MAX_KNOWN_BYTES;
      if (!found && isRoom && !known.differs(row)) known.rows.set(row, logits.slice());
    });
    return data;
  };
}

/** Remembers the last reading: a metric and a table of next tokens ask for the same rows. */
function rememberingLast(read: ReadRows): ReadRows {
  let last: { key: string; data: ReturnType<ReadRows> } | undefined;
  return (rows) => {
    const key = rows.join();
    if (last?.key !== key) last = { key, data: read(rows) };
    return last.data.slice();
  };
}

/**
 * Logits of what the unembedding reads, computed when they are read, with the bits of the full ones.
 *
 * @param hookIn What the unembedding reads, [batch * pos, dModel].
 * @param known The base run's logits, where there is one.
 */
export function lazyLogits(
  context: UnembedContext,
  hookIn: Handle,
  shape: readonly [batch: number, nPos: number],
  known: KnownLogits | undefined,
): Tensor {
  const { dModel, dVocabOut } = context.cfg;
  const [batch, nPos] = shape;
  const whole = [batch, nPos, dVocabOut];
  if (core().node_of(hookIn)) {
    const source = tensorOf(core().reshape(hookIn, Uint32Array.of(batch, nPos, dModel)));
    return lazyTensor(whole, recorded(context, source));
  }
  const read = readingSnapshot(
    context,
    copyOut(hookIn, "float32", batch * nPos * dModel) as Float32Array,
  );
  return lazyTensor(
    whole,
    logitsByRow(
      shape,
      dVocabOut,
      rememberingLast(known ? readingKnown(read, dVocabOut, known) : read),
    ),
  );
}

/** Reads the base run's logits by row, and leaves them to those who read later. */
export function readingBase(
  context: UnembedContext,
  base: { value(name: string): Handle; readonly logits: Map<number, Float32Array> },
  [batch, nPos]: readonly [batch: number, nPos: number],
): ReadRows {
  const { dModel, dVocabOut } = context.cfg;
  const hookIn = base.value(ROOT_NAMES.unembedIn);
  const snapshot = copyOut(hookIn, "float32", batch * nPos * dModel) as Float32Array;
  const known = { rows: base.logits, differs: () => false };
  return readingKnown(readingSnapshot(context, snapshot), dVocabOut, known);
}
