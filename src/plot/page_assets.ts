/** How pages look: one column, as wide as reads well, in the reader's light or dark scheme. */
export const PAGE_STYLE = `:root {
  --paper: #ffffff;
  --ink: #1c2430;
  --faint: #5b6675;
  --line: #dfe3e8;
  color-scheme: light dark;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14181e;
    --ink: #e4e8ee;
    --faint: #9aa5b3;
    --line: #323a45;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0;
  background: var(--paper);
  color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  overflow-wrap: break-word;
}
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 1.5rem; }
h2 { font-size: 1.2rem; line-height: 1.3; margin: 2.5rem 0 0.5rem; }
p { max-width: 44rem; margin: 0.5rem 0; }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--faint); padding-bottom: 0.4rem; }
th, td { padding: 0.3rem 0.8rem; border-bottom: 1px solid var(--line); text-align: left; }
th { color: var(--faint); font-weight: 600; }
td.number { text-align: right; }
.plot { width: 100%; height: 450px; }
.failed { height: auto; color: var(--faint); }
`;

/**
 * The script that draws a page's figures. `loadPlotly` is defined before it. Colours come from the
 * page through plotly's template, which holds defaults only: what a figure sets itself stays.
 */
export const DRAW_FIGURES = String.raw`const root = document.documentElement;
const figures = JSON.parse(document.getElementById("figures").textContent);
const places = figures.map((_, i) => document.getElementById("figure-" + (i + 1)));

/** Breaks a title into lines that fit the width; 8 pixels is a letter's average at 16 pixels. */
function wrap(text, width) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = (lines.at(-1) + " " + word).trim();
    if (longer.length * 8 <= width || lines.at(-1) === "") lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

function template(nTitleLines, hasHeadings) {
  const style = getComputedStyle(root);
  const [ink, line] = ["--ink", "--line"].map((name) => style.getPropertyValue(name).trim());
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true,
    title: { standoff: 10 } };
  return {
    layout: {
      font: { color: ink, family: getComputedStyle(document.body).fontFamily, size: 13 },
      title: { x: 0, xref: "paper", xanchor: "left", y: 1, yref: "container", yanchor: "top",
        pad: { t: 12 }, font: { size: 16 } },
      margin: { t: 24 + 22 * nTitleLines + (hasHeadings ? 20 : 0), r: 24, b: 48, l: 56 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      xaxis: axis,
      yaxis: axis,
    },
  };
}

async function draw(Plotly, place, { data, layout, config }) {
  const text = layout.title?.text ?? "";
  const lines = text.includes("<") ? [text] : wrap(text, place.clientWidth - 90);
  const hasHeadings = (layout.annotations ?? []).length > 0;
  const themed = {
    ...layout,
    title: { ...layout.title, text: lines.join("<br>") },
    template: layout.template ?? template(text === "" ? 0 : lines.length, hasHeadings),
  };
  await Plotly.react(place, data, themed, { displaylogo: false, responsive: true, ...config });
}

function report(place, error) {
  place.classList.add("failed");
  place.textContent = "This figure could not be drawn: " + error.message;
}

let drawing;
async function drawAll() {
  let nDrawn = 0;
  for (const [i, figure] of figures.entries()) {
    try {
      drawing ??= loadPlotly();
      await draw(await drawing, places[i], figure);
      nDrawn++;
    } catch (error) {
      report(places[i], error);
    }
  }
  root.dataset.figures = nDrawn + "/" + figures.length;
  root.dataset.done = "true";
}

let pending;
function redrawSoon() {
  clearTimeout(pending);
  pending = setTimeout(drawAll, 150);
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawSoon);
addEventListener("resize", redrawSoon);
await drawAll();
`;
