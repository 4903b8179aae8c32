/**
 * Edits as data: what is done to which cells of an activation, as plain frozen objects that can be listed, stored and undone.
 *
 * @module
 */

import { ConfigError, described, requireKnownOptions, requireOneOf } from "../core/errors.ts";
import { Tensor } from "../core/tensor.ts";
import { ActivationCache } from "./activation_cache.ts";
import { checkPositions, type Positions } from "./edit_positions.ts";

/** Under which condition on an activation a cell is edited. */
export interface Activity {
  /** The place on the last axis that is looked at, at the cell's own position; the cell itself unless said. */
  readonly feature?: number;
  /** Only where the activation is greater. */
  readonly above?: number;
  /** Only where it is less. */
  readonly below?: number;
}

/** One index, or several. */
export type Places = number | readonly number[];

/** Which cells of an activation are meant; what isn't said is all. */
export interface EditCells {
  /** Places on the last axis: features of codes, neurons, dimensions; keys of attention scores. */
  readonly feature?: Places;
  /** Heads, at points that have them. */
  readonly head?: Places;
  /** Positions; queries of attention scores. */
  readonly pos?: Positions;
  /** Texts of the batch; negative counts from the last. */
  readonly text?: Places;
  /** Only cells that are active: `"live"` means not zero. */
  readonly when?: "live" | Activity;
}

/** What an activation is replaced by: one number, or as many as a position has cells. */
export type EditValue = number | readonly number[] | readonly (readonly number[])[] | Tensor;

/** Where values of another run come from: prompts or tokens to run, the activation itself, or a cache. */
export type EditSource =
  | string
  | readonly string[]
  | readonly number[]
  | readonly (readonly number[])[]
  | Tensor
  | ActivationCache;

/** What all edits have. */
export interface EditOfKind<K extends string> {
  /** What is done. */
  readonly kind: K;
}

/** Sets cells to zero. */
export type AblateEdit = EditOfKind<"ablate"> & EditCells;

/** Sets cells to their mean. */
export interface MeanAblateEdit extends EditOfKind<"meanAblate">, EditCells {
  /** Prompts whose mean is taken; the edited run's own, unedited, unless said. */
  readonly of?: string | readonly string[] | readonly (readonly number[])[];
  /** Whether the mean is over all positions of all texts (the default), or over the texts at each position. */
  readonly over?: "positions" | "texts";
}

/** Sets cells to a value. */
export interface SetEdit extends EditOfKind<"set">, EditCells {
  /** What they become. */
  readonly value: EditValue;
}

/** Multiplies cells. */
export interface ScaleEdit extends EditOfKind<"scale">, EditCells {
  /** The factor. */
  readonly by: number;
}

/** Keeps cells between two bounds. */
export interface ClampEdit extends EditOfKind<"clamp">, EditCells {
  /** The least; none unless said. */
  readonly min?: number;
  /** The greatest; none unless said. */
  readonly max?: number;
}

/** Adds to cells. */
export interface AddEdit extends EditOfKind<"add">, EditCells {
  /** What is added. */
  readonly value: EditValue;
}

/** Sets cells to what they are in another run. */
export interface PatchEdit extends EditOfKind<"patch">, EditCells {
  /** The other run. */
  readonly from: EditSource;
  /** Where they are in the other run; at the same positions unless said. */
  readonly fromPos?: Positions;
}

/** Sets cells to what they are without any edit. */
export type FreezeEdit = EditOfKind<"freeze"> & EditCells;

/** Cells of a point that a path leads to. */
export interface PathEnd extends Pick<EditCells, "feature" | "head" | "pos" | "text"> {
  /** The hook point. */
  readonly at: string;
}

