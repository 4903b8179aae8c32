import { colourAt, colourStops, type Rgb } from "./colour_scale.ts";
import { isJsonObject, type JsonObject } from "./json.ts";
import type { TextOptions } from "./text_options.ts";
import { fit, namesOf, numbersOf, shortNumber } from "./text_cells.ts";

/** Ends and colours of a heat map's scale. */
interface Scale {
  low: number;
  high: number;
  stops: [number, string][];
}

/** Widest name before a row, in characters. */
const NAME_WIDTH = 14;

/** Widest name below a column, in characters. */
const TICK_WIDTH = 8;

/** Characters between heat maps that stand side by side. */
const GAP = 2;

/** Of this many rows each has a line of its own, and its name. */
const FEW_ROWS = 6;

/** Widest cell of one heat map, and of several side by side, in characters. */
const [MOST_CELL, MOST_SHARED_CELL] = [6, 3];

/** A heat map as it is drawn. */
interface HeatMap {
  heading: string;
  rows: number[][];
  names: string[];
  columns: string[];
  scale: Scale;
}

/** How wide the parts of heat maps are, in characters. */
interface Widths {
  names: number;
  /** For the cells of all maps in a row. */
  room: number;
}

/**
 * Renders heat maps: with colours as blocks, two rows a line where there are many, and side by side where they fit; without them as tables.
 *
 * @param traces Heat maps of a plain figure.
 * @param headings What stands above each; empty where nothing does.
 * @param layout The figure's layout, where traces may take their colours from.
 * @param options Width and colours.
 */
export function heatMapsText(
  traces: JsonObject[],
  headings: string[],
  layout: JsonObject,
  options: TextOptions,
): string {
  const cells = traces.map(({ z }) => (Array.isArray(z) ? z.map(numbersOf) : []));
  const shared = traces.flatMap((trace, i) => (trace.coloraxis === undefined ? [] : cells[i]));
  const maps = traces.map((trace, i): HeatMap => ({
    heading: headings[i],
    rows: cells[i],
    names: namesOf(trace, layout, "y", cells[i].length),
    columns: namesOf(trace, layout, "x", cells[i][0]?.length ?? 0),
    scale: scaleOf(trace, layout, trace.coloraxis === undefined ? cells[i] : shared),
  }));
  const longest = Math.max(...maps.flatMap(({ names }) => names.map((name) => name.length)), 0);
  const names = Math.min(NAME_WIDTH, longest);
  const widths = { names, room: Math.max(1, options.columns - names - 1) };
  const lines = options.hasColours ? drawnMaps(maps, widths) : maps.flatMap((map) => [
    map.heading,
    tableText(map, widths),
  ]);
  return lines.filter((line) => line !== "").join("\n");
}

/** Draws heat maps in rows of as many as fit; their scale once, where it is the same. */
function drawnMaps(maps: HeatMap[], widths: Widths): string[] {
  const { cell, perRow } = arrangement(maps, widths);
  const isOneScale = new Set(maps.map(({ scale }) => JSON.stringify(scale))).size === 1;
  const lines: string[] = [];
  for (let first = 0; first < maps.length; first += perRow) {
    const row = maps.slice(first, first + perRow);
    lines.push(...drawnRow(row, cell, widths));
    if (!isOneScale) lines.push(...row.map(({ scale }) => legend(scale, widths.names)));
  }
  return isOneScale ? [...lines, legend(maps[0].scale, widths.names)] : lines;
}

/** How wide a cell is, and how many heat maps stand in a row: at most two rows, where the cells needn't vanish for it. */
function arrangement(
  [{ rows, names, columns }, ...others]: HeatMap[],
  { room }: Widths,
): { cell: number; perRow: number } {
  const n = Math.max(1, columns.length);
  const isAlike = others.every((other) =>
    other.rows.length === rows.length && other.columns.length === columns.length &&
    other.names.join() === names.join()
  );
  const nMaps = others.length + 1;
  const fitting = (cell: number) => Math.floor((room + GAP) / (n * cell + GAP));
  if (isAlike && nMaps > 1) {
    for (let cell = MOST_SHARED_CELL; cell > 0; cell--) {
      const perRow = Math.min(nMaps, fitting(cell));
      if (perRow >= Math.ceil(nMaps / 2) || (cell === 1 && perRow > 1)) return { cell, perRow };
    }
  }
  return { cell: Math.max(1, Math.min(MOST_CELL, Math.floor(room / n))), perRow: 1 };
}

/** Heat maps side by side: headings, blocks, names of columns. */
function drawnRow(maps: HeatMap[], cell: number, { names, room }: Widths): string[] {
  const space = " ".repeat(names + 1);
  const beside = (texts: string[], width: number) =>
    texts.map((text) => fit(text, width)).join(" ".repeat(GAP)).trimEnd();
  const shown = maps.map(({ rows, scale: { low, high } }) =>
    rows.map((row) => squeeze(row, room, (low + high) / 2))
  );
  const nPlaces = shown[0][0]?.length ?? 0;
  const [width, nRows] = [nPlaces * cell, maps[0].rows.length];
  const headings = beside(maps.map(({ heading }) => heading), maps.length === 1 ? room : width);
  const lines: string[] = [];
  const step = nRows <= FEW_ROWS ? 1 : 2;
  for (let i = 0; i < nRows; i += step) {
    const blocks = maps.map(({ scale }, m) => {
      const lower = shown[m][i + step - 1];
      return shown[m][i].map((upper, j) =>
        halfBlock(colour(scale, upper), colour(scale, lower?.[j]), cell)
      ).join("");
    });
    const between = `\x1b[0m${" ".repeat(GAP)}`;
    lines.push(`${fit(maps[0].names[i], names, "right")} ${blocks.join(between)}\x1b[0m`);
  }
  const ticks = beside(maps.map(({ columns }) => ticksText(columns, nPlaces, cell)), width);
  return [headings && space + headings, ...lines, ticks && space + ticks];
}

/** Names of columns below their left edges, as many as there is room for. */
function ticksText(columns: string[], nPlaces: number, cell: number): string {
  let text = "";
  for (const [i, name] of columns.entries()) {
    const start = Math.floor((i * nPlaces) / columns.length) * cell;
    const isFree = text === "" ? start === 0 : start > text.length;
    const shown = fit(name, Math.min(name.length, TICK_WIDTH));
    if (isFree && start + shown.length <= nPlaces * cell) text = text.padEnd(start) + shown;
  }
  return text;
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

function tableText({ rows, names, columns }: HeatMap, widths: Widths): string {
  const cells = rows.map((row) => row.map(shortNumber));
  const widest = (texts: string[]) => texts.reduce((most, text) => Math.max(most, text.length), 1);
  const width = 1 + Math.max(widest(cells.flat()), Math.min(HEAD_WIDTH, widest(columns)));
  const nShown = Math.min(columns.length, Math.max(1, Math.floor((widths.room - 2) / width)));
  const line = (name: string, texts: string[]) => {
    const shown = texts.slice(0, nShown).map((text) => fit(text, width - 1, "right"));
    const more = nShown < texts.length ? " …" : "";
    return `${fit(name, widths.names, "right")}  ${shown.join(" ")}${more}`;
  };
  return [line("", columns), ...cells.map((row, i) => line(names[i], row))].join("\n");
}
