import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { type Columns, jacobiSvd, productSvd, qr } from "../../src/core/svd.ts";
import { seeded } from "../weights/_files.ts";

/** Rounding of a few hundred float64 operations on numbers near one. */
const TOLERANCE = 1e-12;

function random(rows: number, columns: number, seed: number): Columns {
  const next = seeded(seed);
  return Array.from({ length: columns }, () => Float64Array.from({ length: rows }, next));
}

/** The largest |(A B^T - U diag(s) V^T)[i, j]|. */
function worstDifference(a: Columns, b: Columns, u: Columns, s: Float64Array, v: Columns): number {
  let worst = 0;
  for (let i = 0; i < a[0].length; i++) {
    for (let j = 0; j < b[0].length; j++) {
      let difference = 0;
      for (let k = 0; k < a.length; k++) {
        difference += a[k][i] * b[k][j] - u[k][i] * s[k] * v[k][j];
      }
      worst = Math.max(worst, Math.abs(difference));
    }
  }
  return worst;
}

/** Asserts that the first columns of a matrix are orthonormal. */
function assertOrthonormal(columns: Columns, count: number): void {
  for (let i = 0; i < count; i++) {
    for (let j = 0; j <= i; j++) {
      const dot = columns[i].reduce((sum, value, k) => sum + value * columns[j][k], 0);
      assertAlmostEquals(dot, i === j ? 1 : 0, TOLERANCE, `columns ${i} and ${j}`);
    }
  }
}

Deno.test("productSvd() reconstructs products with orthonormal factors", () => {
  for (const [m, n, d] of [[1, 1, 1], [5, 7, 1], [9, 8, 2], [13, 13, 13], [49, 48, 12]]) {
    const [a, b] = [random(m, d, 100 * m + d), random(n, d, 100 * n + d + 1)];
    const { u, s, v } = productSvd(a, b);
    assert(worstDifference(a, b, u, s, v) < TOLERANCE, `${m}, ${n}, ${d}`);
    assertOrthonormal(u, d);
    assertOrthonormal(v, d);
    assert(s.every((value, i) => value >= 0 && (i === 0 || value <= s[i - 1])));
  }
});

Deno.test("productSvd() takes factors of low rank, of zeros, and wider than high", () => {
  const [a, b] = [random(10, 4, 1), random(11, 4, 2)];
  a[2] = a[0].slice();
  const low = productSvd(a, b);
  assert(worstDifference(a, b, low.u, low.s, low.v) < TOLERANCE);
  assert(low.s[2] > 1e-3 && low.s[3] < TOLERANCE);
  assertOrthonormal(low.u, 3);
  assertOrthonormal(low.v, 3);

  const zero = productSvd(a.map((column) => column.map(() => 0)), b);
  assertEquals([...zero.s], [0, 0, 0, 0]);
  assert(zero.u.every((column) => column.every(Number.isFinite)));

  const [wideA, wideB] = [random(3, 5, 3), random(4, 5, 4)];
  const wide = productSvd(wideA, wideB);
  assert(worstDifference(wideA, wideB, wide.u, wide.s, wide.v) < TOLERANCE);
  assertOrthonormal(wide.u, 3);
});

Deno.test("jacobiSvd() finds known singular values", () => {
  // [[3, 0], [4, 5]] has singular values sqrt(45) and sqrt(5).
  const { u, s, v } = jacobiSvd([Float64Array.of(3, 4), Float64Array.of(0, 5)]);
  assertAlmostEquals(s[0], Math.sqrt(45), TOLERANCE);
  assertAlmostEquals(s[1], Math.sqrt(5), TOLERANCE);
  assertOrthonormal(u, 2);
  assertOrthonormal(v, 2);
});

Deno.test("qr() leaves its argument alone and gives an upper triangle", () => {
  const a = random(6, 4, 5);
  const before = a.map((column) => column.slice());
  const { q, r } = qr(a);
  assertEquals(a, before);
  assertOrthonormal(q, 4);
  for (let j = 0; j < 4; j++) {
    assert(r[j].slice(j + 1).every((value) => value === 0));
    for (let i = 0; i < 6; i++) {
      const sum = r[j].reduce((total, value, k) => total + q[k][i] * value, 0);
      assertAlmostEquals(sum, a[j][i], TOLERANCE);
    }
  }
});