/** Lets an edit reach some points alone, along the direct path through the residual stream. */
export interface PathPatchEdit extends EditOfKind<"pathPatch"> {
  /** What happens where the path begins. */
  readonly edit: Edit;
  /** Where the path ends. */
  readonly to: readonly PathEnd[];
  /** Components between that may react too; what isn't named here keeps the value it has without the edit. */
  readonly through: readonly ("attn" | "mlp")[];
}

/** Keeps queries from attending to keys. */
export interface CutEdgeEdit extends EditOfKind<"cutEdge">, Pick<EditCells, "head" | "text"> {
  /** The positions that are attended to. */
  readonly from: Positions;
  /** The positions that attend. */
  readonly to: Positions;
}

/** An edit of an activation, as data. Make one with {@linkcode edits}. */
export type Edit =
  | AblateEdit
  | MeanAblateEdit
  | SetEdit
  | ScaleEdit
  | ClampEdit
  | AddEdit
  | PatchEdit
  | FreezeEdit
  | PathPatchEdit
  | CutEdgeEdit;

/** The fields of an edit beside its kind. */
export type EditFields<E extends Edit> = Omit<E, "kind">;

const CELLS = ["feature", "head", "pos", "text", "when"] as const;

/** The options of each kind of edit. */
const OPTIONS: { readonly [K in Edit["kind"]]: readonly string[] } = {
  ablate: CELLS,
  meanAblate: [...CELLS, "of", "over"],
  set: [...CELLS, "value"],
  scale: [...CELLS, "by"],
  clamp: [...CELLS, "min", "max"],
  add: [...CELLS, "value"],
  patch: [...CELLS, "from", "fromPos"],
  freeze: CELLS,
  pathPatch: ["edit", "to", "through"],
  cutEdge: ["head", "text", "from", "to"],
};

function checkPlaces(what: string, places: unknown): void {
  if (places === undefined) return;
  const list = [places].flat();
  if (list.length > 0 && list.every(Number.isInteger)) return;
  throw new ConfigError(
    `Cannot edit the ${what} ${described(places)}: expected a whole number or a list of them.`,
  );
}

function checkNumber(what: string, value: unknown): void {
  if (typeof value === "number" && !Number.isNaN(value)) return;
  throw new ConfigError(`Cannot ${what} ${described(value)}: expected a number.`);
}

function checkActivity(when: unknown): void {
  if (when === undefined || when === "live") return;
  if (typeof when !== "object" || when === null) {
    throw new ConfigError(
      `Cannot edit cells when ${described(when)}: expected "live" or { feature, above, below }.`,
    );
  }
  requireKnownOptions("Cannot edit cells when", when, new Set(["feature", "above", "below"]));
  const { feature, above, below } = when as Activity;
  if (feature !== undefined && !Number.isInteger(feature)) checkPlaces("feature", feature);
  if (above !== undefined) checkNumber("edit cells above", above);
  if (below !== undefined) checkNumber("edit cells below", below);
}

function checkCells({ feature, head, pos, text, when }: EditCells): void {
  checkPlaces("feature", feature);
  checkPlaces("head", head);
  checkPlaces("text", text);
  if (pos !== undefined) checkPositions(pos);
  checkActivity(when);
}

/** Whether a value is a prompt or several, as texts or as token ids. */
function isPrompts(value: unknown): boolean {
  if (typeof value === "string") return true;
  if (!Array.isArray(value) || value.length === 0) return false;
  const isIds = (ids: unknown) =>
    Array.isArray(ids) && ids.length > 0 && ids.every((id) => Number.isInteger(id));
  return value.every((part) => typeof part === "string") || isIds(value) || value.every(isIds);
}

