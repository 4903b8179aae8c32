import { assertEquals, AssertionError, assertThrows } from "@std/assert";
import { Tensor } from "../../mod.ts";
import { byFixture, compareAll, EXACT, referenceTolerance, summary } from "./_compare.ts";

const LOOSE = { atol: 0.01, rtol: 0.1 };

function named(values: Readonly<Record<string, number[] | Int32Array>>): Map<string, Tensor> {
  return new Map(Object.entries(values).map(([name, list]) => [name, Tensor.from(list)]));
}

Deno.test("compareAll() gives the number of points and where they differ most", () => {
  const got = named({ "a": [1, 2], "b": [4, -Infinity], "unasked": [7] });
  const want = named({ "b": [4.25, -Infinity], "a": [1, 2.125] });
  assertEquals(compareAll("runs", got, want, LOOSE), {
    name: "runs",
    points: 2,
    worst: 0.25,
    worstAt: "b",
  });
});

Deno.test("compareAll() names the first point that diverges, in firing order, with its worst element", () => {
  const shape = [2, 2];
  const got = new Map([
    ["early", Tensor.from([[1, 1], [1, 1]])],
    ["later", Tensor.from([[1, 2], [8, 6]])],
    ["last", Tensor.from([[9, 9], [9, 9]])],
  ]);
  const want = new Map([
    ["last", Tensor.zeros(shape)],
    ["later", Tensor.from([[1, 1], [4, 4]])],
    ["early", Tensor.ones(shape)],
  ]);
  assertThrows(
    () => compareAll("runs", got, want, LOOSE),
    AssertionError,
    'runs: 2 of 3 points diverge, the first is "later": element [1, 0] is 8, expected 4 (off by 4.00, allowed 0.410)',
  );
});

Deno.test("compareAll() wants infinities and integers to be equal", () => {
  for (const value of [NaN, -1e30, Infinity]) {
    assertThrows(
      () => compareAll("scores", named({ "a": [0, value] }), named({ "a": [0, -Infinity] }), LOOSE),
      AssertionError,
      `scores: 1 of 1 points diverge, the first is "a": element [1] is ${
        Math.fround(value)
      }, expected -Infinity`,
    );
  }
  const ids = (id: number) => named({ "ids": Int32Array.of(5, id) });
  assertThrows(
    () => compareAll("tokens", ids(100), ids(101), LOOSE),
    AssertionError,
    'tokens: 1 of 1 points diverge, the first is "ids": element [1] is 100, expected 101 (off by 1.00, allowed 0.00)',
  );
});

Deno.test("compareAll() wants every name, in its shape and dtype", () => {
  const want = named({ "a": [1], "b": [1], "c": [1] });
  assertThrows(
    () => compareAll("runs", named({ "b": [1] }), want, EXACT),
    AssertionError,
    'runs: "a", "c" didn\'t come up',
  );
  assertThrows(
    () => compareAll("runs", new Map([["a", Tensor.from([[1]])]]), named({ "a": [1] }), EXACT),
    AssertionError,
    'runs: 1 of 1 points diverge, the first is "a": it is Tensor(float32[1, 1]), expected Tensor(float32[1])',
  );
});

Deno.test("referenceTolerance() tells losses and gradients from values", () => {
  const atols = [
    "loss",
    "err/loss_per_token",
    "grad/blocks.0.hook_z",
    "x/attr",
    "cache/blocks.0.hook_z",
    "logits",
  ]
    .map((name) => Object.values(referenceTolerance(name)));
  const [loss, gradient, value] = [[2e-5, 1e-5], [1e-4, 1e-4], [1e-4, 2e-5]];
  assertEquals(atols, [loss, loss, gradient, gradient, value, value]);
});

Deno.test("summary() lays comparisons out in columns", () => {
  const rows = [{ name: "gpt2/raw", points: 14, worst: 1.25e-5, worstAt: "logits" }];
  assertEquals(
    summary(rows),
    "fixture   points   worst  at\ngpt2/raw      14  1.3e-5  logits",
  );
});

Deno.test("byFixture() sums up by fixture, and keeps those that nothing was compared with", () => {
  const of = (name: string, worst: number) => ({ name, points: 2, worst, worstAt: "logits" });
  const compared = [of("gpt2/raw", 1), of("gpt2 by another config", 3), of("gpt2_scaled/raw", 2)];
  assertEquals(byFixture(["opt", "gpt2", "gpt2_scaled"], compared), [
    { name: "opt", points: 0, worst: 0, worstAt: "" },
    { name: "gpt2", points: 4, worst: 3, worstAt: "logits" },
    { name: "gpt2_scaled", points: 2, worst: 2, worstAt: "logits" },
  ]);
  assertThrows(() => byFixture(["opt"], compared), AssertionError, "gpt2/raw is of no fixture");
});
