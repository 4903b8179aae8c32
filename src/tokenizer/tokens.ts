/**
 * From text to rectangles of token ids and back, by TransformerLens' rules; plain arrays, no tensors.
 *
 * @module
 */
import { described, requireOneOf, TokenError } from "../core/errors.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** The side on which short rows are filled up. */
export type PaddingSide = "left" | "right";

/** How text becomes rows of tokens. */
export interface TokenOptions {
  /** Whether each row begins with the BOS; true unless said. */
  prependBos?: boolean;
  /** The side on which short rows are filled up; `"right"` unless said. */
  paddingSide?: PaddingSide;
}

/** Options of {@linkcode toTokens}. */
export interface ToTokensOptions extends TokenOptions {
  /** Most positions that the model has; unlimited unless said. */
  nCtx?: number;
  /** Whether a row longer than `nCtx` loses its end; true unless said. */
  truncate?: boolean;
  /** Whether the rows are about to be run, so that each needs a position and has to fit; false unless said. */
  forRun?: boolean;
}

/** Options of {@linkcode toStrTokens}. */
export type ToStrTokensOptions = TokenOptions & Pick<ToTokensOptions, "nCtx">;

/** A rectangle of token ids. */
export interface TokenRows {
  /** Token ids [batch, pos], short rows filled up with the padding token. */
  ids: number[][];
  /** 1 at a prompt's own tokens, 0 at padding [batch, pos]; known from the lengths, whatever the ids are. */
  mask: number[][];
}

/**
 * Tokenizes prompts into one rectangle.
 *
 * The rules are those of TransformerLens 3.9's `to_tokens`. A row is cut after its BOS has been put in front or taken
 * away, so that all of `nCtx` is used either way.
 *
 * @param tokenizer The model's tokenizer.
 * @param text One prompt, or a list of them.
 * @param options BOS, padding and what happens to long rows.
 * @returns Token ids and mask, both [batch, pos].
 * @throws {TokenError} If it isn't text, the list is empty, a row is too long or has no position with `forRun`, or a BOS or padding token is needed that the tokenizer hasn't.
 * @throws {ConfigError} If there is no such padding side.
 */
export function toTokens(
  tokenizer: Tokenizer,
  text: string | readonly string[],
  options: ToTokensOptions = {},
): TokenRows {
  const prompts = typeof text === "string" ? [text] : text;
  requirePrompts(prompts);
  requireOneOf("Cannot pad on the side", options.paddingSide ?? "right", ["left", "right"]);
  if (prompts.length === 0) {
    throw new TokenError("Cannot tokenize an empty list of prompts: wanted at least one");
  }
  const { prependBos = true, paddingSide = "right" } = options;
  const rows = prompts.map((prompt, index) => {
    const ids = encodePrompt(tokenizer, prompt, prependBos);
    if (options.forRun) requireFit(ids, prompt, index, options);
    return cut(ids, options);
  });
  return pad(tokenizer, rows, paddingSide);
}

/**
 * Decodes one token or a row of tokens to text, special tokens included and spaces as they are.
 *
 * @param tokenizer The model's tokenizer.
 * @param tokens One id, or a row [pos].
 * @returns The text.
 * @throws {TokenError} If an id isn't in the vocabulary.
 */
export function toString(tokenizer: Tokenizer, tokens: number | readonly number[]): string;
/**
 * Decodes rows of tokens to texts, special tokens included and spaces as they are.
 *
 * @param tokenizer The model's tokenizer.
 * @param tokens Rows [batch, pos].
 * @returns The text of each row.
 * @throws {TokenError} If an id isn't in the vocabulary.
 */
export function toString(tokenizer: Tokenizer, tokens: readonly (readonly number[])[]): string[];
export function toString(
  tokenizer: Tokenizer,
  tokens: number | readonly number[] | readonly (readonly number[])[],
): string | string[] {
  if (typeof tokens === "number") return tokenizer.decode([tokens]);
  return isRows(tokens) ? tokens.map((row) => tokenizer.decode(row)) : tokenizer.decode(tokens);
}

/**
 * Decodes each token of a prompt or of a row by itself.
 *
 * @param tokenizer The model's tokenizer.
 * @param input A prompt, or a row of ids [pos].
 * @param options Whether a prompt gets a BOS, and where it is cut as by {@linkcode toTokens}.
 * @returns The text of each token.
 * @throws {TokenError} If an id isn't in the vocabulary, or a BOS is needed that the tokenizer hasn't.
 */
export function toStrTokens(
  tokenizer: Tokenizer,
  input: string | readonly number[],
  options?: ToStrTokensOptions,
): string[];
/**
 * Decodes each token of several prompts by itself; no prompt is filled up.
 *
 * @param tokenizer The model's tokenizer.
 * @param input The prompts.
 * @param options Whether they get a BOS, and where they are cut.
 * @returns The text of each token, one list a prompt.
 * @throws {TokenError} If a BOS is needed that the tokenizer hasn't.
 */
