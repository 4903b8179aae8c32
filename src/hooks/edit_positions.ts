/**
 * Which positions an edit touches: by number, from the end, by token, by predicate, from one on, in generated text.
 *
 * @module
 */

import { ConfigError, described, requireKnownOptions, TokenError } from "../core/errors.ts";

/** Positions from one on. */
export interface PositionRange {
  /** The first; negative counts from the end of the prompt. 0 unless said. */
  readonly from?: number;
  /** The first that isn't meant any more; without it the range goes on into generated text. */
  readonly to?: number;
}

/** Positions at which a token stands. */
export interface TokenPositions {
  /** The token: its text, exactly (`" John"`), or its id. */
  readonly token: string | number;
  /** Which occurrence, from 0; negative counts from the last. Every one unless said. */
  readonly nth?: number;
}

/** Chooses positions by what stands there. */
export type PositionPredicate = (token: string, pos: number, text: number) => boolean;

/**
 * Positions of a text: a number (negative counts from the end of the prompt; one behind the prompt waits for generated text), all of them, those of generated text, a range, those of a
 * token, those that a predicate chooses, or a list of any of these.
 */
export type Positions =
  | number
  | "all"
  | "generated"
  | PositionRange
  | TokenPositions
  | PositionPredicate
  | readonly Positions[];

/** A text as positions are chosen in it. */
export interface PositionedText {
  /** Which text of the batch it is. */
  readonly text: number;
  /** How many positions there are, generated ones included. */
  readonly nPos: number;
  /** How many of them are the prompt's. */
  readonly nPrompt: number;
  /** How many there may come to be, where the text is gone on with; as many as there are unless said. */
  readonly nMost?: number;
  /** The id of the token at a position. Throws where a run has no tokens. */
  id(pos: number): number;
  /** The text of a token. Throws where the model has no tokenizer. */
  str(id: number): string;
  /** Names a token in messages. */
  label(id: number): string;
}

/** What a list of positions may hold beside numbers. */
const WANTED =
  'a number, "all", "generated", { from, to }, { token, nth }, a predicate, or a list of these';

function isInteger(value: unknown): value is number {
  return Number.isInteger(value);
}

function requireIndex(what: string, value: unknown): void {
  if (value === undefined || isInteger(value)) return;
  throw new ConfigError(`Cannot edit ${what} ${described(value)}: expected a whole number.`);
}

/**
 * Checks that a value chooses positions.
 *
 * @throws {ConfigError} If it doesn't.
 */
export function checkPositions(value: unknown): asserts value is Positions {
  if (value === "all" || value === "generated" || typeof value === "function") return;
  if (Array.isArray(value)) return value.forEach(checkPositions);
  if (typeof value === "object" && value !== null) {
    const isToken = "token" in value;
    const known = new Set(isToken ? ["token", "nth"] : ["from", "to"]);
    requireKnownOptions("Cannot choose positions", value, known);
    const fields = value as Partial<PositionRange & TokenPositions>;
    if (isToken && typeof fields.token !== "string") requireIndex("the token", fields.token);
    requireIndex("occurrence", fields.nth);
    requireIndex("positions from", fields.from);
    requireIndex("positions to", fields.to);
    return;
  }
  if (!isInteger(value)) {
    throw new ConfigError(`Cannot edit the position ${described(value)}: expected ${WANTED}.`);
  }
}

/** Whether a selector chooses the same positions in every text of one length. */
function isSameInEveryText(positions: Positions): boolean {
  if (Array.isArray(positions)) return positions.every(isSameInEveryText);
  return typeof positions !== "function" &&
    !(typeof positions === "object" && "token" in positions);
}

function fromEnd(pos: number, nPrompt: number): number {
  return pos < 0 ? pos + nPrompt : pos;
}

