/**
 * Hooks that keep what they see (TransformerLens' `get_caching_hooks`).
 *
 * @module
 */

import { HookError, ShapeError } from "../core/errors.ts";
import { Slice, type SliceInput } from "../core/slice.ts";
import type { Tensor } from "../core/tensor.ts";
import type { HookPoint } from "./hook_point.ts";
import type { HookFunction, HookSpec, PointSelector } from "./hook_registry.ts";

/** What caching hooks keep. */
export interface CachingOptions {
  /** Keeps gradients as well, as `name_grad`. */
  inclBwd?: boolean;
  /** Drops the batch axis of a single text. */
  removeBatchDim?: boolean;
  /** Where values go; a new map unless given. */
  cache?: Map<string, Tensor>;
  /** Keeps these positions alone; the axis stays. */
  posSlice?: SliceInput;
}

/** The map that hooks fill, and the hooks. */
export type CachingHooks = [
  cache: Map<string, Tensor>,
  fwdHooks: HookSpec[],
  bwdHooks: HookSpec[],
];

/** The values whose position has a head between it and the last axis. */
const BY_HEAD = /\.hook_(q|k|v|z|result|rot_q|rot_k)$/;

function atPositions(value: Tensor, name: string, positions: Slice): Tensor {
  const axis = BY_HEAD.test(name) ? -3 : -2;
  return positions.isWhole || value.rank < -axis ? value : positions.apply(value, axis);
}

/** A slice that keeps the axis: a number stands for a list of it. */
function keepingAxis(posSlice: SliceInput): Slice {
  return Slice.of(typeof posSlice === "number" ? [posSlice] : posSlice);
}

/** Makes hooks that keep activations, and gradients, at points by name or predicate; at all of them unless said. */
export function cachingHooks(
  namesFilter: PointSelector | readonly string[] | null,
  { inclBwd = false, removeBatchDim = false, cache = new Map(), posSlice }: CachingOptions,
): CachingHooks {
  const positions = keepingAxis(posSlice);
  const keep = (suffix: string): HookFunction => (value: Tensor, { name }: HookPoint) => {
    if (removeBatchDim && value.shape[0] !== 1) {
      throw new ShapeError(
        `Cannot remove the batch axis of "${name}": it has ${value.shape[0]} texts, expected 1.`,
      );
    }
    const kept = value.detach();
    const texts = removeBatchDim ? kept.squeeze(0) : kept;
    cache.set(`${name}${suffix}`, atPositions(texts, name, positions));
  };
  const selectors: readonly PointSelector[] = namesFilter === null
    ? [() => true]
    : typeof namesFilter === "object"
    ? namesFilter
    : [namesFilter];
  if (!Array.isArray(selectors)) {
    throw new HookError("Cannot cache: expected a name, a list of names or a predicate.");
  }
  const at = (suffix: string) => selectors.map((selector): HookSpec => [selector, keep(suffix)]);
  return [cache, at(""), inclBwd ? at("_grad") : []];
}
