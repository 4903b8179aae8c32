import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError, ShapeError } from "../../src/core/errors.ts";
import { imshow } from "../../src/plot/imshow.ts";
import { axisOf, tensor } from "./_figures.ts";

const MATRIX = [[1, -2, 3], [4, 5, -6]];

Deno.test("imshow() gives one heat map with names, labels and the first row on top", () => {
  const { data, layout } = imshow(MATRIX, {
    title: "Effects",
    xaxis: "Feature Id",
    yaxis: "Prompt",
    x: ["17", "403", "error"],
  }).toJSON();
  assertEquals(data.length, 1);
  assertEquals(data[0].type, "heatmap");
  assertEquals(data[0].z, MATRIX);
  assertEquals(data[0].x, ["17", "403", "error"]);
  assertEquals(
    data[0].hovertemplate,
    "Feature Id: %{x}<br>Prompt: %{y}<br>value: %{z}<extra></extra>",
  );
  assertEquals(layout, {
    xaxis: {
      anchor: "y",
      domain: [0, 1],
      title: { text: "Feature Id" },
      type: "category",
    },
    yaxis: { anchor: "x", domain: [0, 1], autorange: "reversed", title: { text: "Prompt" } },
    title: { text: "Effects" },
  });
});

Deno.test("imshow() runs RdBu from red below to blue above, with 0 in the middle", () => {
  const { data } = imshow(MATRIX).toJSON();
  const stops = data[0].colorscale as [number, string][];
  assertEquals(stops.length, 11);
  assertEquals(stops[0], [0, "rgb(103,0,31)"]);
  assertEquals(stops[5], [0.5, "rgb(247,247,247)"]);
  assertEquals(stops[10], [1, "rgb(5,48,97)"]);
  assertEquals([data[0].zmid, data[0].zmin, data[0].zmax], [0, undefined, undefined]);
});

Deno.test("imshow() takes a midpoint, ends, names of scales and lists of colours", () => {
  const spread = imshow(MATRIX, { midpoint: null, colorContinuousScale: "Viridis_r" }).toJSON();
  assertEquals(spread.data[0].zmid, undefined);
  assertEquals((spread.data[0].colorscale as string[][])[0][1], "rgb(253,231,37)");
  const ended = imshow(MATRIX, { zmin: -1, colorContinuousScale: ["red", "white"] }).toJSON();
  assertEquals([ended.data[0].zmin, ended.data[0].zmax], [-1, 5]);
  assertEquals(ended.data[0].colorscale, [[0, "red"], [1, "white"]]);
});

Deno.test("imshow() shares one symmetric scale among facets and heads each with its label", () => {
  const values = Array.from({ length: 12 }, (_, i) => i - 3);
  const { data, layout } = imshow(tensor([2, 2, 3], values), {
    facetCol: 0,
    facetLabels: ["L0", "L1"],
    xaxis: "source",
    yaxis: "target",
  }).toJSON();
  assertEquals(data.map((trace) => trace.z), [
    [[-3, -2, -1], [0, 1, 2]],
    [[3, 4, 5], [6, 7, 8]],
  ]);
  assertEquals(data.map(({ xaxis, yaxis }) => [xaxis, yaxis]), [["x", "y"], ["x2", "y2"]]);
  assertEquals(data.map(({ zmin, zmax, zmid }) => [zmin, zmax, zmid]), [[-8, 8, 0], [-8, 8, 0]]);
  assertEquals(data.map((trace) => trace.showscale), [false, true]);
  const annotations = layout.annotations as { text: string; x: number; y: number }[];
  assertEquals(annotations.map(({ text, x, y }) => [text, x.toFixed(4), y]), [
    ["L0", "0.2425", 1],
    ["L1", "0.7575", 1],
  ]);
  assertEquals(axisOf(layout, "xaxis2").matches, "x");
  assertEquals(axisOf(layout, "yaxis2").showticklabels, false);
  assertEquals(axisOf(layout, "xaxis2").title, { text: "source" });
  assertEquals(axisOf(layout, "yaxis2").title, undefined);
});

Deno.test("imshow() cuts facets along any axis", () => {
  const values = Array.from({ length: 8 }, (_, i) => i);
  const cut = (facetCol: number) =>
    imshow(tensor([2, 2, 2], values), { facetCol }).toJSON().data.map(({ z }) => z);
  assertEquals(cut(1), [[[0, 1], [4, 5]], [[2, 3], [6, 7]]]);
  assertEquals(cut(2), [[[0, 2], [4, 6]], [[1, 3], [5, 7]]]);
  assertEquals(cut(-1), cut(2));
});

Deno.test("imshow() takes lists of matrices and of tensors as facets, row after row", () => {
  const figure = imshow([tensor([1, 2], [1, 2]), tensor([1, 2], [3, 4]), tensor([1, 2], [5, 6])], {
    facetColWrap: 2,
  }).toJSON();
  assertEquals(figure.data.map(({ z }) => z), [[[1, 2]], [[3, 4]], [[5, 6]]]);
  assertEquals(axisOf(figure.layout, "yaxis").domain, [0.5700000000000001, 1]);
  assertEquals(axisOf(figure.layout, "yaxis3").domain, [0, 0.43]);
  assertEquals(axisOf(figure.layout, "xaxis").showticklabels, false);
  assertEquals(imshow([[[1]], [[2]]]).toJSON().data.map(({ z }) => z), [[[1]], [[2]]]);
});

