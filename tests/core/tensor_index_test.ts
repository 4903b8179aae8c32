import { assertEquals } from "@std/assert";
import { ShapeError, Tensor } from "../../mod.ts";
import type { Index } from "../../src/core/tensor.ts";
import { assertError, assertTensor, INTS } from "./_tensors.ts";

const CUBE = Tensor.arange(24).reshape(2, 3, 4);
const int32 = { dtype: "int32" } as const;
const ints = (values: number[][]) => Tensor.from(values, undefined, "int32");

function reads(index: Index[], values: unknown, shape?: readonly number[]): void {
  assertTensor(CUBE.at(...index), values, { dtype: "int32", shape });
}

Deno.test("at() drops the axis of a number and leaves trailing axes", () => {
  reads([1, 2], [20, 21, 22, 23]);
  reads([-1, -1, -1], 23);
  reads([":", 1], [[4, 5, 6, 7], [16, 17, 18, 19]]);
  reads([Tensor.from(1), 0], [12, 13, 14, 15]);
  assertEquals([...CUBE.at().shape], [2, 3, 4]);
});

Deno.test("at() reads slices as Python does", () => {
  reads([0, 0, "1:3"], [1, 2]);
  reads([0, 0, ":-1"], [0, 1, 2]);
  reads([0, 0, "-2:"], [2, 3]);
  reads([0, 0, "::2"], [0, 2]);
  reads([0, 0, "2:100"], [2, 3]);
  reads([0, 0, "3:1"], []);
});

Deno.test('at() lets "..." stand for the axes between', () => {
  reads(["...", 0], [[0, 4, 8], [12, 16, 20]]);
  reads([0, "...", 1], [1, 5, 9]);
  reads([0, 1, 2, "..."], 6);
});

Deno.test("at() takes lists, of any shape, along an axis", () => {
  reads([":", [0, 2], 0], [[0, 8], [12, 20]]);
  reads([0, [-1, 0], ":2"], [[8, 9], [0, 1]]);
  reads([0, ints([[0, 1], [2, 0]]), 0], [[0, 4], [8, 0]]);
  reads([[]], [], [0, 3, 4]);
});

Deno.test("at() pairs several lists as numpy does", () => {
  reads([[0, 1], [1, 2]], [[4, 5, 6, 7], [20, 21, 22, 23]]);
  // With another axis between them, the common axis comes first.
  reads([[0, 1], ":", [0, 3]], [[0, 4, 8], [15, 19, 23]]);
  reads([[0, 1], [2]], [[8, 9, 10, 11], [20, 21, 22, 23]]);
  reads([1, [0, 2], [1, 3]], [13, 23]);
  reads([[0, 1], 0, [1, 2]], [1, 14]);
  reads([ints([[0], [1]]), ints([[0, 2]]), 0], [[0, 8], [12, 20]]);
});

Deno.test("at() takes masks over one axis or several", () => {
  reads([0, [true, false, true]], [[0, 1, 2, 3], [8, 9, 10, 11]]);
  reads([CUBE.gt(20)], [21, 22, 23]);
  const rows = Tensor.from([[true, false, false], [false, false, true]]);
  reads([rows], [[0, 1, 2, 3], [20, 21, 22, 23]]);
  reads([0, [false, false, false]], [], [0, 4]);
});

Deno.test("at() refuses what doesn't fit the shape", () => {
  const refused = (index: Index[], message: string) =>
    assertError(() => CUBE.at(...index), ShapeError, message);
  refused([0, 0, 0, 0], "Cannot index a tensor of shape [2, 3, 4]: 4 axes are indexed.");
  refused(["...", "..."], 'Cannot index a tensor of shape [2, 3, 4]: "..." stands twice.');
  refused(
    ["a:b"],
    'Cannot index axis 0 with "a:b": expected a slice such as ":", "2:", ":-1" or "::2".',
  );
  refused(
    [0, ""],
    'Cannot index axis 1 with "": expected a slice such as ":", "2:", ":-1" or "::2".',
  );
  refused(["::-1"], 'Cannot index axis 0 with "::-1": steps are positive.');
  refused(
    [[true, false, true]],
    "Cannot index with a mask of shape [3]: the axes from 0 on have shape [2].",
  );
  refused(
    [[0, 1], [0, 1, 2]],
    "Cannot index with lists of shapes [2] and [3] together: they address cells pairwise, and their shapes don't broadcast.",
  );
  refused([[0.5]], "Cannot use a float32 tensor as an index: expected integers.");
});

