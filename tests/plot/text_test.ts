import { assertEquals, assertStringIncludes } from "@std/assert";
import { bar, imshow, line, scatter } from "../../src/plot/express.ts";
import { figureText } from "../../src/plot/text.ts";

const PLAIN = { columns: 40, hasColours: false };

Deno.test("figureText() writes heat maps as tables where there are no colours", () => {
  const figure = imshow([[1, -0.123456], [NaN, 2]], {
    title: "Effects<br>here",
    xaxis: "Feature",
    yaxis: "Prompt",
    x: ["17", "error"],
  });
  assertEquals(
    figureText(figure.toJSON(), PLAIN),
    [
      "Effects here",
      "       17  error",
      "0       1 -0.123",
      "1       -      2",
      "across: Feature   down: Prompt",
    ].join("\n"),
  );
});

Deno.test("figureText() cuts tables that are too wide", () => {
  const figure = imshow([Array.from({ length: 30 }, (_, i) => i)]);
  const [names, cells] = figureText(figure.toJSON(), { columns: 16, hasColours: false }).split(
    "\n",
  );
  assertEquals(names, "    0  1  2  3 …");
  assertEquals(cells, "0   0  1  2  3 …");
});

Deno.test("figureText() draws heat maps with two rows a line, coloured about the midpoint", () => {
  const coloured = { columns: 8, hasColours: true };
  const rows = [[-1], [1], [0], [0], [0], [0], [0]];
  const text = figureText(imshow(rows, { midpoint: 0 }).toJSON(), coloured);
  const [first, , , fourth, names, legend] = text.split("\n");
  assertEquals(first, "0 \x1b[38;2;103;0;31m\x1b[48;2;5;48;97m▀▀▀▀▀▀\x1b[0m");
  assertEquals(fourth, "6 \x1b[0m\x1b[38;2;247;247;247m▀▀▀▀▀▀\x1b[0m");
  const few = figureText(imshow([[-1], [1]], { midpoint: 0 }).toJSON(), coloured);
  assertEquals(few.split("\n")[0], "0 \x1b[38;2;103;0;31m\x1b[48;2;103;0;31m▀▀▀▀▀▀\x1b[0m");
  assertEquals(names, "  0");
  assertStringIncludes(legend, "  -1 \x1b[48;2;103;0;31m ");
});

Deno.test("figureText() shows the farthest value where columns must be folded", () => {
  const row = Array.from({ length: 40 }, (_, i) => i === 17 ? -4 : 1);
  const text = figureText(imshow([row]).toJSON(), { columns: 12, hasColours: true });
  assertStringIncludes(text.split("\n")[0], "38;2;103;0;31");
});

Deno.test("figureText() lays coloured facets side by side, with one scale, as the width allows", () => {
  const facets = [[[1, 2]], [[0, 0]], [[4, 3]]];
  const figure = imshow(facets, { facetLabels: ["one", "two", "three"], x: ["a", "b"] });
  const shown = (columns: number) =>
    // deno-lint-ignore no-control-regex -- Escape sequences begin with a control character.
    figureText(figure.toJSON(), { columns, hasColours: true }).replace(/\x1b\[[0-9;]*m/g, "")
      .split("\n");
  const wide = shown(40);
  assertEquals(wide.slice(0, 3), [
    "  one     two     three",
    "0 ▀▀▀▀▀▀  ▀▀▀▀▀▀  ▀▀▀▀▀▀",
    "  a  b    a  b    a  b",
  ]);
  assertEquals(wide.length, 4);
  const narrow = shown(12);
  assertEquals(narrow.slice(0, 6), [
    "  one   two",
    "0 ▀▀▀▀  ▀▀▀▀",
    "  a b   a b",
    "  three",
    "0 ▀▀▀▀",
    "  a b",
  ]);
});

Deno.test("figureText() draws the longest of very many bars", () => {
  const values = Array.from({ length: 500 }, (_, i) => (i % 100 === 7 ? -i : 0));
  const lines = figureText(bar(values.map((_, i) => `f${i}`), values).toJSON(), PLAIN).split("\n");
  assertEquals(lines.map((line) => line.split(" ")[0]), [
    "f7",
    "f107",
    "f207",
    "f307",
    "f407",
    "…",
  ]);
  assertEquals(lines[5], "… 495 shorter ones");
  const flat = figureText(bar(values.map(() => 0), values.map(() => 0)).toJSON(), PLAIN);
  assertEquals(flat.split("\n").at(-1), "… 440 shorter ones");
});

Deno.test("figureText() heads facets with their labels", () => {
  const text = figureText(imshow([[[1]], [[2]]], { facetLabels: ["L0", "L1"] }).toJSON(), PLAIN);
  assertEquals(text, ["L0", "   0", "0  1", "L1", "   0", "0  2"].join("\n"));
});

Deno.test("figureText() draws bars from zero to either side, with their errors", () => {
  const figure = bar(["Clean", "L0"], [3, -1], { errorY: [0.5, 0.25], yaxis: "Logit diff" });
  assertEquals(
    figureText(figure.toJSON(), PLAIN),
    [
      "Clean    3 ± 0.5        ████████████████",
      "L0     -1 ± 0.25  ██████",
      "up: Logit diff",
    ].join("\n"),
  );
});

Deno.test("figureText() names places that share a name", () => {
  const figure = imshow([[1, 2]], { x: ["the", "the"], y: ["row"] });
  assertEquals(figureText(figure.toJSON(), PLAIN), ["     the the", "row    1   2"].join("\n"));
  assertEquals(
    figureText(bar(["the", "the"], [1, 1]).toJSON(), PLAIN).split("\n").map((l) => l.slice(0, 6)),
    ["the  1", "the  1"],
  );
});

Deno.test("figureText() writes small and great numbers with exponents", () => {
  const figure = imshow([[-1.2345e-10, -1234567.8, 0]]);
  assertEquals(
    figureText(figure.toJSON(), PLAIN),
    ["           0         1         2", "0  -1.23e-10   -1.23e6         0"].join("\n"),
  );
});

Deno.test("figureText() draws points, lines and line shapes", () => {
  const points = figureText(scatter([0, 1], [0, 1]).toJSON(), { columns: 20, hasColours: false })
    .split("\n");
  assertEquals(points[0], "1 │                ⠈");
  assertEquals(points[15], "0 │⡀");
  assertEquals(points[17], "   0               1");
  const coloured = figureText(line([0, 1]).toJSON(), { columns: 40, hasColours: true });
  assertEquals(coloured, figureText(line([0, 1]).toJSON(), PLAIN));
  const dots = (text: string) => [...text].filter((c) => c >= "\u2801" && c <= "\u28ff").length;
  const shaped = scatter([0, 1], [0, 1]).addShape({ type: "line", x0: 0, y0: 0, x1: 1, y1: 1 });
  assertEquals(dots(points.join("")), 2);
  assertEquals(
    dots(figureText(shaped.toJSON(), PLAIN)),
    dots(figureText(line([0, 1]).toJSON(), PLAIN)),
  );
  assertEquals(figureText(scatter([], []).toJSON(), PLAIN), "(no points)");
});
