/**
 * A run: values passing points, with what the plan asks of each.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { HookError, ShapeError } from "../core/errors.ts";
import { onGradient } from "../core/gradients.ts";
import { placesIn, type Rows, type RowSpace } from "../core/rows.ts";
import { copyOut, currentScope, type Scope, shapeOf, sizeOf } from "../core/scope.ts";
import {
  handleOf,
  lentRowsTensor,
  lentTensor,
  ownedTensor,
  rowBackingOf,
  Tensor,
  tensorOf,
} from "../core/tensor.ts";
import type { HookPoint } from "../hooks/hook_point.ts";
import type { HookEntry } from "../hooks/hook_registry.ts";
import { describeShape, isJoined, Mode, type PointInfo } from "../hooks/points.ts";
import type { RowValue, Tap } from "../hooks/tap.ts";
import type { KeepValue, PointPlan } from "./plan.ts";
import type { BaseValues } from "./base_run.ts";
import type { HeldValue, Shown } from "./held_value.ts";
import { LentRows, LentScores } from "./lent_rows.ts";
import type { Splice } from "./splice.ts";

/** What a run cost. */
export interface RunCost {
  /** The stages that ran, in order. */
  stages: string[];
  /** Rows, (batch, position) pairs, that a stage is about, summed over the stages: those that differ from the base run's. */
  rows: number;
  /**
   * Multiply-adds of matrix products, attention and decoding. What comes after the last block's attention is computed, and added, when
   * logits are read, unless somebody looks at it.
   */
  multiplyAdds: number;
  /** Milliseconds from start to end. */
  ms: number;
  /** The first stage, when an earlier run's values stood for those before it. */
  resumedFrom: string | null;
}

/** What a run needs beside its plan. */
export interface RunOptions {
  readonly plans: ReadonlyMap<string, PointPlan>;
  readonly space: RowSpace;
  readonly scope: Scope;
  readonly keep: KeepValue;
  /** Flags of the rows whose token a splice leaves alone. */
  readonly excluded: (tokens: boolean | readonly number[]) => Uint8Array | undefined;
  /** The run whose values stand for the rows that don't differ. */
  readonly base?: BaseValues;
  /** The base run that this run's values become. */
  readonly made?: Pick<BaseValues, "held">;
  /** Sees every value that passes, all rows of it; for a run that becomes a base. */
  readonly record?: (name: string, value: Handle) => void;
  /** The points at which the run whose values stand for others had something else spliced in: from the first on all rows are run. */
  readonly forks?: ReadonlySet<string>;
  /** Hears of every value of which no row differs; for a run that becomes a base. */
  readonly inherit?: (name: string) => void;
  /** Points that are looked at although no plan says so; for computing a base run's value. */
  readonly looksAt?: (name: string) => boolean;
  /** Values of points that the run itself doesn't pass. */
  readonly elsewhere?: (name: string) => Handle;
  /** Where the run's positions begin, when it goes on from a cache. */
  readonly posOffset?: number;
  /** Values of which only some rows are read: the others needn't be computed, although they may differ. */
  readonly onlyRead?: { readonly names: ReadonlySet<string>; readonly rows: Rows };
}

function isThenable(value: unknown): boolean {
  return typeof value === "object" && value !== null && "then" in value &&
    typeof value.then === "function";
}

function ordinal(index: number): string {
  return `hook ${index + 1}`;
}

