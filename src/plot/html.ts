/**
 * Pages with figures, headings, notes and tables, in one file each.
 *
 * @module
 */
import type { Figure } from "./figure.ts";
import type { PlotlyFigure } from "./plotly_figure.ts";
import { isJsonObject } from "./json.ts";
import { DRAW_FIGURES, PAGE_STYLE } from "./page_assets.ts";

/** Where online pages take plotly.js from. */
export const PLOTLY_URL = "https://esm.sh/plotly.js-dist-min@4.1.2";

/** A table of a page. */
export interface PageTable {
  /** Heads of the columns. */
  columns: readonly string[];
  /** Cells row by row; numbers are set to the right, with six digits. */
  rows: readonly (readonly (string | number)[])[];
  /** What stands above the table. */
  caption?: string;
}

/** A part of a page under its heading. */
export interface PageSection {
  /** What stands above the part. */
  heading: string;
  /** Notes; an empty line begins a new paragraph. */
  text?: string;
  /** A table below the notes. */
  table?: PageTable;
  /** A figure below the table. */
  figure?: Figure;
}

/** What a page holds. */
export interface PageOptions {
  /** Title and first heading of the page. */
  title: string;
  /** Parts in order. */
  sections: readonly PageSection[];
  /** Whether the page carries plotly.js in itself instead of loading it from {@link PLOTLY_URL}. */
  offline?: boolean;
}

/** Options of a page with one figure. */
export interface FigureHtmlOptions {
  /** The page's title; the figure's by default. */
  title?: string;
  /** Whether the page carries plotly.js in itself instead of loading it from {@link PLOTLY_URL}. */
  offline?: boolean;
}

/**
 * Makes one page of several figures, with headings, notes and tables. When all is drawn,
 * the page's root element has `data-done="true"` and says how many were, as in `data-figures="7/7"`.
 *
 * @param options Title and sections; every text is escaped.
 * @returns The page's HTML.
 * @throws {Error} If an offline page is wanted where npm packages can't be read, as in a browser.
 */
export async function htmlPage(options: PageOptions): Promise<string> {
  const figures: PlotlyFigure[] = [];
  const sections = options.sections.map((section) => {
    if (section.figure) figures.push(section.figure.toJSON());
    return sectionHtml(section, figures);
  });
  const body = [`<h1>${escapeHtml(options.title)}</h1>`, ...sections].join("\n");
  const source = options.offline ? await plotlySource() : undefined;
  return pageHtml(options.title, body, figures, source);
}

/**
 * Makes a page with one figure.
 *
 * @param figure The figure.
 * @param options Title, and whether the page works offline.
 * @returns The page's HTML; a promise of it for an offline page, since plotly.js must be read first.
 */
export function figureHtml(
  figure: PlotlyFigure,
  options: FigureHtmlOptions,
): string | Promise<string> {
  const ownTitle = isJsonObject(figure.layout.title) ? figure.layout.title.text : undefined;
  const title = options.title ?? String(ownTitle ?? "Figure");
  const body = plotHtml([figure]);
  if (!options.offline) return pageHtml(title, body, [figure]);
  return plotlySource().then((source) => pageHtml(title, body, [figure], source));
}

/**
 * Makes a piece of HTML with one figure for a page that is there already, such as a notebook.
 *
 * @param figure The figure.
 * @returns An element and the script that draws into it, which loads plotly.js from {@link PLOTLY_URL}.
 */
export function figureFragment(figure: PlotlyFigure): string {
  const id = `figure-${crypto.randomUUID()}`;
  const script = [
    `const { default: Plotly } = await import(${scriptJson(PLOTLY_URL)});`,
    `const { data, layout, config } = ${scriptJson(figure)};`,
    `const settings = { displaylogo: false, responsive: true, ...config };`,
    `await Plotly.newPlot("${id}", data, layout, settings);`,
  ];
  return `<div id="${id}"></div>\n<script type="module">\n${script.join("\n")}\n</script>`;
}

/**
 * Reads the text of plotly.js' build for figures with x and y axes, heat maps among them.
 *
 * @returns A script that defines `Plotly`.
 * @throws {Error} If npm packages can't be read where the program runs.
 */
