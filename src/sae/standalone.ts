/**
 * An autoencoder by itself: a run of its own, in which its own hooks fire.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { RowSpace } from "../core/rows.ts";
import { currentScope, sizeOf } from "../core/scope.ts";
import { handleOf, lentTensor, tensorOf } from "../core/tensor.ts";
import type { HookPoint } from "../hooks/hook_point.ts";
import { Mode } from "../hooks/points.ts";
import type { RowValue, Tap } from "../hooks/tap.ts";

/** The value of all rows of a standalone run. */
export function allRows(tap: Tap, name: string, handle: Handle): RowValue {
  return { name, rows: tap.space.all, handle };
}

/**
 * A tap whose rows are whatever stands in front of an input's own axes.
 *
 * @param points The autoencoder's points by name.
 * @param lead The leading axes, the last of them the position's.
 */
export function standaloneTap(
  points: ReadonlyMap<string, HookPoint>,
  lead: readonly number[],
): Tap {
  const space = new RowSpace(sizeOf(lead.slice(0, -1)), lead.at(-1) ?? 1);
  const isHooked = (name: string) => points.get(name)?.hasHooks() ?? false;
  const visit = (value: RowValue): RowValue => {
    const point = points.get(value.name);
    if (!point || !isHooked(value.name)) return value;
    const tail = core().shape_of(value.handle).subarray(1);
    const shaped = core().share(core().reshape(value.handle, Uint32Array.of(...lead, ...tail)));
    const scope = currentScope();
    const after = handleOf(point.apply(scope ? lentTensor(shaped, scope) : tensorOf(shaped)));
    return { ...value, handle: core().reshape(after, Uint32Array.of(space.all.count, ...tail)) };
  };
  return {
    space,
    isResumed: false,
    mode: (name) => (isHooked(name) ? Mode.split : Mode.idle),
    visit,
    observe: () => {},
    map: (name, inputs, operation) => ({
      name,
      rows: space.all,
      handle: operation(...inputs.map(({ handle }) => handle)),
    }),
    made: (name, rows, compute) => ({ name, rows, handle: compute() }),
    pick: ({ handle }) => handle,
    whole: ({ handle }) => handle,
    stage: () => {},
    count: () => {},
  };
}
