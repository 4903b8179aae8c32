/** plotly.js, loaded when a figure is first drawn, in the page's colours. */

/** The part of plotly that is used here. */
interface Plotly {
  react(
    place: HTMLElement,
    data: readonly unknown[],
    layout: unknown,
    config: unknown,
  ): Promise<PlotElement>;
}

/** An element that plotly draws into. */
export interface PlotElement extends HTMLElement {
  on?(event: "plotly_click", listener: (event: { points: PlotPoint[] }) => void): void;
  removeAllListeners?(event: "plotly_click"): void;
}

/** What was clicked on. */
export interface PlotPoint {
  readonly pointNumber: number;
}

let loading: Promise<Plotly> | undefined;

function load(): Promise<Plotly> {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL("./plotly.js", import.meta.url).href;
    script.onload = () => resolve((globalThis as unknown as { Plotly: Plotly }).Plotly);
    script.onerror = () => reject(new Error("plotly.js can't be loaded"));
    document.head.append(script);
  });
}

/** A colour of the page as plotly understands it. */
export function colour(name: string): string {
  const probe = document.createElement("i");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** What every axis has in common. */
export function axis(options: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    automargin: true,
    fixedrange: true,
    gridcolor: colour("line"),
    zerolinecolor: colour("line"),
    linecolor: colour("line"),
    tickfont: { size: 11 },
    ...options,
  };
}

/** Red, paper, blue: what lowers, what does nothing, what raises. */
export function diverging(): [number, string][] {
  return [[0, colour("down")], [0.5, colour("paper")], [1, colour("up")]];
}

/**
 * Draws a figure, or draws it anew.
 *
 * @param place Where it is.
 * @param data plotly's traces.
 * @param layout plotly's layout, beside the page's own font and background.
 */
export async function draw(
  place: HTMLElement,
  data: readonly unknown[],
  layout: Record<string, unknown>,
): Promise<PlotElement> {
  const plotly = await (loading ??= load());
  return await plotly.react(place, data, {
    font: {
      family: getComputedStyle(document.body).fontFamily,
      size: 12,
      color: colour("ink"),
    },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    margin: { t: 28, r: 8, b: 8, l: 8 },
    hovermode: "closest",
    ...layout,
  }, { displayModeBar: false, responsive: true });
}
