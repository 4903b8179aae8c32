/**
 * Logits that come when somebody reads them: whole rows, or those of a few tokens alone.
 *
 * @module
 */

import { MemoryBudgetError } from "../core/errors.ts";
import { isPaused, noGrad, withGrad } from "../core/gradients.ts";
import { flatIndices, type IndexPart, resolveIndex, spelledOut } from "../core/index_spec.ts";
import {
  elementsOf,
  type Index,
  lazyTensor,
  type LazyValue,
  ownedTensor,
  type Tensor,
} from "../core/tensor.ts";

/** Reads logits of rows, numbered through a batch. */
export interface LogitReader {
  /** Whole rows: [rows.length * dVocab], not to be written. */
  rows(rows: readonly number[]): Float32Array<ArrayBuffer>;
  /** Single logits: that of `tokens[i]` in row `rows[i]`. */
  cells(rows: readonly number[], tokens: readonly number[]): Float32Array<ArrayBuffer>;
}

/** Reads logits as tensors, which may be on the tape. */
export interface TensorReader {
  /** Whole rows, in a shape [..., dVocab]. */
  rows(rows: readonly number[], shape: readonly number[]): Tensor;
  /** Single logits: that of `tokens[i]` in row `rows[i]`, in a shape. */
  cells(rows: readonly number[], tokens: readonly number[], shape: readonly number[]): Tensor;
}

/** What a reader reads, as tensors. */
export function asTensors(reader: LogitReader): TensorReader {
  return {
    rows: (rows, shape) => ownedTensor(reader.rows(rows), shape),
    cells: (rows, tokens, shape) => ownedTensor(reader.cells(rows, tokens), shape),
  };
}

/** Takes single logits from rows that are known, and reads the others. */
export function cellsOf(
  rows: readonly number[],
  tokens: readonly number[],
  known: (row: number) => Float32Array | undefined,
  reader: LogitReader,
): Float32Array<ArrayBuffer> {
  const found = rows.map(known);
  const isFresh = (_: number, i: number) => found[i] === undefined;
  const fresh = rows.filter(isFresh);
  const read = fresh.length > 0 ? reader.cells(fresh, tokens.filter(isFresh)) : new Float32Array();
  let next = 0;
  return Float32Array.from(tokens, (token, i) => found[i]?.[token] ?? read[next++]);
}

/** A single logit costs the reading of a panel, 16 columns: few enough are less than half of a row. */
const TOKENS_PER_CELL = 32;

/** How many views are looked after of which nobody has read anything, and how many of which somebody has read a part. */
const MOST_VIEWS = 4;

/**
 * Views that nobody has read whole. What was taken out of logits outlives the model: these views are read before its memory is given
 * back. When they become many, the oldest of those of which nobody has read anything is read; those of which somebody has read a part
 * have mostly served their purpose, and the oldest is left to itself.
 */
export class UnreadViews {
  readonly #unread = new Map<LogitView, Tensor>();
  readonly #partly = new Map<LogitView, Tensor>();
  /** Who looks after the views now. */
  #heir: UnreadViews | undefined;

  /** Looks after a view and its tensor. */
  add(view: LogitView, tensor: Tensor): void {
    const [oldest] = this.#unread;
    if (oldest && this.#unread.size >= MOST_VIEWS) {
      this.#read(oldest[1]);
      this.#unread.delete(oldest[0]);
    }
    this.#unread.set(view, tensor);
  }

