import { Figure } from "./figure.ts";
import { type LabelInput, type PlotInput, readGrid, type VectorInput } from "./input.ts";
import { mergeJson } from "./json.ts";
import { layoutFrom, type LayoutOptions } from "./layout_options.ts";
import { readPlaces } from "./places.ts";
import { readSeries } from "./series.ts";

/** Options of {@link bar}. */
export interface BarOptions extends LayoutOptions {
  /** Length of the error bars to either side, in the unit and of the shape of `y`. */
  errorY?: PlotInput | VectorInput;
  /** Names of the series, where `y` holds several. */
  names?: readonly string[];
  /** How several series share a place; `"group"`, side by side, by default. */
  barmode?: "group" | "stack" | "overlay" | "relative";
  /** Colour of the bars, as CSS has it. */
  color?: string;
}

/**
 * Draws bars.
 *
 * @param x Names or positions of the bars. Texts stay names even where they look like numbers.
 * @param y Heights [bar], or of several series [series, bar].
 * @param options Error bars, names and labels.
 * @returns The figure, with one trace a series.
 * @throws {ShapeError} If the lengths differ.
 */
export function bar(
  x: LabelInput,
  y: PlotInput | VectorInput,
  options: BarOptions = {},
): Figure {
  const places = readPlaces(x, "x");
  const nBars = places.values.length;
  const series = readSeries(y, options.names, nBars);
  const errors = options.errorY && readSeries(options.errorY, undefined, nBars, {
    what: "errorY",
    shape: readGrid(y, "y").shape,
  });
  const data = series.map(({ name, values }, i) => ({
    type: "bar",
    x: places.values,
    y: values,
    name,
    ...(options.color ? { marker: { color: options.color } } : {}),
    ...(errors ? { error_y: { type: "data", array: errors[i].values, visible: true } } : {}),
  }));
  const layout = layoutFrom(options, ["errorY", "names", "barmode", "color"]);
  if (series.length > 1) layout.barmode = options.barmode ?? "group";
  if (places.areNames) mergeJson(layout, { xaxis: places.axis });
  return new Figure({ data, layout });
}
