import { isJsonObject, type JsonObject } from "./json.ts";
import type { TextOptions } from "./text.ts";
import { fit, namesOf, numbersOf, shortNumber } from "./text_cells.ts";

/** Widest name before a bar, in characters. */
const NAME_WIDTH = 30;

/**
 * Renders bars, one a line, from zero to the left or right.
 *
 * @param traces Bars of a plain figure.
 * @param layout The figure's layout.
 * @param options Width.
 */
export function barsText(traces: JsonObject[], layout: JsonObject, options: TextOptions): string {
  const bars = traces.flatMap((trace) => barsOf(trace, layout));
  const nameWidth = Math.min(NAME_WIDTH, Math.max(...bars.map(({ name }) => [...name].length)));
  const valueWidth = Math.max(...bars.map(({ label }) => label.length));
  const room = Math.max(10, options.columns - nameWidth - valueWidth - 4);
  const least = Math.min(0, ...finite(bars));
  const greatest = Math.max(0, ...finite(bars));
  const place = (value: number) => Math.round(((value - least) / (greatest - least || 1)) * room);
  return bars.map(({ name, label, value }) => {
    const ends = [place(0), place(Number.isNaN(value) ? 0 : value)].sort((a, b) => a - b);
    const drawn = " ".repeat(ends[0]) + "█".repeat(ends[1] - ends[0]);
    return `${fit(name, nameWidth)}  ${fit(label, valueWidth, "right")}  ${drawn}`.trimEnd();
  }).join("\n");
}

interface Bar {
  name: string;
  label: string;
  value: number;
}

function barsOf(trace: JsonObject, layout: JsonObject): Bar[] {
  const values = numbersOf(trace.y);
  const errors = isJsonObject(trace.error_y) ? numbersOf(trace.error_y.array) : [];
  const series = typeof trace.name === "string" ? ` (${trace.name})` : "";
  return namesOf(trace, layout, "x", values.length).map((name, i) => ({
    name: name + series,
    label: shortNumber(values[i]) + (i in errors ? ` ± ${shortNumber(errors[i])}` : ""),
    value: values[i],
  }));
}

function finite(bars: Bar[]): number[] {
  return bars.map(({ value }) => value).filter((value) => !Number.isNaN(value));
}