/** What each kind demands beside its cells. */
const CHECKS: { readonly [K in Edit["kind"]]?: (edit: never) => void } = {
  meanAblate: ({ of, over = "positions" }: MeanAblateEdit) => {
    requireOneOf("Cannot take the mean over", over, ["positions", "texts"]);
    if (of === undefined || isPrompts(of)) return;
    throw new ConfigError(
      `Cannot take the mean of ${described(of)}: expected prompts or token ids.`,
    );
  },
  set: ({ value }: SetEdit) => checkValue("set cells to", value),
  add: ({ value }: AddEdit) => checkValue("add", value),
  scale: ({ by }: ScaleEdit) => checkNumber("scale cells by", by),
  clamp: ({ min, max }: ClampEdit) => {
    if (min === undefined && max === undefined) {
      throw new ConfigError("Cannot clamp cells: expected min, max or both.");
    }
    if (min !== undefined) checkNumber("clamp cells at", min);
    if (max !== undefined) checkNumber("clamp cells at", max);
  },
  patch: ({ from, fromPos }: PatchEdit) => {
    const isValue = from instanceof Tensor || from instanceof ActivationCache;
    if (!isPrompts(from) && !isValue) {
      throw new ConfigError(
        `Cannot patch from ${
          described(from)
        }: expected prompts, token ids, an activation or a cache.`,
      );
    }
    if (fromPos !== undefined) checkPositions(fromPos);
  },
  cutEdge: ({ from, to }: CutEdgeEdit) => {
    checkPositions(from);
    checkPositions(to);
  },
  pathPatch: ({ edit, to, through }: PathPatchEdit) => {
    if (!isEdit(edit) || edit.kind === "pathPatch") {
      throw new ConfigError(
        `Cannot patch paths with ${described(edit)}: expected an edit of the point they begin at.`,
      );
    }
    makeEdit(edit);
    if (!Array.isArray(to) || to.length === 0) {
      throw new ConfigError("Cannot patch paths that lead nowhere.");
    }
    for (const end of to) {
      const { at, ...cells } = Object(end) as PathEnd;
      requireKnownOptions("Cannot patch paths", cells, new Set(CELLS.slice(0, 4)));
      if (typeof at !== "string") {
        throw new ConfigError(`Cannot patch paths to ${described(at)}: expected a hook point.`);
      }
      checkCells(cells);
    }
    if (!Array.isArray(through)) {
      throw new ConfigError(
        `Cannot patch paths through ${described(through)}: expected a list of "attn" and "mlp".`,
      );
    }
    for (const part of through) {
      requireOneOf("Cannot patch paths through", part, ["attn", "mlp"]);
    }
  },
};

function checkValue(what: string, value: unknown): void {
  if (value instanceof Tensor || Array.isArray(value)) return;
  checkNumber(what, value);
}

/** Freezes an edit and the plain objects and lists inside. */
function frozen<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  const isPlain = Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
  if (!isPlain) return value;
  const copy: unknown = Array.isArray(value) ? value.map(frozen) : Object.fromEntries(
    Object.entries(value).filter(([, part]) => part !== undefined)
      .map(([name, part]) => [name, frozen(part)]),
  );
  return Object.freeze(copy) as T;
}

/**
 * Makes an edit from its fields.
 *
 * @throws {ConfigError} If a field is missing, unknown or of another form.
 */
export function makeEdit(fields: Edit): Edit {
  const { kind, ...options } = fields;
  requireOneOf("Cannot make an edit of the kind", kind, Object.keys(OPTIONS));
  requireKnownOptions(`Cannot make the edit "${kind}"`, options, new Set(OPTIONS[kind]));
  checkCells(options as EditCells);
  CHECKS[kind]?.(fields as never);
  return frozen(fields);
}

/** Whether a value is an edit. */
export function isEdit(value: unknown): value is Edit {
  return typeof value === "object" && value !== null && "kind" in value &&
    typeof value.kind === "string" && Object.hasOwn(OPTIONS, value.kind);
}

