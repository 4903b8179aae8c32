/**
 * The part of YAML 1.2 that configurations of training runs are written in: mappings and lists by indentation, lists and mappings in
 * brackets on one line, plain and quoted scalars, comments. Anything else (anchors, tags, texts over several lines, documents) is an
 * error that names the line.
 *
 * @module
 */

import { excerpt } from "./excerpt.ts";
import { fail } from "./format_error.ts";

/** Deeper than any configuration. */
const MAX_DEPTH = 32;

/** Longer than any line of a configuration, in characters. */
const MAX_LINE = 4096;

interface Line {
  readonly number: number;
  readonly indent: number;
  readonly text: string;
}

/** A list entry's mark: a dash and at least one space, or the dash alone. */
const DASH = /^-(\s+|$)/;

/** A key, plain or quoted, up to the colon. */
const KEY =
  /^("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s"'\-\[\]{}#&*!|>%@`,?:][^#]*?|-[^\s#][^#]*?)\s*:(?:\s+|$)/;

/** The line without its comment: a `#` outside quotes at the start or after a space. */
function withoutComment(text: string): string {
  let quote = "";
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (quote !== "") {
      if (quote === '"' && char === "\\") i++;
      else if (char === quote) quote = "";
    } else if ((char === '"' || char === "'") && /[\s\[{,:]|^$/.test(text[i - 1] ?? "")) {
      quote = char;
    } else if (char === "#" && (i === 0 || /\s/.test(text[i - 1]))) {
      return text.slice(0, i);
    }
  }
  return text;
}

function linesOf(text: string): Line[] {
  return text.split(/\r?\n/).flatMap((raw, i) => {
    const number = i + 1;
    if (raw.length > MAX_LINE) {
      fail(`line ${number} has ${raw.length} characters, wanted at most ${MAX_LINE}`);
    }
    const content = withoutComment(raw).trimEnd();
    const indent = content.length - content.trimStart().length;
    if (content.slice(0, indent).includes("\t")) fail(`line ${number} is indented by a tab`);
    const line = content.trimStart();
    // Directives and the document's marks say nothing about one document.
    if (line === "" || (indent === 0 && (line === "---" || line.startsWith("%")))) return [];
    return [{ number, indent, text: line }];
  });
}

/** Reads lines front to back. */
class Parser {
  readonly #lines: Line[];
  #at = 0;

  constructor(lines: Line[]) {
    this.#lines = lines;
  }

  document(): unknown {
    if (this.#lines.length === 0) return null;
    const value = this.#block(this.#lines[0].indent, 0);
    const rest = this.#peek();
    if (rest) fail(`line ${rest.number} is indented as nothing before it: ${excerpt(rest.text)}`);
    return value;
  }

  #peek(): Line | undefined {
    return this.#lines[this.#at];
  }

  /** A mapping, a list or a scalar whose lines are indented so. */
  #block(indent: number, depth: number): unknown {
    const line = this.#lines[this.#at];
    if (depth > MAX_DEPTH) fail(`line ${line.number} lies more than ${MAX_DEPTH} deep`);
    if (DASH.test(line.text)) return this.#list(indent, depth);
    if (KEY.test(line.text)) return this.#mapping(indent, depth);
    this.#at++;
    return scalar(line.text, line.number);
  }

  #list(indent: number, depth: number): unknown[] {
    const items: unknown[] = [];
    for (let line = this.#peek(); line?.indent === indent; line = this.#peek()) {
      const [dash] = DASH.exec(line.text) ?? [];
      if (dash === undefined) break;
      const rest = line.text.slice(dash.length);
      if (rest === "") {
        this.#at++;
        items.push(this.#nested(indent + 1, depth));
      } else {
        // What follows the dash is a block of its own, indented by the dash.
        const inner = indent + dash.length;
        this.#lines[this.#at] = { number: line.number, indent: inner, text: rest };
        items.push(this.#block(inner, depth + 1));
      }
    }
    return items;
  }

  #mapping(indent: number, depth: number): Record<string, unknown> {
    const entries = new Map<string, unknown>();
    for (let line = this.#peek(); line?.indent === indent; line = this.#peek()) {
      const [match, quoted] = KEY.exec(line.text) ?? [];
      if (match === undefined) break;
      const key = String(keyOf(quoted, line.number));
      if (entries.has(key)) fail(`line ${line.number} has the key ${excerpt(key)} a second time`);
      const rest = line.text.slice(match.length);
      this.#at++;
      if (rest !== "") entries.set(key, scalar(rest, line.number));
      else {
        // A list may stand under its key without being indented.
        const next = this.#peek();
        const isList = next?.indent === indent && DASH.test(next.text);
        entries.set(key, this.#nested(isList ? indent : indent + 1, depth));
      }
    }
    return Object.fromEntries(entries);
  }

  /** What is indented at least so; nothing is null. */
  #nested(atLeast: number, depth: number): unknown {
    const next = this.#peek();
    return next && next.indent >= atLeast ? this.#block(next.indent, depth + 1) : null;
  }
}

function keyOf(text: string, number: number): unknown {
  return /^["']/.test(text) ? scalar(text, number) : text;
}

/** A value that stands on one line. */
function scalar(text: string, number: number): unknown {
  const flow = new Flow(text, number);
  const value = flow.value(0);
  flow.end();
  return value;
}

const WORDS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ["", null],
  ["~", null],
  ["null", null],
  ["Null", null],
  ["NULL", null],
  ["true", true],
  ["True", true],
  ["TRUE", true],
  ["false", false],
  ["False", false],
  ["FALSE", false],
  [".nan", NaN],
  [".NaN", NaN],
  [".inf", Infinity],
  ["-.inf", -Infinity],
]);