/** Calls a hook and checks what it gives back. */
function callHook(
  entry: HookEntry,
  index: number,
  value: Tensor,
  point: HookPoint,
  axes: readonly string[],
): Tensor {
  let result: unknown;
  try {
    result = entry.hook(value, point);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new HookError(`Cannot pass "${point.name}": ${ordinal(index)} threw: ${reason}`, {
      cause,
    });
  }
  if (result === undefined || result === null) return value;
  if (isThenable(result)) {
    throw new HookError(
      `Cannot pass "${point.name}": ${
        ordinal(index)
      } returned a Promise; hooks are ordinary functions, not async ones.`,
    );
  }
  if (!(result instanceof Tensor)) {
    throw new HookError(
      `Cannot pass "${point.name}": ${
        ordinal(index)
      } returned ${typeof result}, expected a Tensor or nothing.`,
    );
  }
  if (result.shape.join() !== value.shape.join()) {
    throw new ShapeError(
      `Cannot set "${point.name}": ${ordinal(index)} returned [${
        result.shape.join(", ")
      }], expected ${describeShape(value.shape, axes)}`,
    );
  }
  if (result.dtype !== "float32") {
    throw new ShapeError(
      `Cannot set "${point.name}": ${
        ordinal(index)
      } returned a ${result.dtype} tensor, expected float32`,
    );
  }
  return result;
}

/** The axes of attention scores stand by head for hooks, by row for the core. */
const BY_HEAD = [0, 2, 1, 3];

/** One run through the model. */
export class Run implements Tap {
  /** What it cost. */
  readonly cost: RunCost = { stages: [], rows: 0, multiplyAdds: 0, ms: 0, resumedFrom: null };
  readonly space: RowSpace;
  readonly #options: RunOptions;
  /** Values that splices wait for, by the point they read. */
  readonly #captured = new Map<string, RowValue>();

  constructor(options: RunOptions) {
    this.#options = options;
    this.space = options.space;
  }

  get isResumed(): boolean {
    return this.#options.base !== undefined;
  }

  /** Whether rows that don't differ are those of this base run. */
  standsOn(base: BaseValues | undefined): boolean {
    return base !== undefined && this.#options.base === base;
  }

  get isPassing(): boolean {
    const { plans, base, looksAt } = this.#options;
    return base === undefined && looksAt === undefined &&
      [...plans.values()].every(isSnapshotAtMost);
  }

  mode(name: string): Mode {
    const { plans, looksAt } = this.#options;
    return plans.get(name)?.mode ?? (looksAt?.(name) ? Mode.emit : Mode.idle);
  }

  stage(name: string, rows: Rows): void {
    if (rows.isEmpty) return;
    if (this.isResumed) this.cost.resumedFrom ??= name;
    this.cost.stages.push(name);
    this.cost.rows += rows.count;
  }

  count(multiplyAdds: number): void {
    this.cost.multiplyAdds += multiplyAdds;
  }

  map(
    name: string,
    inputs: readonly RowValue[],
    operation: (...handles: Handle[]) => Handle,
  ): RowValue {
    const { onlyRead } = this.#options;
    const differing = this.space.union(...inputs.map(({ rows }) => rows));
    const rows = onlyRead?.names.has(name)
      ? this.space.common(differing, onlyRead.rows)
      : differing;
    if (rows.isEmpty) return { name, rows, handle: 0 };
    return { name, rows, handle: operation(...inputs.map((input) => this.pick(input, rows))) };
  }

  made(name: string, rows: Rows, compute: () => Handle): RowValue {
    return { name, rows, handle: rows.isEmpty ? 0 : compute() };
  }

