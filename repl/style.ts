/** Colours and width of the text that the program writes. */

/** How text may look. */
export interface Style {
  /** Whether escape sequences for colours may be used. */
  readonly hasColours: boolean;
  /** Width in characters. */
  readonly columns: number;
  /** Makes text stand out. */
  bold(text: string): string;
  /** Makes text step back. */
  dim(text: string): string;
  /** Text that says no. */
  red(text: string): string;
  /** Text that says yes. */
  green(text: string): string;
  /** Text that one can name: commands, points. */
  cyan(text: string): string;
  /** Numbers and ids. */
  yellow(text: string): string;
}

/**
 * Makes the style of a terminal, or of a pipe.
 *
 * @param columns How wide it is, asked anew each time: terminals change.
 */
export function styleFor(hasColours: boolean, columns: () => number): Style {
  const coloured = (code: number) => (text: string) =>
    hasColours && text !== "" ? `\x1b[${code}m${text}\x1b[0m` : text;
  return {
    hasColours,
    get columns() {
      return columns();
    },
    bold: coloured(1),
    dim: coloured(2),
    red: coloured(31),
    green: coloured(32),
    cyan: coloured(36),
    yellow: coloured(33),
  };
}

// deno-lint-ignore no-control-regex -- Escape sequences begin with a control character.
const ESCAPES = /\x1b\[[0-9;]*m/g;

/** How many characters of a text are seen. */
export function seenLength(text: string): number {
  return [...text.replace(ESCAPES, "")].length;
}

/** Fills a text up to a width, colours aside. */
export function padded(text: string, width: number, side: "left" | "right" = "right"): string {
  const space = " ".repeat(Math.max(0, width - seenLength(text)));
  return side === "left" ? space + text : text + space;
}

/** How far the second part of a line that is too long is set in, behind the first. */
const HANGING = 2;

/** Breaks lines that are too long at spaces, as long as there are any; what follows hangs in. */
export function folded(text: string, columns: number): string {
  return text.split("\n").flatMap((line) => {
    const indent = /^ */.exec(line)![0].length + HANGING;
    const parts: string[] = [];
    let rest = line;
    while (seenLength(rest) > columns) {
      const at = breakAt(rest, columns, parts.length === 0 ? 0 : indent);
      if (at === undefined) break;
      parts.push(rest.slice(0, at).trimEnd());
      rest = " ".repeat(indent) + rest.slice(at).trimStart();
    }
    return [...parts, rest];
  }).join("\n");
}

/** The last space at which what is before fits, or else the first; not among those that the line begins with. */
function breakAt(line: string, columns: number, indent: number): number | undefined {
  const spaces = [...line.matchAll(/ (?=[^ ])/g)].map(({ index }) => index)
    .filter((at) => at >= indent && line.slice(0, at).trim() !== "");
  return spaces.findLast((at) => seenLength(line.slice(0, at)) <= columns) ?? spaces[0];
}

/** Lays rows out in columns. Columns whose name begins with ">" stand at their right edge. */
export function columnsText(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  style: Style,
): string {
  const names = heads.map((head) => head.replace(/^>/, ""));
  const widths = names.map((name, column) =>
    Math.max(seenLength(name), ...rows.map((row) => seenLength(row[column] ?? "")))
  );
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => padded(cell, widths[i], heads[i].startsWith(">") ? "left" : "right"))
      .join("  ").trimEnd();
  const isNamed = names.some((name) => name !== "");
  return [...isNamed ? [style.dim(line(names))] : [], ...rows.map(line)].join("\n");
}
