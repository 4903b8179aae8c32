import { assertEquals } from "@std/assert";
import { ShapeError, Tensor } from "../../mod.ts";
import { assertError, assertTensor, INTS, SIX } from "./_tensors.ts";

const CUBE = Tensor.arange(24).reshape(2, 3, 4);

Deno.test("Tensor.reshape() keeps the order and infers one axis", () => {
  assertTensor(SIX.reshape(3, -1), [[1, 2], [3, 4], [5, 6]]);
  assertTensor(SIX.reshape([3, 2]), [[1, 2], [3, 4], [5, 6]]);
  assertEquals([...Tensor.zeros([0, 3]).reshape(-1, 3).shape], [0, 3]);
  assertEquals(INTS.reshape(1, 3).dtype, "int32");
});

Deno.test("Tensor.reshape() refuses other sizes", () => {
  const refused = (...shape: number[]) =>
    assertError(
      () => SIX.reshape(...shape),
      ShapeError,
      `Cannot reshape [2, 3] (6 elements) to [${shape.join(", ")}].`,
    );
  refused(4, 2);
  refused(4, -1);
  refused(-1, -1);
  refused(-2, -3);
});

Deno.test("Tensor.flatten() joins neighbouring axes", () => {
  assertTensor(SIX.flatten(), [1, 2, 3, 4, 5, 6]);
  assertEquals([...CUBE.flatten(1).shape], [2, 12]);
  assertEquals([...CUBE.flatten(0, -2).shape], [6, 4]);
  assertTensor(Tensor.from(3).flatten(), [3]);
  assertError(
    () => CUBE.flatten(2, 1),
    ShapeError,
    "Cannot flatten from axis 2 to axis 1: it comes before.",
  );
});

Deno.test("Tensor.unsqueeze() and squeeze() add and remove axes of length 1", () => {
  assertEquals([...SIX.unsqueeze(0).shape], [1, 2, 3]);
  assertEquals([...SIX.unsqueeze(-1).shape], [2, 3, 1]);
  const padded = Tensor.zeros([1, 2, 1]);
  assertEquals([...padded.squeeze().shape], [2]);
  assertEquals([...padded.squeeze(-1).shape], [1, 2]);
  assertEquals([...padded.squeeze(1).shape], [1, 2, 1]);
  assertError(
    () => SIX.unsqueeze(4),
    ShapeError,
    "Cannot unsqueeze along axis 4: the tensor has 3 axes.",
  );
});

Deno.test("Tensor.expand() repeats axes of length 1", () => {
  const column = Tensor.from([[1], [2]]);
  assertTensor(column.expand(2, 3), [[1, 1, 1], [2, 2, 2]]);
  assertTensor(column.expand(-1, 3), [[1, 1, 1], [2, 2, 2]]);
  assertTensor(Tensor.from([1, 2]).expand(2, -1), [[1, 2], [1, 2]]);
  assertError(
    () => Tensor.from([1, 2]).expand(3),
    ShapeError,
    "Cannot expand [2] to [3]: only axes of length 1 stretch",
  );
  assertError(
    () => Tensor.from([1, 2]).expand(-1, 2),
    ShapeError,
    "Cannot expand [2] to [-1, 2].",
  );
});

Deno.test("Tensor.transpose() and permute() reorder axes", () => {
  assertTensor(SIX.transpose(), [[1, 4], [2, 5], [3, 6]]);
  assertTensor(CUBE.transpose(0, 2).at(3, 2), [11, 23], { dtype: "int32" });
  assertEquals([...CUBE.permute(2, 0, 1).shape], [4, 2, 3]);
  assertEquals([...CUBE.permute([0, -1, 1]).shape], [2, 4, 3]);
  assertTensor(CUBE.permute(2, 0, 1).at(1), [[1, 5, 9], [13, 17, 21]], { dtype: "int32" });
});

Deno.test("Tensor.transpose() and permute() refuse axes that aren't there", () => {
  const wrongOrder = (...order: number[]) =>
    assertError(
      () => CUBE.permute(...order),
      ShapeError,
      `Cannot permute [2, 3, 4] to the axes [${
        order.join(", ")
      }]: each of its 3 axes was wanted once`,
    );
  wrongOrder(0, 0, 1);
  wrongOrder(0, 1);
  assertError(
    () => Tensor.from([1]).transpose(),
    ShapeError,
    "Cannot transpose along axis -2: the tensor has 1 axes.",
  );
});
