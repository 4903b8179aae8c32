import { nearestNames } from "../core/errors.ts";

/** Keys of `cfg.json` that every kind has, beside its metadata. */
export const COMMON_KEYS: readonly string[] = [
  "architecture",
  "d_in",
  "d_sae",
  "dtype",
  "device",
  "apply_b_dec_to_input",
  "normalize_activations",
  "reshape_activations",
];

/** A JSON object. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether a value is an object in JSON's sense. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The types of optional fields by name. */
interface FieldTypes {
  string: string;
  number: number;
  boolean: boolean;
  object: JsonObject;
}

/** A type as a message calls it, and its test. */
interface FieldType<T> {
  phrase: string;
  has(value: unknown): value is T;
}

const TYPES: { readonly [T in keyof FieldTypes]: FieldType<FieldTypes[T]> } = {
  string: { phrase: "a string", has: (value) => typeof value === "string" },
  number: { phrase: "a number", has: (value) => typeof value === "number" },
  boolean: { phrase: "true or false", has: (value) => typeof value === "boolean" },
  object: { phrase: "an object", has: isJsonObject },
};

/** Quotes names for a message: `"a", "b" or "c"`. */
export function quoteAll(names: readonly string[]): string {
  const quoted = names.map((name) => JSON.stringify(name));
  const last = quoted.pop() ?? "nothing";
  return quoted.length === 0 ? last : `${quoted.join(", ")} or ${last}`;
}

/** Reads fields of a JSON object with their types, noting what is wrong instead of stopping at the first mistake. */
export class Fields {
  /**
   * @param json The object; a field that is null or undefined counts as left out.
   * @param problems Where to note what is wrong.
   * @param spell Turns a key of `cfg.json` into the name that the reader of the message used.
   */
  constructor(
    readonly json: JsonObject,
    readonly problems: string[],
    readonly spell: (key: string) => string,
  ) {}

  /** Reads a field that may be left out. */
  optional<T extends keyof FieldTypes>(key: string, type: T): FieldTypes[T] | undefined {
    const value = this.json[key] ?? undefined;
    if (value === undefined || TYPES[type].has(value)) return value;
    this.#note(key, value, TYPES[type].phrase);
  }

  /** Reads a text that must be there. */
  text(key: string): string | undefined {
    const value = this.json[key] ?? undefined;
    if (typeof value === "string" && value !== "") return value;
    this.#note(key, value, "a string");
  }

  /** Reads a count that must be there. */
  count(key: string): number | undefined {
    const value = this.json[key] ?? undefined;
    if (typeof value === "number" && Number.isSafeInteger(value) && value > 0) return value;
    this.#note(key, value, "a positive integer");
  }

  /** Reads a number that must be there; NaN where it isn't. */
  number(key: string): number {
    const value = this.json[key] ?? undefined;
    if (typeof value === "number") return value;
    this.#note(key, value, "a number");
    return NaN;
  }

  /** Notes a switch that is on and that nobody here knows how to honour. */
  requireOff(key: string): void {
    const value = this.json[key] ?? false;
    if (value !== false) this.#note(key, value, "false");
  }

  /** Reads a count that may be left out. */
  optionalCount(key: string): number | undefined {
    return (this.json[key] ?? undefined) === undefined ? undefined : this.count(key);
  }

  /** Reads one of several words; left out, it is the fallback, if there is one. */
  oneOf<T extends string>(key: string, words: readonly T[], fallback?: T): T | undefined {
    const value = this.json[key] ?? fallback;
    const word = words.find((candidate) => candidate === value);
    if (word !== undefined) return word;
    const [nearest] = typeof value === "string" ? nearestNames(value, words, 1) : [];
    const hint = nearest === undefined ? "" : `; nearest is ${JSON.stringify(nearest)}`;
    this.#note(key, value, `${quoteAll(words)}${hint}`);
  }

  /** Reads an object that must be there; a missing one reads as empty. */
  section(key: string): Fields {
    const value = this.json[key] ?? undefined;
    const isThere = isJsonObject(value);
    if (!isThere) this.#note(key, value, "an object");
    return new Fields(isThere ? value : {}, isThere ? this.problems : [], this.spell);
  }

  /** Gives the keys that are none of the known ones. */
  others(known: readonly string[]): string[] {
    const isGiven = (key: string) => (this.json[key] ?? undefined) !== undefined;
    return Object.keys(this.json).filter((key) => !known.includes(key) && isGiven(key));
  }

  #note(key: string, value: unknown, wanted: string): undefined {
    const so = value === undefined ? "missing" : JSON.stringify(value);
    this.problems.push(`${this.spell(key)} is ${so}, wanted ${wanted}`);
  }
}
