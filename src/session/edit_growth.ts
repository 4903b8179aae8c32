/**
 * Edits of a text that grows: which positions they speak of at each length, and whether what was computed before still holds.
 *
 * @module
 */

import { type PositionedText, positionsIn } from "../hooks/edit_positions.ts";
import { editedRows } from "../hooks/edit_rows.ts";
import type { Edit } from "../hooks/edits.ts";
import type { HookEntry, PointSelector } from "../hooks/hook_registry.ts";
import { pathReaches } from "./edit_paths.ts";

/** The positions that each edit speaks of, text by text; of a cut the keys too. */
export type EditPlaces = ReadonlyMap<Edit, readonly (readonly number[])[]>;

/** Where edits are in texts as they are now. */
export function editPlaces(
  entries: readonly HookEntry[],
  texts: readonly PositionedText[],
): EditPlaces {
  const places = new Map<Edit, readonly (readonly number[])[]>();
  for (const { edit } of entries) {
    if (!edit) continue;
    const keys = edit.kind === "cutEdge" ? texts.map((text) => positionsIn(edit.from, text)) : [];
    places.set(edit, [...editedRows(edit, texts), ...keys]);
  }
  return places;
}

/** The first position that one of two ascending lists has alone. */
function firstDifference(before: readonly number[], now: readonly number[]): number {
  const at = now.findIndex((pos, i) => pos !== before[i]);
  const i = at < 0 ? now.length : at;
  return Math.min(now[i] ?? Infinity, before[i] ?? Infinity);
}

/**
 * The first position that an edit has left, or come to, since places were looked up: the last occurrence of a token is elsewhere in a
 * longer text. `Infinity` when there is none.
 */
export function firstMoved(before: EditPlaces, now: EditPlaces): number {
  let first = Infinity;
  for (const [edit, rows] of now) {
    const old = before.get(edit);
    if (!old) continue;
    rows.forEach((row, i) => first = Math.min(first, firstDifference(old[i] ?? [], row)));
  }
  return first;
}

/**
 * Whether an edit of attention lets queries see keys behind them. In a text that grows these keys come later, and then count for the
 * queries before them.
 */
function looksAhead(edit: Edit, at: string): boolean {
  const isScores = /\.hook_attn_scores$/.test(at);
  if (!isScores && !/\.hook_pattern$/.test(at)) return false;
  switch (edit.kind) {
    case "ablate":
      // A masked score of zero isn't masked any more; a pattern is zero there anyway.
      return isScores;
    case "add":
      return !isScores;
    case "set":
    case "clamp":
      return true;
    case "patch":
      return edit.fromPos !== undefined;
    default:
      return false;
  }
}

/** What an edit is looked at with: where it is, among the points that there are. */
interface PlacedEdit {
  readonly edit: Edit;
  readonly at: PointSelector;
  readonly names: readonly string[];
}

/**
 * Whether an edit asks for a run from the beginning: paths that reach what is computed now, which such runs find, and attention to keys that
 * weren't there before.
 *
 * @param from The first position that wasn't computed yet.
 */
export function needsWholeText(
  { edit, at, names }: PlacedEdit,
  texts: readonly PositionedText[],
  from: number,
): boolean {
  if (edit.kind === "pathPatch") return pathReaches(edit, at, texts, from);
  const meant = typeof at === "string" ? [at] : names.filter(at);
  return meant.some((name) => looksAhead(edit, name)) &&
    editedRows(edit, texts).some((row) => row.some((pos) => pos < from));
}
