/**
 * The singular value decomposition of a product of two thin matrices, in float64.
 *
 * @module
 */

import { dot, rotate } from "./vectors.ts";

/** A matrix [rows, columns] of float64, stored by columns: column j is `columns[j]`. */
export type Columns = Float64Array[];

/** M = U diag(s) V^T with orthonormal columns where s > 0, and s in descending order. */
export interface Svd {
  /** Left singular vectors, [m, d]. */
  readonly u: Columns;
  /** Singular values, [d]. */
  readonly s: Float64Array;
  /** Right singular vectors, [n, d]. */
  readonly v: Columns;
}

/** Sweeps over all pairs of columns; Jacobi converges quadratically and in practice needs fewer than ten. */
const MAX_SWEEPS = 60;

/**
 * Decomposes A B^T = U diag(s) V^T, for A [m, d] and B [n, d], at the cost of a d×d problem: with A = Q_a R_a and
 * B = Q_b R_b, the core R_a R_b^T = U' diag(s) V'^T gives U = Q_a U' and V = Q_b V'.
 *
 * @param a The left factor, by columns.
 * @param b The right factor, by columns, as many as `a` has.
 * @returns The decomposition. Columns of U and V with s = 0 are zero or orthonormal, whichever came out.
 */
export function productSvd(a: Columns, b: Columns): Svd {
  const left = factorised(a);
  const right = factorised(b);
  // (R_a R_b^T)[i, j] = sum_k R_a[i, k] R_b[j, k]
  const core = Array.from(
    { length: b.length },
    (_, j) =>
      Float64Array.from({ length: a.length }, (_, i) => {
        let sum = 0;
        for (let k = 0; k < a.length; k++) sum += left.r[k][i] * right.r[k][j];
        return sum;
      }),
  );
  const { u, s, v } = jacobiSvd(core);
  return { u: u.map((column) => timesQ(left, column)), s, v: v.map((c) => timesQ(right, c)) };
}

/** A = Q R, with Q as the reflections that it is the product of. */
interface Factorised {
  readonly reflectors: readonly Float64Array[];
  /** [d, d], by columns. */
  readonly r: Columns;
  /** Rows of A. */
  readonly m: number;
}

/** Factors A = Q R by Householder reflections (Golub & Van Loan, Matrix Computations, 4th ed., 5.2). */
function factorised(a: Columns): Factorised {
  const d = a.length;
  const m = a[0].length;
  const r = a.map((column) => column.slice());
  const reflectors: Float64Array[] = [];
  for (let k = 0; k < Math.min(m, d); k++) {
    const w = reflector(r[k], k);
    reflectors.push(w);
    for (let j = k; j < d; j++) reflect(r[j], w, k);
  }
  const square = r.map((column, j) =>
    Float64Array.from({ length: d }, (_, i) => i <= j && i < m ? column[i] : 0)
  );
  return { reflectors, r: square, m };
}

/** Q x, for x [d]; entries of x beyond Q's columns count for nothing. */
function timesQ({ reflectors, m }: Factorised, x: Float64Array): Float64Array {
  const out = new Float64Array(m);
  out.set(x.subarray(0, m));
  for (let k = reflectors.length - 1; k >= 0; k--) reflect(out, reflectors[k], k);
  return out;
}

/**
 * Factors A = Q R, so that Q's columns are orthonormal also where A's aren't independent.
 *
 * @param a The matrix [m, d], by columns; left as it is.
 * @returns Q [m, d] and R [d, d], both by columns. With m < d, Q's columns beyond m are zero.
 */
export function qr(a: Columns): { q: Columns; r: Columns } {
  const factors = factorised(a);
  const q = a.map((_, j) => {
    const unit = new Float64Array(a.length);
    unit[j] = 1;
    return timesQ(factors, unit);
  });
  return { q, r: factors.r };
}