  #read(tensor: Tensor): void {
    try {
      elementsOf(tensor);
    } catch (error) {
      // Without the memory for it, it is left to whoever reads it, while the model is there.
      if (!(error instanceof MemoryBudgetError)) throw error;
    }
  }

  /** Takes note that a part of a view was read. */
  readPart(view: LogitView): void {
    this.#heir?.readPart(view);
    const tensor = this.#unread.get(view);
    if (!tensor) return;
    this.#unread.delete(view);
    this.#addPartly(view, tensor);
  }

  #addPartly(view: LogitView, tensor: Tensor): void {
    const [oldest] = this.#partly.keys();
    if (oldest && this.#partly.size >= MOST_VIEWS) this.#partly.delete(oldest);
    this.#partly.set(view, tensor);
  }

  /** Leaves a view to itself: all of it was read. */
  delete(view: LogitView): void {
    this.#heir?.delete(view);
    this.#unread.delete(view);
    this.#partly.delete(view);
  }

  /** The rows of the views of which nobody has read anything. */
  rows(): number[] {
    return [...this.#unread.keys()].flatMap((view) => view.rows);
  }

  /**
   * Leaves the views to others to look after, but for those that can't be read later: they are read.
   *
   * @param isThere Whether a row can be read later.
   */
  leaveTo(others: UnreadViews, isThere: (row: number) => boolean): void {
    this.#heir = others;
    const lasting = (
      views: Map<LogitView, Tensor>,
      add: (view: LogitView, tensor: Tensor) => void,
    ) => {
      for (const [view, tensor] of views) {
        if (view.rows.every(isThere)) add(view, tensor);
        else this.#read(tensor);
      }
      views.clear();
    };
    lasting(this.#unread, (view, tensor) => others.add(view, tensor));
    lasting(this.#partly, (view, tensor) => others.#addPartly(view, tensor));
  }

  /** Reads all that are left. */
  settle(): void {
    for (const tensor of [...this.#unread.values(), ...this.#partly.values()]) this.#read(tensor);
  }
}

/** What views of the same logits have in common. */
export interface LogitSource {
  readonly reader: TensorReader;
  readonly dVocab: number;
  /** Looks after views, where logits may outlive what they are read with. */
  readonly unread?: UnreadViews;
}

/** Logits [...shape, dVocab] of rows. */
class LogitView implements LazyValue {
  readonly #source: LogitSource;
  readonly #shape: readonly number[];
  readonly #rows: readonly number[];
  /** Whether gradients pass through it: not where it was taken without recording, wherever it is read. */
  readonly #isRecorded: boolean;

  constructor(
    source: LogitSource,
    shape: readonly number[],
    rows: readonly number[],
    isRecorded = true,
  ) {
    this.#source = source;
    this.#shape = shape;
    this.#rows = rows;
    this.#isRecorded = isRecorded;
  }

  /** The rows, numbered through the batch. */
  get rows(): readonly number[] {
    return this.#rows;
  }

  /** The shape with the vocabulary's axis. */
  get #whole(): number[] {
    return [...this.#shape, this.#source.dVocab];
  }

  all(): Tensor {
    const read = () => this.#source.reader.rows(this.#rows, this.#whole);
    const logits = this.#isRecorded ? withGrad(read) : noGrad(read);
    this.#source.unread?.delete(this);
    return logits;
  }

  at(index: readonly Index[], given: readonly IndexPart[]): Tensor | undefined {
    const parts = spelledOut(given, this.#whole);
    const rank = this.#shape.length + 1;
    if (parts.length !== rank || parts.some((part) => typeof part === "object" && part.isMask)) {
      return undefined;
    }
    // What doesn't fit is said of the logits, not of some of their axes.
    resolveIndex(parts, this.#whole);
    const [rows, tokens] = [parts.slice(0, -1), parts[rank - 1]];
    const chosen = flatIndices(rows, this.#shape);
    if (tokens !== ":") {
      const { indices } = flatIndices([tokens], [this.#source.dVocab]);
      if (this.#isFew(chosen.indices.length * indices.length)) {
        const { indices, shape } = flatIndices(parts, this.#whole);
        return this.#cells(indices, shape);
      }
      // Lists of rows and of tokens address cells together.
      if (parts.filter((part) => typeof part === "object").length > 1) return undefined;
    }
    if (rows.every((part) => part === ":")) return undefined;
    const view = new LogitView(
      this.#source,
      chosen.shape,
      chosen.indices.map((row) => this.#rows[row]),
      this.#isRecorded && !isPaused(),
    );
    const tensor = lazyTensor(view.#whole, view);
    if (tokens !== ":") {
      const last = index.findLast((part) => part !== "...");
      return last === undefined ? undefined : tensor.at("...", last);
    }
    this.#source.unread?.add(view, tensor);
    this.#source.unread?.readPart(this);
    return tensor;
  }

  gather(axis: number, index: Tensor): Tensor | undefined {
    const { dVocab } = this.#source;
    const rank = this.#shape.length + 1;
    if (axis !== rank - 1 || index.rank !== rank || !this.#isFew(index.size)) return undefined;
    const ids = Array.from(elementsOf(index));
    const fits = this.#shape.every((length, axis) => index.shape[axis] <= length) &&
      ids.every((id) => id >= 0 && id < dVocab);
    if (!fits) return undefined;
    const rows = index.shape.slice(0, -1).map((length) => `:${length}`);
    const { indices } = flatIndices(rows, this.#shape);
    const perRow = index.shape[rank - 1];
    return this.#cells(
      ids.map((id, i) => indices[Math.floor(i / perRow)] * dVocab + id),
      index.shape,
    );
  }

  #isFew(nCells: number): boolean {
    return nCells * TOKENS_PER_CELL <= this.#source.dVocab;
  }

  /** Reads cells by their places in the flattened view. */
  #cells(places: readonly number[], shape: readonly number[]): Tensor {
    const { reader, dVocab, unread } = this.#source;
    const read = () =>
      reader.cells(
        places.map((place) => this.#rows[Math.floor(place / dVocab)]),
        places.map((place) => place % dVocab),
        shape,
      );
    const logits = this.#isRecorded ? read() : noGrad(read);
    unread?.readPart(this);
    return logits;
  }
}

/** Logits [batch, pos, dVocab] that are read row by row, or token by token. */
export function logitView(source: LogitSource, batch: number, nPos: number): Tensor {
  const rows = Array.from({ length: batch * nPos }, (_, row) => row);
  const view = new LogitView(source, [batch, nPos], rows);
  return lazyTensor([batch, nPos, source.dVocab], view);
}
