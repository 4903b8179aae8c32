import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { ConfigError } from "../../src/core/errors.ts";
import { Figure } from "../../src/plot/figure.ts";

const figure = () => new Figure({ data: [{ type: "bar", x: ["a"], y: [1] }] });

Deno.test("Figure takes typed arrays and leaves out what is no number", () => {
  const { data } = new Figure({
    data: [{ y: new Float32Array([1, NaN, -Infinity]), name: undefined }],
  }).toJSON();
  assertEquals(data, [{ y: [1, null, null] }]);
  assertEquals(
    assertThrows(() => new Figure({ data: [{ y: () => 1 }] }), TypeError).message,
    "Cannot put a function into a figure, wanted what JSON can hold",
  );
});

Deno.test("Figure.addShape() appends, and toJSON() shares nothing with the figure", () => {
  const line = { type: "line", x0: 0, y0: 0, x1: 1, y1: 1, line: { dash: "dot" } };
  const two = figure().addShape(line).addShape({ type: "rect" });
  const json = two.toJSON();
  assertEquals(json.layout.shapes, [line, { type: "rect" }]);
  assertEquals(Object.getPrototypeOf(json), Object.prototype);
  json.layout.shapes = [];
  (json.data[0].y as number[])[0] = 7;
  assertEquals(two.toJSON().data[0].y, [1]);
  assertEquals((two.toJSON().layout.shapes as unknown[]).length, 2);
});

Deno.test("Figure.updateLayout() merges nested fields and fields with dots", () => {
  const { layout } = figure()
    .updateLayout({ xaxis: { title: { text: "x" }, showgrid: true }, plot_bgcolor: "white" })
    .updateLayout({
      "xaxis.title.text": "layer",
      "xaxis.tickvals": [1, 2],
      xaxis: { showgrid: false },
    })
    .toJSON();
  assertEquals(layout, {
    xaxis: { title: { text: "layer" }, showgrid: false, tickvals: [1, 2] },
    plot_bgcolor: "white",
  });
  assertEquals(
    assertThrows(() => figure().updateLayout({ "__proto__.polluted": 1 }), TypeError).message,
    'Cannot set "__proto__.polluted" of a figure: "__proto__" is not a field',
  );
});

Deno.test("Figure.save() writes pages and refuses other endings", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await figure().save(`${folder}/plot.html`);
    assertStringIncludes(await Deno.readTextFile(`${folder}/plot.html`), "<!doctype html>");
    const error = await assertRejects(() => figure().save(`${folder}/plot.pdf`), ConfigError);
    assertEquals(
      error.message,
      `Cannot save "${folder}/plot.pdf": expected a name in .html, .svg or .png`,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("Figure.save() says that a picture needs a Chromium", async () => {
  const before = Deno.env.get("CHROMIUM_PATH");
  Deno.env.set("CHROMIUM_PATH", "/nowhere/chromium");
  try {
    const error = await assertRejects(() => figure().save("plot.png"), ConfigError);
    assertEquals(
      error.message,
      'Cannot save "plot.png": no Chromium at /nowhere/chromium, where CHROMIUM_PATH points; ' +
        "wanted one to draw with (an .html page needs none)",
    );
  } finally {
    if (before === undefined) Deno.env.delete("CHROMIUM_PATH");
    else Deno.env.set("CHROMIUM_PATH", before);
  }
});

Deno.test("Figure shows itself to a notebook as a plot, a piece of HTML and text", () => {
  const shown = figure() as unknown as Record<symbol, () => Record<string, unknown>>;
  const bundle = shown[Symbol.for("Jupyter.display")]();
  assertEquals(bundle["application/vnd.plotly.v1+json"], figure().toJSON());
  assertStringIncludes(
    String(bundle["text/html"]),
    'await import("https://esm.sh/plotly.js-dist-min@4.1.2")',
  );
  assert(String(bundle["text/plain"]).startsWith("a  1  █"));
});

Deno.test("Figure.show() writes text where there is neither a notebook nor a page", async () => {
  const log = console.log;
  const written: unknown[] = [];
  console.log = (text: unknown) => void written.push(text);
  try {
    await figure().show();
  } finally {
    console.log = log;
  }
  assertEquals(written.length, 1);
  assert(String(written[0]).startsWith("a  1  █"));
});
