import { assertEquals, assertThrows } from "@std/assert";
import { ShapeError } from "../../src/core/errors.ts";
import { bar, line, scatter } from "../../src/plot/express.ts";
import { axisOf, tensor } from "./_figures.ts";

Deno.test("bar() draws heights with error bars over names", () => {
  const { data, layout } = bar(["10", "None"], [1.5, -2], {
    errorY: tensor([2], [0.25, 0.5]),
    title: "Logit Diff after Interventions",
    xaxis: "Intervention",
    yaxis: "Logit diff",
  }).updateLayout({ plot_bgcolor: "white" }).toJSON();
  assertEquals(data, [{
    type: "bar",
    x: ["10", "None"],
    y: [1.5, -2],
    error_y: { type: "data", array: [0.25, 0.5], visible: true },
  }]);
  assertEquals(layout, {
    title: { text: "Logit Diff after Interventions" },
    xaxis: { title: { text: "Intervention" }, type: "category" },
    yaxis: { title: { text: "Logit diff" } },
    plot_bgcolor: "white",
  });
});

Deno.test("bar() draws several series side by side", () => {
  const { data, layout } = bar([1, 2], [[1, 2], [3, 4]], {
    names: ["with", "without"],
    errorY: [[0, 0], [1, 1]],
  }).toJSON();
  assertEquals(data.map(({ name, y }) => [name, y]), [["with", [1, 2]], ["without", [3, 4]]]);
  assertEquals(data.map((trace) => (trace.error_y as { array: number[] }).array), [[0, 0], [1, 1]]);
  assertEquals(layout.barmode, "group");
});

Deno.test("scatter() draws points, on a colour scale or by group", () => {
  const plain = scatter(tensor([2], [1, 2]), [3, 4], { xaxis: "a", hover: ["p", "q"] }).toJSON();
  assertEquals(plain.data, [{
    type: "scatter",
    mode: "markers",
    x: [1, 2],
    y: [3, 4],
    marker: {},
    hovertext: ["p", "q"],
  }]);
  const scaled = scatter([1, 2], [3, 4], { color: [5, 6], caxis: "layer" }).toJSON();
  const marker = axisOf(scaled.data[0], "marker");
  assertEquals(marker.color, [5, 6]);
  assertEquals(marker.colorbar, { title: { text: "layer" } });
  assertEquals((marker.colorscale as string[][])[0], [0, "rgb(13,8,135)"]);
  const grouped = scatter([1, 2, 3], [4, 5, 6], { color: ["u", "v", "u"], caxis: "kind" }).toJSON();
  assertEquals(grouped.data.map(({ name, x }) => [name, x]), [["u", [1, 3]], ["v", [2]]]);
  assertEquals(grouped.layout, { showlegend: true, legend: { title: { text: "kind" } } });
});

Deno.test("line() takes values alone, or positions and several series", () => {
  assertEquals(line([3, 1, 2]).toJSON().data[0].x, [0, 1, 2]);
  const { data, layout } = line(["0", "1"], [[1, 2], [3, 4]], {
    names: ["one", "two"],
    markers: true,
  }).toJSON();
  assertEquals(data.map(({ name, mode, x, y }) => [name, mode, x, y]), [
    ["one", "lines+markers", ["0", "1"], [1, 2]],
    ["two", "lines+markers", ["0", "1"], [3, 4]],
  ]);
  assertEquals(layout, { xaxis: { type: "category" } });
  assertEquals(
    line(tensor([2, 3], [1, 2, 3, 4, 5, 6])).toJSON().data.map(({ name, y }) => [name, y]),
    [
      ["0", [1, 2, 3]],
      ["1", [4, 5, 6]],
    ],
  );
});

Deno.test("bar(), scatter() and line() refuse lengths that differ", () => {
  const cases: [draw: () => unknown, text: string][] = [
    [() => bar(["a", "b"], [1]), "Cannot plot y of shape [1], expected [2] or [series, 2]"],
    [() => bar(["a"], [1], { errorY: [1, 2] }), "Cannot plot errorY of shape [2], expected [1]"],
    [
      () => bar(["a"], [[1], [2]], { names: ["one"] }),
      "Cannot name 2 series with 1 texts, expected one each",
    ],
    [() => scatter([1, 2], [1]), "Cannot plot y of shape [1], expected [2]"],
    [() => scatter(tensor([1, 2], [1, 2]), [1]), "Cannot plot x of shape [1,2], expected [n]"],
    [() => scatter([1], [1], { color: [1, 2] }), "Cannot plot color of shape [2], expected [1]"],
    [() => scatter([1], [1], { text: [] }), "Cannot put 0 text texts on 1 points, expected 1"],
    [
      () => line(tensor([], [1])),
      "Cannot plot y of shape [], expected [points] or [series, points]",
    ],
    [() => line([1, 2], [1]), "Cannot plot y of shape [1], expected [2] or [series, 2]"],
  ];
  for (const [draw, text] of cases) assertEquals(assertThrows(draw, ShapeError).message, text);
});
