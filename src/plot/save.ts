import { ConfigError } from "../core/errors.ts";
import { launchChromium } from "./chromium.ts";
import type { PlotlyFigure } from "./plotly_figure.ts";
import { figureHtml, plotlySource } from "./html.ts";

/** Options of `Figure.save`. */
export interface SaveOptions {
  /** Whether a page carries plotly.js in itself; false by default. */
  offline?: boolean;
  /** Width of a picture in pixels; the figure's own, or 900, by default. */
  width?: number;
  /** Height of a picture in pixels; the figure's own, or 500, by default. */
  height?: number;
  /** Pixels of a .png for each pixel of that size; 2 by default. */
  scale?: number;
}

/**
 * Writes a figure to a file, in the format that the name's ending asks for.
 *
 * @param figure The figure.
 * @param path A name that ends in `.html`, `.svg` or `.png`.
 * @param options Size of a picture, or whether a page works offline.
 * @throws {ConfigError} If the ending is another, or a picture is wanted and no Chromium is found.
 */
export async function saveFigure(
  figure: PlotlyFigure,
  path: string,
  options: SaveOptions,
): Promise<void> {
  const { writeFile } = await import("node:fs/promises");
  const format = /\.(html|svg|png)$/i.exec(path)?.[1].toLowerCase();
  if (format === undefined) {
    throw new ConfigError(`Cannot save "${path}": expected a name in .html, .svg or .png`);
  }
  const content = format === "html"
    ? await figureHtml(figure, options)
    : await drawPicture(figure, path, format, options);
  await writeFile(path, content);
}

/** Draws a figure in a Chromium and gives the picture's bytes. */
async function drawPicture(
  figure: PlotlyFigure,
  path: string,
  format: string,
  { width, height, scale = 2 }: SaveOptions,
): Promise<Uint8Array> {
  const size = {
    format,
    width: width ?? figure.layout.width ?? 900,
    height: height ?? figure.layout.height ?? 500,
    scale: format === "png" ? scale : 1,
  };
  await using browser = await launchChromium(`save "${path}"`);
  const page = await browser.newPage();
  await page.addScriptTag({ content: await plotlySource() });
  const url = await page.evaluate(
    `Plotly.toImage(${JSON.stringify(figure)}, ${JSON.stringify(size)})`,
  );
  return new Uint8Array(await (await fetch(String(url))).arrayBuffer());
}
