/**
 * From an edit to the hook that it stands for.
 *
 * @module
 */

import { ConfigError, ShapeError } from "../core/errors.ts";
import { Tensor } from "../core/tensor.ts";
import { ActivationCache } from "./activation_cache.ts";
import {
  type Block,
  blocksOf,
  cellAxes,
  indexOf,
  type Layout,
  layoutOf,
  requirePositionAxis,
} from "./edit_cells.ts";
import { type PositionedText, type Positions, positionsIn } from "./edit_positions.ts";
import { editedRows, isTextMeant, requireTargets, targetRows } from "./edit_rows.ts";
import type {
  Activity,
  CutEdgeEdit,
  Edit,
  EditCells,
  EditSource,
  EditValue,
  PathPatchEdit,
} from "./edits.ts";
import type { HookPoint } from "./hook_point.ts";
import type { HookFunction } from "./hook_registry.ts";

/** An edit that happens at one point. */
export type PointEdit = Exclude<Edit, PathPatchEdit>;

/** An activation of some run, with what its positions are. */
export interface Observed {
  /** The activation [batch, pos, ...]. */
  readonly value: Tensor;
  /** The texts, for choosing positions in them. */
  readonly texts: readonly PositionedText[];
  /** 1 at real tokens, 0 at pads, [batch * pos]; `undefined` without pads. */
  readonly mask?: Uint8Array;
}

/** What an edit asks of the run that it is part of. */
export interface EditContext {
  /** The texts, those positions included that an earlier run computed. */
  readonly texts: readonly PositionedText[];
  /** The first position that this run computes. */
  readonly from: number;
  /** The value that a point has in this run without any edit. */
  unedited(name: string): Observed;
  /** The value that a point has in a run on another input. */
  elsewhere(source: Exclude<EditSource, Tensor | ActivationCache>, name: string): Observed;
}

/** The positions that are edited in each text. */
type Rows = readonly (readonly number[])[];

/** What a block's cells become: told where they are, and how they were. */
interface Change {
  (block: Block, layout: Layout, read: () => Tensor): Tensor | number;
  /** Where the values come from, when that is another activation. */
  readonly source?: Tensor;
}

/** Gives the mean of a block's cells. */
type MeanCells = (block: Block) => Tensor;

/** A value as a tensor or a number that broadcasts to the cells of a position. */
function valueOf(value: EditValue): Tensor | number {
  return typeof value === "number" || value instanceof Tensor ? value : Tensor.from(value);
}

/** Refuses a value that would be laid along positions or texts. */
function fitting(value: Tensor | number, block: Block, layout: Layout): Tensor | number {
  const nAxes = cellAxes(block, layout);
  if (typeof value === "number" || value.size === 1 || value.rank <= nAxes) return value;
  throw new ShapeError(
    `Cannot set cells of "${layout.name}" to a value of shape [${
      value.shape.join(", ")
    }]: a position has ${nAxes === 0 ? "one cell" : `cells along ${nAxes} axes`} here.`,
  );
}

/** The mean of a block's cells over all real positions, or over the texts at each position. */
function meanOf(observed: Observed, over: "positions" | "texts", layout: Layout): MeanCells {
  const { value, mask } = observed;
  if (over === "texts") {
    if (mask) throw new ConfigError("Cannot take the mean over texts: some are padded.");
    const mean = value.mean(0, { keepdim: true });
    return (block) => cellsIn(mean, block, layout);
  }
  if (layout.isByHead) {
    throw new ConfigError(
      `Cannot take the mean of "${layout.name}" over positions: each sees others. Say over: "texts".`,
    );
  }
  const [batch, nPos, ...tail] = value.shape;
  const flat = value.reshape(batch * nPos, ...tail);
  const real = mask && Array.from(mask.keys()).filter((row) => mask[row]);
  const mean = (real ? flat.indexSelect(0, real) : flat).mean(0);
  return (block) => mean.at(...indexOf(block, layout).slice(2));
}

/** Reads a block's cells in another activation, where they may be at other positions. */
function cellsIn(
  value: Tensor,
  block: Block,
  layout: Layout,
  placeOf = (pos: number): number => pos,
): Tensor {
  const places = block.pos.map(placeOf);
  const isMoved = places.some((place, i) => place !== block.pos[i]);
  // Taken first where they are elsewhere: their list and one of heads or features would go together pairwise.
  const source = isMoved ? value.indexSelect(layout.isByHead ? 2 : 1, places) : value;
  const pos = isMoved ? places.map((_, i) => i) : places;
  const index = indexOf({ ...block, pos }, layoutOf(layout.name, source.shape), 0, layout);
  // One text stands for all: its axis is left out.
  return source.at(...source.shape[0] === 1 ? [0, ...index.slice(1)] : index);
}

