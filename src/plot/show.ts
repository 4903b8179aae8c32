/**
 * What a runtime has to show things on: a notebook, a page, a terminal.
 *
 * @module
 */
import type { PlotlyFigure, PlotlySource } from "./plotly_figure.ts";
import { figureFragment, PLOTLY_URL } from "./html.ts";
import { figureText } from "./text.ts";

/** A terminal's stream, as far as it is used here. */
export interface Screen {
  /** Whether a person may be watching; false for files and pipes. */
  isTerminal: boolean;
  /** Width in characters. */
  columns: number;
  /** Whether colours are wanted and possible. */
  hasColours: boolean;
  /** Writes at once, without a line break of its own. */
  write(text: string): void;
}

/** A stream of Node's `process`, which Deno and Bun have as well. */
interface ProcessStream {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
  hasColors?(): boolean;
}

interface Surroundings {
  process?: { stdout?: ProcessStream; stderr?: ProcessStream };
  Deno?: { jupyter?: { display(value: unknown): Promise<void> }; noColor?: boolean };
  document?: PageDocument;
}

interface PageDocument {
  body: { append(element: unknown): void };
  createElement(name: string): { style: Record<string, string> };
}

interface PlotlyModule {
  newPlot(place: unknown, data: unknown, layout: unknown, config: unknown): Promise<unknown>;
}

const surroundings = globalThis as unknown as Surroundings;

/**
 * Gives the stream for results or the one for messages.
 *
 * @param name `"stdout"` or `"stderr"`.
 * @returns The stream; one that is no terminal and writes nothing where the runtime has none.
 */
export function screen(name: "stdout" | "stderr"): Screen {
  const stream = surroundings.process?.[name];
  const isTerminal = stream?.isTTY ?? false;
  return {
    isTerminal,
    columns: stream?.columns || 80,
    // In Deno the stream would ask for permission to read the environment; `noColor` doesn't.
    hasColours: isTerminal &&
      (surroundings.Deno ? !surroundings.Deno.noColor : stream?.hasColors?.() ?? true),
    write: (text) => stream?.write(text),
  };
}

/**
 * Shows a figure: in a notebook as a plot, in a browser at the end of the page, else as text.
 *
 * @param figure The figure.
 */
export async function showFigure(figure: PlotlySource): Promise<void> {
  const kernel = jupyter();
  if (kernel) return await kernel.display(figure);
  if (surroundings.document) return await drawInPage(surroundings.document, figure.toJSON());
  console.log(figureText(figure.toJSON(), screen("stdout")));
}

/** Deno's notebook kernel; outside a notebook, reading the property throws. */
function jupyter() {
  try {
    return surroundings.Deno?.jupyter;
  } catch {
    return undefined;
  }
}

async function drawInPage(document: PageDocument, figure: PlotlyFigure): Promise<void> {
  const address: string = PLOTLY_URL;
  const { default: plotly }: { default: PlotlyModule } = await import(address);
  const place = document.createElement("div");
  document.body.append(place);
  const config = { displaylogo: false, responsive: true, ...figure.config };
  await plotly.newPlot(place, figure.data, figure.layout, config);
}

/**
 * Gives the forms of a figure among which a notebook picks the richest that it knows.
 *
 * @param figure The figure.
 * @returns Contents by mime type.
 */
export function jupyterBundle(figure: PlotlyFigure): Record<string, unknown> {
  return {
    "application/vnd.plotly.v1+json": figure,
    "text/html": figureFragment(figure),
    "text/plain": figureText(figure, { columns: 80, hasColours: false }),
  };
}
