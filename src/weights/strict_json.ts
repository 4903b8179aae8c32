/**
 * JSON for headers that strangers wrote.
 *
 * @module
 */

import { excerpt } from "./excerpt.ts";

/**
 * Parses JSON in which no object may name a key twice; `JSON.parse` alone would keep the last one in silence.
 *
 * @param text The JSON text.
 * @throws {SyntaxError} If the text isn't JSON, or a key occurs twice.
 */
export function parseStrictJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  const repeated = findRepeatedKey(text);
  if (repeated !== undefined) throw new SyntaxError(`the key ${excerpt(repeated)} occurs twice`);
  return value;
}

/** Finds a key that an object of a valid JSON text has twice, without recursion or backtracking: texts may be long. */
function findRepeatedKey(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = [];
  const marks = /["[\]{}]/g;
  while (marks.test(text)) {
    const start = marks.lastIndex - 1;
    const mark = text[start];
    if (mark === "{") open.push(new Set());
    else if (mark === "[") open.push(undefined);
    else if (mark !== '"') open.pop();
    else {
      const end = endOfString(text, start);
      const keys = open.at(-1);
      if (keys !== undefined && isKey(text, end)) {
        const key = stringOf(text.slice(start, end));
        if (keys.has(key)) return key;
        keys.add(key);
      }
      marks.lastIndex = end;
    }
  }
  return undefined;
}

/** Gives the index after the closing quote of the string that begins at an index. */
function endOfString(text: string, start: number): number {
  let quote = start;
  let escapes;
  do {
    quote = text.indexOf('"', quote + 1);
    escapes = 0;
    while (text[quote - 1 - escapes] === "\\") escapes++;
  } while (escapes % 2 === 1);
  return quote + 1;
}

/** The string that a JSON text of one is. */
function stringOf(text: string): string {
  return text.includes("\\") ? JSON.parse(text) : text.slice(1, -1);
}

/** Whether the string that ends before an index is a key: a colon follows. */
function isKey(text: string, end: number): boolean {
  while (" \t\n\r".includes(text[end])) end++;
  return text[end] === ":";
}
