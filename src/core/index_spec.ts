/**
 * Index expressions: numbers, slices as strings, lists, masks.
 *
 * @module
 */

import { ShapeError } from "./errors.ts";
import { sizeOf } from "./scope.ts";

/** Indices along axes, with the shape that they have themselves. */
export interface IndexArray {
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
  /** True for a mask, which covers as many axes as it has. */
  readonly isMask: boolean;
}

/** One part of an index after reading it, before it meets a shape. */
export type IndexPart = number | string | IndexArray;

/** What is taken along one axis. */
type Selector =
  | { kind: "all" }
  | { kind: "range"; start: number; step: number; count: number }
  | { kind: "at"; index: number }
  | { kind: "list"; indices: number[]; shape: readonly number[] };

/** An index resolved against a shape. */
export interface ResolvedIndex {
  /** The core's encoding: per axis 0 | 1 start step count | 2 index | 3 n indices…; of the flattened tensor when `isFlat`. */
  readonly encoded: Int32Array;
  /** The region's shape. */
  readonly shape: number[];
  /** The index addresses the tensor as one axis. */
  readonly isFlat: boolean;
}

function parseSlice(text: string, length: number, axis: number): Selector {
  const parts = text.split(":");
  const numbers = parts.map((part) => (part.trim() === "" ? undefined : Number(part)));
  if (
    parts.length < 2 || parts.length > 3 ||
    numbers.some((n) => n !== undefined && !Number.isInteger(n))
  ) {
    throw new ShapeError(
      `Cannot index axis ${axis} with "${text}": expected a slice such as ":", "2:", ":-1" or "::2".`,
    );
  }
  const step = numbers[2] ?? 1;
  if (step < 1) {
    throw new ShapeError(`Cannot index axis ${axis} with "${text}": steps are positive.`);
  }
  const clamp = (n: number) => Math.min(Math.max(n < 0 ? n + length : n, 0), length);
  const start = clamp(numbers[0] ?? 0);
  const count = Math.max(0, Math.ceil((clamp(numbers[1] ?? length) - start) / step));
  if (start === 0 && step === 1 && count === length) return { kind: "all" };
  return { kind: "range", start, step, count };
}

function checked(index: number, length: number, axis: number): number {
  if (!Number.isInteger(index) || index < -length || index >= length) {
    throw new RangeError(
      `Index ${index} is outside axis ${axis} of length ${length}: expected an integer from ${-length} to ${
        length - 1
      }.`,
    );
  }
  return index < 0 ? index + length : index;
}

/** How many axes a part uses up. */
function axesOf(part: IndexPart): number {
  return typeof part === "object" && part.isMask ? part.shape.length : 1;
}

/** Spells out "..." and the trailing axes. */
export function spelledOut(parts: readonly IndexPart[], shape: readonly number[]): IndexPart[] {
  const used = parts.reduce<number>((n, part) => n + (part === "..." ? 0 : axesOf(part)), 0);
  const rest = Array<IndexPart>(Math.max(0, shape.length - used)).fill(":");
  const dots = parts.indexOf("...");
  if (used > shape.length || parts.indexOf("...", dots + 1) > dots && dots >= 0) {
    const problem = used > shape.length ? `${used} axes are indexed` : `"..." stands twice`;
    throw new ShapeError(`Cannot index a tensor of shape [${shape.join(", ")}]: ${problem}.`);
  }
  if (dots < 0) return [...parts, ...rest];
  return [...parts.slice(0, dots), ...rest, ...parts.slice(dots + 1)];
}

/** The positions at which a mask is true, one list per axis of the mask. */
function maskLists(mask: IndexArray, shape: readonly number[], axis: number): number[][] {
  const covered = shape.slice(axis, axis + mask.shape.length);
  if (covered.some((n, i) => n !== mask.shape[i])) {
    throw new ShapeError(
      `Cannot index with a mask of shape [${
        mask.shape.join(", ")
      }]: the axes from ${axis} on have shape [${covered.join(", ")}].`,
    );
  }
  const lists: number[][] = mask.shape.map(() => []);
  for (let flat = 0; flat < mask.values.length; flat++) {
    if (!mask.values[flat]) continue;
    let rest = flat;
    for (let i = mask.shape.length - 1; i >= 0; i--) {
      lists[i].push(rest % mask.shape[i]);
      rest = Math.floor(rest / mask.shape[i]);
    }
  }
  return lists;
}

function selectorsOf(parts: readonly IndexPart[], shape: readonly number[]): Selector[] {
  const selectors: Selector[] = [];
  for (const part of spelledOut(parts, shape)) {
    const axis = selectors.length;
    if (typeof part === "number") {
      selectors.push({ kind: "at", index: checked(part, shape[axis], axis) });
    } else if (typeof part === "string") {
      selectors.push(parseSlice(part, shape[axis], axis));
    } else if (part.isMask) {
      for (const indices of maskLists(part, shape, axis)) {
        selectors.push({ kind: "list", indices, shape: [indices.length] });
      }
    } else {
      const indices = Array.from(part.values, (index) => checked(index, shape[axis], axis));
      selectors.push({ kind: "list", indices, shape: part.shape });
    }
  }
  return selectors;
}

/** The indices that a selector takes along an axis of the given length. */
function indicesOf(selector: Selector, length: number): number[] {
  switch (selector.kind) {
    case "all":
      return Array.from({ length }, (_, i) => i);
    case "range":
      return Array.from({ length: selector.count }, (_, i) => selector.start + i * selector.step);
    case "at":
      return [selector.index];
    case "list":
      return selector.indices;
  }
}

