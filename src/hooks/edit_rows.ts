/**
 * Which rows an edit touches, before anything runs.
 *
 * @module
 */

import {
  mayComeLater,
  nothingChosen,
  numberedBehind,
  type PositionedText,
  type Positions,
  positionsIn,
} from "./edit_positions.ts";
import type { Edit, PathPatchEdit, Places } from "./edits.ts";

/** Checks that positions choose something in a text, or may do so once it grows. */
export function requireSome(positions: Positions, texts: readonly PositionedText[]): void {
  if (texts.some((text) => mayComeLater(positions, text))) return;
  if (texts.some((text) => positionsIn(positions, text).length > 0)) return;
  throw nothingChosen(positions, texts[0]);
}

/** Whether an edit's values come from a run on the prompt, and are for its positions: behind them there are none. */
function reachesPromptAlone(edit: Edit): boolean {
  return edit.kind === "freeze" || (edit.kind === "meanAblate" && edit.over === "texts");
}

/** Checks that an edit touches something in a text, or may do so once it grows. */
export function requireTargets(
  edit: Exclude<Edit, PathPatchEdit>,
  texts: readonly PositionedText[],
): void {
  const positions = positionsOf(edit);
  if (edit.kind === "cutEdge") requireSome(edit.from, texts);
  // Of a source only what is named by number reaches behind the prompt.
  const isOfPrompt = reachesPromptAlone(edit) || edit.kind === "patch" &&
      texts.every(({ nPrompt }) => numberedBehind(positions, nPrompt).length === 0);
  const seen = isOfPrompt ? texts.map((text) => ({ ...text, nMost: text.nPrompt })) : texts;
  requireSome(positions, seen);
}

/**
 * Whether a text is among those that an edit names; negative numbers count from the last.
 *
 * @param nTexts How many there are.
 * @throws {RangeError} If it names one that isn't there.
 */
export function isTextMeant(chosen: Places | undefined, text: number, nTexts: number): boolean {
  if (chosen === undefined) return true;
  const missing = [chosen].flat().find((place) => place < -nTexts || place >= nTexts);
  if (missing !== undefined) {
    throw new RangeError(
      `Cannot edit text ${missing}: there are ${nTexts}, from 0 to ${nTexts - 1}.`,
    );
  }
  return [chosen].flat().some((place) => (place < 0 ? place + nTexts : place) === text);
}

function positionsOf(edit: Exclude<Edit, PathPatchEdit>): Positions {
  return edit.kind === "cutEdge" ? edit.to : edit.pos ?? "all";
}

/** Whether an edit touches positions that aren't there yet. */
export function mayFireLater(edit: Edit, texts: readonly PositionedText[]): boolean {
  if (edit.kind === "pathPatch") return mayFireLater(edit.edit, texts);
  if (reachesPromptAlone(edit)) return false;
  const positions = positionsOf(edit);
  return texts.some((text) =>
    edit.kind === "patch"
      ? numberedBehind(positions, text.nPos).length > 0
      : mayComeLater(positions, text) ||
        (edit.kind === "cutEdge" && mayComeLater(edit.from, text))
  );
}

/**
 * The positions that an edit speaks of in each text, ascending. What comes from a run on prompts reaches the prompt: a patch goes further
 * where it names positions by number, also before they are there.
 *
 * @throws {RangeError} If a position lies outside what a text may come to.
 */
export function targetRows(
  edit: Exclude<Edit, PathPatchEdit>,
  texts: readonly PositionedText[],
): number[][] {
  const positions = positionsOf(edit);
  return texts.map((text) => {
    if (!isTextMeant(edit.text, text.text, texts.length)) return [];
    const chosen = positionsIn(positions, text);
    if (!reachesPromptAlone(edit) && edit.kind !== "patch") return chosen;
    const ofPrompt = chosen.filter((pos) => pos < text.nPrompt);
    if (edit.kind !== "patch") return ofPrompt;
    const behind = new Set(numberedBehind(positions, text.nPrompt));
    return [...ofPrompt, ...[...behind].sort((a, b) => a - b)];
  });
}

/**
 * The positions that an edit touches in each text, ascending; those of a path are those of its beginning.
 *
 * @throws {RangeError} If a position lies outside what a text may come to.
 */
export function editedRows(edit: Edit, texts: readonly PositionedText[]): number[][] {
  if (edit.kind === "pathPatch") return editedRows(edit.edit, texts);
  return targetRows(edit, texts).map((row, i) => row.filter((pos) => pos < texts[i].nPos));
}

/** The first position that an edit touches in any text; `Infinity` when it touches none. */
export function firstPosition(edit: Edit, texts: readonly PositionedText[]): number {
  return Math.min(...editedRows(edit, texts).map((row) => row[0] ?? Infinity));
}
