/** Edits as they come in a request, and the hooks that they stand for. */
import type { HookSpec, Tensor } from "../../mod.ts";
import { invalid } from "./failure.ts";

/** One edit: what is done to which cells of an activation. */
export interface Edit {
  /** The hook point. */
  readonly at: string;
  readonly kind: keyof typeof KINDS;
  /** The cell on the last axis: a feature of codes, a neuron, a dimension; all of them unless said. */
  readonly feature?: number;
  /** Positions; all of them unless said. */
  readonly pos?: readonly number[];
  /** The number that `set`, `scale` and `add` want. */
  readonly value?: number;
}

/** What becomes of a cell. */
const KINDS = {
  ablate: () => 0,
  set: (_cells: Tensor, value: number) => value,
  scale: (cells: Tensor, value: number) => cells.mul(value),
  add: (cells: Tensor, value: number) => cells.add(value),
};

const FIELDS = ["at", "kind", "feature", "pos", "value"];

const isIndex = (value: unknown): value is number => Number.isInteger(value) && Number(value) >= 0;

function positionsOf(field: string, pos: unknown, nPos: number): number[] | undefined {
  if (pos === undefined) return undefined;
  const list = Array.isArray(pos) ? pos : [pos];
  const isThere = (one: unknown) => isIndex(one) && one < nPos;
  if (list.length > 0 && list.length <= nPos && list.every(isThere)) return list;
  throw invalid(field, pos, `a position from 0 to ${nPos - 1}, or a list of them`);
}

/**
 * Checks an edit.
 *
 * @param edit What came.
 * @param field Where it came, as in `edits[0]`.
 * @param nPos How many positions there will be.
 * @throws {Failure} If a field is missing, unknown or of another form.
 */
export function readEdit(edit: unknown, field: string, nPos: number): Edit {
  if (typeof edit !== "object" || edit === null || Array.isArray(edit)) {
    throw invalid(field, edit, "an object");
  }
  const { at, kind, feature, pos, value, ...others } = edit as Record<string, unknown>;
  const [stray] = Object.keys(others);
  if (stray !== undefined) {
    throw invalid(`${field}.${stray}`, others[stray], `one of ${FIELDS.join(", ")}`);
  }
  if (typeof at !== "string") throw invalid(`${field}.at`, at, "the name of a hook point");
  if (typeof kind !== "string" || !Object.hasOwn(KINDS, kind)) {
    throw invalid(`${field}.kind`, kind, `one of ${Object.keys(KINDS).join(", ")}`);
  }
  if (feature !== undefined && !isIndex(feature)) {
    throw invalid(`${field}.feature`, feature, "a whole number from 0");
  }
  const wantsValue = kind !== "ablate";
  if (wantsValue ? !Number.isFinite(value) : value !== undefined) {
    throw invalid(`${field}.value`, value, wantsValue ? "a number" : "none");
  }
  return {
    at,
    kind: kind as Edit["kind"],
    feature,
    pos: positionsOf(`${field}.pos`, pos, nPos),
    value: value as number | undefined,
  };
}

/** The hook that an edit stands for. Positions are those of the whole text, wherever a run's piece of it begins. */
export function hookOf({ at, kind, feature, pos, value = 0 }: Edit): HookSpec {
  return [at, (act, { posOffset }) => {
    const rows = pos?.map((one) => one - posOffset).filter((row) => row >= 0 && row < act.shape[1]);
    if (rows?.length === 0) return;
    const index = [":", rows ?? ":", ...feature === undefined ? [] : ["...", feature]];
    act.set(index, KINDS[kind](act.at(...index), value));
  }];
}
