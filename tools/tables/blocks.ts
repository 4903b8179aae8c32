/** Parts of pages between comments, which are made of something else. */

function marks(name: string): [begin: string, end: string] {
  return [`<!-- ${name} -->`, `<!-- /${name} -->`];
}

function parts(text: string, name: string, page: string): [string, string, string] {
  const [begin, end] = marks(name);
  const [before, rest] = text.split(begin);
  const [inside, after] = rest?.split(end) ?? [];
  if (after === undefined) throw new Error(`${page} has no place between ${begin} and ${end}`);
  return [before, inside.trim(), after];
}

/**
 * A part of a page.
 *
 * @param text The page's text.
 * @param name What stands in the comments around the part.
 * @param page The page's name, for messages.
 */
export function blockOf(text: string, name: string, page: string): string {
  return parts(text, name, page)[1];
}

/** A page with another part. */
export function withBlock(text: string, name: string, inside: string, page: string): string {
  const [before, , after] = parts(text, name, page);
  const [begin, end] = marks(name);
  const between = inside === "" ? "\n" : `\n\n${inside}\n\n`;
  return `${before}${begin}${between}${end}${after}`;
}
