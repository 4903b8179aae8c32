/**
 * Bytes among tokens: vocabularies in LLaMA 2's style spell what they have no token for as bytes, `<0xE2>`.
 *
 * @module
 */

/** Looks up how the vocabulary spells a token, and the id of a spelling. */
interface Vocabulary {
  readonly idToToken: (id: number) => string | undefined;
  readonly tokenToId: (token: string) => number | undefined;
}

/** The bytes of U+FFFD, which stands for a byte that is no text. */
const REPLACEMENT = ["<0xEF>", "<0xBF>", "<0xBD>"];

/** The byte that a token stands for; `undefined` for other tokens. */
function byteOf(token: string | undefined): number | undefined {
  const [, digits] = token?.match(/^<0x([0-9A-F]{2})>$/) ?? [];
  return digits === undefined ? undefined : parseInt(digits, 16);
}

function isText(bytes: readonly number[]): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes));
    return true;
  } catch {
    return false;
  }
}

/**
 * Makes tokens decode as in Python: where bytes in a row aren't UTF-8 as a whole, each of them is U+FFFD, even those that would be
 * text alone. JavaScript's decoder replaces only the ones that are wrong.
 *
 * @param ids Token ids.
 * @returns Token ids with U+FFFD's bytes in the place of each such byte.
 */
export function withReplacedBytes(ids: readonly number[], vocabulary: Vocabulary): number[] {
  const replacement = REPLACEMENT.map(vocabulary.tokenToId);
  if (!replacement.every((id) => id !== undefined)) return [...ids];
  const bytes = ids.map((id) => byteOf(vocabulary.idToToken(id)));
  const replaced: number[] = [];
  for (let from = 0, to = 0; from < ids.length; from = to) {
    const isByte = bytes[from] !== undefined;
    while (to < ids.length && (bytes[to] !== undefined) === isByte) to++;
    const run = ids.slice(from, to);
    const isKept = !isByte || isText(bytes.slice(from, to) as number[]);
    replaced.push(...isKept ? run : run.flatMap(() => replacement));
  }
  return replaced;
}
