/**
 * Values that are made when they are first wanted.
 *
 * @module
 */

/** Gives what a map holds for a key, made and kept where it holds nothing: as `Map.prototype.getOrInsertComputed` will. */
export function getOrInsertComputed<K, V>(
  map: { get(key: K): V | undefined; set(key: K, value: V): unknown },
  key: K,
  make: () => V,
): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, value = make());
  return value;
}