/** Whether a selector may choose positions of a text that aren't there yet. */
export function mayComeLater(positions: Positions, text: PositionedText): boolean {
  if (Array.isArray(positions)) {
    return positions.some((part: Positions) => mayComeLater(part, text));
  }
  const { nPos, nPrompt, nMost = nPos } = text;
  if (typeof positions === "number") return positions >= nPos && positions < nMost;
  if (typeof positions !== "object") return positions === "generated";
  if ("token" in positions) return false;
  const { from = 0, to } = positions as PositionRange;
  if (to === undefined) return true;
  const [start, end] = [fromEnd(from, nPrompt), Math.min(fromEnd(to, nPrompt), nMost)];
  return start < end && end > nPos;
}

/** The positions behind a prompt that a selector names by number, whether they are there yet or not. */
export function numberedBehind(positions: Positions, nPrompt: number): number[] {
  if (Array.isArray(positions)) {
    return positions.flatMap((part: Positions) => numberedBehind(part, nPrompt));
  }
  return typeof positions === "number" && positions >= nPrompt ? [positions] : [];
}

function span(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
}

function occurrences({ token, nth }: TokenPositions, text: PositionedText): number[] {
  const isIt = typeof token === "number"
    ? (id: number) => id === token
    : (id: number) => text.str(id) === token;
  const all = span(0, text.nPos).filter((pos) => isIt(text.id(pos)));
  if (nth === undefined) return all;
  const one = all.at(nth);
  return one === undefined ? [] : [one];
}

function chosen(positions: Positions, text: PositionedText): number[] {
  const { nPos, nPrompt, nMost = nPos } = text;
  if (positions === "all") return span(0, nPos);
  if (positions === "generated") return span(nPrompt, nPos);
  if (typeof positions === "number") {
    const pos = fromEnd(positions, nPrompt);
    if (pos >= 0 && pos < nMost) return pos < nPos ? [pos] : [];
    const there = `the prompt has ${nPrompt} ${nPrompt === 1 ? "position" : "positions"}`;
    const most = nMost > nPrompt ? `, and the context holds ${nMost}` : "";
    throw new RangeError(`Cannot edit position ${positions}: ${there}${most}.`);
  }
  if (typeof positions === "function") {
    return span(0, nPos).filter((pos) => positions(text.str(text.id(pos)), pos, text.text));
  }
  if (Array.isArray(positions)) return positions.flatMap((part: Positions) => chosen(part, text));
  if ("token" in positions) return occurrences(positions, text);
  const { from = 0, to } = positions as PositionRange;
  const end = to === undefined ? nPos : Math.min(fromEnd(to, nPrompt), nPos);
  return span(Math.max(0, fromEnd(from, nPrompt)), end);
}

/**
 * Resolves a selector in one text.
 *
 * @returns Those that are there, ascending, each once.
 * @throws {RangeError} If a number lies outside what the text may come to.
 */
export function positionsIn(positions: Positions, text: PositionedText): number[] {
  return [...new Set(chosen(positions, text))].sort((a, b) => a - b);
}

/** Says in words which positions are meant: `@10`, `every " John"`, `@12 on`. */
export function describePositions(positions: Positions): string {
  if (positions === "all") return "everywhere";
  if (positions === "generated") return "in generated text";
  if (typeof positions === "number") return `@${positions}`;
  if (typeof positions === "function") return "where a predicate holds";
  if (Array.isArray(positions)) {
    const isPlain = positions.every((part: Positions) => typeof part === "number");
    return isPlain ? `@${positions.join(",")}` : positions.map(describePositions).join(" and ");
  }
  if ("token" in positions) {
    const { token, nth } = positions;
    return nth === undefined
      ? `at every ${JSON.stringify(token)}`
      : `at ${JSON.stringify(token)} number ${nth}`;
  }
  const { from = 0, to } = positions as PositionRange;
  return to === undefined ? `@${from} on` : `@${from}:${to}`;
}

/** The error for a selector that meets nothing, with what there is. */
export function nothingChosen(positions: Positions, text: PositionedText): TokenError {
  const tokens = span(0, text.nPos).map((pos) => text.label(text.id(pos)));
  return new TokenError(
    `Cannot edit ${describePositions(positions)}: no position of the prompt is meant. Its tokens: ${
      tokens.join(" ")
    }`,
  );
}
