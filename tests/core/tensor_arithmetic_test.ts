import { assertEquals } from "@std/assert";
import { ShapeError, Tensor } from "../../mod.ts";
import { assertError, assertTensor, FLAGS, INTS, SIX } from "./_tensors.ts";

const [INF, NAN] = [Infinity, NaN];

Deno.test("Tensor arithmetic broadcasts as numpy's", () => {
  assertTensor(SIX.add(Tensor.from([10, 20, 30])), [[11, 22, 33], [14, 25, 36]]);
  assertTensor(SIX.sub(Tensor.from([[1], [4]])), [[0, 1, 2], [0, 1, 2]]);
  assertTensor(SIX.mul(2), [[2, 4, 6], [8, 10, 12]]);
  assertTensor(SIX.div(Tensor.from(2)), [[0.5, 1, 1.5], [2, 2.5, 3]]);
  assertTensor(Tensor.ones([2, 1]).add(Tensor.ones([1, 2])), [[2, 2], [2, 2]]);
  assertTensor(Tensor.ones([0, 3]).add(Tensor.ones([3])), [], { shape: [0, 3] });
  assertTensor(Tensor.from([1, 0]).div(0), [INF, NAN]);
});

Deno.test("Tensor arithmetic keeps integers where the function does", () => {
  assertTensor(INTS.add(INTS), [14, -4, 6], { dtype: "int32" });
  assertTensor(INTS.sub(1), [6, -3, 2], { dtype: "int32" });
  assertTensor(INTS.mul(2), [14, -4, 6], { dtype: "int32" });
  assertTensor(INTS.neg(), [-7, 2, -3], { dtype: "int32" });
  assertTensor(INTS.abs(), [7, 2, 3], { dtype: "int32" });
  assertTensor(INTS.clamp(0, 5), [5, 0, 3], { dtype: "int32" });
  assertTensor(INTS.mul(2.5), [17.5, -5, 7.5]);
  assertTensor(INTS.div(2), [3.5, -1, 1.5]);
  assertTensor(INTS.mul(FLAGS), [7, 0, 3], { dtype: "int32" });
  assertTensor(SIX.mul(FLAGS), [[1, 0, 3], [4, 0, 6]]);
});

Deno.test("Tensor arithmetic refuses shapes that don't broadcast", () => {
  assertError(
    () => SIX.add(Tensor.from([1, 2])),
    ShapeError,
    "Cannot apply add to [2, 3] and [2]: axis -1 is 3 in one and 2 in the other, wanted equal lengths or a 1",
  );
});

Deno.test("Tensor.pow() takes numbers and tensors", () => {
  assertTensor(Tensor.from([4, 9]).pow(0.5), [2, 3]);
  assertTensor(Tensor.from([-2, 3]).pow(3), [-8, 27]);
  assertTensor(Tensor.from([2, 3]).pow(Tensor.from([3, 2])), [8, 9]);
  assertTensor(Tensor.from([2, 0]).pow(-1), [0.5, INF]);
  assertTensor(Tensor.from([0]).pow(0), [1]);
});

Deno.test("Tensor elementary functions meet their limits", () => {
  assertTensor(Tensor.from([4, -1]).sqrt(), [2, NAN]);
  assertTensor(Tensor.from([1, 0]).log(), [0, -INF]);
  assertTensor(Tensor.from([0, 100, -200]).exp(), [1, INF, 0]);
  assertTensor(Tensor.from([0, 100, -100]).tanh(), [0, 1, -1]);
  assertTensor(Tensor.from([-1, 2, NAN]).relu(), [0, 2, NAN]);
  assertTensor(Tensor.from([0, -200]).sigmoid(), [0.5, 0]);
});

Deno.test("Tensor.clamp() bounds on either side", () => {
  assertTensor(SIX.clamp(2, 4), [[2, 2, 3], [4, 4, 4]]);
  assertTensor(SIX.clamp(3), [[3, 3, 3], [4, 5, 6]]);
  assertTensor(SIX.clamp(undefined, 3), [[1, 2, 3], [3, 3, 3]]);
  assertTensor(SIX.clamp(5, 2), [[2, 2, 2], [2, 2, 2]]);
});

Deno.test("Tensor.matmul() follows torch's rules for ranks", () => {
  assertTensor(SIX.matmul(SIX.transpose()), [[14, 32], [32, 77]]);
  assertTensor(SIX.matmul(Tensor.from([1, 1, 1])), [6, 15]);
  assertTensor(Tensor.from([1, 1]).matmul(SIX), [5, 7, 9]);
  assertTensor(Tensor.from([1, 2, 3]).matmul(Tensor.ones([3])), 6);
  const batched = Tensor.ones([2, 1, 2, 3]).matmul(Tensor.ones([4, 3, 1]));
  assertEquals([...batched.shape], [2, 4, 2, 1]);
  assertEquals([...SIX.matmul(Tensor.ones([5, 3, 4])).shape], [5, 2, 4]);
});

Deno.test("Tensor.matmul() refuses lengths that don't meet", () => {
  assertError(
    () => SIX.matmul(SIX),
    ShapeError,
    "Cannot multiply [2, 3] and [2, 3]: rows of 3 meet columns of 2, wanted equal lengths",
  );
  assertError(
    () => SIX.matmul(Tensor.from(1)),
    ShapeError,
    "Cannot multiply [2, 3] and []: a matrix or vector was wanted",
  );
});

