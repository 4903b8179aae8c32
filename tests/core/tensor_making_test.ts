import { assertEquals } from "@std/assert";
import { ShapeError, Tensor } from "../../mod.ts";
import { assertError, assertTensor, FLAGS, INTS, SIX } from "./_tensors.ts";

Deno.test("Tensor.from() takes the dtype from the values", () => {
  assertTensor(Tensor.from(5), 5, { shape: [] });
  assertTensor(Tensor.from([[1, 2], [3, 4]]), [[1, 2], [3, 4]], { shape: [2, 2] });
  assertTensor(Tensor.from([]), [], { shape: [0] });
  assertTensor(Tensor.from([[], []]), [[], []], { shape: [2, 0] });
  assertTensor(Tensor.from([[true, false]]), [[true, false]], { dtype: "bool" });
  assertTensor(Tensor.from([true, 2]), [1, 2]);
  assertTensor(Tensor.from(Int32Array.of(1, -1)), [1, -1], { dtype: "int32" });
  assertTensor(Tensor.from(Uint8Array.of(255)), [255], { dtype: "int32" });
  assertTensor(Tensor.from(BigInt64Array.of(3n, -4n)), [3, -4], { dtype: "int32" });
  assertTensor(Tensor.from(Float64Array.of(0.1)), [0.1]);
});

Deno.test("Tensor.from() takes a shape and a dtype", () => {
  assertTensor(Tensor.from([1, 2, 3, 4], [2, 2], "int32"), [[1, 2], [3, 4]], { dtype: "int32" });
  assertTensor(Tensor.from([1.9, -1.9], undefined, "int32"), [1, -1], { dtype: "int32" });
  assertTensor(Tensor.from([0, 2], undefined, "bool"), [false, true], { dtype: "bool" });
});

Deno.test("Tensor.from() copies the array it is given", () => {
  const array = Float32Array.of(1, 2);
  const tensor = Tensor.from(array);
  array[0] = 9;
  assertTensor(tensor, [1, 2]);
});

Deno.test("Tensor.from() refuses ragged nesting and shapes of another size", () => {
  assertError(
    () => Tensor.from([[1, 2], [3]]),
    ShapeError,
    "Cannot make a tensor from nested arrays: the first entries have shape [2, 2], others differ.",
  );
  assertError(
    () => Tensor.from([1, 2, 3], [2, 2]),
    ShapeError,
    "Cannot make a tensor of shape [2, 2] (4 elements) from 3 values.",
  );
});

Deno.test("Tensor.zeros(), ones() and full() fill a shape", () => {
  assertTensor(Tensor.zeros([2]), [0, 0]);
  assertTensor(Tensor.ones([2], "bool"), [true, true], { dtype: "bool" });
  assertTensor(Tensor.full([1, 2], 7, "int32"), [[7, 7]], { dtype: "int32" });
  assertEquals(Tensor.zeros([0, 3]).size, 0);
});

Deno.test("Tensor.zeros() refuses shapes that aren't whole numbers", () => {
  assertError(
    () => Tensor.zeros([-1, -1]),
    ShapeError,
    "Cannot make a tensor of shape [-1, -1]: expected whole numbers, 0 or more.",
  );
  assertError(
    () => Tensor.randn([1.5]),
    ShapeError,
    "Cannot make a tensor of shape [1.5]: expected whole numbers, 0 or more.",
  );
});

Deno.test("Tensor.arange() counts in steps, integers where the numbers are", () => {
  assertTensor(Tensor.arange(3), [0, 1, 2], { dtype: "int32" });
  assertTensor(Tensor.arange(5, 0, -2), [5, 3, 1], { dtype: "int32" });
  assertTensor(Tensor.arange(0, 2, 0.5), [0, 0.5, 1, 1.5]);
  assertTensor(Tensor.arange(2.5), [0, 1, 2]);
  assertTensor(Tensor.arange(3, 1), [], { dtype: "int32" });
});

Deno.test("Tensor.randn() gives the same numbers for the same seed", () => {
  // The first of sfc32 and Box-Muller for seeds 3 and 0: a change would change every seeded result.
  assertTensor(Tensor.randn([3], { seed: 3 }), [
    0.9627386331558228,
    1.1715431213378906,
    0.9631726145744324,
  ]);
  assertTensor(Tensor.randn([2]), [-1.6421546936035156, -0.09026505798101425]);
});

Deno.test("Tensor.cat() joins along an axis and widens dtypes", () => {
  assertTensor(Tensor.cat([SIX, Tensor.from([[9], [9]])], -1), [[1, 2, 3, 9], [4, 5, 6, 9]]);
  assertTensor(Tensor.cat([SIX, SIX]), [[1, 2, 3], [4, 5, 6], [1, 2, 3], [4, 5, 6]]);
  assertTensor(Tensor.cat([INTS, Tensor.from([0.5])]), [7, -2, 3, 0.5]);
  assertTensor(Tensor.cat([INTS, INTS]), [7, -2, 3, 7, -2, 3], { dtype: "int32" });
});

Deno.test("Tensor.stack() joins along a new axis", () => {
  assertTensor(Tensor.stack([Tensor.from(1), Tensor.from(2)]), [1, 2]);
  assertTensor(Tensor.stack([Tensor.from([1, 2]), Tensor.from([3, 4])], -1), [[1, 3], [2, 4]]);
});

Deno.test("Tensor.cat() and stack() refuse what doesn't fit", () => {
  assertError(() => Tensor.cat([]), ShapeError, "Cannot join an empty list of tensors.");
  assertError(() => Tensor.stack([]), ShapeError, "Cannot stack an empty list of tensors.");
  assertError(
    () => Tensor.cat([SIX, Tensor.from([[1, 2]])]),
    ShapeError,
    "Cannot cat [2, 3] and [1, 2] along axis 0: their other axes differ",
  );
});

Deno.test("Tensor reads as item, arrays, flat copy and rows", () => {
  assertEquals([SIX.rank, SIX.size, SIX.dtype], [2, 6, "float32"]);
  assertEquals(Tensor.from([[4]]).item(), 4);
  assertEquals([...SIX].map((row) => row.toArray()), [[1, 2, 3], [4, 5, 6]]);
  const copy = SIX.data();
  copy[0] = 9;
  assertEquals(SIX.data(), Float32Array.of(1, 2, 3, 4, 5, 6));
  assertEquals(FLAGS.data(), Uint8Array.of(1, 0, 1));
  assertEquals(`${SIX}`, "Tensor(float32[2, 3])");
  assertEquals(Deno.inspect(INTS), "Tensor(int32[3]) [ 7, -2, 3 ]");
  assertEquals(Deno.inspect(Tensor.zeros([65])), "Tensor(float32[65])");
});

Deno.test("Tensor.item() and iteration refuse the wrong rank", () => {
  assertError(
    () => SIX.item(),
    ShapeError,
    "Cannot take item() of a tensor of shape [2, 3]: it has 6 elements.",
  );
  assertError(() => [...Tensor.from(1)], ShapeError, "Cannot iterate over a scalar tensor.");
});

Deno.test("Tensor.clone() and detach() share nothing with the original", () => {
  for (const copy of [SIX.clone(), SIX.detach(), SIX.reshape(2, 3), SIX.at()]) {
    copy.set([0], 0);
    assertTensor(copy, [[0, 0, 0], [4, 5, 6]]);
  }
  assertTensor(SIX, [[1, 2, 3], [4, 5, 6]]);
});
