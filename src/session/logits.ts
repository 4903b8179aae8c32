/**
 * Logits that are unembedded when somebody reads them, row by row.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { ConfigError } from "../core/errors.ts";
import { getOrInsertComputed } from "../core/get_or_insert.ts";
import { copyOut, scoped } from "../core/scope.ts";
import { type Tensor, tensorOf } from "../core/tensor.ts";
import type { HookedTransformerConfig } from "../model/config.ts";
import { logitsAt, logitsOf } from "../model/forward.ts";
import type { ModelWeights } from "../model/weights.ts";
import type { KnownRows, ReadHookIn } from "./finishing.ts";
import {
  asTensors,
  cellsOf,
  type LogitReader,
  logitView,
  type TensorReader,
  UnreadViews,
} from "./logit_view.ts";
import type { RunGrid } from "./plan.ts";

/** What unembedding needs. */
export interface UnembedContext {
  readonly weights: ModelWeights;
  readonly cfg: HookedTransformerConfig;
  /** Told how many multiply-adds a reading cost. */
  readonly count: (multiplyAdds: number) => void;
}

/** Known rows beyond this many bytes aren't kept. */
const MAX_KNOWN_BYTES = 64 * 2 ** 20;

const BYTES = Float32Array.BYTES_PER_ELEMENT;

function requireWeights({ store }: ModelWeights): void {
  if (store.disposed) {
    throw new ConfigError("Cannot unembed logits: the model was disposed before they were read.");
  }
}

/** Whole rows of logits, [rows.length, dVocab]. */
function unembedded(
  { weights, cfg, count }: UnembedContext,
  hookIn: ReadHookIn,
  rows: readonly number[],
): Handle {
  requireWeights(weights);
  count(rows.length * cfg.dModel * cfg.dVocabOut);
  return logitsOf(weights, cfg, hookIn(rows));
}

/** Single logits of rows: that of `tokens[i]` in row `rows[i]`. */
function unembeddedAt(
  { weights, cfg, count }: UnembedContext,
  hookIn: ReadHookIn,
  rows: readonly number[],
  tokens: readonly number[],
): Handle {
  requireWeights(weights);
  count(rows.length * cfg.dModel);
  const { distinct, places } = distinctOf(rows);
  return logitsAt(weights, cfg, hookIn(distinct), places, tokens);
}

/** Rows without those that are there already, and where each row is among them. */
function distinctOf(rows: readonly number[]): { distinct: number[]; places: number[] } {
  const distinct = [...new Set(rows)];
  const placeOf = new Map(distinct.map((row, place) => [row, place]));
  return { distinct, places: rows.map((row) => placeOf.get(row) ?? 0) };
}

/** Unembeds rows of what the unembedding reads, on the tape where that is. */
class RecordedReader implements TensorReader {
  readonly #context: UnembedContext;
  readonly #hookIn: ReadHookIn;

  constructor(context: UnembedContext, hookIn: ReadHookIn) {
    this.#context = context;
    this.#hookIn = hookIn;
  }

