/** Figures that are drawn when they are looked at: attribution and attention. */
import { type App, nameOf, type Part } from "../app.ts";
import { find, make, placed, shown } from "../dom.ts";
import { type Engine, latestOnly } from "../engine.ts";
import type { AttentionView, AttributionView } from "../protocol.ts";
import { axis, colour, diverging, draw } from "./plotly.ts";

/** Tokens as categories of an axis: two alike would be one, so that their place is told by invisible characters. */
function categories(tokens: readonly string[]): string[] {
  return tokens.map((token, n) => shown(token) + "\u200b".repeat(n));
}

/** Puts a hint and what it is about into a panel that is opened for the first time. */
function fillOnce(panel: HTMLElement, hint: string, parts: () => readonly HTMLElement[]): void {
  if (panel.hasChildNodes()) return;
  panel.append(make("p", { className: "hint", text: hint }), ...parts());
}

/** A tab and what it draws. */
interface Tab {
  readonly tab: HTMLElement;
  readonly panel: HTMLElement;
  draw(): Promise<void>;
}

/** The figures below the grid. */
export class Figures implements Part {
  readonly #app: App;
  readonly #engine: Engine;
  readonly #tabs: readonly Tab[];
  readonly #redraw: () => void;
  #open: Tab;
  #layer = 2;
  #showsChange = false;
  readonly #sight: IntersectionObserver;
  /** Whether they are in sight, or nearly: drawing takes the page longer than anything else. */
  #isSeen = false;
  #isStale = false;

