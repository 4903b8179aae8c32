/**
 * The plots of a notebook, each in one call: heat maps, scatter plots, bars and lines.
 *
 * @module
 */
export { bar, type BarOptions } from "./bar.ts";
export { Figure, type PlotlyFigure } from "./figure.ts";
export { imshow, type ImshowOptions } from "./imshow.ts";
export { line, type LineOptions } from "./line.ts";
export { scatter, type ScatterOptions } from "./scatter.ts";

// What the signatures above name.
export type { ColourScale } from "./colour_scale.ts";
export type { LabelInput, PlotInput, TensorLike, VectorInput } from "./input.ts";
export type { Json, JsonObject } from "./json.ts";
export type { LayoutOptions } from "./layout_options.ts";
export type { FigureHtmlOptions } from "./html.ts";
export type { SaveOptions } from "./save.ts";