  rows(rows: readonly number[], shape: readonly number[]): Tensor {
    return scoped(() => shaped(unembedded(this.#context, this.#hookIn, rows), shape));
  }

  cells(rows: readonly number[], tokens: readonly number[], shape: readonly number[]): Tensor {
    return scoped(() => shaped(unembeddedAt(this.#context, this.#hookIn, rows, tokens), shape));
  }
}

function shaped(value: Handle, shape: readonly number[]): Tensor {
  return tensorOf(core().reshape(value, Uint32Array.from(shape)));
}

/** Unembeds rows of a snapshot of what the unembedding reads. */
class SnapshotReader implements LogitReader {
  readonly #context: UnembedContext;
  readonly #hookIn: ReadHookIn;

  constructor(context: UnembedContext, hookIn: ReadHookIn) {
    this.#context = context;
    this.#hookIn = hookIn;
  }

  rows(rows: readonly number[]): Float32Array<ArrayBuffer> {
    return scoped(() => {
      const out = unembedded(this.#context, this.#hookIn, rows);
      const size = rows.length * this.#context.cfg.dVocabOut;
      return copyOut(out, "float32", size) as Float32Array<ArrayBuffer>;
    });
  }

  cells(rows: readonly number[], tokens: readonly number[]): Float32Array<ArrayBuffer> {
    return scoped(() => {
      const out = unembeddedAt(this.#context, this.#hookIn, rows, tokens);
      return copyOut(out, "float32", rows.length) as Float32Array<ArrayBuffer>;
    });
  }
}

/** Takes rows over that the base run's readers have computed, and leaves them what is computed now. */
class KnowingReader implements LogitReader {
  readonly #reader: LogitReader;
  readonly #dVocab: number;
  readonly #known: KnownRows;

  constructor(reader: LogitReader, dVocab: number, known: KnownRows) {
    this.#reader = reader;
    this.#dVocab = dVocab;
    this.#known = known;
  }

  #knownRow(row: number): Float32Array | undefined {
    const { rows, differs } = this.#known;
    return differs(row) ? undefined : rows.get(row);
  }

  rows(rows: readonly number[]): Float32Array<ArrayBuffer> {
    const dVocab = this.#dVocab;
    const { rows: kept, differs } = this.#known;
    const found = rows.map((row) => this.#knownRow(row));
    const { distinct: fresh, places } = distinctOf(rows.filter((_, i) => !found[i]));
    const computed = fresh.length > 0 ? this.#reader.rows(fresh) : new Float32Array();
    const rowAt = (place: number) => computed.subarray(place * dVocab, (place + 1) * dVocab);
    const hasRoom = (n: number) => (kept.size + n) * dVocab * BYTES <= MAX_KNOWN_BYTES;
    // Nobody writes to what a reader gave; but a few rows of many would keep all of them.
    const isAllKept = hasRoom(fresh.length) && fresh.every((row) => !differs(row));
    fresh.forEach((row, place) => {
      if (hasRoom(1) && !differs(row)) {
        kept.set(row, isAllKept ? rowAt(place) : rowAt(place).slice());
      }
    });
    if (fresh.length === rows.length) return computed;
    const data = new Float32Array(rows.length * dVocab);
    let next = 0;
    found.forEach((logits, i) => data.set(logits ?? rowAt(places[next++]), i * dVocab));
    return data;
  }

  cells(rows: readonly number[], tokens: readonly number[]): Float32Array<ArrayBuffer> {
    return cellsOf(rows, tokens, (row) => this.#knownRow(row), this.#reader);
  }
}

/** Remembers the last reading: a metric and a table of next tokens ask for the same rows. */
class RememberingReader implements LogitReader {
  readonly #reader: LogitReader;
  readonly #dVocab: number;
  #last: { rows: readonly number[]; logits: Float32Array<ArrayBuffer> } | undefined;

  constructor(reader: LogitReader, dVocab: number) {
    this.#reader = reader;
    this.#dVocab = dVocab;
  }

  rows(rows: readonly number[]): Float32Array<ArrayBuffer> {
    if (this.#last?.rows.join() !== rows.join()) {
      this.#last = { rows, logits: this.#reader.rows(rows) };
    }
    return this.#last.logits;
  }

  cells(rows: readonly number[], tokens: readonly number[]): Float32Array<ArrayBuffer> {
    const { rows: known = [], logits } = this.#last ?? {};
    const rowOf = (row: number) => {
      const at = known.indexOf(row);
      return at < 0 ? undefined : logits?.subarray(at * this.#dVocab, (at + 1) * this.#dVocab);
    };
    return cellsOf(rows, tokens, rowOf, this.#reader);
  }
}

const unreadOf = new WeakMap<ModelWeights["store"], UnreadViews>();

/** Views of a model's logits that nobody has read whole. */
export function unreadViews(store: ModelWeights["store"]): UnreadViews {
  return getOrInsertComputed(unreadOf, store, () => {
    const views = new UnreadViews();
    store.beforeDisposal(() => views.settle());
    return views;
  });
}

/**
 * Logits of recorded values, computed when they are read, with the bits of the full ones.
 *
 * @param hookIn What the unembedding reads.
 */
export function recordedLogits(
  context: UnembedContext,
  hookIn: ReadHookIn,
  { batch, nPos }: RunGrid,
): Tensor {
  const dVocab = context.cfg.dVocabOut;
  const reader = new RecordedReader(context, hookIn);
  return logitView({ dVocab, reader, unread: unreadViews(context.weights.store) }, batch, nPos);
}

/**
 * Logits of a snapshot, computed when they are read, with the bits of the full ones.
 *
 * @param hookIn What the unembedding reads.
 * @param known The base run's logits, where there is one.
 */
export function lazyLogits(
  context: UnembedContext,
  hookIn: ReadHookIn,
  { batch, nPos }: RunGrid,
  known: KnownRows | undefined,
): Tensor {
  const dVocab = context.cfg.dVocabOut;
  const source = { dVocab, unread: unreadViews(context.weights.store) };
  const fresh = new SnapshotReader(context, hookIn);
  const reader = new RememberingReader(
    known ? new KnowingReader(fresh, dVocab, known) : fresh,
    dVocab,
  );
  return logitView({ ...source, reader: asTensors(reader) }, batch, nPos);
}

/** Reads logits of a snapshot. */
export function readingSnapshot(context: UnembedContext, hookIn: ReadHookIn): LogitReader {
  return new SnapshotReader(context, hookIn);
}

/** Reads the base run's logits, and leaves them to those who read later. */
export function readingBase(
  context: UnembedContext,
  hookIn: ReadHookIn,
  { logits }: { readonly logits: Map<number, Float32Array> },
): LogitReader {
  const known = { rows: logits, differs: () => false };
  return new KnowingReader(new SnapshotReader(context, hookIn), context.cfg.dVocabOut, known);
}
