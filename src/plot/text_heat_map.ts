import { colourAt, colourStops, type Rgb } from "./colour_scale.ts";
import { isJsonObject, type JsonObject } from "./json.ts";
import type { TextOptions } from "./text.ts";
import { fit, namesOf, numbersOf, shortNumber } from "./text_cells.ts";

/** Ends and colours of a heat map's scale. */
interface Scale {
  low: number;
  high: number;
  stops: [number, string][];
}

/** Widest name before a row, in characters. */
const NAME_WIDTH = 14;

/**
 * Renders a heat map: with colours two rows a line, as the halves of a block; without them a table.
 *
 * @param trace A heat map of a plain figure.
 * @param layout The figure's layout, where the trace may take its colours from.
 * @param options Width and colours.
 */
export function heatMapText(trace: JsonObject, layout: JsonObject, options: TextOptions): string {
  const rows = Array.isArray(trace.z) ? trace.z.map(numbersOf) : [];
  const names = namesOf(trace, layout, "y", rows.length);
  const nameWidth = Math.min(NAME_WIDTH, Math.max(...names.map((name) => name.length), 0));
  const room = Math.max(1, options.columns - nameWidth - 1);
  if (!options.hasColours) {
    const columns = namesOf(trace, layout, "x", rows[0]?.length ?? 0);
    return tableText(rows, names, columns, { nameWidth, room });
  }
  const scale = scaleOf(trace, layout, rows);
  const middle = (scale.low + scale.high) / 2;
  const shown = rows.map((row) => squeeze(row, room, middle));
  const cell = Math.max(1, Math.min(6, Math.floor(room / Math.max(1, shown[0]?.length ?? 0))));
  const lines: string[] = [];
  for (let i = 0; i < shown.length; i += 2) {
    const blocks = shown[i].map((upper, j) =>
      halfBlock(colour(scale, upper), colour(scale, shown[i + 1]?.[j]), cell)
    );
    lines.push(`${fit(names[i], nameWidth, "right")} ${blocks.join("")}\x1b[0m`);
  }
  return [...lines, legend(scale, nameWidth)].join("\n");
}

/** Folds a row that is too wide: each place shows the value farthest from the scale's middle. */
function squeeze(row: number[], room: number, middle: number): number[] {
  if (row.length <= room) return row;
  return Array.from({ length: room }, (_, i) => {
    const bin = row.slice(
      Math.floor((i * row.length) / room),
      Math.floor(((i + 1) * row.length) / room),
    );
    const distance = (value: number) => Number.isNaN(value) ? -1 : Math.abs(value - middle);
    return bin.reduce((best, value) => distance(value) > distance(best) ? value : best);
  });
}

function scaleOf(trace: JsonObject, layout: JsonObject, rows: number[][]): Scale {
  const axis = isJsonObject(layout.coloraxis) ? layout.coloraxis : {};
  const finite = rows.flat().filter((value) => !Number.isNaN(value));
  const [least, greatest] = [finite, finite].map((values, i) =>
    values.reduce((a, b) => i === 0 ? Math.min(a, b) : Math.max(a, b), values[0] ?? 0)
  );
  const field = (own: string, shared: string) => {
    const value = trace[own] ?? axis[shared];
    return typeof value === "number" ? value : undefined;
  };
  const middle = field("zmid", "cmid");
  const reach = middle === undefined ? 0 : Math.max(greatest - middle, middle - least);
  const stops = (trace.colorscale ?? axis.colorscale) as [number, string][] | undefined;
  return {
    low: field("zmin", "cmin") ?? (middle === undefined ? least : middle - reach),
    high: field("zmax", "cmax") ?? (middle === undefined ? greatest : middle + reach),
    stops: stops ?? colourStops("RdBu"),
  };
}

/** The colour of a value; none where there is no value. */
function colour({ low, high, stops }: Scale, value: number | undefined): Rgb | undefined {
  if (value === undefined || Number.isNaN(value)) return undefined;
  return colourAt(stops, high > low ? (value - low) / (high - low) : 0.5);
}

/** Characters whose upper and lower halves have their own colours. */
function halfBlock(upper: Rgb | undefined, lower: Rgb | undefined, width: number): string {
  const front = (rgb: Rgb) => `\x1b[38;2;${rgb.join(";")}m`;
  const back = (rgb: Rgb) => `\x1b[48;2;${rgb.join(";")}m`;
  if (upper && lower) return `${front(upper)}${back(lower)}${"▀".repeat(width)}`;
  if (upper) return `\x1b[0m${front(upper)}${"▀".repeat(width)}`;
  if (lower) return `\x1b[0m${front(lower)}${"▄".repeat(width)}`;
  return `\x1b[0m${" ".repeat(width)}`;
}

/** The scale's colours between its ends. */
function legend(scale: Scale, nameWidth: number): string {
  const steps = Array.from({ length: 21 }, (_, i) => {
    const rgb = colourAt(scale.stops, i / 20);
    return `\x1b[48;2;${rgb.join(";")}m `;
  });
  const [low, high] = [shortNumber(scale.low), shortNumber(scale.high)];
  return `${" ".repeat(nameWidth + 1)}${low} ${steps.join("")}\x1b[0m ${high}`;
}

/** Widest that a table's column becomes for the sake of its name, in characters. */
const HEAD_WIDTH = 8;

function tableText(
  rows: number[][],
  names: string[],
  columns: string[],
  { nameWidth, room }: { nameWidth: number; room: number },
): string {
  const cells = rows.map((row) => row.map(shortNumber));
  const widest = (texts: string[]) => texts.reduce((most, text) => Math.max(most, text.length), 1);
  const width = 1 + Math.max(widest(cells.flat()), Math.min(HEAD_WIDTH, widest(columns)));
  const nShown = Math.min(columns.length, Math.max(1, Math.floor((room - 2) / width)));
  const line = (name: string, texts: string[]) => {
    const shown = texts.slice(0, nShown).map((text) => fit(text, width - 1, "right"));
    const more = nShown < texts.length ? " …" : "";
    return `${fit(name, nameWidth, "right")}  ${shown.join(" ")}${more}`;
  };
  return [line("", columns), ...cells.map((row, i) => line(names[i], row))].join("\n");
}
