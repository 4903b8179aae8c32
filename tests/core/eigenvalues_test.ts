import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { eigenvalues, type SquareRows } from "../../src/core/eigenvalues.ts";
import { seeded } from "../weights/_files.ts";

function random(n: number, seed: number): SquareRows {
  const next = seeded(seed);
  return Array.from({ length: n }, () => Float64Array.from({ length: n }, next));
}

function rows(...values: number[][]): SquareRows {
  return values.map((row) => Float64Array.from(row));
}

function times(a: SquareRows, b: SquareRows): SquareRows {
  return a.map((row) =>
    Float64Array.from(b[0], (_, j) => row.reduce((sum, x, k) => sum + x * b[k][j], 0))
  );
}

function traceOf(matrix: SquareRows): number {
  return matrix.reduce((sum, row, i) => sum + row[i], 0);
}

/** The smallest singular value of H - (re + i im) relative to H's size, by elimination: nothing for an eigenvalue. */
function distanceToSingular(h: SquareRows, re: number, im: number): number {
  const n = h.length;
  const size = Math.max(...h.flatMap((row) => [...row].map(Math.abs)));
  // The complex matrix as a real one of twice the size.
  const big = Array.from(
    { length: 2 * n },
    (_, i) =>
      Float64Array.from({ length: 2 * n }, (_, j) => {
        const [p, q] = [i % n, j % n];
        if (i < n === j < n) return h[p][q] - (p === q ? re : 0);
        return p === q ? (i < n ? im : -im) : 0;
      }),
  );
  let smallest = Infinity;
  for (let k = 0; k < 2 * n; k++) {
    let [at, column, most] = [k, k, 0];
    for (let i = k; i < 2 * n; i++) {
      for (let j = k; j < 2 * n; j++) {
        if (Math.abs(big[i][j]) > most) [at, column, most] = [i, j, Math.abs(big[i][j])];
      }
    }
    smallest = Math.min(smallest, most);
    if (most === 0) break;
    [big[k], big[at]] = [big[at], big[k]];
    for (const row of big) [row[k], row[column]] = [row[column], row[k]];
    for (let i = k + 1; i < 2 * n; i++) {
      const factor = big[i][k] / big[k][k];
      for (let j = k; j < 2 * n; j++) big[i][j] -= factor * big[k][j];
    }
  }
  return smallest / size;
}

Deno.test("eigenvalues() make random matrices singular and sum to their traces", () => {
  for (const n of [1, 2, 3, 4, 5, 8, 13, 24]) {
    for (const seed of [1, 2, 3]) {
      const matrix = random(n, 100 * n + seed);
      const before = matrix.map((row) => row.slice());
      const { re, im } = eigenvalues(matrix);
      assertEquals(matrix, before);
      assertEquals([re.length, im.length], [n, n]);
      const sum = re.reduce((sum, x) => sum + x, 0);
      // A few hundred roundings of numbers near one.
      assertAlmostEquals(sum, traceOf(matrix), 1e-12 * n, `trace at ${n}`);
      const squares = re.reduce((sum, x, i) => sum + x * x - im[i] * im[i], 0);
      assertAlmostEquals(squares, traceOf(times(matrix, matrix)), 1e-11 * n, `square at ${n}`);
      for (let i = 0; i < n; i++) {
        const distance = distanceToSingular(matrix, re[i], im[i]);
        assert(distance < 1e-10, `${re[i]} + ${im[i]}i of ${n}: ${distance}`);
      }
    }
  }
});

Deno.test("eigenvalues() of matrices whose eigenvalues are known", () => {
  const sorted = (matrix: SquareRows) => {
    const { re, im } = eigenvalues(matrix);
    const order = Array.from(re, (x, i) => [x, im[i]] as const);
    return order.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  };
  const assertNear = (matrix: SquareRows, expected: readonly (readonly [number, number])[]) => {
    const got = sorted(matrix);
    got.flat().forEach((x, i) => assertAlmostEquals(x, expected.flat()[i], 1e-7, `${matrix}`));
  };
  assertNear(rows([0, 1], [-1, 0]), [[0, -1], [0, 1]]);
  assertNear(rows([2, 0], [0, 2]), [[2, 0], [2, 0]]);
  assertNear(rows([0, 0, 0], [0, 0, 0], [0, 0, 0]), [[0, 0], [0, 0], [0, 0]]);
  // A cyclic permutation: the roots of one, a standstill for unshifted steps.
  const half = Math.sqrt(3) / 2;
  assertNear(rows([0, 0, 1], [1, 0, 0], [0, 1, 0]), [[-0.5, -half], [-0.5, half], [1, 0]]);
  assertNear(rows([0, 0, 0, 1], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]), [
    [-1, 0],
    [0, -1],
    [0, 1],
    [1, 0],
  ]);
  assertNear(rows([1, 2, 3], [0, 4, 5], [0, 0, 6]), [[1, 0], [4, 0], [6, 0]]);
  // A rank of one: the others are zero.
  assertNear(rows([1, 2, 3], [2, 4, 6], [3, 6, 9]), [[0, 0], [0, 0], [14, 0]]);
});

Deno.test("eigenvalues() gives up on what isn't finite", () => {
  assertThrows(
    () => eigenvalues(rows([1, NaN, 2], [3, 4, 5], [6, 7, 8])),
    RangeError,
    "Cannot compute eigenvalues: the iteration doesn't converge.",
  );
});
