import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import type { SquareRows } from "../../src/core/eigenvalues.ts";
import { symmetricEigen } from "../../src/core/symmetric_eigen.ts";
import { seeded } from "../weights/_files.ts";

/** Rounding of a few hundred float64 operations on numbers near one. */
const TOLERANCE = 1e-12;

function symmetric(n: number, seed: number): SquareRows {
  const next = seeded(seed);
  const rows = Array.from({ length: n }, () => new Float64Array(n));
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) rows[i][j] = rows[j][i] = next();
  }
  return rows;
}

function assertDecomposes(matrix: SquareRows): void {
  const before = matrix.map((row) => row.slice());
  const { values, vectors } = symmetricEigen(matrix);
  assertEquals(matrix, before);
  assertEquals([...values], [...values].sort((a, b) => b - a));
  const n = matrix.length;
  const dot = (x: Float64Array, y: Float64Array) => x.reduce((sum, v, i) => sum + v * y[i], 0);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      assertAlmostEquals(dot(vectors[i], vectors[j]), i === j ? 1 : 0, TOLERANCE * n);
      assertAlmostEquals(dot(matrix[j], vectors[i]), values[i] * vectors[i][j], TOLERANCE * n);
    }
  }
}

Deno.test("symmetricEigen() gives orthonormal vectors that the matrix stretches", () => {
  for (const n of [1, 2, 3, 4, 7, 13, 40]) assertDecomposes(symmetric(n, n));
});

Deno.test("symmetricEigen() of matrices that come apart, of equal and of no eigenvalues", () => {
  const rows = (...values: number[][]) => values.map((row) => Float64Array.from(row));
  assertDecomposes(rows([0, 0, 0], [0, 0, 0], [0, 0, 0]));
  assertDecomposes(rows([2, 0, 0], [0, 2, 0], [0, 0, 2]));
  assertDecomposes(rows([1, 2, 0, 0], [2, 1, 0, 0], [0, 0, 3, 1], [0, 0, 1, 3]));
  assertDecomposes(rows([0, 1, 0], [1, 0, 0], [0, 0, 5]));
  assertDecomposes(rows([1, 2, 3], [2, 4, 6], [3, 6, 9]));
  const { values } = symmetricEigen(rows([2, 1], [1, 2]));
  assertAlmostEquals(values[0], 3, TOLERANCE);
  assertAlmostEquals(values[1], 1, TOLERANCE);
});

Deno.test("symmetricEigen() gives up on what isn't finite", () => {
  const matrix = symmetric(4, 1);
  matrix[1][2] = matrix[2][1] = NaN;
  assertThrows(
    () => symmetricEigen(matrix),
    RangeError,
    "Cannot compute eigenvalues: the iteration doesn't converge.",
  );
  assert(Number.isNaN(matrix[1][2]));
});