export function toStrTokens(
  tokenizer: Tokenizer,
  input: readonly string[],
  options?: ToStrTokensOptions,
): string[][];
/**
 * Decodes each token of a rectangle by itself.
 *
 * @param tokenizer The model's tokenizer.
 * @param input Rows of ids [batch, pos].
 * @returns The text of each token: one list for a single row, as in TransformerLens, and one list a row for several.
 * @throws {TokenError} If an id isn't in the vocabulary.
 */
export function toStrTokens(
  tokenizer: Tokenizer,
  input: readonly (readonly number[])[],
): string[] | string[][];
export function toStrTokens(
  tokenizer: Tokenizer,
  input: string | readonly string[] | readonly number[] | readonly (readonly number[])[],
  options: ToStrTokensOptions = {},
): string[] | string[][] {
  const { prependBos = true } = options;
  const alone = (ids: readonly number[]) => ids.map((id) => tokenizer.decode([id]));
  const ofText = (text: string) =>
    alone(cut(encodePrompt(tokenizer, text, prependBos), { nCtx: options.nCtx }));
  if (typeof input === "string") return ofText(input);
  if (isTexts(input)) return input.map(ofText);
  if (isRows(input)) return input.length === 1 ? alone(input[0]) : input.map(alone);
  return alone(input);
}

/**
 * Gives the id of a text that is exactly one token.
 *
 * @param tokenizer The model's tokenizer.
 * @param text The text; a space in front matters.
 * @returns The token's id.
 * @throws {TokenError} If the text is none or several tokens; the message shows them.
 */
export function toSingleToken(tokenizer: Tokenizer, text: string): number {
  requirePrompts([text]);
  const ids = encodePrompt(tokenizer, text, false);
  if (ids.length === 1) return ids[0];
  const pieces = ids.map((id) => JSON.stringify(tokenizer.decode([id])));
  throw new TokenError(
    `${JSON.stringify(text)} is ${ids.length} tokens [${pieces.join(", ")}], expected one` +
      suggestion(tokenizer, text),
  );
}

/**
 * Gives the text of one token.
 *
 * @param tokenizer The model's tokenizer.
 * @param id The token's id.
 * @returns Its text.
 * @throws {TokenError} If the id isn't in the vocabulary.
 */
export function toSingleStrToken(tokenizer: Tokenizer, id: number): string {
  return tokenizer.decode([id]);
}

/**
 * Finds where a token stands in a prompt.
 *
 * @param tokenizer The model's tokenizer.
 * @param singleToken The token: an id, or a text that is exactly one token.
 * @param input The prompt: text, a row of ids [pos] or a single row [1, pos].
 * @param mode Which of several places is meant.
 * @param options Whether a text gets a BOS, which moves everything by one.
 * @returns The position, from 0.
 * @throws {TokenError} If the token doesn't occur, isn't one token, or the input has several rows.
 */
export function getTokenPosition(
  tokenizer: Tokenizer,
  singleToken: string | number,
  input: string | readonly number[] | readonly (readonly number[])[],
  mode: "first" | "last" = "first",
  options: TokenOptions = {},
): number {
  const ids = typeof input === "string"
    ? encodePrompt(tokenizer, input, options.prependBos ?? true)
    : isRows(input)
    ? singleRow(input)
    : input;
  requireOneOf("Cannot look for the place", mode, ["first", "last"]);
  const id = typeof singleToken === "string" ? toSingleToken(tokenizer, singleToken) : singleToken;
  const position = mode === "first" ? ids.indexOf(id) : ids.lastIndexOf(id);
  if (position < 0) {
    throw new TokenError(
      `Cannot find the token ${JSON.stringify(singleToken)} (id ${id}): ` +
        `it doesn't occur in ${JSON.stringify(tokenizer.decode(ids))}`,
    );
  }
  return position;
}

/**
 * Tells prompts from padding by the ids alone, for tokens that come without their mask.
 *
 * The rule is that of TransformerLens 3.9's `get_attention_mask`: padding tokens before (left) or behind (right) all
 * others are padding. Where BOS and padding share an id and rows have a BOS, the last one of the left padding is that
 * BOS. Ours alone: the first one of a right-padded row of nothing else is its BOS too, so that an empty prompt keeps a
 * position.
 *
 * @param tokenizer The model's tokenizer; without a padding token nothing is padding.
 * @param ids Token ids [batch, pos].
 * @param options Whether rows have a BOS, and the side of the padding.
 * @returns 1 at tokens of the prompts, 0 at padding [batch, pos].
 */
