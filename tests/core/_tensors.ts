/** What the tests of tensors share. */

import { assertEquals, assertThrows } from "@std/assert";
import { Tensor } from "../../mod.ts";
import type { Dtype } from "../../mod.ts";

/** A 2 × 3 tensor of 1 to 6. */
export const SIX = Tensor.from([[1, 2, 3], [4, 5, 6]]);

/** Three integers. */
export const INTS = Tensor.from(Int32Array.of(7, -2, 3));

/** Three booleans. */
export const FLAGS = Tensor.from([true, false, true]);

/** Asserts dtype, shape and every element; numbers are rounded to float32, as the tensor's are. */
export function assertTensor(
  tensor: Tensor,
  values: unknown,
  { dtype = "float32", shape }: { dtype?: Dtype; shape?: readonly number[] } = {},
): void {
  assertEquals(tensor.dtype, dtype);
  assertEquals(tensor.toArray(), rounded(values));
  if (shape) assertEquals([...tensor.shape], [...shape]);
}

function rounded(values: unknown): unknown {
  if (Array.isArray(values)) return values.map(rounded);
  return typeof values === "number" ? Math.fround(values) : values;
}

/** Asserts the class and the whole text of an error. */
export function assertError(
  body: () => unknown,
  errorClass: new (message?: string) => Error,
  message: string,
): void {
  const error = assertThrows(body, errorClass);
  assertEquals(error.message, message);
}
