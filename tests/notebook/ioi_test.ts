import { assert, assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { HookedSAETransformer, type HookFunction, SAE, Tensor } from "../../mod.ts";
import { PLOTLY_URL, plotlySource } from "../../src/plot/html.ts";
import type { PlotlyFigure } from "../../src/plot/figure.ts";
import task from "../../examples/ioi_prompts.json" with { type: "json" };
import { noChromium, openPage } from "../_chromium.ts";
import { type Cell, noJupyter, runNotebook } from "./_run_notebook.ts";

const NOTEBOOK = fileURLToPath(new URL("../../examples/ioi.ipynb", import.meta.url));

/** A figure as a cell gave it, in the forms that a notebook picks from. */
interface ShownFigure {
  readonly plotly: PlotlyFigure;
  readonly html: string;
  readonly text: string;
}

const joined = (lines: unknown) => [lines].flat().join("");

function figuresOf(cells: readonly Cell[]): ShownFigure[] {
  return cells.flatMap(({ outputs = [] }) => outputs).flatMap(({ data }) =>
    data === undefined ? [] : [{
      plotly: data["application/vnd.plotly.v1+json"] as PlotlyFigure,
      html: joined(data["text/html"]),
      text: joined(data["text/plain"]),
    }]
  );
}

/** What the notebook's heat map is to show, by a hook that is written by hand for each feature. */
async function ablationEffects(): Promise<{ features: string[]; rows: number[][] }> {
  using model = await HookedSAETransformer.fromPretrained("ioi-tiny");
  using sae = await SAE.fromPretrained("ioi-tiny-hook-z", "blocks.1.hook_z");
  const codes = "blocks.1.attn.hook_z.hook_sae_acts_post";
  const spliced = { saes: sae, useErrorTerm: true };
  const tokens = model.toTokens(task.prompts);
  const answers = Tensor.from(
    task.answers.map((pair) => pair.map((answer) => model.toSingleToken(answer))),
    undefined,
    "int32",
  );
  const logitDiff = (logits: Tensor) => {
    const both = logits.at(":", -1).gather(-1, answers);
    return both.at(":", 0).sub(both.at(":", 1));
  };
  const clean = logitDiff(model.forward(tokens));
  const [, cache] = model.runWithCacheWithSaes(tokens, spliced);
  const live: number[] = cache.get(codes).at(":", 10).gt(0).any(0).nonzero().flatten().toArray();
  const effects = live.map((feature) => {
    const ablate: HookFunction = (acts) => acts.set([":", 10, feature], 0);
    const fwdHooks = [[codes, ablate]] as const;
    const logits = model.runWithHooksWithSaes(tokens, { ...spliced, fwdHooks: [...fwdHooks] });
    return logitDiff(logits).sub(clean);
  });
  return { features: live.map(String), rows: Tensor.stack(effects, 1).toArray() };
}

/** A page with cells' figures as a notebook without a renderer of its own shows them, plotly.js at hand. */
async function pageOf(figures: readonly ShownFigure[]): Promise<string> {
  const library = new TextEncoder().encode(`${await plotlySource()};export default Plotly;`);
  const imports = { [PLOTLY_URL]: `data:text/javascript;base64,${library.toBase64()}` };
  const places = figures.map(({ html }) => `<div class="plot" style="height:450px">${html}</div>`);
  const watch = `const drawn = document.getElementsByClassName("js-plotly-plot");
    const { dataset } = document.documentElement;
    const look = setInterval(() => {
      dataset.figures = drawn.length + "/" + ${figures.length};
      if (drawn.length < ${figures.length}) return;
      clearInterval(look);
      dataset.done = "true";
    }, 20);`;
  return `<!doctype html><meta charset="utf-8">
    <script type="importmap">${JSON.stringify({ imports })}</script>
    ${places.join("\n")}<script>${watch}</script>`;
}

const codeOf = (cells: readonly Cell[]) => cells.filter(({ cell_type }) => cell_type === "code");

const kindsOf = (cells: readonly Cell[]) =>
  codeOf(cells).map(({ outputs = [] }) => outputs.map(({ output_type }) => output_type));

/** What the cells give: the last expression of one, and `await figure.show()`. */
const KINDS = [
  ["stream"],
  ["execute_result"],
  ["execute_result"],
  ["display_data"],
  ["execute_result"],
];

/**
 * Runs a notebook again where an output was lost: on a busy machine Deno's kernel may say that a cell is done before it sends what the
 * cell gave, and clients drop what comes after that.
 */
async function runUntilWhole(notebook: string): Promise<Cell[]> {
  let cells: Cell[] = [];
  for (let attempt = 0; attempt < 4; attempt++) {
    cells = await runNotebook(notebook);
    if (kindsOf(cells).flat().length === KINDS.flat().length) break;
  }
  return cells;
}

const left = noJupyter === undefined ? "" : ` (left out: ${noJupyter})`;

Deno.test({
  name: `the notebook runs in deno jupyter and shows plotly figures${left}`,
  ignore: noJupyter !== undefined,
  fn: async (t) => {
    const cells = await runUntilWhole(NOTEBOOK);
    const code = codeOf(cells);
    assertEquals(code.map(({ execution_count }) => execution_count), [1, 2, 3, 4, 5]);
    assertEquals(kindsOf(cells), KINDS);
    assertEquals(joined(code[0].outputs?.[0].text), "4 layers, 4 heads, 4 SAEs\n");

    const figures = figuresOf(cells);
    const [bars, heatMap, pattern, steps] = figures.map(({ plotly }) => plotly.data[0]);
    assertEquals([bars, heatMap, pattern, steps].map(({ type }) => type), [
      "bar",
      "heatmap",
      "heatmap",
      "bar",
    ]);
    const { features, rows } = await ablationEffects();
    // Printed digits give back the same floats.
    assertEquals([heatMap.x, heatMap.z], [features, rows]);
    const attention = pattern.z as number[][];
    assert(attention[14][10] > 0.9, "the end looks at the second John");
    const values = steps.y as number[];
    assert(values[0] > values[1] && values[1] > values[2] && values[2] > values[3], `${values}`);
    for (const { plotly, html, text } of figures) {
      const title = JSON.stringify(plotly.layout.title);
      assert(html.includes("Plotly.newPlot(") && html.includes(title.slice(1, 30)), title);
      assertMatch(text, /^(Logit|Change|Attention| Mary less)[^]*\n.*[█\d]/);
    }

    if (noChromium !== undefined) return;
    await t.step("and Chromium draws them", async () => {
      const path = await Deno.makeTempFile({ suffix: ".html" });
      try {
        await Deno.writeTextFile(path, await pageOf(figures));
        const page = await openPage(path);
        assertEquals([page.figuresDrawn, page.consoleErrors], ["4/4", []]);
        assertEquals(page.requests.filter((url) => !url.startsWith("data:")), []);
        assertEquals(page.coloursPerFigure.map((n) => n > 20), Array(4).fill(true));
      } finally {
        await Deno.remove(path);
      }
    });
  },
});