export function attentionMask(
  tokenizer: Tokenizer,
  ids: readonly (readonly number[])[],
  options: TokenOptions = {},
): number[][] {
  const { prependBos = true, paddingSide = "right" } = options;
  const hasAmbiguousBos = prependBos && tokenizer.bosTokenId === tokenizer.padTokenId;
  return ids.map((row) => {
    const isText = (id: number) => id !== tokenizer.padTokenId;
    if (paddingSide === "right") {
      const end = Math.max(row.findLastIndex(isText) + 1, hasAmbiguousBos ? 1 : 0);
      return row.map((_, pos) => pos < end ? 1 : 0);
    }
    const first = row.findIndex(isText);
    const nLeading = first < 0 ? row.length : first;
    const begin = Math.max(nLeading - (hasAmbiguousBos ? 1 : 0), 0);
    return row.map((_, pos) => pos >= begin ? 1 : 0);
  });
}

function requirePrompts(prompts: readonly string[]): void {
  const wrong = Array.isArray(prompts)
    ? prompts.findIndex((prompt) => typeof prompt !== "string")
    : 0;
  if (wrong < 0) return;
  const given = Array.isArray(prompts) ? prompts[wrong] : prompts;
  throw new TokenError(
    `Cannot tokenize ${described(given)}: wanted a text or a list of texts`,
  );
}

/** Encodes one prompt with or without a BOS, whatever the tokenizer does by itself. */
function encodePrompt(tokenizer: Tokenizer, text: string, prependBos: boolean): number[] {
  if (tokenizer.prependsBos) {
    const ids = tokenizer.encode(text);
    return prependBos ? ids : ids.slice(1);
  }
  if (!prependBos) return tokenizer.encode(text);
  if (tokenizer.bosTokenId === null) {
    throw new TokenError(
      `Cannot prepend a BOS to ${JSON.stringify(text)}: the tokenizer has neither a BOS nor an ` +
        `end token; use prependBos: false`,
    );
  }
  // As text and not as an id: what follows must be split as the continuation of a text.
  return tokenizer.encode(tokenizer.decode([tokenizer.bosTokenId]) + text);
}

/** Cuts a row to the context. */
function cut(ids: number[], { nCtx = Infinity, truncate = true }: ToTokensOptions): number[] {
  return truncate && ids.length > nCtx ? ids.slice(0, nCtx) : ids;
}

/** Throws unless a row can be run. */
function requireFit(
  ids: readonly number[],
  prompt: string,
  index: number,
  { nCtx = Infinity, prependBos = true }: ToTokensOptions,
): void {
  if (ids.length === 0) {
    throw new TokenError(
      `Cannot run prompt ${index} (${excerpt(prompt)}): it has no tokens, wanted at least one` +
        (prependBos ? "" : "; prependBos: true gives it a BOS"),
    );
  }
  if (ids.length > nCtx) {
    throw new TokenError(
      `Cannot fit prompt ${index} (${excerpt(prompt)}) into the context: ` +
        `it has ${ids.length} tokens, the context ${nCtx}; toTokens() cuts it`,
    );
  }
}

/** Fills up short rows. */
function pad(tokenizer: Tokenizer, rows: number[][], side: PaddingSide): TokenRows {
  const width = rows.reduce((longest, row) => Math.max(longest, row.length), 0);
  const { padTokenId } = tokenizer;
  if (padTokenId === null && rows.some((row) => row.length < width)) {
    throw new TokenError(
      `Cannot pad ${rows.length} prompts to ${width} tokens: the tokenizer has neither a padding ` +
        `nor an end token; pass prompts of equal length`,
    );
  }
  const join = (row: number[], fill: number) => {
    const filling = Array.from({ length: width - row.length }, () => fill);
    return side === "left" ? [...filling, ...row] : [...row, ...filling];
  };
  return {
    // Without a padding token all rows are of one length, and nothing is filled up.
    ids: rows.map((row) => join(row, padTokenId ?? 0)),
    mask: rows.map((row) => join(row.map(() => 1), 0)),
  };
}

/** Names a variant of the text that is one token: a space in front, or none, is the usual mistake. */
function suggestion(tokenizer: Tokenizer, text: string): string {
  const word = text.trim();
  const variant = [` ${word}`, word].find((candidate) =>
    word !== "" && candidate !== text && encodePrompt(tokenizer, candidate, false).length === 1
  );
  return variant === undefined ? "" : `; ${JSON.stringify(variant)} is one`;
}

function singleRow(rows: readonly (readonly number[])[]): readonly number[] {
  if (rows.length === 1) return rows[0];
  throw new TokenError(
    `Cannot look for a token in ${rows.length} rows at once: wanted a prompt or a single row`,
  );
}

/** The beginning of a prompt, short enough for a message. */
function excerpt(prompt: string): string {
  return JSON.stringify(prompt.length <= 40 ? prompt : `${prompt.slice(0, 40)}...`);
}

function isRows(
  input: readonly number[] | readonly string[] | readonly (readonly number[])[],
): input is readonly (readonly number[])[] {
  return Array.isArray(input[0]);
}

function isTexts(
  input: readonly string[] | readonly number[] | readonly (readonly number[])[],
): input is readonly string[] {
  return typeof input[0] === "string";
}
