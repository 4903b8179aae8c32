/**
 * Figures as text, for terminals.
 *
 * @module
 */
import type { PlotlyFigure } from "./plotly_figure.ts";
import { isJsonObject, type Json, type JsonObject } from "./json.ts";
import type { TextOptions } from "./text_options.ts";
import { barsText } from "./text_bars.ts";
import { heatMapsText } from "./text_heat_map.ts";
import { pointsText } from "./text_points.ts";

/**
 * Renders a figure as text: heat maps as coloured blocks, or tables without colours; bars as bars;
 * points and lines on a canvas of dots.
 *
 * @param figure The figure.
 * @param options Width and colours.
 * @returns Lines without a line break at the end.
 */
export function figureText(figure: PlotlyFigure, options: TextOptions): string {
  const { data, layout } = figure;
  const maps = data.filter((trace) => trace.type === "heatmap");
  const bars = data.filter((trace) => trace.type === "bar");
  const points = data.filter((trace) => trace.type === "scatter");
  const lines = [
    textAt(layout, "title"),
    ...(maps.length > 0
      ? [heatMapsText(maps, headings(layout, maps.length), layout, options)]
      : []),
    ...(bars.length > 0 ? [barsText(bars, layout, options)] : []),
    ...(points.length > 0 ? [pointsText(points, layout, options)] : []),
    axesText(layout),
  ];
  return lines.filter((line) => line !== "").join("\n");
}

/** The text of a title in plotly's form, or nothing. */
function textAt(parent: JsonObject, key: string): string {
  const title = parent[key];
  const text = isJsonObject(title) ? title.text : undefined;
  return typeof text === "string" ? plainText(text) : "";
}

/** A text without the few tags that plotly understands. */
function plainText(text: string): string {
  return text.replaceAll(/<br\s*\/?>/g, " ").replaceAll(/<\/?(b|i|em|sub|sup|span)\b[^>]*>/g, "");
}

/** What stands above each of several facets. */
function headings({ annotations }: JsonObject, nFacets: number): string[] {
  return Array.from({ length: nFacets }, (_, facet) => {
    const annotation: Json | undefined = Array.isArray(annotations)
      ? annotations[facet]
      : undefined;
    if (nFacets < 2 || !isJsonObject(annotation)) return "";
    return plainText(String(annotation.text ?? ""));
  });
}

/** Says what the axes mean. */
function axesText(layout: JsonObject): string {
  const axes = [["xaxis", "across"], ["yaxis", "down"]].map(([key, direction]) => {
    const axis = layout[key];
    const isDown = isJsonObject(axis) && axis.autorange === "reversed";
    const text = isJsonObject(axis) ? textAt(axis, "title") : "";
    return text && `${key === "xaxis" || isDown ? direction : "up"}: ${text}`;
  });
  return axes.filter((text) => text !== "").join("   ");
}
