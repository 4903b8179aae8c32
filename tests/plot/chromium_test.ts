import { assert, assertEquals } from "@std/assert";
import { bar, imshow, line, scatter } from "../../src/plot/express.ts";
import { htmlPage } from "../../src/plot/html.ts";
import { noChromium, openPage, runWithChromium } from "../_chromium.ts";

const ignore = noChromium !== undefined;
const reason = ignore ? ` (left out: ${noChromium})` : "";

/** A matrix of waves, with a value of its own in most cells. */
function waves(nRows: number, nColumns: number): number[][] {
  return Array.from(
    { length: nRows },
    (_, i) => Array.from({ length: nColumns }, (_, j) => Math.sin(i + 1) * Math.cos(j)),
  );
}

async function samplePage(): Promise<string> {
  const x = waves(1, 40)[0];
  const diagonal = {
    type: "line",
    x0: -1,
    y0: -1,
    x1: 1,
    y1: 1,
    line: { color: "gray", dash: "dot" },
  };
  const names = Array.from({ length: 24 }, (_, i) => String(i * 37 + 5));
  return await htmlPage({
    title: "Every kind of plot",
    offline: true,
    sections: [
      {
        heading: "Heat map",
        figure: imshow(waves(8, 24), {
          title: "Change in logit diff when ablating L5 SAE features for all prompts at pos 10",
          xaxis: "Feature Idx",
          yaxis: "Prompt Idx",
          x: names,
        }),
      },
      {
        heading: "Facets",
        figure: imshow([waves(6, 6), waves(6, 6), waves(6, 6)], { facetLabels: ["A", "B", "C"] }),
      },
      {
        heading: "Bars",
        figure: bar(["None", "L0", "All"], [3, 2, -1], { errorY: [0.2, 0.4, 0.3] }),
      },
      { heading: "Points", figure: scatter(x, x.map((v) => v / 2)).addShape(diagonal) },
      { heading: "Lines", figure: line(waves(3, 20), { xaxis: "layer" }) },
    ],
  });
}

for (const [colorScheme, width] of [["light", 1000], ["dark", 380]] as const) {
  Deno.test({
    name: `htmlPage() draws every figure offline, ${colorScheme}, ${width} wide${reason}`,
    ignore,
    fn: async () => {
      const path = await Deno.makeTempFile({ suffix: ".html" });
      try {
        await Deno.writeTextFile(path, await samplePage());
        const page = await openPage(path, { width, colorScheme });
        assertEquals(page.figuresDrawn, "5/5");
        assertEquals(page.consoleErrors, []);
        assertEquals(page.requests, []);
        assertEquals(page.overflow, 0);
        // Smoothed text alone gives an axis dozens of shades; a heat map adds one for each value.
        assertEquals(page.coloursPerFigure.map((n) => n > 20), Array(5).fill(true));
        assert(
          page.coloursPerFigure[0] > 100,
          `the heat map has ${page.coloursPerFigure[0]} colours`,
        );
      } finally {
        await Deno.remove(path);
      }
    },
  });
}

/** What there is in a drawing, unless said. */
const DRAWING = {
  root: "svg",
  errors: 0,
  size: ["300", "200"],
  titles: [],
  maps: 0,
  bars: 0,
  errorBars: 0,
  points: 0,
  lines: 0,
};

Deno.test({
  name:
    `Figure.save() draws .svg with a mark for each value, and .png of the size asked for${reason}`,
  ignore,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const program = new URL("./_save_figure.ts", import.meta.url);
      const names = ["map.svg", "bars.svg", "points.svg", "lines.svg", "map.png"];
      const paths = names.map((name) => `${folder}/${name}`);
      const read = JSON.parse(await runWithChromium(program, paths));
      assertEquals(read, {
        "map.svg": { ...DRAWING, maps: 1, titles: ["Waves < & >"] },
        "bars.svg": { ...DRAWING, bars: 3, errorBars: 3 },
        "points.svg": { ...DRAWING, points: 4 },
        "lines.svg": { ...DRAWING, lines: 2 },
        // Two pixels for one, unless said; six cells, but for one that is as white as the paper.
        "map.png": { size: [600, 400], nColours: read["map.png"].nColours },
      });
      assert(read["map.png"].nColours >= 5, `${read["map.png"].nColours} colours`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