/** The unit vector w with (I - 2 w w^T) x = ∓|x| e_k below row k; zero where x is zero there already. */
function reflector(x: Float64Array, k: number): Float64Array {
  const w = x.slice();
  w.fill(0, 0, k);
  const norm = Math.sqrt(dot(w, w, k));
  // The sign that adds instead of cancelling.
  w[k] += w[k] < 0 ? -norm : norm;
  const length = Math.sqrt(dot(w, w, k));
  if (length > 0) { for (let i = k; i < w.length; i++) w[i] /= length; }
  return w;
}

function reflect(x: Float64Array, w: Float64Array, from: number): void {
  const twice = 2 * dot(w, x, from);
  for (let i = from; i < x.length; i++) x[i] -= twice * w[i];
}

/**
 * Decomposes a square matrix by one-sided Jacobi rotations (Golub & Van Loan, 8.6.3): columns are rotated in pairs until all
 * are orthogonal, C V = U diag(s). Accurate for small singular values too.
 *
 * @param c The matrix [d, d], by columns; left as it is.
 * @returns U, s, V. A column of U with s = 0 is zero.
 */
export function jacobiSvd(c: Columns): Svd {
  const d = c.length;
  const work = c.map((column) => column.slice());
  const v = Array.from({ length: d }, (_, j) => {
    const column = new Float64Array(d);
    column[j] = 1;
    return column;
  });
  let rotated = true;
  for (let sweep = 0; rotated && sweep < MAX_SWEEPS; sweep++) {
    rotated = false;
    // Squared lengths follow the rotations within a sweep, and are taken anew in the next, so that rounding doesn't build up.
    const squares = Float64Array.from(work, (column) => dot(column, column));
    for (let p = 0; p < d - 1; p++) {
      for (let q = p + 1; q < d; q++) rotated = orthogonalise(work, v, squares, p, q) || rotated;
    }
  }
  const norms = work.map((column) => Math.sqrt(dot(column, column)));
  const order = norms.map((_, j) => j).sort((i, j) => norms[j] - norms[i]);
  return {
    u: order.map((j) => work[j].map((value) => norms[j] > 0 ? value / norms[j] : 0)),
    s: Float64Array.from(order, (j) => norms[j]),
    v: order.map((j) => v[j]),
  };
}

/** Rotates columns p and q until they are orthogonal; tells whether they weren't, to the last bits of a double. */
function orthogonalise(
  work: Columns,
  v: Columns,
  squares: Float64Array,
  p: number,
  q: number,
): boolean {
  const [alpha, beta] = [squares[p], squares[q]];
  const gamma = dot(work[p], work[q]);
  if (Math.abs(gamma) <= work.length * Number.EPSILON * Math.sqrt(alpha * beta)) return false;
  const zeta = (beta - alpha) / (2 * gamma);
  const t = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.hypot(1, zeta));
  const cosine = 1 / Math.hypot(1, t);
  rotate(work[p], work[q], cosine, cosine * t);
  rotate(v[p], v[q], cosine, cosine * t);
  squares[p] = Math.max(0, alpha - t * gamma);
  squares[q] = beta + t * gamma;
  return true;
}

/**
 * The upper triangular R with R^T R = A^T A, so that |R x| = |A x|: the R of A = Q R up to signs, at a fraction of its cost (Cholesky's
 * factor of the Gram matrix; columns that depend on earlier ones give rows of zeros).
 *
 * @param a The matrix [m, d], by columns.
 * @returns R [d, d], by columns. Norms agree to the root of the machine's precision, 1e-8.
 */
export function gramRoot(a: Columns): Columns {
  const d = a.length;
  const r = Array.from({ length: d }, () => new Float64Array(d));
  for (let j = 0; j < d; j++) {
    for (let i = 0; i <= j; i++) {
      let sum = dot(a[i], a[j]);
      for (let k = 0; k < i; k++) sum -= r[i][k] * r[j][k];
      if (i < j) r[j][i] = r[i][i] > 0 ? sum / r[i][i] : 0;
      else r[j][j] = sum > d * Number.EPSILON * dot(a[j], a[j]) ? Math.sqrt(sum) : 0;
    }
  }
  return r;
}
