/**
 * Paths in a run: an edit that reaches some points alone.
 *
 * @module
 */

import { ConfigError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { type PositionedText, positionsIn } from "../hooks/edit_positions.ts";
import { editedRows, isTextMeant, requireSome, requireTargets } from "../hooks/edit_rows.ts";
import { type Edit, edits, type PathEnd, type PathPatchEdit } from "../hooks/edits.ts";
import type { HookEntry, PointSelector } from "../hooks/hook_registry.ts";
import { unknownPoint } from "../hooks/hooked_root.ts";
import type { EditHost } from "./edit_runs.ts";

/** The run that a path is part of. */
export interface PathContext {
  readonly host: EditHost;
  readonly texts: readonly PositionedText[];
  /** The first position that the run computes. */
  readonly from: number;
}

/** A hook for a run that one edit asks for. */
function entryOf(selector: string, edit: Exclude<Edit, PathPatchEdit>): HookEntry {
  const hook = () => {};
  return { selector, hook, edit, direction: "fwd", isPermanent: false, level: null };
}

/** A hook that does nothing, but is there. */
function idleEntry(selector: string): HookEntry {
  return { selector, hook: () => {}, direction: "fwd", isPermanent: false, level: null };
}

/** The layer and the part of a point: the attention layer and the MLP have points inside, the residual stream is neither. */
function placeOf(name: string): { layer: number; part: "attn" | "mlp" | "stream" } {
  const layer = Number(/^blocks\.(\d+)\./.exec(name)?.[1] ?? -1);
  if (/\.(attn|ln1)\.|\.hook_(attn_in|attn_out|[qkv]_input)/.test(name)) {
    return { layer, part: "attn" };
  }
  return { layer, part: /\.(mlp|ln2)\.|\.hook_mlp_(in|out)/.test(name) ? "mlp" : "stream" };
}

/** Whether an edit that begins a path changes positions behind its own: attention carries it on. */
function spreads(at: string, through: PathPatchEdit["through"]): boolean {
  const isMixed = placeOf(at).part === "attn" && !/\.hook_(z|result|attn_out)$/.test(at);
  return isMixed || through.includes("attn");
}

/**
 * Whether a path changes anything from a position on.
 *
 * @param at Where it begins.
 * @param from The first position that a run computes.
 */
export function pathReaches(
  edit: PathPatchEdit,
  at: PointSelector,
  texts: readonly PositionedText[],
  from: number,
): boolean {
  return reachedRows(edit, at, texts).some((row) => row.some((pos) => pos >= from));
}

/**
 * The positions at which each text changes when a path's edit is made: those of the edit, and those behind them where attention carries it
 * on.
 */
export function reachedRows(
  edit: PathPatchEdit,
  at: PointSelector,
  texts: readonly PositionedText[],
): number[][] {
  const begin = editedRows(edit, texts);
  if (typeof at !== "string" || !spreads(at, edit.through)) return begin;
  return begin.map((
    [first],
    i,
  ) => (first === undefined ? [] : positionsIn({ from: first }, texts[i])));
}

/** Patches a path's end at the positions that it speaks of and that are reached, those of generated text included. */
function endEntries(
  { at, pos = "all", text, ...cells }: PathEnd,
  from: Tensor,
  texts: readonly PositionedText[],
  reached: readonly (readonly number[])[],
): HookEntry[] {
  return texts.flatMap((one, i) => {
    const meant = new Set(positionsIn(pos, one));
    const places = reached[i].filter((place) => meant.has(place));
    if (!isTextMeant(text, one.text, texts.length) || places.length === 0) return [];
    return [entryOf(at, edits.patch({ ...cells, text: one.text, pos: places, from }))];
  });
}

/** What components write into the stream behind a point, those aside that may react: they keep their values. */
function heldParts(
  at: string,
  { through }: PathPatchEdit,
  names: readonly string[],
): string[] {
  const begin = placeOf(at);
  const from = names.indexOf(at);
  return names.filter((name, i) => {
    const part = /\.hook_(attn|mlp)_out$/.exec(name)?.[1] as "attn" | "mlp" | undefined;
    if (!part || i <= from || through.includes(part)) return false;
    // The part in which the path begins carries it on.
    return !(begin.part === part && begin.layer === placeOf(name).layer);
  });
}

/**
 * What becomes of a path: its ends are patched with what they are when the edit reaches them alone.
 *
 * @param before The hooks in front of it.
 */
export function pathEntries(
  entry: HookEntry,
  edit: PathPatchEdit,
  before: readonly HookEntry[],
  { host, texts, from }: PathContext,
): HookEntry[] {
  const { selector: at } = entry;
  if (typeof at !== "string") {
    throw new ConfigError("Cannot patch paths that begin where a predicate says: expected a name.");
  }
  const names = host.pointNames();
  for (const name of [at, ...edit.to.map((end) => end.at)]) {
    if (!names.includes(name)) throw unknownPoint(name, names);
  }
  if (edit.edit.kind !== "pathPatch") requireTargets(edit.edit, texts);
  for (const { pos } of edit.to) requireSome(pos ?? "all", texts);
  // Where layers' inputs are apart they are so in every piece of a text.
  const idle = edit.to.filter((end) => /_input$|attn_in$/.test(end.at)).map((end) =>
    idleEntry(end.at)
  );
  if (!pathReaches(edit, at, texts, from)) return idle;
  const held = heldParts(at, edit, names);
  const kept = host.observe({ names: held, entries: before });
  const everywhere = Array.from({ length: texts[0].nPos }, (_, pos) => pos);
  const holding = [...kept].map(([name, value]) =>
    entryOf(name, edits.patch({ from: value, pos: everywhere }))
  );
  const first = entryOf(at, edit.edit as Exclude<Edit, PathPatchEdit>);
  const ends = [...new Set(edit.to.map((end) => end.at))];
  const reached = host.observe({ names: ends, entries: [...before, first, ...holding] });
  return [
    ...idle,
    ...edit.to.flatMap((end) => {
      const from = reached.get(end.at);
      if (!from) throw new Error(`The run never passes "${end.at}".`);
      return endEntries(end, from, texts, reachedRows(edit, at, texts));
    }),
  ];
}