/**
 * Makes edits: what is done to which cells of an activation. Each stands wherever a hook does, and equals the hook that one would
 * write by hand, bit for bit.
 *
 * @example
 * ```ts
 * import { edits, HookedSAETransformer, SAE } from "@splicer/splicer";
 * import { assertEquals } from "@std/assert";
 *
 * const model = await HookedSAETransformer.fromPretrained("ioi-tiny");
 * const sae = await SAE.fromPretrained("ioi-tiny-hook-z", "blocks.1.hook_z");
 * const prompt = "When John and Mary went to the shops, John gave the bag to";
 * const at = "blocks.1.attn.hook_z.hook_sae_acts_post";
 * const run = (hook: Parameters<typeof model.addHook>[1]) =>
 *   model.runWithHooksWithSaes(prompt, { saes: sae, fwdHooks: [[at, hook]] }).data();
 * const byHand = run((codes) => codes.set([":", 10, 969], 0));
 * assertEquals(run(edits.ablate({ feature: 969, pos: 10 })), byHand);
 * ```
 */
export const edits: {
  /** Sets cells to zero. */
  ablate(cells?: EditCells): AblateEdit;
  /** Sets cells to their mean over positions, or over texts at each position. */
  meanAblate(options?: EditFields<MeanAblateEdit>): MeanAblateEdit;
  /** Sets cells to a value. */
  set(options: EditFields<SetEdit>): SetEdit;
  /** Multiplies cells. */
  scale(options: EditFields<ScaleEdit>): ScaleEdit;
  /** Keeps cells between two bounds. */
  clamp(options: EditFields<ClampEdit>): ClampEdit;
  /** Adds a value to cells. */
  add(options: EditFields<AddEdit>): AddEdit;
  /** Adds a value to cells: another name of `add`. */
  steer(options: EditFields<AddEdit>): AddEdit;
  /** Sets cells to what they are in another run: on other prompts, or as an activation that is given. */
  patch(options: EditFields<PatchEdit>): PatchEdit;
  /** Sets cells to what they are without any edit. */
  freeze(cells?: EditCells): FreezeEdit;
  /**
   * Lets an edit reach some points alone, along the direct path through the residual stream: attention layers and MLPs between keep the
   * values that they have without it, unless `through` names them (path patching, Goldowsky-Dill et al. 2023).
   */
  pathPatch(
    options: {
      edit: Edit;
      to: PathEnd | readonly PathEnd[];
      through?: "attn" | "mlp" | readonly ("attn" | "mlp")[];
    },
  ): PathPatchEdit;
  /**
   * Keeps queries (`to`) from attending to keys (`from`). At `hook_attn_scores` the other keys share what was theirs; at
   * `hook_pattern` it is lost.
   */
  cutEdge(options: EditFields<CutEdgeEdit>): CutEdgeEdit;
} = Object.freeze(
  {
    ablate: (cells = {}) => makeEdit({ ...cells, kind: "ablate" }) as AblateEdit,
    meanAblate: (options = {}) => makeEdit({ ...options, kind: "meanAblate" }) as MeanAblateEdit,
    set: (options) => makeEdit({ ...options, kind: "set" }) as SetEdit,
    scale: (options) => makeEdit({ ...options, kind: "scale" }) as ScaleEdit,
    clamp: (options) => makeEdit({ ...options, kind: "clamp" }) as ClampEdit,
    add: (options) => makeEdit({ ...options, kind: "add" }) as AddEdit,
    steer: (options) => makeEdit({ ...options, kind: "add" }) as AddEdit,
    patch: (options) => makeEdit({ ...options, kind: "patch" }) as PatchEdit,
    freeze: (cells = {}) => makeEdit({ ...cells, kind: "freeze" }) as FreezeEdit,
    pathPatch: ({ edit, to, through = [] }) =>
      makeEdit({
        kind: "pathPatch",
        edit,
        to: [to].flat() as PathEnd[],
        through: [through].flat() as ("attn" | "mlp")[],
      }) as PathPatchEdit,
    cutEdge: (options) => makeEdit({ ...options, kind: "cutEdge" }) as CutEdgeEdit,
  } satisfies typeof edits,
);
