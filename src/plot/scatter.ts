import { ShapeError } from "../core/errors.ts";
import { type ColourScale, colourStops } from "./colour_scale.ts";
import { Figure } from "./figure.ts";
import { isTextList, type LabelInput, readLabels, readVector, type VectorInput } from "./input.ts";
import { type JsonObject, mergeJson } from "./json.ts";
import { layoutFrom, type LayoutOptions } from "./layout_options.ts";

/** Options of {@link scatter}. */
export interface ScatterOptions extends LayoutOptions {
  /** A value for each point on a colour scale, or the name of each point's group. */
  color?: LabelInput;
  /** Name of what the colours mean. */
  caxis?: string;
  /** Colour scale for values; `"Plasma"` by default. */
  colorContinuousScale?: ColourScale;
  /** A text for each point that appears on hover. */
  hover?: readonly string[];
  /** A text for each point that stands beside it. */
  text?: readonly string[];
  /** Size of the marks, in pixels; plotly's own by default. */
  size?: number;
}

/**
 * Draws points.
 *
 * @param x Positions [point] along the horizontal axis, or names.
 * @param y Positions [point] along the vertical axis.
 * @param options Labels, and the points' colours and texts.
 * @returns The figure; coloured by names, with one trace a name.
 * @throws {ShapeError} If the lengths differ or a rank isn't 1.
 * @throws {ConfigError} If the colour scale is unknown.
 */
export function scatter(x: LabelInput, y: VectorInput, options: ScatterOptions = {}): Figure {
  const positions = readLabels(x, "x");
  const n = positions.length;
  const heights = readVector(y, "y", n);
  const [hover, text] = [textsFor(options, "hover", n), textsFor(options, "text", n)];
  const groups = groupPoints(options, n);
  const data = groups.map(({ name, points, marker }): JsonObject => ({
    type: "scatter",
    mode: text ? "markers+text" : "markers",
    x: points.map((i) => positions[i]),
    y: points.map((i) => heights[i]),
    name,
    marker: { ...marker, size: options.size },
    ...(hover ? { hovertext: points.map((i) => hover[i]) } : {}),
    ...(text ? { text: points.map((i) => text[i]), textposition: "top center" } : {}),
  }));
  const layout = layoutFrom(options, [
    "color",
    "caxis",
    "colorContinuousScale",
    "hover",
    "text",
    "size",
  ]);
  if (isTextList(x)) mergeJson(layout, { xaxis: { type: "category" } });
  if (groups[0]?.name !== undefined) {
    layout.showlegend = true;
    layout.legend ??= { title: { text: options.caxis ?? "" } };
  }
  return new Figure({ data, layout });
}

function textsFor(options: ScatterOptions, key: "hover" | "text", n: number) {
  const texts = options[key];
  if (texts && texts.length !== n) {
    throw new ShapeError(`Cannot put ${texts.length} ${key} texts on ${n} points, expected ${n}`);
  }
  return texts;
}

/** Points that share a trace: by their colour's name, or all. */
function groupPoints(
  options: ScatterOptions,
  n: number,
): { name?: string; points: number[]; marker: JsonObject }[] {
  const all = Array.from({ length: n }, (_, i) => i);
  if (options.color === undefined) return [{ points: all, marker: {} }];
  const colours = readLabels(options.color, "color", n);
  if (isTextList(options.color)) {
    return [...new Set(colours)].map((name) => ({
      name: String(name),
      points: all.filter((i) => colours[i] === name),
      marker: {},
    }));
  }
  const marker: JsonObject = {
    color: colours,
    colorscale: colourStops(options.colorContinuousScale ?? "Plasma"),
    showscale: true,
    ...(options.caxis ? { colorbar: { title: { text: options.caxis } } } : {}),
  };
  return [{ points: all, marker }];
}