  /**
   * @param app The page.
   * @param engine Where figures' numbers come from.
   * @param report Is told what went wrong.
   */
  constructor(app: App, engine: Engine, report: (error: unknown) => void) {
    this.#app = app;
    this.#engine = engine;
    const tab = (name: string, drawTab: (panel: HTMLElement) => Promise<void>): Tab => {
      const panel = find(`panel-${name}`);
      return { tab: find(`tab-${name}`), panel, draw: () => drawTab(panel) };
    };
    this.#tabs = [
      tab("attribution", this.#attribution()),
      tab("attention", this.#attention()),
    ];
    this.#open = this.#tabs[0];
    this.#redraw = latestOnly(() => this.#open.draw().catch(report));
    this.#sight = new IntersectionObserver((entries) => {
      this.#isSeen = entries.some(({ isIntersecting }) => isIntersecting);
      if (this.#isStale) this.show();
    }, { rootMargin: "200px" });
    for (const one of this.#tabs) one.tab.addEventListener("click", () => this.#switchTo(one));
    this.#tabs[0].tab.parentElement?.addEventListener("keydown", ({ key }) => {
      if (key !== "ArrowLeft" && key !== "ArrowRight") return;
      const next = this.#tabs.find((one) => one !== this.#open) ?? this.#open;
      this.#switchTo(next);
      next.tab.focus();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#redraw());
  }

  show(): void {
    // From the first run on: before it the page above is empty, and everything in sight.
    this.#sight.observe(find("figures"));
    this.#isStale = !this.#isSeen;
    if (this.#isSeen) this.#redraw();
  }

  #switchTo(open: Tab): void {
    this.#open = open;
    for (const { tab, panel } of this.#tabs) {
      const isOpen = tab === open.tab;
      tab.setAttribute("aria-selected", String(isOpen));
      tab.tabIndex = isOpen ? 0 : -1;
      panel.hidden = !isOpen;
    }
    this.#redraw();
  }

  /** The largest parts in the logit difference as bars, and where in the text each layer's come from. */
  #attribution(): (panel: HTMLElement) => Promise<void> {
    const bars = make("div", { className: "plot bars" });
    const sums = make("div", { className: "plot sums" });
    let view: AttributionView | undefined;
    return async (panel) => {
      fillOnce(
        panel,
        "A feature's part in the logit difference, to first order: its strength times the " +
          "gradient, under the edits. Click a bar to choose the feature.",
        () => [make("div", { className: "pair" }, [bars, sums])],
      );
      view = await this.#engine.ask("attribution", this.#app.state);
      const drawn = await drawBars(bars, view, this.#app);
      drawn.removeAllListeners?.("plotly_click");
      drawn.on?.("plotly_click", ({ points: [{ pointNumber }] }) => {
        const { sae, feature, pos } = view?.features[pointNumber] ?? {};
        if (sae !== undefined && feature !== undefined && pos !== undefined) {
          this.#app.choose({ sae, feature, pos });
        }
      });
      await drawSums(sums, view, this.#app);
    };
  }

  /** A layer's patterns, a heat map for each head. */
  #attention(): (panel: HTMLElement) => Promise<void> {
    const place = make("div", { className: "plot heads" });
    return async (panel) => {
      fillOnce(
        panel,
        "What each head of a layer looks at: from the token on the left to the ones below.",
        () => [this.#layerChoice(), make("div", { className: "wide" }, [place])],
      );
      const view = await this.#engine.ask("attention", this.#app.state, this.#layer);
      await drawHeads(place, view, this.#showsChange);
    };
  }

  #layerChoice(): HTMLElement {
    const layers = Array.from({ length: this.#app.info.nLayers }, (_, layer) =>
      make("label", {}, [
        make("input", {
          attributes: { type: "radio", name: "layer", checked: layer === this.#layer },
          on: {
            change: () => {
              this.#layer = layer;
              this.#redraw();
            },
          },
        }),
        `layer ${layer}`,
      ]));
    const change = make("label", {}, [
      make("input", {
        attributes: { type: "checkbox" },
        on: {
          change: ({ target }) => {
            this.#showsChange = (target as HTMLInputElement).checked;
            this.#redraw();
          },
        },
      }),
      "only what the edits change",
    ]);
    return make("div", { className: "where", attributes: { role: "group" } }, [...layers, change]);
  }
}

function drawBars(place: HTMLElement, { features, tokens }: AttributionView, { info }: App) {
  const short = (sae: string) =>
    nameOf(info, sae).replace("Attention, layer ", "L").replace("Stream before layer ", "S");
  const labels = features.map(({ sae, feature, pos }, n) =>
    `${short(sae)} ${feature} ${placed(tokens, pos)}` + "\u200b".repeat(n)
  );
  return draw(place, [{
    type: "bar",
    orientation: "h",
    x: features.map(({ value }) => value),
    y: labels,
    marker: { color: features.map(({ value }) => colour(value < 0 ? "down" : "up")) },
    hovertemplate: "%{y}: %{x:.3f}<extra></extra>",
  }], {
    height: 28 + 22 * features.length + 40,
    bargap: 0.35,
    title: { text: "Features", x: 0, xref: "paper", font: { size: 13 }, pad: { t: 0 } },
    xaxis: axis(),
    yaxis: axis({ autorange: "reversed" }),
  });
}

function drawSums(place: HTMLElement, { sums, tokens }: AttributionView, { info }: App) {
  const most = Math.max(...sums.flat().map(Math.abs), 1e-6);
  return draw(place, [{
    type: "heatmap",
    z: sums,
    x: categories(tokens),
    y: info.saes.map(({ name }) => name),
    zmin: -most,
    zmax: most,
    colorscale: diverging(),
    showscale: false,
    xgap: 1,
    ygap: 1,
    hovertemplate: "%{y}, %{x}: %{z:.3f}<extra></extra>",
  }], {
    height: 40 + 34 * sums.length + 90,
    title: { text: "By layer and token", x: 0, xref: "paper", font: { size: 13 }, pad: { t: 0 } },
    xaxis: axis({ tickangle: -90, showgrid: false }),
    yaxis: axis({ autorange: "reversed", showgrid: false }),
  });
}

/** Heads side by side: plotly's axes are numbered from x, x2, x3 on. */
function drawHeads(place: HTMLElement, { heads, tokens }: AttentionView, showsChange: boolean) {
  const labels = categories(tokens);
  const isNarrow = place.clientWidth < 620;
  const columns = isNarrow ? 2 : heads.length;
  const nRows = Math.ceil(heads.length / columns);
  const [gapX, gapY] = [0.03, 0.16];
  const width = (1 - gapX * (columns - 1)) / columns;
  const height = (1 - gapY * (nRows - 1)) / nRows;
  const axes: Record<string, unknown> = {};
  const changes = heads.map(({ before, after }) =>
    after.map((line, q) => line.map((value, k) => value - before[q][k]))
  );
  // Small changes are to be seen too, but not noise.
  const most = Math.max(...changes.flat(2).map(Math.abs), 0.01);
  const data = heads.map(({ after }, n) => {
    const suffix = n === 0 ? "" : String(n + 1);
    const [column, row] = [n % columns, Math.floor(n / columns)];
    const left = column * (width + gapX);
    const top = 1 - row * (height + gapY);
    axes[`xaxis${suffix}`] = axis({
      domain: [left, left + width],
      anchor: `y${suffix}`,
      tickangle: -90,
      showgrid: false,
      showticklabels: row === nRows - 1,
    });
    axes[`yaxis${suffix}`] = axis({
      domain: [top - height, top],
      anchor: `x${suffix}`,
      autorange: "reversed",
      showgrid: false,
      showticklabels: column === 0,
    });
    return {
      type: "heatmap",
      z: showsChange ? changes[n] : after,
      x: labels,
      y: labels,
      xaxis: `x${suffix}`,
      yaxis: `y${suffix}`,
      zmin: showsChange ? -most : 0,
      zmax: showsChange ? most : 1,
      colorscale: showsChange ? diverging() : [[0, colour("paper")], [1, colour("up")]],
      showscale: false,
      hovertemplate: "%{y} looks at %{x}: %{z:.3f}<extra></extra>",
    };
  });
  const titles = heads.map((_, n) => ({
    text: `head ${n}`,
    x: (n % columns) * (width + gapX) + width / 2,
    y: 1 - Math.floor(n / columns) * (height + gapY),
    xref: "paper",
    yref: "paper",
    xanchor: "center",
    yanchor: "bottom",
    showarrow: false,
  }));
  const side = Math.max(place.clientWidth, 300) / columns;
  return draw(place, data, {
    height: nRows * side * 0.92 + 90,
    annotations: titles,
    ...axes,
  });
}