Deno.test("imshow() keeps places with the same name apart", () => {
  const { data, layout } = imshow(MATRIX, { x: ["the", "cat", "the"] }).toJSON();
  assertEquals(data[0].x, [0, 1, 2]);
  assertEquals(axisOf(layout, "xaxis").tickvals, [0, 1, 2]);
  assertEquals(axisOf(layout, "xaxis").ticktext, ["the", "cat", "the"]);
});

Deno.test("imshow() takes as many values as a layer of features has", () => {
  const values = new Float32Array(8 * 49_152).fill(1);
  const { data } = imshow({ shape: [8, 49_152], data: () => values }).toJSON();
  assertEquals((data[0].z as number[][])[7].length, 49_152);
});

Deno.test("imshow() makes cells square for square matrices, or as asked", () => {
  const anchorOf = (figure: ReturnType<typeof imshow>) =>
    axisOf(figure.toJSON().layout, "xaxis").scaleanchor;
  assertEquals(anchorOf(imshow([[1, 2], [3, 4]])), "y");
  assertEquals(anchorOf(imshow([[1, 2], [3, 4]], { x: ["a", "b"] })), undefined);
  assertEquals(anchorOf(imshow(MATRIX)), undefined);
  assertEquals(anchorOf(imshow(MATRIX, { aspect: "equal" })), "y");
});

Deno.test("imshow() passes the notebook's layout options to their places", () => {
  const { layout, data } = imshow(MATRIX, {
    xaxisRange: [0, 2],
    xaxisTitle: "columns",
    yaxisShowgrid: false,
    yaxisGridcolor: "red",
    titleX: 0.5,
    hovermode: "closest",
    colorbar: { title: { text: "Δ" } },
  }).toJSON();
  assertEquals(axisOf(layout, "xaxis").range, [0, 2]);
  assertEquals(axisOf(layout, "xaxis").title, { text: "columns" });
  assertEquals(axisOf(layout, "yaxis").showgrid, false);
  assertEquals(axisOf(layout, "yaxis").gridcolor, "red");
  assertEquals(layout.title, { x: 0.5 });
  assertEquals(layout.hovermode, "closest");
  assertEquals(data[0].colorbar, { title: { text: "Δ" } });
  const shared = imshow(MATRIX, { coloraxis: { showscale: false } }).toJSON();
  assertEquals(shared.data[0].coloraxis, "coloraxis");
  assertEquals(shared.data[0].colorscale, undefined);
  assertEquals(axisOf(shared.layout, "coloraxis").cmid, 0);
  assertEquals(axisOf(shared.layout, "coloraxis").showscale, false);
});

Deno.test("imshow() refuses data and labels that don't fit together", () => {
  const cases: [
    draw: () => unknown,
    error: typeof ShapeError | typeof ConfigError,
    text: string,
  ][] = [
    [
      () => imshow([1, 2]),
      ShapeError,
      "Cannot show data of shape [2] as heat maps, expected [row, column], none empty, " +
      "or three axes with facetCol to say which one counts the facets",
    ],
    [
      () => imshow(tensor([2, 1, 2], [1, 2, 3, 4])),
      ShapeError,
      "Cannot show data of shape [2,1,2] as heat maps, expected [row, column], none empty, " +
      "or three axes with facetCol to say which one counts the facets",
    ],
    [
      () => imshow(MATRIX, { facetCol: 0 }),
      ShapeError,
      "Cannot show data of shape [2,3] as heat maps, expected three axes, none empty, " +
      "for facetCol: 0",
    ],
    [
      () => imshow(tensor([2, 1, 1], [1, 2]), { facetCol: 3 }),
      ShapeError,
      "Cannot lay facets along axis 3 of shape [2,1,1], expected -3 to 2",
    ],
    [
      () => imshow([[1, 2], [3]]),
      ShapeError,
      "Cannot plot z: its parts differ in shape, [1] beside [2]",
    ],
    [
      () => imshow(MATRIX, { x: ["a"] }),
      ShapeError,
      "Cannot plot x of shape [1], expected [3]",
    ],
    [
      () => imshow([MATRIX, MATRIX], { facetLabels: ["one"] }),
      ShapeError,
      "Cannot label 2 facets with 1 texts, expected one each",
    ],
    [
      () => imshow([MATRIX], { facetColWrap: 0 }),
      ConfigError,
      "Cannot wrap facets after 0, expected a whole number above 0",
    ],
    [
      () => imshow(MATRIX, { colorContinuousScale: "RdBl" }),
      ConfigError,
      'Cannot colour a plot by "RdBl": no such colour scale; nearest: "RdBu", "RdBu_r", ' +
      '"Reds"; a list of colours does as well',
    ],
  ];
  for (const [draw, error, text] of cases) {
    assertEquals(assertThrows(draw, error).message, text);
  }
});
