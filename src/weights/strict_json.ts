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

/** Finds a key that an object of a valid JSON text has twice, without recursion or regular expressions: texts may be long. */
function findRepeatedKey(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = [];
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === "{") open.push(new Set());
    else if (char === "[") open.push(undefined);
    else if (char === "}" || char === "]") open.pop();
    else if (char === '"') {
      const end = endOfString(text, i);
      const keys = open.at(-1);
      if (keys !== undefined && isKey(text, end)) {
        const key: string = JSON.parse(text.slice(i, end));
        if (keys.has(key)) return key;
        keys.add(key);
      }
      i = end - 1;
    }
  }
  return undefined;
}

/** Gives the index after the closing quote of the string that begins at an index. */
function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
  return i + 1;
}

/** Whether the string that ends before an index is a key: a colon follows. */
function isKey(text: string, end: number): boolean {
  while (" \t\n\r".includes(text[end])) end++;
  return text[end] === ":";
}
