/**
 * The eigenvalues and eigenvectors of a symmetric matrix, in float64.
 *
 * @module
 */

import type { SquareRows } from "./eigenvalues.ts";
import { dot, rotate } from "./vectors.ts";

/** Eigenvalues, the largest first, and their orthonormal eigenvectors. */
export interface SymmetricEigen {
  readonly values: Float64Array;
  /** `vectors[i]` belongs to `values[i]`. */
  readonly vectors: Float64Array[];
}

/** Steps for one eigenvalue beyond which the iteration is stuck; two are usual. */
const MAX_STEPS = 60;

/**
 * Decomposes a symmetric matrix: reflections make it tridiagonal, the implicit QL iteration diagonal (Golub & Van Loan, Matrix
 * Computations, 4th ed., 8.3).
 *
 * @param matrix The matrix; only its symmetric part counts, and it stays as it is.
 * @throws {RangeError} If the iteration doesn't converge, as with entries that aren't finite.
 */
export function symmetricEigen(matrix: SquareRows): SymmetricEigen {
  const { diagonal, beside, vectors } = tridiagonal(matrix);
  diagonalise(diagonal, beside, vectors);
  const order = Array.from(diagonal, (_, i) => i).sort((i, j) => diagonal[j] - diagonal[i]);
  return {
    values: Float64Array.from(order, (i) => diagonal[i]),
    vectors: order.map((i) => vectors[i]),
  };
}

/** T = Q^T A Q: its diagonal, the entries beside it (the last is 0), and the columns of Q. */
function tridiagonal(matrix: SquareRows) {
  const a = matrix.map((row) => row.slice());
  const n = a.length;
  const reflectors: Float64Array[] = [];
  for (let k = 0; k < n - 2; k++) {
    const w = Float64Array.from({ length: n }, (_, i) => (i > k ? a[i][k] : 0));
    const norm = Math.sqrt(dot(w, w, k + 1));
    w[k + 1] += w[k + 1] < 0 ? -norm : norm;
    const length = Math.sqrt(dot(w, w, k + 1));
    if (length > 0) { for (let i = k + 1; i < n; i++) w[i] /= length; }
    reflectors.push(w);
    reflectBothSides(a, w, k);
  }
  const vectors = Array.from({ length: n }, (_, j) => {
    const column = new Float64Array(n);
    column[j] = 1;
    for (let k = n - 3; k >= 0; k--) {
      const sum = 2 * dot(reflectors[k], column, k + 1);
      for (let i = k + 1; i < n; i++) column[i] -= sum * reflectors[k][i];
    }
    return column;
  });
  return {
    diagonal: Float64Array.from(a, (row, i) => row[i]),
    beside: Float64Array.from(a, (row, i) => (i + 1 < n ? row[i + 1] : 0)),
    vectors,
  };
}

/** (I - 2 w w^T) A (I - 2 w w^T) = A - 2 w p^T - 2 p w^T, with p = A w - (w^T A w) w. */
function reflectBothSides(a: SquareRows, w: Float64Array, from: number): void {
  const n = a.length;
  const p = Float64Array.from({ length: n }, (_, i) => (i >= from ? dot(a[i], w, from + 1) : 0));
  const middle = dot(w, p, from + 1);
  for (let i = from; i < n; i++) p[i] -= middle * w[i];
  for (let i = from; i < n; i++) {
    for (let j = from; j < n; j++) a[i][j] -= 2 * (w[i] * p[j] + p[i] * w[j]);
  }
}

function diagonalise(d: Float64Array, e: Float64Array, vectors: Float64Array[]): void {
  const n = d.length;
  for (let at = 0; at < n; at++) {
    for (let step = 0;; step++) {
      const end = blockEnd(d, e, at);
      if (end === at) break;
      if (step === MAX_STEPS) {
        throw new RangeError("Cannot compute eigenvalues: the iteration doesn't converge.");
      }
      qlStep(d, e, vectors, at, end);
    }
  }
}

/** Where the block that begins at a row ends: at the first entry beside the diagonal that is nothing beside its neighbours. */
function blockEnd(d: Float64Array, e: Float64Array, from: number): number {
  for (let i = from; i < d.length - 1; i++) {
    if (Math.abs(e[i]) <= Number.EPSILON * (Math.abs(d[i]) + Math.abs(d[i + 1]))) return i;
  }
  return d.length - 1;
}

/** A QL step with the eigenvalue of the leading 2 x 2 corner that is nearer to its first entry as shift (Wilkinson's). */
function qlStep(
  d: Float64Array,
  e: Float64Array,
  vectors: Float64Array[],
  start: number,
  end: number,
): void {
  const half = (d[start + 1] - d[start]) / (2 * e[start]);
  const root = Math.hypot(half, 1);
  let g = d[end] - d[start] + e[start] / (half + (half < 0 ? -root : root));
  let [sine, cosine, p] = [1, 1, 0];
  for (let i = end - 1; i >= start; i--) {
    const f = sine * e[i];
    const b = cosine * e[i];
    const r = Math.hypot(f, g);
    e[i + 1] = r;
    if (r === 0) {
      // The block has come apart.
      d[i + 1] -= p;
      e[end] = 0;
      return;
    }
    sine = f / r;
    cosine = g / r;
    g = d[i + 1] - p;
    const t = (d[i] - g) * sine + 2 * cosine * b;
    p = sine * t;
    d[i + 1] = g + p;
    g = cosine * t - b;
    rotate(vectors[i], vectors[i + 1], cosine, sine);
  }
  d[start] -= p;
  e[start] = g;
  e[end] = 0;
}
