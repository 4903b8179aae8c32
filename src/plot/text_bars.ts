import { isJsonObject, type JsonObject } from "./json.ts";
import type { TextOptions } from "./text_options.ts";
import { fit, namesOf, numbersOf, shortNumber } from "./text_cells.ts";

/** Widest name before a bar, in characters. */
const NAME_WIDTH = 30;

/** How many bars are drawn; of more, those that reach farthest from zero. */
const MOST_BARS = 60;

/**
 * Renders bars, one a line, from zero to the left or right; of many the longest, in their order.
 *
 * @param traces Bars of a plain figure.
 * @param layout The figure's layout.
 * @param options Width.
 */
export function barsText(traces: JsonObject[], layout: JsonObject, options: TextOptions): string {
  const all = traces.flatMap((trace) => barsOf(trace, layout));
  const bars = longest(all);
  const nameWidth = Math.min(NAME_WIDTH, Math.max(...bars.map(({ name }) => [...name].length)));
  const valueWidth = Math.max(...bars.map(({ label }) => label.length));
  const room = Math.max(10, options.columns - nameWidth - valueWidth - 4);
  const least = Math.min(0, ...finite(bars));
  const greatest = Math.max(0, ...finite(bars));
  const place = (value: number) => Math.round(((value - least) / (greatest - least || 1)) * room);
  const lines = bars.map(({ name, label, value }) => {
    const ends = [place(0), place(Number.isNaN(value) ? 0 : value)].sort((a, b) => a - b);
    const drawn = " ".repeat(ends[0]) + "█".repeat(ends[1] - ends[0]);
    return `${fit(name, nameWidth)}  ${fit(label, valueWidth, "right")}  ${drawn}`.trimEnd();
  });
  const nLeft = all.length - bars.length;
  return [...lines, ...nLeft > 0 ? [`… ${nLeft} shorter ones`] : []].join("\n");
}

/** The bars that reach farthest from zero, in their order. */
function longest(bars: Bar[]): Bar[] {
  if (bars.length <= MOST_BARS) return bars;
  const reach = ({ value }: Bar) => Number.isNaN(value) ? -1 : Math.abs(value);
  const ranked = [...bars].sort((a, b) => reach(b) - reach(a)).slice(0, MOST_BARS);
  const seen = ranked.filter((bar) => reach(bar) > 0);
  const kept = new Set(seen.length > 0 ? seen : ranked);
  return bars.filter((bar) => kept.has(bar));
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
