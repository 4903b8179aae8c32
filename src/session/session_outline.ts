/**
 * The outline of a stored session: what each part of the file must be before anything is made of it.
 *
 * @module
 */

import { ConfigError, described, requireKnownOptions } from "../core/errors.ts";
import type { SessionJson } from "./session_json.ts";

/** A check of a part, and what it is to be, as a message says it. */
interface Part {
  readonly isIt: (value: unknown) => boolean;
  readonly wanted: string;
  /** Whether it may be left out. */
  readonly isOptional?: true;
}

type Check = Part["isIt"];

const isText: Check = (value) => typeof value === "string";
const isFlag: Check = (value) => typeof value === "boolean";
// What no number says, JSON has as null.
const isNumber: Check = (value) => typeof value === "number" || value === null;
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isAnything: Check = () => true;

/** Whether a value is an object that isn't a list. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const listOf = (isPart: Check): Check => (value) => Array.isArray(value) && value.every(isPart);

/** Rows of one length, at least one long. */
const gridOf = (isCell: Check): Check => (value) =>
  listOf(listOf(isCell))(value) &&
  (value as unknown[][]).every((row, _, rows) => row.length > 0 && row.length === rows[0].length);

/** An object with these fields, of which those in brackets may be left out. */
const recordOf = (fields: Record<string, Check>): Check => (value) =>
  isRecord(value) &&
  Object.entries(fields).every(([name, isIt]) => {
    const field = value[name.replace(/^\[(.*)\]$/, "$1")];
    return field === undefined ? name.startsWith("[") : isIt(field);
  });

const weights = { "[from]": isRecord, fingerprint: isText };

const PARTS: { readonly [part in keyof SessionJson]-?: Part } = {
  format: { isIt: (value) => value === "splicer session", wanted: '"splicer session"' },
  version: { isIt: (value) => value === 1, wanted: "1" },
  model: { isIt: recordOf({ ...weights, name: isText }), wanted: "{ name, from, fingerprint }" },
  saes: {
    isIt: listOf(recordOf({ ...weights, hookName: isText })),
    wanted: "a list of { hookName, from, fingerprint }",
  },
  attach: {
    isIt: recordOf({
      useErrorTerm: listOf(isFlag),
      "[excludeSpecialTokens]": (value) => isFlag(value) || listOf(isCount)(value),
      "[errorGrad]": isText,
    }),
    wanted: "{ useErrorTerm, excludeSpecialTokens, errorGrad }, with a flag for each SAE",
  },
  prompts: { isIt: listOf(isText), wanted: "a list of texts", isOptional: true },
  tokens: { isIt: gridOf(isCount), wanted: "rows of token ids" },
  attentionMask: { isIt: gridOf(isNumber), wanted: "rows of 0 and 1", isOptional: true },
  metric: { isIt: isAnything, wanted: "a metric", isOptional: true },
  edits: {
    isIt: listOf(recordOf({ id: isCount, at: isText, edit: isAnything, "[isOff]": isFlag })),
    wanted: "a list of { id, at, edit }",
  },
  expected: {
    isIt: recordOf({
      module: isText,
      logits: isText,
      "[metric]": listOf(isNumber),
      top: listOf(listOf(listOf(isNumber))),
    }),
    wanted: "{ module, logits, metric, top }",
  },
};

/**
 * Checks the outline of a stored session; what its parts say is checked where they are used.
 *
 * @throws {ConfigError} If a part is missing, unknown or of another form.
 */
export function requireOutline(read: Record<string, unknown>): asserts read is
  & Record<string, unknown>
  & SessionJson {
  requireKnownOptions("Cannot load a session", read, new Set(Object.keys(PARTS)));
  for (const [name, { isIt, wanted, isOptional }] of Object.entries(PARTS)) {
    const value = read[name];
    if (value === undefined ? isOptional : isIt(value)) continue;
    throw new ConfigError(
      value === undefined
        ? `Cannot load the session: "${name}" is missing, expected ${wanted}.`
        : `Cannot load the session with ${described(value)} as "${name}": expected ${wanted}.`,
    );
  }
}
