/**
 * The error classes of the library. Each message says what could not be done, what is so and what was wanted.
 *
 * @module
 */

/** Thrown when shapes or dtypes don't fit together. */
export class ShapeError extends TypeError {
  /** The class, for messages and for telling errors apart across realms. */
  override name = "ShapeError";
}

/** Thrown when a name matches no hook point, SAE or splice; the message gives the nearest valid names. */
export class UnknownPointError extends RangeError {
  /** The class, for messages and for telling errors apart across realms. */
  override name = "UnknownPointError";
}

/** Thrown when the memory budget would be exceeded, before anything is allocated. */
export class MemoryBudgetError extends RangeError {
  /** The class, for messages and for telling errors apart across realms. */
  override name = "MemoryBudgetError";
}

/** Thrown when a file of weights is malformed, incomplete or of an unsupported kind. */
export class WeightFileError extends SyntaxError {
  /** The class, for messages and for telling errors apart across realms. */
  override name = "WeightFileError";
}

/** Thrown when a configuration holds something unknown, missing or contradictory. */
export class ConfigError extends SyntaxError {
  /** The class, for messages and for telling errors apart across realms. */
  override name = "ConfigError";
}

/** Thrown when text can't be turned into the tokens asked for, or tokens into text. */
export class TokenError extends RangeError {
  /** The class, for messages and for telling errors apart across realms. */
  override name = "TokenError";
}

/** Thrown when a hook fails; `cause` is what the hook threw. */
export class HookError extends Error {
  /** The class, for messages and for telling errors apart across realms. */
  override name = "HookError";
}

/** Thrown when the core has stopped in the middle of a computation, which is a fault of its own; `cause` says where. */
export class CoreError extends Error {
  /** The class, for messages and for telling errors apart across realms. */
  override name = "CoreError";
}

/** Thrown when a tensor lent to a hook is used after its run. */
export class BorrowedTensorError extends ReferenceError {
  /** The class, for messages and for telling errors apart across realms. */
  override name = "BorrowedTensorError";
}

/** Thrown when a gradient is asked for that can't be had. */
export class GradientError extends Error {
  /** The class, for messages and for telling errors apart across realms. */
  override name = "GradientError";
}

/** Edit distance between two strings (Levenshtein, two rows). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + same));
    }
    row = next;
  }
  return row[b.length];
}

/**
 * Gives the candidates nearest to a mistyped name, best first.
 *
 * @param name What was typed.
 * @param candidates The valid names.
 * @param count How many to give at most.
 */
export function nearestNames(name: string, candidates: Iterable<string>, count = 3): string[] {
  return [...candidates]
    .map((candidate) => ({ candidate, score: distance(name, candidate) }))
    .sort((a, b) => a.score - b.score)
    .slice(0, count)
    .map(({ candidate }) => candidate);
}

/**
 * Names a value that isn't what was wanted: `undefined`, `"text"`, `5`, `an array`, `a Promise`.
 *
 * @param value The value.
 */
export function described(value: unknown): string {
  if (typeof value === "string") {
    return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  }
  if (Array.isArray(value)) return "an array";
  if (typeof value === "function") return "a function";
  if (typeof value !== "object" || value === null) return String(value);
  const kind = value.constructor?.name ?? "object";
  return `${/^[aeio]/i.test(kind) ? "an" : "a"} ${kind === "Object" ? "object" : kind}`;
}

/** A name as it is whatever its spelling: `fwd_hooks` and `fwdHooks` are one. */
const spelling = (name: string) => name.replaceAll(/[_-]/g, "").toLowerCase();

/** The name that was meant by another: the same in another spelling, or the nearest unless all are far. */
function meantName(name: string, known: readonly string[]): string | undefined {
  const respelled = known.find((other) => spelling(other) === spelling(name));
  const [nearest] = respelled === undefined ? nearestNames(name, known, 1) : [respelled];
  const isNear = nearest !== undefined &&
    distance(spelling(name), spelling(nearest)) <= Math.max(2, name.length / 3);
  return isNear ? nearest : undefined;
}

/**
 * Checks the keys of an options object; those that are `undefined` count as left out.
 *
 * @param what What the options are for, as a message begins: `Cannot run`.
 * @param options The options as they were given.
 * @param known The names of the options that there are.
 * @param elsewhere Names that mean something in another place or library, each with a sentence that says so.
 * @throws {ConfigError} If there is another; the message names the nearest.
 */
export function requireKnownOptions(
  what: string,
  options: object,
  known: ReadonlySet<string>,
  elsewhere: Readonly<Record<string, string>> = {},
): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new ConfigError(
      `${what} with ${described(options)} for options: expected { name: value }.`,
    );
  }
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || known.has(name)) continue;
    if (/^\d+$/.test(name)) {
      throw new ConfigError(`${what} with a list for options: expected { name: value }.`);
    }
    const meant = meantName(name, [...known, ...Object.keys(elsewhere)]);
    const hint = meant === undefined
      ? `There are ${[...known].map((other) => `"${other}"`).join(", ")}.`
      : known.has(meant)
      ? `Did you mean "${meant}"?`
      : elsewhere[meant];
    throw new ConfigError(
      `${what} with the option "${name}": there is none of this name. ${hint}`,
    );
  }
}

/**
 * Checks an option that is one of a few values.
 *
 * @param what What can't be done otherwise, as a message begins: `Cannot run with the returnType`.
 * @throws {ConfigError} If it is another.
 */
export function requireOneOf(what: string, value: unknown, known: readonly unknown[]): void {
  if (known.includes(value)) return;
  throw new ConfigError(
    `${what} ${described(value)}: expected ${known.map((choice) => described(choice)).join(", ")}.`,
  );
}
