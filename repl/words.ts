/** The words of a command line. */
import { CommandError } from "./errors.ts";

/** A word, or a text in quotes. */
export interface Word {
  /** What it says, quotes taken off. */
  readonly text: string;
  /** The characters as they were typed. */
  readonly raw: string;
  /** Whether it is a text in quotes. */
  readonly isQuoted: boolean;
  /** Where it begins in the line. */
  readonly start: number;
}

const QUOTES = `"'\``;

/** The end of a text in quotes that begins at `start`: behind the closing quote, or the end of the line. */
function quoteEnd(line: string, start: number): number {
  for (let i = start + 1; i < line.length; i++) {
    if (line[i] === "\\") i++;
    else if (line[i] === line[start]) return i + 1;
  }
  return line.length;
}

/** Takes quotes off, and reads what is escaped. */
export function unquoted(raw: string): string {
  const inner = raw.slice(1, raw.at(-1) === raw[0] && raw.length > 1 ? -1 : undefined);
  return inner.replace(/\\(.)/g, (_, char) => (char === "n" ? "\n" : char === "t" ? "\t" : char));
}

/** Splits a line at spaces; what is in quotes stays together, inside a word too (`@" John"`). */
export function wordsOf(line: string): Word[] {
  const words: Word[] = [];
  let i = 0;
  while (i < line.length) {
    if (/\s/.test(line[i])) {
      i++;
      continue;
    }
    const start = i;
    while (i < line.length && !/\s/.test(line[i])) {
      i = QUOTES.includes(line[i]) ? quoteEnd(line, i) : i + 1;
    }
    const raw = line.slice(start, i);
    const isQuoted = QUOTES.includes(raw[0]) && quoteEnd(raw, 0) === raw.length;
    words.push({ raw, start, isQuoted, text: isQuoted ? unquoted(raw) : raw });
  }
  return words;
}

/** Reads the words of a command one after another. */
export class WordReader {
  readonly #line: string;
  readonly #words: readonly Word[];
  #at = 0;

  /** Begins with the first word. */
  constructor(line: string) {
    this.#line = line;
    this.#words = wordsOf(line);
  }

  /** The next word, which stays. */
  peek(): Word | undefined {
    return this.#words[this.#at];
  }

  /** The next word, which is taken. */
  take(): Word | undefined {
    return this.#words[this.#at++];
  }

  /** Takes the next word when it is one of these. */
  takeIf(...texts: readonly string[]): string | undefined {
    const word = this.peek();
    if (!word || word.isQuoted || !texts.includes(word.text)) return undefined;
    this.#at++;
    return word.text;
  }

  /** Takes the next word, or throws what was expected. */
  require(what: string): Word {
    const word = this.take();
    if (!word) throw new CommandError(`Expected ${what}.`);
    return word;
  }

  /** Takes a keyword, or throws. */
  requireKeyword(...texts: readonly string[]): string {
    const word = this.takeIf(...texts);
    if (word !== undefined) return word;
    const wanted = texts.map((text) => `"${text}"`).join(" or ");
    throw new CommandError(`Expected ${wanted}${this.#found()}.`);
  }

  /** Takes a number, or throws. */
  requireNumber(what: string): number {
    const word = this.require(what);
    const value = Number(word.text);
    if (word.text.trim() !== "" && !Number.isNaN(value)) return value;
    throw new CommandError(`Expected ${what}, found "${word.text}".`);
  }

  /** Takes a whole number from 0 when the next word is one. */
  takeCount(): number | undefined {
    const word = this.peek();
    if (!word || !/^\d+$/.test(word.raw)) return undefined;
    this.#at++;
    return Number(word.raw);
  }

  /** Takes how many steps are meant: a number, `all`, or one unless said. */
  takeSteps(): number {
    return this.takeIf("all") === undefined ? this.takeCount() ?? 1 : Infinity;
  }

  /** Takes all that is left of the line, as it was typed. */
  rest(): string {
    const word = this.peek();
    this.#at = this.#words.length;
    return word ? this.#line.slice(word.start).trimEnd() : "";
  }

  /** Takes the texts that are left: those in quotes, or all of the line as one. */
  restTexts(what: string): string[] {
    const words = this.#words.slice(this.#at);
    if (words.length === 0) throw new CommandError(`Expected ${what}.`);
    const rest = this.rest();
    return words.every(({ isQuoted }) => isQuoted) ? words.map(({ text }) => text) : [rest];
  }

  /** Throws unless every word was taken. */
  end(): void {
    const word = this.peek();
    if (word) throw new CommandError(`Cannot understand "${word.raw}" here.`);
  }

  #found(): string {
    const word = this.peek();
    return word ? `, found "${word.raw}"` : "";
  }
}