export async function plotlySource(): Promise<string> {
  try {
    const module = await import(
      "npm:plotly.js-cartesian-dist-min@4.1.1/plotly-cartesian.min.js",
      { with: { type: "text" } }
    );
    return module.default;
  } catch (cause) {
    throw new Error(
      "Cannot put plotly.js into the page: npm:plotly.js-cartesian-dist-min@4.1.1 could not be " +
        "read, wanted a runtime that reads npm packages; a page without `offline` needs none",
      { cause },
    );
  }
}

/**
 * Escapes a text for HTML, between tags and in quoted attributes.
 *
 * @param text Any text.
 */
function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;").replaceAll("'", "&#39;");
}

/** JSON that can stand in a script element: no `<` could end the element or open a comment. */
function scriptJson(value: unknown): string {
  return JSON.stringify(value).replaceAll("<", "\\u003c");
}

/** A script's text with nothing that could end its element or open a comment in it. */
function inlineScript(source: string): string {
  return source.replaceAll(/<(?=\/script|!--)/gi, "\\x3c");
}

function sectionHtml(section: PageSection, figures: PlotlyFigure[]): string {
  const paragraphs = (section.text ?? "").split(/\n\s*\n/).filter((text) => text.trim() !== "");
  return [
    "<section>",
    `<h2>${escapeHtml(section.heading)}</h2>`,
    ...paragraphs.map((text) => `<p>${escapeHtml(text.trim())}</p>`),
    ...(section.table ? [tableHtml(section.table)] : []),
    ...(section.figure ? [plotHtml(figures)] : []),
    "</section>",
  ].join("\n");
}

function tableHtml({ columns, rows, caption }: PageTable): string {
  const cell = (value: string | number) =>
    typeof value === "number"
      ? `<td class="number">${Number(value.toPrecision(6))}</td>`
      : `<td>${escapeHtml(value)}</td>`;
  return [
    '<div class="wide"><table>',
    ...(caption ? [`<caption>${escapeHtml(caption)}</caption>`] : []),
    `<thead><tr>${columns.map((name) => `<th>${escapeHtml(name)}</th>`).join("")}</tr></thead>`,
    "<tbody>",
    ...rows.map((row) => `<tr>${row.map(cell).join("")}</tr>`),
    "</tbody></table></div>",
  ].join("\n");
}

/** Narrowest that a column of facets becomes before its figure scrolls, in pixels. */
const FACET_WIDTH = 130;

/** The place of the last of the figures, as high as its layout wants and wide enough for its facets. */
function plotHtml(figures: readonly PlotlyFigure[]): string {
  const { layout } = figures[figures.length - 1];
  const axes = Object.entries(layout).filter(([key]) => /^xaxis\d*$/.test(key));
  const columns = new Set(axes.map(([, axis]) => isJsonObject(axis) ? String(axis.domain) : ""));
  const style = [
    ...(typeof layout.height === "number" ? [`height: ${layout.height}px`] : []),
    ...(columns.size > 1 ? [`min-width: ${FACET_WIDTH * (columns.size + 1)}px`] : []),
  ].join("; ");
  const attribute = style === "" ? "" : ` style="${style}"`;
  return `<div class="wide"><div class="plot" id="figure-${figures.length}"${attribute}></div></div>`;
}

function pageHtml(
  title: string,
  body: string,
  figures: readonly PlotlyFigure[],
  source?: string,
): string {
  const load = source === undefined
    ? `const loadPlotly = async () => (await import(${scriptJson(PLOTLY_URL)})).default;`
    : "const loadPlotly = () => globalThis.Plotly;";
  return `<!doctype html>
<html lang="en" data-figures="0/${figures.length}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<style>
${PAGE_STYLE}</style>
</head>
<body>
<main>
${body}
<noscript><p>The figures of this page are drawn by a script.</p></noscript>
</main>
<script type="application/json" id="figures">${scriptJson(figures)}</script>
${
    source === undefined
      ? ""
      : `<script>\n${inlineScript(source)}\n</script>\n`
  }<script type="module">
${load}
${DRAW_FIGURES}</script>
</body>
</html>
`;
}
