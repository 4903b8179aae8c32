import { figureHtml, type FigureHtmlOptions } from "./html.ts";
import { type JsonObject, mergeJson, plainObject } from "./json.ts";
import { saveFigure, type SaveOptions } from "./save.ts";
import type { PlotlyFigure } from "./plotly_figure.ts";
import { jupyterBundle, showFigure } from "./show.ts";

export type { PlotlyFigure } from "./plotly_figure.ts";

/** A plotly figure that can be shown, saved and changed. */
export class Figure {
  /** Traces, in plotly's words. */
  readonly data: JsonObject[];
  /** Layout, in plotly's words. */
  readonly layout: JsonObject;
  /** Settings of the drawing, in plotly's words. */
  readonly config: JsonObject;

  /**
   * Wraps a plotly figure.
   *
   * @param figure Traces, layout and settings; copied. Typed arrays become lists, NaN becomes null.
   * @throws {TypeError} If a part has no place in JSON.
   */
  constructor(figure: { data: readonly object[]; layout?: object; config?: object }) {
    this.data = figure.data.map(plainObject);
    this.layout = plainObject(figure.layout ?? {});
    this.config = plainObject(figure.config ?? {});
  }

  /**
   * Draws a shape on the figure.
   *
   * @param shape A shape in plotly's words, for example
   *   `{ type: "line", x0: 0, y0: 0, x1: 1, y1: 1, line: { color: "gray", dash: "dot" } }`.
   * @returns The figure itself.
   */
  addShape(shape: object): this {
    const { shapes } = this.layout;
    this.layout.shapes = [...(Array.isArray(shapes) ? shapes : []), plainObject(shape)];
    return this;
  }

  /**
   * Changes the layout.
   *
   * @param changes Fields in plotly's words, nested (`{ xaxis: { title: { text: "x" } } }`) or with
   *   dots (`{ "xaxis.title.text": "x" }`); what isn't named stays.
   * @returns The figure itself.
   */
  updateLayout(changes: object): this {
    mergeJson(this.layout, changes);
    return this;
  }

  /**
   * Gives the plain plotly figure.
   *
   * @returns A copy that shares nothing with this figure.
   */
  toJSON(): PlotlyFigure {
    return {
      data: this.data.map(plainObject),
      layout: plainObject(this.layout),
      config: plainObject(this.config),
    };
  }

  /**
   * Makes a page with this figure alone, which loads plotly.js from a pinned address.
   *
   * @param options The page's title; the figure's by default.
   */
  toHTML(options?: FigureHtmlOptions & { offline?: false }): string;
  /**
   * Makes a page with this figure alone, which carries plotly.js in itself.
   *
   * @param options The page's title; the figure's by default.
   */
  toHTML(options: FigureHtmlOptions & { offline: true }): Promise<string>;
  toHTML(options: FigureHtmlOptions = {}): string | Promise<string> {
    return figureHtml(this.toJSON(), options);
  }

  /**
   * Writes the figure to a file, in the format that the name's ending asks for.
   *
   * @param path A name that ends in `.html`, `.svg` or `.png`; the last two need a Chromium.
   * @param options Size of a picture in pixels, or whether a page works offline.
   * @throws {ConfigError} If the ending is another, or no Chromium is found.
   */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    await saveFigure(this.toJSON(), path, options);
  }

  /**
   * Shows the figure where the program runs: in the notebook, in the page, or as text.
   *
   * @returns When it is on view.
   */
  async show(): Promise<void> {
    await showFigure(this);
  }

  /** Gives Deno's Jupyter kernel the figure in the forms that notebooks can show. */
  [Symbol.for("Jupyter.display")](): Record<string, unknown> {
    return jupyterBundle(this.toJSON());
  }
}
