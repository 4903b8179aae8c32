/**
 * Logits that are unembedded when somebody reads them, row by row.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { ConfigError } from "../core/errors.ts";
import { copyIn, copyOut, scoped } from "../core/scope.ts";
import {
  handleOf,
  type Index,
  lazyTensor,
  type LazyValue,
  Tensor,
  tensorOf,
} from "../core/tensor.ts";
import type { HookedTransformerConfig } from "../model/config.ts";
import { logitsAt, logitsOf } from "../model/forward.ts";
import { ROOT_NAMES } from "../model/points.ts";
import type { ModelWeights } from "../model/weights.ts";
import { cellsOf, type LogitReader, logitView, UnreadViews } from "./logit_view.ts";

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

/** Logits on the tape: rows of the recorded value are taken, then unembedded. */
function recorded(context: UnembedContext, source: Tensor): LazyValue {
  const compute = (rows: Tensor) => {
    requireWeights(context);
    return scoped(() => tensorOf(unembedded(context, handleOf(rows))));
  };
  return {
    all: () => compute(source),
    at: (index) => {
      if (!choosesRows(index)) return undefined;
      const rows = compute(source.at(...index.slice(0, 2)));
      return index.length > 2 ? rows.at("...", index[2]) : rows;
    },
  };
}

/** Unembeds rows of a snapshot of what the unembedding reads. */
class SnapshotReader implements LogitReader {
  readonly #context: UnembedContext;
  readonly #snapshot: Float32Array;

  constructor(context: UnembedContext, snapshot: Float32Array) {
    this.#context = context;
    this.#snapshot = snapshot;
  }

  rows(rows: readonly number[]): Float32Array<ArrayBuffer> {
    requireWeights(this.#context);
    return scoped(() => {
      const out = unembedded(this.#context, this.#copyIn(rows));
      const size = rows.length * this.#context.cfg.dVocabOut;
      return copyOut(out, "float32", size) as Float32Array<ArrayBuffer>;
    });
  }

  cells(rows: readonly number[], tokens: readonly number[]): Float32Array<ArrayBuffer> {
    requireWeights(this.#context);
    const { weights, cfg, count } = this.#context;
    const distinct = [...new Set(rows)];
    const places = new Map(distinct.map((row, i) => [row, i]));
    count(rows.length * cfg.dModel);
    return scoped(() => {
      const input = this.#copyIn(distinct);
      const out = logitsAt(weights, cfg, input, rows.map((row) => places.get(row) ?? 0), tokens);
      return copyOut(out, "float32", rows.length) as Float32Array<ArrayBuffer>;
    });
  }

  #copyIn(rows: readonly number[]): Handle {
    const { dModel } = this.#context.cfg;
    const input = new Float32Array(rows.length * dModel);
    rows.forEach((row, i) =>
      input.set(this.#snapshot.subarray(row * dModel, (row + 1) * dModel), i * dModel)
    );
    return copyIn(input, [rows.length, dModel], "float32");
  }
}

/** Takes rows over that the base run's readers have computed, and leaves them what is computed now. */
class KnowingReader implements LogitReader {
  readonly #reader: LogitReader;
  readonly #dVocab: number;
  readonly #known: KnownLogits;

  constructor(reader: LogitReader, dVocab: number, known: KnownLogits) {
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
    const fresh = rows.filter((_, i) => !found[i]);
    const computed = fresh.length > 0 ? this.#reader.rows(fresh) : new Float32Array();
    const data = new Float32Array(rows.length * dVocab);
    let next = 0;
    rows.forEach((row, i) => {
      const logits = found[i] ?? computed.subarray(next * dVocab, ++next * dVocab);
      data.set(logits, i * dVocab);
      const isRoom = (kept.size + 1) * logits.byteLength <= MAX_KNOWN_BYTES;
      if (!found[i] && isRoom && !differs(row)) kept.set(row, logits.slice());
    });
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
    return this.#last.logits.slice();
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

/** Views of a model's logits of which nothing was read yet. */
const unreadOf = new WeakMap<ModelWeights["store"], UnreadViews>();

function unreadViews(store: ModelWeights["store"]): UnreadViews {
  const known = unreadOf.get(store);
  if (known) return known;
  const views = new UnreadViews();
  unreadOf.set(store, views);
  store.beforeDisposal(() => views.settle());
  return views;
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
  const { dModel, dVocabOut: dVocab } = context.cfg;
  const [batch, nPos] = shape;
  if (core().node_of(hookIn)) {
    const source = tensorOf(core().reshape(hookIn, Uint32Array.of(batch, nPos, dModel)));
    return lazyTensor([batch, nPos, dVocab], recorded(context, source));
  }
  const fresh = new SnapshotReader(
    context,
    copyOut(hookIn, "float32", batch * nPos * dModel) as Float32Array,
  );
  const reader = new RememberingReader(
    known ? new KnowingReader(fresh, dVocab, known) : fresh,
    dVocab,
  );
  return logitView({ reader, dVocab, unread: unreadViews(context.weights.store) }, batch, nPos);
}

/** Reads the base run's logits, and leaves them to those who read later. */
export function readingBase(
  context: UnembedContext,
  base: { value(name: string): Handle; readonly logits: Map<number, Float32Array> },
  [batch, nPos]: readonly [batch: number, nPos: number],
): LogitReader {
  const { dModel, dVocabOut } = context.cfg;
  const hookIn = base.value(ROOT_NAMES.unembedIn);
  const snapshot = copyOut(hookIn, "float32", batch * nPos * dModel) as Float32Array;
  const known = { rows: base.logits, differs: () => false };
  return new KnowingReader(new SnapshotReader(context, snapshot), dVocabOut, known);
}
