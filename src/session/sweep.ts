/**
 * Sweeps: one edit in many variants, stacked as rows of one pass over the base run.
 *
 * @module
 */

import { ConfigError, described } from "../core/errors.ts";
import { noGrad } from "../core/gradients.ts";
import { scoped } from "../core/scope.ts";
import { Tensor } from "../core/tensor.ts";
import { getActName } from "../hooks/act_name.ts";
import { asTensors, type LogitReader, logitView, UnreadViews } from "./logit_view.ts";
import type { RunCost } from "./run.ts";
import { bytesPerVariant, runChunk, type SweepHost } from "./sweep_chunk.ts";
import type { SweepCell, SweepEdit } from "./sweep_edit.ts";

/** Options of a sweep. */
export interface SweepOptions {
  /**
   * The hook point that is edited. With a `layer` axis: a short name of an activation (`"z"`, `"resid_pre"`), or a function that
   * names each layer's point. A list sweeps over its points, along an axis in front of those of `over`.
   */
  at: string | readonly string[] | ((layer: number) => string);
  /** The axes of the sweep, by what they vary, in the order of the result's axes; or a list of cells, which is one axis. */
  over: SweepAxes | readonly SweepCell[];
  /** What happens to each variant's cells; they are set to zero unless said. */
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

/** What each axis of a sweep goes over. */
export type SweepAxes = { readonly [axis in keyof SweepCell]: readonly number[] };

/** One variant: where it is in the result, and what it edits. */
export interface Variant {
  readonly index: number;
  readonly at: string;
  readonly cell: SweepCell;
}

/** The variants of a sweep, in the order of the result. */
export interface Variants {
  readonly all: readonly Variant[];
  /** The lengths of the axes. */
  readonly shape: readonly number[];
}

const AXES: readonly string[] = ["layer", "pos", "feature", "head", "dest", "src"];
const DEFAULT_BUDGET_BYTES = 2 ** 28;

/** Names the point that a cell's variant edits. */
function pointOf(
  at: string | ((layer: number) => string),
  { layer }: SweepCell,
  nLayers: number,
): string {
  if (layer === undefined) {
    if (typeof at === "string") return at;
    throw new ConfigError(
      "Cannot sweep at a function of the layer without layers: name them in `over`, e.g. `layer: [0, 1]`.",
    );
  }
  if (!Number.isInteger(layer) || layer < -nLayers || layer >= nLayers) {
    throw new RangeError(`Cannot sweep over layer ${layer}: there are ${nLayers}.`);
  }
  const fromStart = layer < 0 ? layer + nLayers : layer;
  if (typeof at === "function") return at(fromStart);
  if (/\.|^hook_/.test(at)) {
    throw new ConfigError(
      `Cannot sweep over layers at "${at}", which is one point: give its short name ("z"), or a function of the layer.`,
    );
  }
  return getActName(at, fromStart);
}

// The guard of arrays that are read-only.
function isList<T>(value: unknown | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}

function requireAxes(names: Iterable<string>): void {
  for (const name of names) {
    if (AXES.includes(name)) continue;
    throw new ConfigError(
      `Cannot sweep over "${name}": expected ${AXES.map((known) => `"${known}"`).join(", ")}.`,
    );
  }
}

/** The cells in the order of the result, and the lengths of their axes. */
function cellsOf(over: SweepOptions["over"]): { cells: readonly SweepCell[]; shape: number[] } {
  if (isList<SweepCell>(over)) {
    over.forEach((cell) => requireAxes(Object.keys(cell)));
    return { cells: over, shape: [over.length] };
  }
  const axes = Object.entries(over).filter(([, values]) => values !== undefined);
  requireAxes(axes.map(([axis]) => axis));
  const cells = axes.reduce<SweepCell[]>(
    (so, [axis, values]) =>
      so.flatMap((cell) => Array.from(values, (value) => ({ ...cell, [axis]: value }))),
    [{}],
  );
  return { cells, shape: axes.map(([, values]) => values.length) };
}

function numbered(
  at: string | ((layer: number) => string),
  cells: readonly SweepCell[],
  nLayers: number,
  from = 0,
): Variant[] {
  return cells.map((cell, i) => ({ index: from + i, at: pointOf(at, cell, nLayers), cell }));
}

/**
 * Lists the variants of a sweep.
 *
 * @param nLayers How many layers there are.
 * @throws {ConfigError} If an axis isn't one that a sweep knows, or contradicts `at`.
 * @throws {RangeError} If there is no such layer.
 */
export function variantsOf({ at, over }: SweepOptions, nLayers: number): Variants {
  const { cells, shape } = cellsOf(over);
  if (!isList(at)) return { all: numbered(at, cells, nLayers), shape };
  if (cells.some(({ layer }) => layer !== undefined)) {
    throw new ConfigError("Cannot sweep over a list of points and over layers: give one of them.");
  }
  return {
    all: at.flatMap((point, i) => numbered(point, cells, nLayers, i * cells.length)),
    shape: [at.length, ...shape],
  };
}

/** The variants of each point. */
function byPoint(variants: readonly Variant[]): Map<string, Variant[]> {
  const groups = new Map<string, Variant[]>();
  for (const variant of variants) {
    const group = groups.get(variant.at);
    if (group) group.push(variant);
    else groups.set(variant.at, [variant]);
  }
  return groups;
}

/**
 * Checks what no type could.
 *
 * @throws {ConfigError} If the edit or the metric is none.
 */
export function checkSweep({ edit = "ablate", metric }: SweepOptions): void {
  if (typeof metric !== "function") {
    throw new ConfigError(
      `Cannot sweep with the metric ${
        described(metric)
      }: expected a function of the logits, (logits) => Tensor.`,
    );
  }
  const isCells = edit === "ablate" || typeof edit === "number";
  if (isCells || typeof edit === "function" || (typeof edit === "object" && edit !== null)) return;
  throw new ConfigError(
    `Cannot sweep with the edit ${
      described(edit)
    }: expected "ablate", a number, { scale }, { patch }, an edit or a function.`,
  );
}

function measured(metric: SweepOptions["metric"], logits: Tensor): Tensor {
  const value: unknown = metric(logits);
  if (value instanceof Tensor) return value;
  throw new ConfigError(
    `Cannot sweep: the metric gave ${described(value)}, expected a Tensor of shape [] or [batch].`,
  );
}

/**
 * Runs an edit in many variants. Each variant's logits have the bits of a run of its own.
 *
 * @param base Reads the base run's logits.
 * @param lasting Looks after logits that a metric takes to read them later.
 * @returns The metric of every variant: the axes of the variants, then the metric's; and what it cost.
 */
export function runSweep(
  host: SweepHost,
  { all, shape }: Variants,
  { edit = "ablate", metric, onProgress, signal, budgetBytes = DEFAULT_BUDGET_BYTES }: SweepOptions,
  base: LogitReader,
  lasting: UnreadViews,
): { result: Tensor; cost: RunCost } {
  const { batch, nPos, dVocab } = host;
  const cost: RunCost = { stages: [], rows: 0, multiplyAdds: 0, ms: 0, resumedFrom: null };
  const stages = new Set<string>();
  const logitsFrom = (reader: LogitReader, unread: UnreadViews) =>
    logitView({ reader: asTensors(reader), dVocab, unread }, batch, nPos);
  // The metric of the base run's own logits tells which rows it reads, and which of them whole.
  const [readRows, wholeRows] = [new Set<number>(), new Set<number>()];
  const probing: LogitReader = {
    rows: (rows) => {
      for (const row of rows) {
        readRows.add(row);
        wholeRows.add(row);
      }
      return base.rows(rows);
    },
    cells: (rows, tokens) => {
      rows.forEach((row) => readRows.add(row));
      return base.cells(rows, tokens);
    },
  };
  const probed = new UnreadViews();
  const probe = measured(metric, logitsFrom(probing, probed));
  // Rows that a metric takes to read them later.
  for (const row of probed.rows()) readRows.add(row);
  probed.leaveTo(lasting, () => true);
  const results = Array<Tensor>(all.length);
  let done = 0;
  for (const [at, group] of byPoint(all)) {
    const bytes = bytesPerVariant(host, at, group, edit, wholeRows.size);
    const length = Math.max(1, Math.floor(budgetBytes / bytes));
    for (let from = 0; from < group.length; from += length) {
      signal?.throwIfAborted();
      const variants = group.slice(from, from + length);
      noGrad(() =>
        scoped(() => {
          const cells = variants.map(({ cell }) => cell);
          const rows = new Set(readRows);
          const reads = { rows: [...rows], wholeRows, base };
          const { readers, cost: spent, forget } = runChunk(host, at, cells, edit, reads);
          const unread = new UnreadViews();
          readers.forEach((reader, i) => {
            results[variants[i].index] = measured(metric, logitsFrom(reader, unread)).detach();
          });
          // Rows that a metric keeps outlive their chunk.
          unread.leaveTo(lasting, (row) => rows.has(row));
          forget();
          if (!spent) return;
          spent.stages.forEach((stage) => stages.add(stage));
          cost.resumedFrom ??= spent.resumedFrom;
          cost.rows += spent.rows;
          cost.multiplyAdds += spent.multiplyAdds;
        })
      );
      done += variants.length;
      onProgress?.({ done, total: all.length });
    }
  }
  cost.stages = [...stages];
  const stacked = results.length > 0 ? Tensor.stack(results) : Tensor.zeros([0, ...probe.shape]);
  return { result: stacked.reshape([...shape, ...probe.shape]), cost };
}
