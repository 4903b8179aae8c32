import { assertAlmostEquals, assertEquals } from "@std/assert";
import { ShapeError, Tensor } from "../../mod.ts";
import { assertError, assertTensor, FLAGS, INTS, SIX } from "./_tensors.ts";

const EMPTY = Tensor.zeros([0]);

Deno.test("Tensor.sum() runs over all axes, one, or several", () => {
  assertTensor(SIX.sum(), 21, { shape: [] });
  assertTensor(SIX.sum(0), [5, 7, 9]);
  assertTensor(SIX.sum(-1, { keepdim: true }), [[6], [15]]);
  assertTensor(SIX.sum([0, 1]), 21);
  assertTensor(INTS.sum(), 8, { dtype: "int32" });
  assertTensor(FLAGS.sum(), 2, { dtype: "int32" });
  assertTensor(EMPTY.sum(), 0);
});

Deno.test("Tensor.sum() refuses axes that aren't there or stand twice", () => {
  assertError(() => SIX.sum(2), ShapeError, "Cannot sum along axis 2: the tensor has 2 axes.");
  assertError(() => SIX.sum(1.5), ShapeError, "Cannot sum along axis 1.5: the tensor has 2 axes.");
  assertError(
    () => SIX.sum([0, 0]),
    ShapeError,
    "Cannot apply sum to [2, 3] over the axes [0, 0]: each was wanted once",
  );
});

Deno.test("Tensor.mean() gives floats, NaN of nothing", () => {
  assertTensor(SIX.mean(), 3.5);
  assertTensor(SIX.mean(0), [2.5, 3.5, 4.5]);
  assertTensor(INTS.mean(), 8 / 3);
  assertTensor(FLAGS.mean(), 2 / 3);
  assertTensor(EMPTY.mean(), NaN);
});

Deno.test("Tensor.var() and std() are unbiased, as torch's", () => {
  assertTensor(SIX.var(), 3.5);
  assertTensor(SIX.var(1, { keepdim: true }), [[1], [1]]);
  // sqrt(4.5), a rounding of float32 away at most.
  for (const value of SIX.std(0).toArray()) assertAlmostEquals(value, Math.sqrt(4.5), 1e-6);
  assertTensor(Tensor.from([3]).var(), NaN);
  assertTensor(EMPTY.std(), NaN);
});

Deno.test("Tensor.norm() is the Euclidean one", () => {
  assertTensor(Tensor.from([[3, 4], [6, 8]]).norm(-1), [5, 10]);
  assertTensor(Tensor.from([[3, 4], [0, 12]]).norm(), 13);
  assertTensor(Tensor.from([[3], [4]]).norm(0, { keepdim: true }), [[5]]);
});

Deno.test("Tensor.any() and all() quantify", () => {
  const mask = Tensor.from([[true, false], [false, false]]);
  assertTensor(mask.any(), true, { dtype: "bool" });
  assertTensor(mask.any(0), [true, false], { dtype: "bool" });
  assertTensor(mask.all(), false, { dtype: "bool" });
  assertTensor(INTS.all(), true, { dtype: "bool" });
  assertEquals([EMPTY.any().item(), EMPTY.all().item()], [0, 1]);
});

Deno.test("Tensor.softmax() and logSoftmax() normalise along an axis", () => {
  const x = Tensor.from([[0, Math.log(3)], [1000, 1000]]);
  // Both are rounded once or twice in float32: within 1.2e-7 of 1.
  const close = (a: Tensor, b: number[][]) =>
    assertEquals(a.allClose(Tensor.from(b), { atol: 2e-7, rtol: 0 }), true);
  close(x.softmax(), [[0.25, 0.75], [0.5, 0.5]]);
  close(x.logSoftmax(), [[Math.log(0.25), Math.log(0.75)], [Math.log(0.5), Math.log(0.5)]]);
  close(Tensor.from([[0, 5], [0, 5]]).softmax(0), [[0.5, 0.5], [0.5, 0.5]]);
  assertTensor(Tensor.from([0, -Infinity]).softmax(), [1, 0]);
  assertError(
    () => x.softmax(2),
    ShapeError,
    "Cannot softmax along axis 2: the tensor has 2 axes.",
  );
});