const NUMBER = /^[-+]?(\d[\d_]*)?\.?\d*([eE][-+]?\d+)?$/;

function plain(text: string): unknown {
  if (WORDS.has(text)) return WORDS.get(text);
  if (/\d/.test(text) && NUMBER.test(text)) return Number(text.replaceAll("_", ""));
  return text;
}

/** One line of values in brackets, quotes or neither. */
class Flow {
  readonly #text: string;
  readonly #number: number;
  #at = 0;

  constructor(text: string, number: number) {
    this.#text = text;
    this.#number = number;
  }

  value(depth: number): unknown {
    if (depth > MAX_DEPTH) this.#refuse(`more than ${MAX_DEPTH} brackets in each other`);
    this.#space();
    const char = this.#text[this.#at];
    if (char === "[") return this.#list(depth);
    if (char === "{") return this.#mapping(depth);
    if (char === '"') return this.#double();
    if (char === "'") return this.#single();
    if (char !== undefined && "&*!|>%@`".includes(char)) {
      this.#refuse(`"${char}", which isn't read`);
    }
    const end = depth === 0 ? this.#text.length : this.#endOfPlain();
    const text = this.#text.slice(this.#at, end).trim();
    this.#at = end;
    return plain(text);
  }

  end(): void {
    this.#space();
    if (this.#at < this.#text.length) this.#refuse("something behind its value");
  }

  #list(depth: number): unknown[] {
    const items: unknown[] = [];
    this.#at++;
    while (!this.#closes("]")) {
      items.push(this.value(depth + 1));
      this.#comma("]");
    }
    return items;
  }

  #mapping(depth: number): Record<string, unknown> {
    const entries = new Map<string, unknown>();
    this.#at++;
    while (!this.#closes("}")) {
      const key = String(this.value(depth + 1));
      if (this.#text[this.#at] !== ":") this.#refuse("a key without a value");
      this.#at++;
      if (entries.has(key)) this.#refuse(`the key ${excerpt(key)} a second time`);
      entries.set(key, this.value(depth + 1));
      this.#comma("}");
    }
    return Object.fromEntries(entries);
  }

  #double(): string {
    const match = /^"(?:[^"\\]|\\.)*"/.exec(this.#text.slice(this.#at));
    if (match === null) this.#refuse("a quote that doesn't end");
    this.#at += match[0].length;
    try {
      return JSON.parse(match[0]) as string;
    } catch {
      this.#refuse("an escape that JSON doesn't have");
    }
  }

  #single(): string {
    const match = /^'(?:[^']|'')*'/.exec(this.#text.slice(this.#at));
    if (match === null) this.#refuse("a quote that doesn't end");
    this.#at += match[0].length;
    return match[0].slice(1, -1).replaceAll("''", "'");
  }

  /** Within brackets a plain scalar ends at a comma, a bracket or a key's colon. */
  #endOfPlain(): number {
    const rest = this.#text.slice(this.#at);
    const end = rest.search(/[,\[\]{}]|:(?=\s|$)/);
    return end < 0 ? this.#text.length : this.#at + end;
  }

  #closes(bracket: string): boolean {
    this.#space();
    if (this.#at >= this.#text.length) this.#refuse(`no "${bracket}" on the same line`);
    if (this.#text[this.#at] !== bracket) return false;
    this.#at++;
    return true;
  }

  #comma(bracket: string): void {
    this.#space();
    const char = this.#text[this.#at];
    if (char === ",") this.#at++;
    else if (char === undefined) this.#refuse(`no "${bracket}" on the same line`);
    else if (char !== bracket) this.#refuse(`neither "," nor "${bracket}" after a value`);
  }

  #space(): void {
    while (/\s/.test(this.#text[this.#at] ?? "")) this.#at++;
  }

  #refuse(what: string): never {
    fail(`line ${this.#number} has ${what}: ${excerpt(this.#text)}`);
  }
}

/**
 * Parses a YAML document. What breaks the format is a plain reason for `reading` to name the file in.
 *
 * @param text The document.
 * @returns Objects, arrays, texts, numbers, booleans and null.
 */
export function parseYaml(text: string): unknown {
  return new Parser(linesOf(text)).document();
}
