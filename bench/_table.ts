/**
 * Sets rows as a table in Markdown; numbers are set to the right.
 *
 * @param columns Heads of the columns.
 * @param rows Cells row by row.
 */
export function markdownTable(
  columns: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(" | ")} |`;
  const rule = columns.map((_, n) => typeof rows[0]?.[n] === "number" ? "---:" : "---");
  return [line(columns), line(rule), ...rows.map(line)].join("\n");
}
