/**
 * Values from files, in the words of an error message.
 *
 * @module
 */

/** Characters of a value that a message shows. */
const LIMIT = 120;

/**
 * Writes a value as JSON, cut short where it is long: what a broken file holds may be of any size and depth.
 *
 * @param value A value that came from JSON; `undefined` reads "missing".
 */
export function excerpt(value: unknown): string {
  if (value === undefined) return "missing";
  const text = stringify(value);
  return text.length <= LIMIT ? text : `${text.slice(0, LIMIT)}…`;
}

function stringify(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    // In older engines JSON.stringify is recursive, unlike JSON.parse.
    if (error instanceof RangeError) return "a value nested too deep to show";
    throw error;
  }
}
