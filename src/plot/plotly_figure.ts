import type { JsonObject } from "./json.ts";

/** A figure as plotly takes it: plain JSON, keys as plotly spells them. */
export interface PlotlyFigure {
  /** Traces: what is drawn. */
  data: JsonObject[];
  /** Axes, titles, shapes and all else around the traces. */
  layout: JsonObject;
  /** Settings of the drawing, such as which buttons there are. */
  config: JsonObject;
}

/** What gives a figure as plotly takes it. */
export interface PlotlySource {
  /** A copy that shares nothing. */
  toJSON(): PlotlyFigure;
}
