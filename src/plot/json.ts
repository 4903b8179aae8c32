/** A value that JSON can hold; `undefined` fields are left out. */
export type Json = null | boolean | number | string | Json[] | JsonObject;

/** An object that JSON can hold, as the parts of a plotly figure are. */
export interface JsonObject {
  /** A field; one that is undefined is left out. */
  [key: string]: Json | undefined;
}

/**
 * Tells whether a value is an object with fields of its own, neither a list nor null.
 *
 * @param value Any JSON value.
 */
export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Copies a value into plain JSON: typed arrays become lists, what isn't finite becomes null (plotly
 * leaves such points out), `undefined` fields go.
 *
 * @param value What to copy; numbers, strings, lists, typed arrays and objects of these.
 * @returns A copy that shares nothing with `value`.
 * @throws {TypeError} If a part of it, such as a function, has no place in JSON.
 */
function plainJson(value: unknown): Json {
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (Array.isArray(value)) return value.map(plainJson);
  if (ArrayBuffer.isView(value) && Symbol.iterator in value) {
    return Array.from(value as unknown as Iterable<unknown>, plainJson);
  }
  if (typeof value === "object" && "toJSON" in value && typeof value.toJSON === "function") {
    return plainJson(value.toJSON());
  }
  if (typeof value === "object") return plainObject(value);
  throw new TypeError(`Cannot put a ${typeof value} into a figure, wanted what JSON can hold`);
}

/**
 * Copies an object into plain JSON, as {@link plainJson} does with any value.
 *
 * @param value An object of numbers, strings, lists, typed arrays and such objects.
 * @returns A copy that shares nothing with `value`.
 */
export function plainObject(value: object): JsonObject {
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(fields.map(([key, field]) => [key, plainJson(field)]));
}

/** Names that would reach an object's prototype instead of a field. */
const FORBIDDEN = ["__proto__", "constructor", "prototype"];

/**
 * Merges changes into an object in place: nested objects field by field, all else by replacement. A
 * key with dots names a nested field, so `{ "xaxis.title.text": "x" }` leaves the rest of the axis.
 *
 * @param target What is changed.
 * @param changes What it gets; copied, never shared.
 * @throws {TypeError} If a key names an object's prototype, or a value has no place in JSON.
 */
export function mergeJson(target: JsonObject, changes: object): void {
  for (const [path, change] of Object.entries(changes)) {
    if (change === undefined) continue;
    const keys = path.split(".");
    const forbidden = keys.find((key) => FORBIDDEN.includes(key));
    if (forbidden !== undefined) {
      throw new TypeError(`Cannot set "${path}" of a figure: "${forbidden}" is not a field`);
    }
    let parent = target;
    for (const key of keys.slice(0, -1)) parent = child(parent, key);
    const last = keys[keys.length - 1];
    const value = plainJson(change);
    if (isJsonObject(value)) mergeJson(child(parent, last), value);
    else parent[last] = value;
  }
}

/** The nested object under a key, made if something else or nothing is there. */
function child(parent: JsonObject, key: string): JsonObject {
  const there = parent[key];
  if (isJsonObject(there)) return there;
  const made: JsonObject = {};
  parent[key] = made;
  return made;
}