  pick(value: RowValue, rows: Rows): Handle {
    if (value.rows === rows) return value.handle;
    const places = placesIn(rows, value.rows);
    if (places) return core().take_rows(value.handle, places);
    if (rows.isAll) return this.whole(value);
    const known = core().take_rows(this.#base().value(value.name), rows.indices);
    const own = this.space.common(value.rows, rows);
    const at = placesIn(own, rows);
    return own.isEmpty || !at ? known : core().with_rows(known, at, this.pick(value, own));
  }

  whole({ name, rows, handle }: RowValue): Handle {
    if (rows.isAll) return handle;
    const base = this.#base().value(name);
    return rows.isEmpty ? base : core().with_rows(base, rows.indices, handle);
  }

  /** The elements of each row of a value, [width], which outlive the run. */
  elements(value: RowValue, width: number): (row: number) => Float32Array {
    const { name, rows, handle } = value;
    const read = (of: Handle, count: number) =>
      copyOut(of, "float32", count * width) as Float32Array;
    const at = (all: Float32Array, i: number) => all.subarray(i * width, (i + 1) * width);
    const unchanged = rows.isAll ? undefined : this.#base().elements?.(name);
    if (!unchanged) {
      const all = read(this.whole(value), this.space.all.count);
      return (row) => at(all, row);
    }
    const changed = rows.isEmpty ? new Float32Array() : read(handle, rows.count);
    const places = new Map(Array.from(rows.indices, (row, i) => [row, i]));
    return (row) => {
      const place = places.get(row);
      return place === undefined ? at(unchanged, row) : at(changed, place);
    };
  }

  observe(value: RowValue): void {
    this.#record(value);
    const plan = this.#options.plans.get(value.name);
    if (!plan) return;
    if (plan.readers.length > 0) this.#captured.set(value.name, value);
    if (plan.cached) this.#keep(plan, value);
  }

  visit(coming: RowValue): RowValue {
    const { name } = coming;
    const value = this.#options.forks?.has(name) ? this.#inFull(coming) : coming;
    this.#record(value);
    const plan = this.#options.plans.get(name);
    if (!plan) return value;
    // A transcoder reads what came, whatever hooks here make of it (SAELens).
    if (plan.readers.length > 0) this.#captured.set(name, value);
    const edited = plan.edit ? plan.edit(value) : value;
    let current = plan.fwd.length > 0 ? this.#hooked(plan, edited) : edited;
    if (plan.bwd.length > 0 || plan.watched || plan.cachedGradient) {
      current = this.#watched(plan, current);
    } else if (plan.cached) this.#keep(plan, current);
    return plan.splice ? this.#spliced(plan.splice, current) : current;
  }

  #record({ name, rows, handle }: RowValue): void {
    if (rows.isAll) this.#options.record?.(name, handle);
    else if (rows.isEmpty) this.#options.inherit?.(name);
  }

