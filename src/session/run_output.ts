/**
 * What a run gives: logits, which are computed when they are read, a residual stream, or nothing.
 *
 * @module
 */

import { core } from "../core/engine.ts";
import type { Rows } from "../core/rows.ts";
import { copyOut } from "../core/scope.ts";
import { type Tensor, tensorOf } from "../core/tensor.ts";
import { byMatrix } from "../hooks/learned.ts";
import { Mode } from "../hooks/points.ts";
import type { RowValue } from "../hooks/tap.ts";
import {
  cappedLogits,
  finalNorm,
  finish,
  type Mixed,
  noteFinish,
  type Pass,
  runBlocks,
  runToLastMix,
  unembed,
} from "../model/forward.ts";
import { type BlockNames, ROOT_NAMES } from "../model/points.ts";
import type { BaseRun } from "./base_run.ts";
import {
  canFinishLater,
  copiedHookIn,
  type EndContext,
  finishing,
  finishingBase,
  finishingRecorded,
  finishRows,
  hookInOf,
  rowsOf,
} from "./finishing.ts";
import type { LogitReader } from "./logit_view.ts";
import { lazyLogits, readingBase, recordedLogits } from "./logits.ts";
import type { RunSpan } from "./model_points.ts";
import { ParameterRun } from "./parameter_run.ts";
import type { Run } from "./run.ts";

/** A run with the pass that it is to go through. */
export interface PassingRun {
  readonly run: Run;
  readonly pass: Pass;
  readonly names: readonly BlockNames[];
  readonly span: RunSpan;
  /** The points of which somebody asks something. */
  readonly asked: readonly string[];
}

function endContext(
  { pass: { cfg, weights }, names }: Pick<PassingRun, "pass" | "names">,
  count: (multiplyAdds: number) => void,
): EndContext {
  return { cfg, weights, names, count };
}

/**
 * Runs a pass.
 *
 * @param base The base run that the run stands on, or becomes.
 * @returns Logits [batch, pos, dVocab], the residual stream [batch, pos, dModel] that the run stops at, or nothing.
 */
export function runOutput(passing: PassingRun, base: BaseRun | undefined): Tensor | null {
  const { run, pass, names, span, asked } = passing;
  if (!(run instanceof ParameterRun) && canFinishLater(span, names, run.space, asked)) {
    return finishedLater(passing, base);
  }
  const resid = runBlocks(run, pass, names);
  if (span.stopAtLayer !== undefined) {
    const { batch, nPos } = run.space;
    const shape = Uint32Array.of(batch, nPos, pass.cfg.dModel);
    return tensorOf(core().reshape(run.whole(resid), shape));
  }
  const hookIn = finalNorm(run, pass, resid);
  return span.returnType === null ? null : logitsFrom(passing, hookIn, base);
}

/** Logits: computed in the run where somebody asks for `unembed.hook_out`, else when they are read. */
function logitsFrom(passing: PassingRun, hookIn: RowValue, base: BaseRun | undefined): Tensor {
  const { run, pass: { cfg, weights } } = passing;
  const { batch, nPos } = run.space;
  if (run.mode(ROOT_NAMES.unembedOut) !== Mode.idle || run instanceof ParameterRun) {
    run.count(hookIn.rows.count * cfg.dModel * cfg.dVocabOut);
    const made = run.map(ROOT_NAMES.unembedOut, [hookIn], (x) => unembed(weights, cfg, x));
    const out = run.visit(byMatrix(run, made, hookIn, weights.unembed.names));
    const shape = Uint32Array.of(batch, nPos, cfg.dVocabOut);
    return tensorOf(core().reshape(cappedLogits(cfg, run.whole(out)), shape));
  }
  const context = endContext(passing, (multiplyAdds) => run.count(multiplyAdds));
  if (hookIn.rows.isAll && core().node_of(hookIn.handle) !== 0) {
    return recordedLogits(context, hookInOf(tensorOf(hookIn.handle)), run.space);
  }
  const known = base && { rows: base.logits, differs: differing(run, base, hookIn.rows) };
  const elements = run.elements(hookIn, cfg.dModel);
  return lazyLogits(context, copiedHookIn(elements, cfg.dModel), run.space, known);
}

