/**
 * What edits will touch, before they run.
 *
 * @module
 */

import type { Rows, RowSpace } from "../core/rows.ts";
import { Tensor } from "../core/tensor.ts";
import { ActivationCache } from "../hooks/activation_cache.ts";
import { type PositionedText, type Positions, positionsIn } from "../hooks/edit_positions.ts";
import { editedRows, mayFireLater } from "../hooks/edit_rows.ts";
import { describeEdit } from "../hooks/edit_text.ts";
import type { Edit, PathEnd, PathPatchEdit } from "../hooks/edits.ts";
import type { HookEntry, PointSelector } from "../hooks/hook_registry.ts";
import { reachedRows } from "./edit_paths.ts";
import type { IdleEdit } from "./forecast.ts";
import { type ActivePoint, selects } from "./plan.ts";

/** What edits will touch. */
export interface ForeseenEdits {
  /** Rows by point. */
  readonly rows: ReadonlyMap<string, Rows>;
  /** Whole runs that are needed first. */
  readonly otherRuns: number;
  readonly idle: readonly IdleEdit[];
}

/** The run that edits are part of. */
export interface ForeseenContext {
  readonly points: readonly ActivePoint[];
  readonly texts: readonly PositionedText[];
  readonly space: RowSpace;
}

/** One edit's rows at one point. */
interface Touched {
  readonly at: PointSelector;
  readonly rows: Rows;
}

function rowsFrom(positions: readonly (readonly number[])[], space: RowSpace): Rows {
  return space.of(positions.flatMap((row, text) => row.map((pos) => text * space.nPos + pos)));
}

/** Where a path ends: at those positions that the end speaks of and the beginning reaches. */
function endRows(
  path: PathPatchEdit,
  at: PointSelector,
  { pos, text }: PathEnd,
  { texts, space }: ForeseenContext,
): Rows {
  const begin = reachedRows(path, at, texts);
  const isMeant = (one: number) => text === undefined || [text].flat().includes(one);
  const kept = begin.map((row, i) => {
    if (!isMeant(i)) return [];
    const there = new Set(positionsIn(pos ?? ("all" satisfies Positions), texts[i]));
    return row.filter((one) => there.has(one));
  });
  return rowsFrom(kept, space);
}

function touchedBy({ edit, selector }: HookEntry, context: ForeseenContext): Touched[] {
  const { space, texts } = context;
  // Nobody knows what a function does.
  if (!edit) return [{ at: selector, rows: space.all }];
  if (edit.kind !== "pathPatch") {
    return [{ at: selector, rows: rowsFrom(editedRows(edit, texts), space) }];
  }
  return edit.to.map((end) => ({ at: end.at, rows: endRows(edit, selector, end, context) }));
}

/** How many whole runs an edit needs first. */
function runsFor(edit: Edit | undefined): number {
  switch (edit?.kind) {
    case "pathPatch":
      return 2 + runsFor(edit.edit);
    case "meanAblate":
      return edit.of === undefined ? 0 : 1;
    case "patch":
      return edit.from instanceof Tensor || edit.from instanceof ActivationCache ? 0 : 1;
    default:
      return 0;
  }
}

/** Why an edit won't fire; `undefined` when it will. */
function whyIdle(
  at: PointSelector,
  rows: Rows,
  edit: Edit | undefined,
  { points, texts }: ForeseenContext,
) {
  const meant = points.filter(({ info, isGated }) => selects(at, info.name, isGated));
  if (meant.length === 0) return "there is no such hook point";
  const reached = meant.find(({ unreachable }) => unreachable === undefined);
  if (!reached) return meant[0].unreachable;
  if (!rows.isEmpty) return undefined;
  return edit && mayFireLater(edit, texts)
    ? "it waits for generated text"
    : "no position of the prompts is meant";
}

/**
 * Finds what edits will touch.
 *
 * @param entries The hooks of a run, edits among them, in the order in which they run.
 */
export function foreseeEdits(
  entries: readonly HookEntry[],
  context: ForeseenContext,
): ForeseenEdits {
  const { points, space } = context;
  const byPoint = new Map<string, Rows>();
  const idle: IdleEdit[] = [];
  let otherRuns = 0;
  for (const entry of entries) {
    otherRuns += runsFor(entry.edit);
    for (const { at, rows } of touchedBy(entry, context)) {
      const reason = whyIdle(at, rows, entry.edit, context);
      if (reason !== undefined) {
        const where = typeof at === "string" ? at : "where a predicate says";
        idle.push({
          at: where,
          edit: entry.edit ? describeEdit(entry.edit) : "a function",
          reason,
        });
        continue;
      }
      for (const { info: { name }, isGated } of points) {
        if (!selects(at, name, isGated)) continue;
        byPoint.set(name, space.union(byPoint.get(name) ?? space.none, rows));
      }
    }
  }
  return { rows: byPoint, otherRuns, idle };
}