/** Checks that a source has the axes of the activation that it is put into. */
function checkSource(value: Tensor, layout: Layout): void {
  const { name, length } = layout;
  const there = layoutOf(name, value.shape);
  const isSame = there.length.head === length.head &&
    (there.length.feature === length.feature || layout.isByHead);
  const isBatch = there.length.text === length.text || there.length.text === 1;
  if (isSame && isBatch) return;
  throw new ShapeError(
    `Cannot patch "${name}" from an activation of shape [${
      value.shape.join(", ")
    }]: expected ${length.text} texts, or one, of cells [${
      [length.head, length.feature].filter((n) => n !== undefined).join(", ")
    }].`,
  );
}

function readSource(source: EditSource, name: string, context: EditContext): Observed {
  if (!(source instanceof Tensor) && !(source instanceof ActivationCache)) {
    return context.elsewhere(source, name);
  }
  const given = source instanceof ActivationCache ? source.get(name) : source;
  const hasBatch = source instanceof ActivationCache ? source.hasBatchDim : given.rank > 2;
  const value = hasBatch ? given : given.unsqueeze(0);
  const { length } = layoutOf(name, value.shape);
  const text = { nPos: length.pos, nPrompt: length.pos };
  const unknown = (): never => {
    throw new ConfigError(
      "Cannot choose positions by token in an activation: patch from prompts instead.",
    );
  };
  const texts = Array.from({ length: length.text }, (_, i) => ({
    ...text,
    text: i,
    id: unknown,
    str: unknown,
    label: unknown,
  }));
  return { value, texts };
}

/** Which position of the source stands for each position of a text. */
function matched(
  targets: readonly number[],
  from: Positions | undefined,
  source: PositionedText,
): Map<number, number> {
  const places = from === undefined ? targets : positionsIn(from, source);
  if (places.length !== targets.length && places.length !== 1) {
    throw new ConfigError(
      `Cannot patch ${targets.length} positions from ${places.length}: expected as many, or one.`,
    );
  }
  const missing = places.find((pos) => pos >= source.nPos);
  if (missing !== undefined) {
    throw new RangeError(
      `Cannot patch from position ${missing}: the source has ${source.nPos} positions. Say which with fromPos.`,
    );
  }
  return new Map(targets.map((pos, i) => [pos, places.length === 1 ? places[0] : places[i]]));
}

function patching(observed: Observed, from: Positions | undefined, rows: Rows): Change {
  const { value, texts } = observed;
  const places = rows.map((targets, text) => matched(targets, from, texts[text] ?? texts[0]));
  const change = (block: Block, layout: Layout) => {
    checkSource(value, layout);
    return cellsIn(value, block, layout, (pos) => places[block.text[0]].get(pos) ?? pos);
  };
  return Object.assign(change, { source: value });
}

/**
 * Leaves out the keys of an attention pattern that its source doesn't have: those behind a query, as a text has more positions while it
 * grows.
 *
 * @throws {ShapeError} If a query sees keys that the source doesn't have.
 */
function seenKeys(block: Block, layout: Layout, source: Tensor | undefined): Block {
  const nKeys = source && layout.isByHead ? source.shape[source.rank - 1] : Infinity;
  const feature = block.feature.filter((key) => key < nKeys);
  const last = block.pos[block.pos.length - 1];
  const missing = block.feature.find((key) => key >= nKeys && key <= last);
  if (missing === undefined) return { ...block, feature };
  throw new ShapeError(
    `Cannot patch "${layout.name}" at query ${last} from ${nKeys} keys: the query sees key ${missing}.`,
  );
}

/** What the cells become, by kind. */
const CHANGES: {
  readonly [K in PointEdit["kind"]]: (
    edit: Extract<PointEdit, { kind: K }>,
    name: string,
    context: EditContext,
    rows: Rows,
  ) => Change;
} = {
  ablate: () => () => 0,
  set: ({ value }) => {
    const wanted = valueOf(value);
    return (block, layout) => fitting(wanted, block, layout);
  },
  scale: ({ by }) => (_block, _layout, read) => read().mul(by),
  clamp: ({ min, max }) => (_block, _layout, read) => read().clamp(min, max),
  add: ({ value }) => {
    const wanted = valueOf(value);
    return (block, layout, read) => read().add(fitting(wanted, block, layout));
  },
  meanAblate: ({ of, over = "positions" }, name, context) => {
    const observed = of === undefined ? context.unedited(name) : context.elsewhere(of, name);
    let mean: MeanCells | undefined;
    const change = (block: Block, layout: Layout) =>
      (mean ??= meanOf(observed, over, layout))(block);
    return Object.assign(change, { source: observed.value });
  },
  patch: ({ from, fromPos }, name, context, rows) =>
    patching(readSource(from, name, context), fromPos, rows),
  freeze: (_edit, name, context, rows) => patching(context.unedited(name), undefined, rows),
  cutEdge: (_edit, name) => {
    if (/\.hook_attn_scores$/.test(name)) return () => -Infinity;
    if (/\.hook_pattern$/.test(name)) return () => 0;
    throw new ConfigError(
      `Cannot cut attention at "${name}": expected a hook_attn_scores or a hook_pattern.`,
    );
  },
};