Deno.test("at() refuses indices outside their axis", () => {
  const refused = (index: Index[], message: string) =>
    assertError(() => CUBE.at(...index), RangeError, message);
  refused([2], "Index 2 is outside axis 0 of length 2: expected an integer from -2 to 1.");
  refused(
    [0, [0, -4]],
    "Index -4 is outside axis 1 of length 3: expected an integer from -3 to 2.",
  );
  refused([1.5], "Index 1.5 is outside axis 0 of length 2: expected an integer from -2 to 1.");
  refused([NaN], "Index NaN is outside axis 0 of length 2: expected an integer from -2 to 1.");
});

function written(index: Index[], value: Tensor | number): Tensor {
  const tensor = Tensor.zeros([2, 3]);
  tensor.set(index, value);
  return tensor;
}

Deno.test("set() writes numbers and broadcast tensors in place", () => {
  assertTensor(written([0, 1], 5), [[0, 5, 0], [0, 0, 0]]);
  assertTensor(written([":", 1], Tensor.from([7, 8])), [[0, 7, 0], [0, 8, 0]]);
  assertTensor(written([], Tensor.from([1, 2, 3])), [[1, 2, 3], [1, 2, 3]]);
  assertTensor(written([":", "1:"], Tensor.from([[1], [2]])), [[0, 1, 1], [0, 2, 2]]);
  assertTensor(written([], INTS), [[7, -2, 3], [7, -2, 3]]);
  assertTensor(written([[]], 1), [[0, 0, 0], [0, 0, 0]]);
});

Deno.test("set() writes through lists and masks", () => {
  assertTensor(written([0, [0, 2]], Tensor.from([1, 2])), [[1, 0, 2], [0, 0, 0]]);
  assertTensor(written([[0, 1], [1, 2]], Tensor.from([5, 6])), [[0, 5, 0], [0, 0, 6]]);
  assertTensor(written([0, ints([[0], [1]])], Tensor.from([[5], [6]])), [[5, 6, 0], [0, 0, 0]]);
  assertTensor(written([":", ints([[0, 1]])], 3), [[3, 3, 0], [3, 3, 0]]);
  const signed = Tensor.from([[1, -2, 3]]);
  signed.set([signed.lt(0)], 0);
  assertTensor(signed, [[1, 0, 3]]);
  // Of cells that are written twice the last wins, as in numpy.
  assertTensor(written([0, [1, 1]], Tensor.from([5, 6])), [[0, 6, 0], [0, 0, 0]]);
});

Deno.test("set() keeps the dtype and reads its value before writing", () => {
  const integers = Tensor.zeros([2], "int32");
  integers.set([0], 3);
  assertTensor(integers, [3, 0], int32);
  const flags = Tensor.zeros([2], "bool");
  flags.set([1], 1);
  assertTensor(flags, [false, true], { dtype: "bool" });
  const shifted = Tensor.from([1, 2, 3]);
  shifted.set(["1:"], shifted.at(":2"));
  assertTensor(shifted, [1, 1, 2]);
  const scalar = Tensor.from(1);
  scalar.set([], 4);
  assertTensor(scalar, 4);
});

Deno.test("set() refuses values and indices that don't fit, and changes nothing", () => {
  const tensor = Tensor.zeros([2, 3]);
  assertError(
    () => tensor.set([0], Tensor.from([1, 2])),
    ShapeError,
    "Cannot set a region of shape [3] to a value of shape [2]: it doesn't broadcast",
  );
  assertError(
    () => tensor.set([5], 1),
    RangeError,
    "Index 5 is outside axis 0 of length 2: expected an integer from -2 to 1.",
  );
  assertTensor(tensor, [[0, 0, 0], [0, 0, 0]]);
  assertError(
    () => Tensor.zeros([2], "int32").set([0], 3.7),
    ShapeError,
    "Cannot set cells of a tensor of int32 to a value of float32: convert one of them first",
  );
});
