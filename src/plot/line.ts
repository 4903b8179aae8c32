import { Figure } from "./figure.ts";
import type { LabelInput, PlotInput, VectorInput } from "./input.ts";
import { mergeJson } from "./json.ts";
import { layoutFrom, type LayoutOptions } from "./layout_options.ts";
import { readPlaces } from "./places.ts";
import { readSeries } from "./series.ts";

/** Options of {@link line}. */
export interface LineOptions extends LayoutOptions {
  /** Names of the series, where `y` holds several. */
  names?: readonly string[];
  /** Marks each point as well. */
  markers?: boolean;
}

/**
 * Draws lines over the points' positions 0, 1, 2, …
 *
 * @param y Values [point], or of several series [series, point].
 * @param options Names and labels.
 * @returns The figure, with one trace a series.
 * @throws {ShapeError} If `y` has another rank.
 */
export function line(y: PlotInput | VectorInput, options?: LineOptions): Figure;
/**
 * Draws lines over given positions.
 *
 * @param x Names or positions of the points. Texts stay names even where they look like numbers.
 * @param y Values [point], or of several series [series, point].
 * @param options Names and labels.
 * @returns The figure, with one trace a series.
 * @throws {ShapeError} If the lengths differ.
 */
export function line(
  x: LabelInput,
  y: PlotInput | VectorInput,
  options?: LineOptions,
): Figure;
export function line(
  first: PlotInput | LabelInput,
  second?: PlotInput | VectorInput | LineOptions,
  third?: LineOptions,
): Figure {
  if (isValues(second)) return drawLines(first as LabelInput, second, third ?? {});
  return drawLines(undefined, first as PlotInput | VectorInput, second ?? {});
}

/** Tells values from options: lists and typed arrays have a length, tensors a shape. */
function isValues(
  given: PlotInput | VectorInput | LineOptions | undefined,
): given is PlotInput | VectorInput {
  return given !== undefined && ("length" in given || "shape" in given);
}

function drawLines(
  x: LabelInput | undefined,
  y: PlotInput | VectorInput,
  options: LineOptions,
): Figure {
  const places = x && readPlaces(x, "x");
  const data = readSeries(y, options.names, places?.values.length).map(({ name, values }) => ({
    type: "scatter",
    mode: options.markers ? "lines+markers" : "lines",
    x: places?.values ?? values.map((_, i) => i),
    y: values,
    name,
  }));
  const layout = layoutFrom(options, ["names", "markers"]);
  if (places?.areNames) mergeJson(layout, { xaxis: places.axis });
  return new Figure({ data, layout });
}
