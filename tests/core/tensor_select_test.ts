import { ShapeError, Tensor } from "../../mod.ts";
import { assertError, assertTensor, FLAGS, INTS, SIX } from "./_tensors.ts";

const int32 = { dtype: "int32" } as const;
const EMPTY = Tensor.zeros([0]);

Deno.test("Tensor.argmax() and argmin() give the first of equals, and NaN before all", () => {
  assertTensor(SIX.argmax(), 5, int32);
  assertTensor(SIX.argmax(1), [2, 2], int32);
  assertTensor(SIX.argmin(0, { keepdim: true }), [[0, 0, 0]], int32);
  assertTensor(Tensor.from([1, 3, 3]).argmax(), 1, int32);
  assertTensor(Tensor.from([2, 1, 1]).argmin(), 1, int32);
  assertTensor(Tensor.from([1, NaN, 3]).argmax(), 1, int32);
  assertTensor(Tensor.from([1, NaN, 3]).argmin(), 1, int32);
});

Deno.test("Tensor.max() and min() give values, and indices along an axis", () => {
  assertTensor(SIX.max(), 6);
  assertTensor(INTS.min(), -2, int32);
  assertTensor(Tensor.from(3).max(), 3);
  const [values, indices] = SIX.max(1);
  assertTensor(values, [3, 6]);
  assertTensor(indices, [2, 2], int32);
  const [kept, at] = SIX.min(0, { keepdim: true });
  assertTensor(kept, [[1, 2, 3]]);
  assertTensor(at, [[0, 0, 0]], int32);
});

Deno.test("Tensor.argmax() refuses to choose from nothing", () => {
  assertError(
    () => EMPTY.argmax(),
    ShapeError,
    "Cannot apply argmax to [0]: there is nothing to choose from",
  );
  assertError(
    () => Tensor.zeros([2, 0]).argmax(1),
    ShapeError,
    "Cannot apply argmax to [2, 0]: there is nothing to choose from",
  );
});

Deno.test("Tensor.topk() gives the largest first, of equals the first", () => {
  const [values, indices] = Tensor.from([[1, 3, 2], [2, 2, 2]]).topk(2);
  assertTensor(values, [[3, 2], [2, 2]]);
  assertTensor(indices, [[1, 2], [0, 1]], int32);
  const [small, at] = SIX.topk(1, 0, { largest: false });
  assertTensor(small, [[1, 2, 3]]);
  assertTensor(at, [[0, 0, 0]], int32);
  assertTensor(SIX.topk(0)[0], [[], []], { shape: [2, 0] });
});

Deno.test("Tensor.topk() refuses more than there are, and what isn't a count", () => {
  assertError(
    () => SIX.topk(4),
    ShapeError,
    "Cannot take the top 4 of [2, 3] along axis 1: its length is 3",
  );
  assertError(
    () => SIX.topk(-1),
    ShapeError,
    "Cannot take the top -1: expected how many, a whole number.",
  );
  assertError(
    () => SIX.topk(1.5),
    ShapeError,
    "Cannot take the top 1.5: expected how many, a whole number.",
  );
});

Deno.test("Tensor.sort() is stable in both directions, NaN last", () => {
  const [values, indices] = Tensor.from([2, 1, 2, 1]).sort();
  assertTensor(values, [1, 1, 2, 2]);
  assertTensor(indices, [1, 3, 0, 2], int32);
  const [falling, from] = Tensor.from([1, 2, 2, 1]).sort(-1, { descending: true });
  assertTensor(falling, [2, 2, 1, 1]);
  assertTensor(from, [1, 2, 0, 3], int32);
  assertTensor(Tensor.from([NaN, 1, -1]).sort()[0], [-1, 1, NaN]);
  assertTensor(SIX.sort(0, { descending: true })[1], [[1, 1, 1], [0, 0, 0]], int32);
});

Deno.test("Tensor.gather() takes one element per index", () => {
  assertTensor(SIX.gather(1, [[0, 0], [2, 1]]), [[1, 1], [6, 5]]);
  assertTensor(SIX.gather(0, Tensor.from([[0, 1, 0]])), [[1, 5, 3]]);
  assertTensor(SIX.gather(-1, Tensor.from(Int32Array.of(2, 0), [2, 1])), [[3], [4]]);
});

Deno.test("Tensor.gather() refuses indices of another rank, out of range or not whole", () => {
  assertError(
    () => SIX.gather(1, [0]),
    ShapeError,
    "Cannot gather from [2, 3] along axis 1 with indices of shape [1]: the same number of axes was wanted, none longer but axis 1",
  );
  assertError(
    () => SIX.gather(1, [[-1], [0]]),
    RangeError,
    "Cannot apply gather to [2, 3]: entry -1 of axis 1 was asked for, its length is 3",
  );
  assertError(
    () => SIX.gather(0, [[0.5]]),
    ShapeError,
    "Cannot use a float32 tensor as an index: expected integers.",
  );
  assertError(
    () => SIX.gather(0, FLAGS.unsqueeze(0)),
    ShapeError,
    "Cannot use a bool tensor as an index: expected integers.",
  );
});

Deno.test("Tensor.indexSelect() takes whole slices", () => {
  assertTensor(SIX.indexSelect(1, [2, 0, 2]), [[3, 1, 3], [6, 4, 6]]);
  assertTensor(SIX.indexSelect(0, []), [], { shape: [0, 3] });
  assertError(
    () => SIX.indexSelect(0, [5]),
    RangeError,
    "Cannot apply indexSelect to [2, 3]: entry 5 of axis 0 was asked for, its length is 2",
  );
});

Deno.test("Tensor.nonzero() gives indices row by row", () => {
  assertTensor(Tensor.from([[0, 1], [2, 0]]).nonzero(), [[0, 1], [1, 0]], int32);
  assertTensor(FLAGS.nonzero(), [[0], [2]], int32);
  assertTensor(Tensor.from([0]).nonzero(), [], { dtype: "int32", shape: [0, 1] });
});
