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
import { unembed } from "../model/forward.ts";
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
  return unembed(weights, cfg, rows);
}

function requireWeights({ weights }: UnembedContext): void {
  if (weights.store.disposed) {
    throw new ConfigError("Cannot unembed logits: the model was disposed before they were read.");
  }
}

/** Whether the first two parts of an index choose rows, and nothing in it needs all of them. */
function choosesRows(index: readonly Index[]): boolean {
  const isPlain = !index.includes("...") &&
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

/** Logits by row from a snapshot, taking over those that the base run's readers have computed. */
function byRow(
  context: UnembedContext,
  snapshot: Float32Array,
  [batch, nPos]: readonly number[],
  known: KnownLogits | undefined,
): LazyValue {
  const { dModel, dVocabOut } = context.cfg;
  const grid = Tensor.arange(batch * nPos).reshape(batch, nPos);
  const compute = (rows: readonly number[]): Float32Array => {
    requireWeights(context);
    const input = new Float32Array(rows.length * dModel);
    rows.forEach((row, i) =>
      input.set(snapshot.subarray(row * dModel, (row + 1) * dModel), i * dModel)
    );
    return scoped(() => {
      const out = unembedded(context, copyIn(input, [rows.length, dModel], "float32"));
      return copyOut(out, "float32", rows.length * dVocabOut) as Float32Array;
    });
  };
  const read = (rows: readonly number[], shape: readonly number[]): Tensor => {
    const isKnown = (row: number) =>
      known !== undefined && !known.differs(row) && known.rows.has(row);
    const fresh = rows.filter((row) => !isKnown(row));
    const computed = fresh.length > 0 ? compute(fresh) : new Float32Array();
    if (fresh.length === rows.length && !known) {
      return ownedTensor(computed as Float32Array<ArrayBuffer>, [...shape, dVocabOut]);
    }
    const data = new Float32Array(rows.length * dVocabOut);
    let next = 0;
    rows.forEach((row, i) => {
      const found = isKnown(row) ? known?.rows.get(row) : undefined;
      const logits = found ?? computed.subarray(next * dVocabOut, ++next * dVocabOut);
      data.set(logits, i * dVocabOut);
      const isRoom = known && (known.rows.size + 1) * dVocabOut * 4 <= MAX_KNOWN_BYTES;
      if (!found && isRoom && !known.differs(row)) known.rows.set(row, logits.slice());
    });
    return ownedTensor(data, [...shape, dVocabOut]);
  };
  const readIndex = (index: readonly Index[]) => {
    const rows = grid.at(...index);
    return read(Array.from(elementsOf(rows)), rows.shape);
  };
  return {
    all: () => readIndex([]),
    at: (index) => rowsThenVocabulary(index, readIndex),
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
  const { cfg } = context;
  const [batch, nPos] = shape;
  const value = core().node_of(hookIn)
    ? recorded(context, tensorOf(core().reshape(hookIn, Uint32Array.of(batch, nPos, cfg.dModel))))
    : byRow(
      context,
      copyOut(hookIn, "float32", batch * nPos * cfg.dModel) as Float32Array,
      shape,
      known,
    );
  return lazyTensor([batch, nPos, cfg.dVocabOut], value);
}