  /** A value with those of its rows, too, that don't differ. */
  #inFull(value: RowValue): RowValue {
    return { name: value.name, rows: this.space.all, handle: this.whole(value) };
  }

  #base(): BaseValues {
    const { base } = this.#options;
    if (!base) throw new Error("A run without a base computes every row.");
    return base;
  }

  /** How hooks see a value: with batch and position axes, scores by head. */
  #shown({ active: { info } }: PointPlan, whole: Handle): Shown {
    const { batch } = this.space;
    const shape = shapeOf(whole);
    if (isJoined(info.name)) {
      const width = shape[shape.length - 1];
      return reshaped([sizeOf(shape) / width, width]);
    }
    const [rows, ...rest] = shape;
    // Not the run's own positions alone: some points show the keys of a cache too.
    const grid = [batch, rows / batch, ...rest];
    return isByHead(info) ? permutedGrid(grid) : reshaped(grid);
  }

  /** A value as hooks see it. */
  #toHooks(plan: PointPlan, whole: Handle): Handle {
    return this.#shown(plan, whole).from(whole);
  }

  /** The way back: [batch * pos, ...]. */
  #fromHooks({ active: { info } }: PointPlan, value: Handle): Handle {
    if (isJoined(info.name)) {
      const [joined, width] = core().shape_of(value);
      const rows = this.space.all.count;
      return core().reshape(value, Uint32Array.of(rows, joined / rows, width));
    }
    const grid = isByHead(info) ? core().permute(value, new Uint32Array(BY_HEAD)) : value;
    const [batch, nPos, ...rest] = core().shape_of(grid);
    return core().reshape(grid, Uint32Array.of(batch * nPos, ...rest));
  }

  /** Runs the forward hooks, each on what the one before left, and finds the rows that differ now. */
  #hooked(plan: PointPlan, value: RowValue): RowValue {
    const { active: { point, info }, fwd } = plan;
    const before = this.#lent(plan, value);
    // What is shown with the keys of a cache begins with the text.
    const isWhole = !isByHead(info) && before.shape[1] > this.space.nPos;
    point.posOffset = isWhole ? 0 : this.#options.posOffset ?? 0;
    let tensor = before;
    fwd.forEach((entry, index) => {
      const result = callHook(entry, index, tensor, point, info.axes);
      // What a hook returns may be somebody's own tensor, or one in a cache: the next hook edits a value of its own.
      const isLast = index === fwd.length - 1;
      tensor = result === tensor || isLast ? result : this.#copyLent(result);
    });
    const rows = rowBackingOf(tensor);
    if (tensor === before && (rows instanceof LentRows || rows instanceof LentScores)) {
      return this.#differingRows(value, rows.value);
    }
    const after = this.#fromHooks(plan, handleOf(tensor));
    const isSame = value.rows.isAll && core().same_buffer(value.handle, after);
    return isSame && core().node_of(after) === 0 ? value : this.#differing(value, after);
  }

  /** A value as a hook is lent it. Hooks edit a value of their own: this one may have other readers. */
  #lent(plan: PointPlan, value: RowValue): Tensor {
    const { base, scope } = this.#options;
    const { info } = plan.active;
    if (!base || value.rows.isAll || isJoined(info.name)) {
      return lentTensor(core().share(this.#toHooks(plan, this.whole(value))), scope);
    }
    const tail = Array.from(core().shape_of(base.value(value.name)).subarray(1));
    const { batch, nPos } = this.space;
    const rows = new LentRows(this, scope, value, tail);
    if (!isByHead(info)) return lentRowsTensor([batch, nPos, ...tail], scope, rows);
    const [head, key] = tail;
    const shape = [batch, head, nPos, key];
    return lentRowsTensor(shape, scope, new LentScores(rows, scope, shape));
  }

  #copyLent(tensor: Tensor): Tensor {
    return lentTensor(core().share(handleOf(tensor)), this.#options.scope);
  }

  /** Of rows that a hook may have written, those that differ from the base run's. */
  #differingRows(before: RowValue, after: RowValue): RowValue {
    if (after === before) return before;
    const { name, rows, handle } = after;
    const known = this.pick({ name, rows: this.space.none, handle: 0 }, rows);
    const changed = core().changed_rows(handle, known);
    if (changed.length === rows.count) return after;
    const kept = this.space.of(Array.from(changed, (i) => rows.indices[i]));
    return { name, rows: kept, handle: kept.isEmpty ? 0 : core().take_rows(handle, changed) };
  }

  /** The rows of a value in which it differs from the base run's; all of them where gradients flow, or the runs are others by now. */
  #differing({ name, rows: { isAll } }: RowValue, whole: Handle): RowValue {
    const { base, forks } = this.#options;
    if (!base || core().node_of(whole) !== 0 || (forks && isAll)) {
      return { name, rows: this.space.all, handle: whole };
    }
    const rows = this.space.of(core().changed_rows(whole, base.value(name)));
    if (rows.isEmpty) return { name, rows, handle: 0 };
    return { name, rows, handle: rows.isAll ? whole : core().take_rows(whole, rows.indices) };
  }

  /** Makes the value a stop of the backward pass, where hooks, caches and `grad` see the gradient. */
  #watched(plan: PointPlan, value: RowValue): RowValue {
    const { active: { info, point }, bwd, cached, cachedGradient, watched } = plan;
    const stop = core().watch(this.#toHooks(plan, this.whole(value)));
    const node = core().node_of(stop);
    const kept = cached ? this.#snapshot(info.name, stop) : undefined;
    const { keep, scope, posOffset = 0 } = this.#options;
    if (!node) return value;
    onGradient(node, (gradient) => {
      point.posOffset = posOffset;
      let replacement: Tensor | undefined;
      bwd.forEach((entry, index) => {
        // Each hook sees what reached the point; the last that changes it wins (TransformerLens).
        const seen = lentTensor(core().share(gradient), currentScope() ?? scope);
        const result = callHook(entry, index, seen, point, info.axes);
        const isEdited = result !== seen || !core().same_buffer(handleOf(seen), gradient);
        if (isEdited) replacement = result;
      });
      if (cachedGradient || (watched && cached)) {
        const value = tensorOf(gradient);
        if (cachedGradient) keep(`${info.name}_grad`, value, this.space);
        if (kept) kept.grad = kept.grad ? kept.grad.add(value) : value;
      }
      return replacement && handleOf(replacement);
    }, info.name);
    return { name: value.name, rows: this.space.all, handle: this.#fromHooks(plan, stop) };
  }

  #keep(plan: PointPlan, value: RowValue): void {
    const whole = this.whole(value);
    const held = this.#held(value, whole);
    if (held) this.#options.keep(value.name, held.tensor(this.#shown(plan, whole)), this.space);
    else this.#snapshot(value.name, this.#toHooks(plan, whole));
  }

  /** Where a base run holds this very value. */
  #held({ name, rows }: RowValue, whole: Handle): HeldValue | undefined {
    const { base, made } = this.#options;
    const held = rows.isAll ? made?.held?.(name) : rows.isEmpty ? base?.held?.(name) : undefined;
    return held && core().same_buffer(held.handle, whole) ? held : undefined;
  }

  #snapshot(name: string, value: Handle): Tensor {
    const shape = shapeOf(value);
    const snapshot = ownedTensor(copyOut(value, "float32", sizeOf(shape)), shape);
    this.#options.keep(name, snapshot, this.space);
    return snapshot;
  }

  #spliced(splice: Splice, value: RowValue): RowValue {
    const { excluded, forks } = this.#options;
    const isOther = forks?.has(splice.outName) ?? false;
    const read = splice.inName === splice.outName ? value : this.#inputOf(splice);
    const input = isOther ? this.#inFull(read) : read;
    const output = splice.run(
      { tap: this, excluded: excluded(splice.excludeSpecialTokens) },
      input,
      value,
    );
    if (!output.rows.isAll) return output;
    this.#options.record?.(output.name, output.handle);
    return this.isResumed ? this.#differing(output, output.handle) : output;
  }

  /** What a transcoder reads: captured when the run passed it, or the base run's. */
  #inputOf({ inName, outName }: Splice): RowValue {
    const captured = this.#captured.get(inName);
    if (captured) return captured;
    if (this.isResumed) return { name: inName, rows: this.space.none, handle: 0 };
    const { elsewhere } = this.#options;
    if (elsewhere) return { name: inName, rows: this.space.all, handle: elsewhere(inName) };
    throw new ShapeError(
      `Cannot run what is spliced in at "${outName}": the run doesn't pass "${inName}", which it reads.`,
    );
  }
}

/** Whether a plan asks for a copy of the value at most. */
function isSnapshotAtMost(plan: PointPlan): boolean {
  const { fwd, bwd, readers, edit, splice, watched, cachedGradient } = plan;
  return fwd.length + bwd.length + readers.length === 0 && !edit && !splice && !watched &&
    !cachedGradient;
}

function reshaped(shape: readonly number[]): Shown {
  return { shape, from: (value) => core().reshape(value, Uint32Array.from(shape)) };
}

/** A grid [batch, pos, head, key] by head. */
function permutedGrid(grid: readonly number[]): Shown {
  const { from } = reshaped(grid);
  return {
    shape: BY_HEAD.map((axis) => grid[axis]),
    from: (value) => core().permute(from(value), new Uint32Array(BY_HEAD)),
  };
}

function isByHead({ axes }: PointInfo): boolean {
  return axes[2] === "query";
}