Deno.test("Tensor comparisons give masks, and NaN equals nothing", () => {
  const values = Tensor.from([1, 2, NAN]);
  const flags = (mask: Tensor) => {
    assertEquals(mask.dtype, "bool");
    return mask.toArray();
  };
  assertEquals(flags(values.eq(2)), [false, true, false]);
  assertEquals(flags(values.ne(2)), [true, false, true]);
  assertEquals(flags(values.gt(1)), [false, true, false]);
  assertEquals(flags(values.ge(1)), [true, true, false]);
  assertEquals(flags(values.lt(Tensor.from(2))), [true, false, false]);
  assertEquals(flags(values.le(2)), [true, true, false]);
  assertEquals(flags(values.eq(values)), [true, true, false]);
  // 2^24 + 1 has no float32: integers are compared as integers.
  const large = Tensor.from(Int32Array.of(2 ** 24 + 1));
  assertEquals(flags(large.eq(Tensor.from(Int32Array.of(2 ** 24)))), [false]);
});

Deno.test("Tensor logic combines masks", () => {
  const other = Tensor.from([true, true, false]);
  assertTensor(FLAGS.and(other), [true, false, false], { dtype: "bool" });
  assertTensor(FLAGS.or(other), [true, true, true], { dtype: "bool" });
  assertTensor(FLAGS.not(), [false, true, false], { dtype: "bool" });
});

Deno.test("Tensor.where() and maskedFill() choose by a mask and keep integers", () => {
  assertTensor(Tensor.where(FLAGS, Tensor.from([1, 2, 3]), 0), [1, 0, 3]);
  assertTensor(SIX.where(FLAGS, -1), [[1, -1, 3], [4, -1, 6]]);
  assertTensor(SIX.maskedFill(SIX.gt(2), 0), [[1, 2, 0], [0, 0, 0]]);
  assertTensor(INTS.maskedFill(FLAGS, 9), [9, -2, 9], { dtype: "int32" });
  assertTensor(INTS.maskedFill(FLAGS, 0.5), [0.5, -2, 0.5]);
  assertTensor(FLAGS.maskedFill(FLAGS, 0), [false, false, false], { dtype: "bool" });
  assertError(
    () => Tensor.where(FLAGS, Tensor.from([1, 2]), 0),
    ShapeError,
    "Cannot apply where to [3] and [2]: axis -1 is 3 in one and 2 in the other, wanted equal lengths or a 1",
  );
});

Deno.test("Tensor.allClose() is torch's, infinities and NaN too", () => {
  assertEquals(SIX.allClose(SIX.add(1e-6)), true);
  assertEquals(SIX.allClose(SIX.add(1)), false);
  assertEquals(SIX.allClose(SIX.add(1), { atol: 1 }), true);
  // The relative tolerance is of the second tensor: |1 - 3| <= 0.7 * 3, but not <= 0.7 * 1.
  assertEquals(Tensor.from([1]).allClose(Tensor.from([3]), { rtol: 0.7 }), true);
  assertEquals(Tensor.from([3]).allClose(Tensor.from([1]), { rtol: 0.7 }), false);
  assertEquals(Tensor.from([INF, INF]).allClose(Tensor.from(INF)), true);
  assertEquals(Tensor.from([1]).allClose(Tensor.from([INF])), false);
  assertEquals(Tensor.from([INF]).allClose(Tensor.from([-INF]), { atol: INF }), false);
  assertEquals(Tensor.from([NAN]).allClose(Tensor.from([NAN])), false);
  assertEquals(INTS.allClose(INTS), true);
  assertError(
    () => SIX.allClose(Tensor.from([1, 2])),
    ShapeError,
    "Cannot compare [2, 3] with [2]: the shapes don't broadcast.",
  );
});

Deno.test("JavaScript's operators on tensors are refused, with the methods to use", () => {
  const [a, b] = [Tensor.from([1, 2]), Tensor.from([3, 4])] as unknown as number[];
  for (const operate of [() => a + b, () => a * 2, () => a < b, () => -a, () => `${a}` + a]) {
    assertError(
      operate,
      ShapeError,
      "Cannot calculate with Tensor(float32[2]) by operators, which JavaScript has for numbers alone: use its methods, a.add(b), " +
        "a.sub(b), a.mul(b), a.div(b), a.lt(b), or item() for the number in a tensor of one element.",
    );
  }
  assertEquals(`${a}`, "Tensor(float32[2])");
});

Deno.test("a large constant goes through in slices, with the bits of its elements", () => {
  const length = 2 ** 19 + 3;
  const values = Float32Array.from({ length }, (_, i) => i % 7 === 0 ? 0 : i / 3 - 8e4);
  const large = Tensor.from(values, [length, 1]);
  for (const kind of ["neg", "abs", "sqrt", "relu", "exp"] as const) {
    const got = large[kind]();
    assertEquals(got.shape, [length, 1]);
    // Both ends, and where slices meet.
    for (const at of [0, 2 ** 18 - 2, 2 ** 19 - 2, length - 4]) {
      const part = Tensor.from(values.slice(at, at + 4))[kind]();
      const bits = (tensor: Tensor) => new Uint32Array(tensor.data().buffer);
      assertEquals(bits(got.at([at, at + 1, at + 2, at + 3]).reshape(4)), bits(part));
    }
  }
});