function encode(selectors: readonly Selector[]): Int32Array {
  let codes: number[] = [];
  for (const selector of selectors) {
    switch (selector.kind) {
      case "all":
        codes.push(0);
        break;
      case "range":
        codes.push(1, selector.start, selector.step, selector.count);
        break;
      case "at":
        codes.push(2, selector.index);
        break;
      case "list":
        codes = codes.concat(3, selector.indices.length, selector.indices);
        break;
    }
  }
  return Int32Array.from(codes);
}

function regionShape(selectors: readonly Selector[], shape: readonly number[]): number[] {
  return selectors.flatMap((selector, axis) => {
    switch (selector.kind) {
      case "all":
        return [shape[axis]];
      case "range":
        return [selector.count];
      case "at":
        return [];
      case "list":
        return selector.shape;
    }
  });
}

/** The shape that lists broadcast to. */
function commonShape(lists: readonly { readonly shape: readonly number[] }[]): number[] {
  const rank = Math.max(...lists.map(({ shape }) => shape.length));
  const lengths = (back: number) => lists.map(({ shape }) => shape.at(-back) ?? 1);
  return Array.from({ length: rank }, (_, axis) => {
    const along = lengths(rank - axis);
    const length = along.find((n) => n !== 1) ?? 1;
    if (along.every((n) => n === 1 || n === length)) return length;
    const shapes = lists.map(({ shape }) => `[${shape.join(", ")}]`).join(" and ");
    throw new ShapeError(
      `Cannot index with lists of shapes ${shapes} together: they address cells pairwise, and their shapes don't broadcast.`,
    );
  });
}

/** The entry that a broadcast list has at a cell of the common shape. */
function entryAt(
  { indices, shape }: { readonly indices: readonly number[]; readonly shape: readonly number[] },
  common: readonly number[],
  cell: number,
): number {
  let [at, stride, rest] = [0, 1, cell];
  for (let back = 1; back <= shape.length; back++) {
    const along = common[common.length - back];
    const length = shape[shape.length - back];
    if (length !== 1) at += (rest % along) * stride;
    rest = Math.floor(rest / along);
    stride *= length;
  }
  return indices[at];
}

/**
 * Several lists address cells together, one index from each (as in numpy and torch). Their common axes stand where the
 * lists stood if those are neighbours, and first otherwise.
 */
function resolveTogether(selectors: readonly Selector[], shape: readonly number[]): ResolvedIndex {
  const isList = (selector: Selector) => selector.kind === "list";
  const lists = selectors.filter((selector) => selector.kind === "list");
  const common = commonShape(lists);
  const kept = selectors.map((selector, axis) => ({ selector, axis })).filter(({ selector }) =>
    selector.kind !== "at"
  );
  const first = kept.findIndex(({ selector }) => isList(selector));
  const adjacent = kept.slice(first, first + lists.length).every(({ selector }) =>
    isList(selector)
  );
  const place = adjacent ? first : 0;
  const plain = kept.filter(({ selector }) => !isList(selector));

  const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  const base = selectors.reduce(
    (sum, s, axis) => sum + (s.kind === "at" ? s.index * strides[axis] : 0),
    0,
  );
  const together = Array.from(
    { length: sizeOf(common) },
    (_, i) =>
      selectors.reduce(
        (sum, s, axis) => s.kind === "list" ? sum + entryAt(s, common, i) * strides[axis] : sum,
        0,
      ),
  );
  const offsets = plain.map(({ selector, axis }) =>
    indicesOf(selector, shape[axis]).map((i) => i * strides[axis])
  );
  const axes = [...offsets.slice(0, place), together, ...offsets.slice(place)];
  const positions = axes.reduce<number[]>(
    (so, axis) => so.flatMap((offset) => axis.map((more) => offset + more)),
    [base],
  );
  const counts = offsets.map((axis) => axis.length);
  return {
    encoded: encode([{ kind: "list", indices: positions, shape: [positions.length] }]),
    shape: [...counts.slice(0, place), ...common, ...counts.slice(place)],
    isFlat: true,
  };
}

/**
 * Resolves an index against a shape.
 *
 * @throws {ShapeError} If it has too many axes, a malformed slice, or a mask of another shape.
 * @throws {RangeError} If an index lies outside its axis.
 */
export function resolveIndex(parts: readonly IndexPart[], shape: readonly number[]): ResolvedIndex {
  const selectors = selectorsOf(parts, shape);
  if (selectors.filter(({ kind }) => kind === "list").length > 1) {
    return resolveTogether(selectors, shape);
  }
  return { encoded: encode(selectors), shape: regionShape(selectors, shape), isFlat: false };
}

/**
 * The places that an index chooses in the flattened tensor, in the region's order.
 *
 * @throws {ShapeError} If the index doesn't fit the shape.
 */
export function flatIndices(
  parts: readonly IndexPart[],
  shape: readonly number[],
): { indices: number[]; shape: number[] } {
  const selectors = selectorsOf(parts, shape);
  const { shape: region, isFlat, encoded } = resolveIndex(parts, shape);
  if (isFlat) return { indices: Array.from(encoded.subarray(2)), shape: region };
  const indices = selectors.reduce<number[]>((so, selector, axis) => {
    const stride = sizeOf(shape.slice(axis + 1));
    const along = indicesOf(selector, shape[axis]);
    return so.flatMap((offset) => along.map((i) => offset + i * stride));
  }, [0]);
  return { indices, shape: region };
}
