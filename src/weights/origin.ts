/**
 * Where weights came from: what a stored session names so that another process can load them again.
 *
 * @module
 */

/** A place that can be named in a file. */
export type Origin = Readonly<Record<string, string | number | boolean>>;

const origins = new WeakMap<object, Origin>();

/** Notes where weights came from; what can't be named in a file is left out. */
export function noteOrigin(weights: object, origin: Readonly<Record<string, unknown>>): void {
  const named = Object.entries(origin).filter(([, value]) =>
    typeof value === "string" || typeof value === "number" || typeof value === "boolean"
  );
  origins.set(weights, Object.fromEntries(named) as Origin);
}

/** Where weights came from, if that was noted; weights that were made or changed have no origin. */
export function originOf(weights: object): Origin | undefined {
  return origins.get(weights);
}
