import { requireKnownOptions } from "../core/errors.ts";
import { type Json, type JsonObject, mergeJson } from "./json.ts";

/** Options that every plot takes, named after TransformerLens' notebooks, in camelCase. */
export interface LayoutOptions {
  /** Heading of the figure. */
  title?: string;
  /** Name of the horizontal axis; `xaxisTitle` wins where both are given. */
  xaxis?: string;
  /** Name of the vertical axis; `yaxisTitle` wins where both are given. */
  yaxis?: string;
  /** Name of the horizontal axis. */
  xaxisTitle?: string;
  /** Name of the vertical axis. */
  yaxisTitle?: string;
  /** Ends of the horizontal axis, in data units. */
  xaxisRange?: [number, number];
  /** Ends of the vertical axis, in data units. */
  yaxisRange?: [number, number];
  /** Format of the horizontal axis' tick labels, in d3's notation. */
  xaxisTickformat?: string;
  /** Format of the vertical axis' tick labels, in d3's notation. */
  yaxisTickformat?: string;
  /** Whether lines rise from the horizontal axis. */
  xaxisShowgrid?: boolean;
  /** Whether lines run from the vertical axis. */
  yaxisShowgrid?: boolean;
  /** Width of the lines from the horizontal axis, in pixels. */
  xaxisGridwidth?: number;
  /** Width of the lines from the vertical axis, in pixels. */
  yaxisGridwidth?: number;
  /** Colour of the lines from the horizontal axis, as CSS has it. */
  xaxisGridcolor?: string;
  /** Colour of the lines from the vertical axis, as CSS has it. */
  yaxisGridcolor?: string;
  /** Place of the heading, 0 to 1 of the figure's width. */
  titleX?: number;
  /** Place of the heading, 0 to 1 of the figure's height. */
  titleY?: number;
  /** Heading of the legend. */
  legendTitleText?: string;
  /** Which points tell their values when the pointer is near. */
  hovermode?: "x" | "y" | "closest" | "x unified" | "y unified" | false;
  /** Share of a bar's place that is left empty, 0 to 1. */
  bargap?: number;
  /** Share of a bar's place that is left empty within a group, 0 to 1. */
  bargroupgap?: number;
  /** Width of the figure, in pixels; the page's by default. */
  width?: number;
  /** Height of the figure, in pixels; plotly's or the page's own by default. */
  height?: number;
}

/** Where plotly's layout keeps each option. */
const PLACES: Record<keyof LayoutOptions, string> = {
  title: "title.text",
  xaxis: "xaxis.title.text",
  yaxis: "yaxis.title.text",
  xaxisTitle: "xaxis.title.text",
  yaxisTitle: "yaxis.title.text",
  xaxisRange: "xaxis.range",
  yaxisRange: "yaxis.range",
  xaxisTickformat: "xaxis.tickformat",
  yaxisTickformat: "yaxis.tickformat",
  xaxisShowgrid: "xaxis.showgrid",
  yaxisShowgrid: "yaxis.showgrid",
  xaxisGridwidth: "xaxis.gridwidth",
  yaxisGridwidth: "yaxis.gridwidth",
  xaxisGridcolor: "xaxis.gridcolor",
  yaxisGridcolor: "yaxis.gridcolor",
  titleX: "title.x",
  titleY: "title.y",
  legendTitleText: "legend.title.text",
  hovermode: "hovermode",
  bargap: "bargap",
  bargroupgap: "bargroupgap",
  width: "width",
  height: "height",
};

/**
 * Makes a plotly layout of the options that all plots share.
 *
 * @param options A plot's options; fields that belong to the kind of plot are passed over.
 * @param own The fields that belong to the kind of plot.
 * @returns A layout with only what was given.
 * @throws {ConfigError} If there is another field.
 */
export function layoutFrom<O extends LayoutOptions>(
  options: O,
  own: readonly Exclude<keyof O & string, keyof LayoutOptions>[],
): JsonObject {
  requireKnownOptions("Cannot plot", options, new Set([...Object.keys(PLACES), ...own]));
  const layout: JsonObject = {};
  for (const [option, path] of Object.entries(PLACES)) {
    const value: Json | undefined = options[option as keyof LayoutOptions];
    if (value !== undefined) mergeJson(layout, { [path]: value });
  }
  return layout;
}