/** Tells which of these rows of a run differ from the base run's: none where they become those. */
function differing(
  run: Run,
  base: BaseRun | undefined,
  { indices }: Rows,
): (row: number) => boolean {
  const changed = new Set(run.standsOn(base) ? indices : []);
  return (row) => changed.has(row);
}

/** What a run gives of which nobody asks anything after the last block's attention. */
function finishedLater(passing: PassingRun, base: BaseRun | undefined): Tensor | null {
  const { run, pass, names, span } = passing;
  const { cfg } = pass;
  const { space } = run;
  const mixed = runToLastMix(run, pass, names);
  const isOnTape = isRecorded(mixed);
  const rows = space.union(mixed.pre.rows, mixed.z.rows);
  // What was read of the base run is mostly read of those that stand on it.
  const isNow = base && !isOnTape && rows.indices.every((row) => base.hookIn.has(row));
  const done = isNow ? finish(run, pass, names, mixed) : undefined;
  if (!done) noteFinish(run, pass, mixed);
  if (span.returnType === null) return null;
  const context = endContext(passing, (multiplyAdds) => run.count(multiplyAdds));
  if (isOnTape) {
    const [pre, z] = [mixed.pre, mixed.z].map((value) => tensorOf(run.whole(value)));
    return recordedLogits(context, finishingRecorded(context, pre, z), space);
  }
  const differs = differing(run, base, rows);
  const left = (value: RowValue) => done ? { ...value, rows: space.none } : value;
  const values = {
    pre: run.elements(left(mixed.pre), cfg.dModel),
    z: run.elements(left(mixed.z), cfg.nHeads * cfg.dHead),
  };
  const known = base && { rows: base.hookIn, differs };
  const hookIn = finishing(context, values, space.all.count, known, done);
  return lazyLogits(context, hookIn, space, base && { rows: base.logits, differs });
}

/** Whether gradients flow through what is left to finish. */
function isRecorded({ pre, z }: Mixed): boolean {
  return [pre, z].some(({ rows, handle }) => !rows.isEmpty && core().node_of(handle) !== 0);
}

/** Runs a pass, and gives the logits of rows, [rows.length, dVocab]. */
export function logitsAfter(
  passing: PassingRun,
  rows: readonly number[],
): Float32Array<ArrayBuffer> {
  const { run, pass, names, span, asked } = passing;
  const { cfg, weights } = pass;
  const isLooked = run.mode(ROOT_NAMES.unembedOut) !== Mode.idle;
  const isAll = rows.length === run.space.all.count;
  const taken = (value: RowValue) => {
    const handle = run.whole(value);
    return isAll ? handle : core().take_rows(handle, Uint32Array.from(rows));
  };
  const unembedded = () => {
    if (!isAll && canFinishLater(span, names, run.space, asked)) {
      const mixed = runToLastMix(run, pass, names);
      noteFinish(run, pass, mixed);
      const context = endContext(passing, (multiplyAdds) => run.count(multiplyAdds));
      return unembed(weights, cfg, finishRows(context, taken(mixed.pre), taken(mixed.z)));
    }
    const hookIn = finalNorm(run, pass, runBlocks(run, pass, names));
    if (!isLooked) return unembed(weights, cfg, taken(hookIn));
    const out = run.map(ROOT_NAMES.unembedOut, [hookIn], (x) => unembed(weights, cfg, x));
    return taken(run.visit(out));
  };
  const logits = cappedLogits(cfg, unembedded());
  run.count((isLooked ? run.space.all.count : rows.length) * cfg.dModel * cfg.dVocabOut);
  return copyOut(logits, "float32", rows.length * cfg.dVocabOut) as Float32Array<ArrayBuffer>;
}

/** Reads the logits of a base run. */
export function readingBaseRun(
  base: BaseRun,
  { pass, names, asked }: Pick<PassingRun, "pass" | "names" | "asked">,
): LogitReader {
  const { cfg: { dModel }, shape } = pass;
  const context = endContext({ pass, names }, () => {});
  const name = base.nameAfter(ROOT_NAMES.unembedIn);
  if (!base.has(name) && canFinishLater({}, names, shape, asked)) {
    return readingBase(context, finishingBase(context, base, shape.batch * shape.nPos), base);
  }
  const rowAt = rowsOf(base.elements(name), dModel);
  return readingBase(context, copiedHookIn(rowAt, dModel), base);
}
