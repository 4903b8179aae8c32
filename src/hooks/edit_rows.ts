/**
 * Which rows an edit touches, before anything runs.
 *
 * @module
 */

import {
  mayComeLater,
  nothingChosen,
  type PositionedText,
  type Positions,
  positionsIn,
} from "./edit_positions.ts";
import type { Edit, Places } from "./edits.ts";

/** Kinds whose values come from a run on the prompt: they reach no further. */
const OF_PROMPT: ReadonlySet<Edit["kind"]> = new Set(["patch", "freeze"]);

/** Checks that positions choose something in a text, or may do so once it grows. */
export function requireSome(positions: Positions, texts: readonly PositionedText[]): void {
  if (mayComeLater(positions)) return;
  if (texts.some((text) => positionsIn(positions, text).length > 0)) return;
  throw nothingChosen(positions, texts[0]);
}

function within(chosen: Places | undefined, text: number): boolean {
  return chosen === undefined || [chosen].flat().includes(text);
}

/**
 * The positions that an edit touches in each text, ascending; those of a path are those of its beginning.
 *
 * @throws {RangeError} If a position lies outside a text.
 */
export function editedRows(edit: Edit, texts: readonly PositionedText[]): number[][] {
  if (edit.kind === "pathPatch") return editedRows(edit.edit, texts);
  const positions = edit.kind === "cutEdge" ? edit.to : edit.pos ?? "all";
  return texts.map((text) => {
    if (!within(edit.text, text.text)) return [];
    const chosen = positionsIn(positions, text);
    return OF_PROMPT.has(edit.kind) ? chosen.filter((pos) => pos < text.nPrompt) : chosen;
  });
}

/** The first position that an edit touches in any text; `Infinity` when it touches none. */
export function firstPosition(edit: Edit, texts: readonly PositionedText[]): number {
  return Math.min(...editedRows(edit, texts).map((row) => row[0] ?? Infinity));
}