/** Which cells of a value are active: a mask that broadcasts to the block. */
function activeCells(
  when: "live" | Activity,
  act: Tensor,
  block: Block,
  layout: Layout,
  from: number,
  read: () => Tensor,
): Tensor {
  const { feature, above, below } = when === "live" ? {} as Activity : when;
  const index = indexOf(block, layout, from);
  let seen = feature === undefined ? read() : act.at(...index.slice(0, -1), feature);
  const hasLast = typeof index[index.length - 1] !== "number";
  if (feature !== undefined && hasLast) seen = seen.unsqueeze(-1);
  const isAbove = above === undefined ? undefined : seen.gt(above);
  const isBelow = below === undefined ? undefined : seen.lt(below);
  if (isAbove && isBelow) return isAbove.and(isBelow);
  return isAbove ?? isBelow ?? seen.ne(0);
}

/** Writes what a block's cells become. */
function writeBlock(
  act: Tensor,
  block: Block,
  layout: Layout,
  from: number,
  change: Change,
  when: EditCells["when"],
): void {
  const index = indexOf(block, layout, from);
  const read = () => act.at(...index);
  const value = change(block, layout, read);
  if (when === undefined) return act.set(index, value);
  const isActive = activeCells(when, act, block, layout, from, read);
  act.set(index, Tensor.where(isActive, value, read()));
}

/** Cuts attention: which keys a query can't see may differ from text to text. */
function cuttingHook(edit: CutEdgeEdit, name: string, context: EditContext): HookFunction {
  const { texts, from } = context;
  const queries = editedRows(edit, texts);
  requireTargets(edit, texts);
  const change = CHANGES.cutEdge(edit, name, context, queries);
  const cuts = texts.filter(({ text }) => isTextMeant(edit.text, text, texts.length))
    .map((text) => ({
      head: edit.head,
      text: text.text,
      feature: positionsIn(edit.from, text),
    }))
    .filter(({ feature }) => feature.length > 0);
  return (act) => {
    const layout = layoutOf(name, act.shape);
    for (const cells of cuts) {
      for (const block of blocksOf(cells, queries, layout, from)) {
        writeBlock(act, block, layout, from, change, undefined);
      }
    }
  };
}

/**
 * Makes the hook that an edit stands for.
 *
 * @param name The point at which it runs.
 * @param context The run that it is part of.
 * @returns The hook; `undefined` when the run computes none of the positions that are edited.
 * @throws {TokenError} If no position of the prompt is meant.
 * @throws {ConfigError} If the point doesn't have what the edit speaks of.
 */
export function editHook(
  edit: PointEdit,
  name: string,
  context: EditContext,
): HookFunction | undefined {
  if (edit.kind === "cutEdge") return cuttingHook(edit, name, context);
  requirePositionAxis(name);
  const { texts } = context;
  // Turned keys are shown with those of a cache.
  const from = /\.hook_rot_k$/.test(name) ? 0 : context.from;
  requireTargets(edit, texts);
  const rows = targetRows(edit, texts);
  if (!rows.some((row) => row.some((pos) => pos >= from))) return undefined;
  const make = CHANGES[edit.kind] as (
    edit: PointEdit,
    name: string,
    context: EditContext,
    rows: Rows,
  ) => Change;
  const change = make(edit, name, context, rows);
  const isThere = rows.some((row, i) => row.some((pos) => pos >= from && pos < texts[i].nPos));
  if (!isThere) return undefined;
  // What is patched may be elsewhere in each text of the source.
  const isApart = edit.kind === "patch" && edit.fromPos !== undefined;
  return (act) => {
    const layout = layoutOf(name, act.shape);
    for (const whole of blocksOf(edit, rows, layout, from, isApart)) {
      const block = seenKeys(whole, layout, change.source);
      if (block.feature.length > 0) writeBlock(act, block, layout, from, change, edit.when);
    }
  };
}

function outsideRuns(what: string): never {
  throw new ConfigError(`Cannot ${what}: the edit runs outside a model's run.`);
}

/** The hook of an edit outside a model's run: on an SAE or a module by itself, which knows of no tokens and of no other run. */
function standaloneHook(edit: Edit): HookFunction {
  return (act, { name, posOffset }) => {
    if (edit.kind === "pathPatch") return outsideRuns("patch a path");
    const { length } = layoutOf(name, act.shape);
    const nPos = posOffset + length.pos;
    const texts = Array.from({ length: length.text }, (_, text): PositionedText => ({
      text,
      nPos,
      nPrompt: nPos,
      id: () => outsideRuns("choose positions by token"),
      str: () => outsideRuns("choose positions by token"),
      label: String,
    }));
    const context: EditContext = {
      texts,
      from: posOffset,
      unedited: () => outsideRuns("take the unedited value"),
      elsewhere: () => outsideRuns("patch from prompts"),
    };
    editHook(edit, name, context)?.(act, { name, posOffset } as HookPoint);
  };
}

/** A hook as it is kept; an edit is one too. */
export function runnable(hook: HookFunction | Edit): { hook: HookFunction; edit?: Edit } {
  return typeof hook === "function" ? { hook } : { hook: standaloneHook(hook), edit: hook };
}
