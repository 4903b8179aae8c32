/** JSON with faults in it. */

import { fc } from "./_check.ts";

/** A fault: a place, by its number among all, and what stands there instead. */
export type Fault = readonly [at: number, stray: unknown];

/** Every place in a JSON value: the keys on the way to it. */
function paths(value: unknown, to: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== "object" || value === null) return [to];
  return [to, ...Object.entries(value).flatMap(([key, part]) => paths(part, [...to, key]))];
}

/** A value with another at a place; without the place for `undefined`. */
function replaced(value: unknown, [key, ...rest]: readonly string[], by: unknown): unknown {
  if (key === undefined) return by;
  if (Array.isArray(value)) {
    return value.flatMap((part, i) => {
      if (String(i) !== key) return [part];
      const put = replaced(part, rest, by);
      return put === undefined ? [] : [put];
    });
  }
  const copy = { ...value as Record<string, unknown> };
  const put = replaced(copy[key], rest, by);
  if (put === undefined) delete copy[key];
  else copy[key] = put;
  return copy;
}

/** What stands where something else should. */
const strays: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(undefined, null, true, "", "all", -1, 0, 1.5, 1e9, 2 ** 31, -0, [], {}),
  fc.jsonValue({ maxDepth: 2 }),
);

/** One fault or two. */
export const faults: fc.Arbitrary<Fault[]> = fc.array(fc.tuple(fc.nat(), strays), {
  minLength: 1,
  maxLength: 2,
});

/** A JSON value with faults in it; `undefined` where nothing is left. */
export function broken(whole: unknown, faults: readonly Fault[]): unknown {
  return faults.reduce((json, [at, stray]) => {
    const places = paths(json);
    return replaced(json, places[at % places.length], stray);
  }, whole);
}
