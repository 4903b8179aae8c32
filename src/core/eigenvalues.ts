/**
 * The eigenvalues of a general real matrix, in float64.
 *
 * @module
 */

/** A square matrix of float64, by rows. */
export type SquareRows = Float64Array[];

/** Eigenvalues: real and imaginary parts. A complex one stands beside its conjugate. */
export interface Eigenvalues {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/** Steps for one eigenvalue beyond which the iteration is stuck; two or three are usual. */
const MAX_STEPS = 60;

/** After this many steps without success the shifts are replaced once by others. */
const EXCEPTIONAL_EVERY = 10;

/**
 * Computes all eigenvalues by the shifted QR iteration on a Hessenberg matrix, two shifts at a time so that everything stays real
 * (Francis; Golub & Van Loan, Matrix Computations, 4th ed., 7.4 and 7.5).
 *
 * @param matrix The matrix; left as it is.
 * @returns The eigenvalues, in the order in which they were found from the end.
 * @throws {RangeError} If the iteration doesn't converge, as with entries that aren't finite.
 */
export function eigenvalues(matrix: SquareRows): Eigenvalues {
  const h = hessenberg(matrix);
  const n = h.length;
  const [re, im] = [new Float64Array(n), new Float64Array(n)];
  let end = n - 1;
  let steps = 0;
  while (end >= 0) {
    const start = blockStart(h, end);
    if (start === end) {
      re[end] = h[end][end];
      end -= 1;
      steps = 0;
    } else if (start === end - 1) {
      const pair = eigenvaluesOfTwo(h, start);
      re.set([pair[0].re, pair[1].re], start);
      im.set([pair[0].im, pair[1].im], start);
      end -= 2;
      steps = 0;
    } else {
      if (++steps > MAX_STEPS) {
        throw new RangeError("Cannot compute eigenvalues: the iteration doesn't converge.");
      }
      francisStep(h, start, end, steps % EXCEPTIONAL_EVERY === 0);
    }
  }
  return { re, im };
}

/** Where the block that ends at a row begins: below the first subdiagonal entry that is nothing beside its neighbours. */
function blockStart(h: SquareRows, end: number): number {
  for (let k = end; k > 0; k--) {
    const beside = Math.abs(h[k - 1][k - 1]) + Math.abs(h[k][k]);
    // Two zeros on the diagonal say nothing about the size of the block.
    const scale = beside > 0 ? beside : h[k].reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    if (Math.abs(h[k][k - 1]) <= Number.EPSILON * scale) return k;
  }
  return 0;
}

function eigenvaluesOfTwo(h: SquareRows, at: number): { re: number; im: number }[] {
  const [a, b] = [h[at][at], h[at][at + 1]];
  const [c, d] = [h[at + 1][at], h[at + 1][at + 1]];
  const half = (a - d) / 2;
  const discriminant = half * half + b * c;
  if (discriminant < 0) {
    const im = Math.sqrt(-discriminant);
    return [{ re: (a + d) / 2, im }, { re: (a + d) / 2, im: -im }];
  }
  // The root without cancellation, and the other from the product of both.
  const far = half + (half < 0 ? -1 : 1) * Math.sqrt(discriminant);
  return [{ re: d + far, im: 0 }, { re: far === 0 ? d : d - b * c / far, im: 0 }];
}

/** Brings a matrix to Hessenberg form (zero below the first subdiagonal) by reflections from both sides. */
function hessenberg(matrix: SquareRows): SquareRows {
  const h = matrix.map((row) => row.slice());
  const n = h.length;
  for (let k = 0; k < n - 2; k++) {
    const w = Float64Array.from({ length: n }, (_, i) => (i > k ? h[i][k] : 0));
    if (makeReflector(w, k + 1, n)) {
      reflectRows(h, w, k + 1, n, k);
      reflectColumns(h, w, k + 1, n, n);
    }
  }
  return h;
}

/** Turns x[from..to] into the unit vector w for which I - 2 w w^T maps x to a multiple of the first unit vector; tells whether x isn't that already. */
function makeReflector(w: Float64Array, from: number, to: number): boolean {
  let rest = 0;
  for (let i = from + 1; i < to; i++) rest += w[i] * w[i];
  if (rest === 0) return false;
  const norm = Math.sqrt(w[from] * w[from] + rest);
  w[from] += w[from] < 0 ? -norm : norm;
  const length = Math.sqrt(w[from] * w[from] + rest);
  for (let i = from; i < to; i++) w[i] /= length;
  return true;
}

/** (I - 2 w w^T) H, in the columns from `firstColumn` on. */
function reflectRows(
  h: SquareRows,
  w: Float64Array,
  from: number,
  to: number,
  firstColumn: number,
): void {
  const n = h.length;
  for (let j = firstColumn; j < n; j++) {
    let sum = 0;
    for (let i = from; i < to; i++) sum += w[i] * h[i][j];
    for (let i = from; i < to; i++) h[i][j] -= 2 * sum * w[i];
  }
}

/** H (I - 2 w w^T), in the rows before `lastRow`. */
function reflectColumns(
  h: SquareRows,
  w: Float64Array,
  from: number,
  to: number,
  lastRow: number,
): void {
  for (let i = 0; i < lastRow; i++) {
    const row = h[i];
    let sum = 0;
    for (let j = from; j < to; j++) sum += row[j] * w[j];
    for (let j = from; j < to; j++) row[j] -= 2 * sum * w[j];
  }
}

/** One step with the two eigenvalues of the block's last 2 x 2 corner as shifts, or with others now and then against a stall. */
function francisStep(h: SquareRows, start: number, end: number, isExceptional: boolean): void {
  const m = end - 1;
  let trace = h[m][m] + h[end][end];
  let determinant = h[m][m] * h[end][end] - h[m][end] * h[end][m];
  if (isExceptional) {
    // Wilkinson's ad hoc shifts.
    const size = Math.abs(h[end][m]) + Math.abs(h[m][m - 1]);
    [trace, determinant] = [1.5 * size, size * size];
  }
  // The first column of (H - a)(H - b).
  const first = h[start];
  const second = h[start + 1];
  let x = first[start] * first[start] + first[start + 1] * second[start] - trace * first[start] +
    determinant;
  let y = second[start] * (first[start] + second[start + 1] - trace);
  let z = second[start] * h[start + 2][start + 1];
  const w = new Float64Array(h.length);
  for (let k = start; k < end; k++) {
    const last = Math.min(k + 3, end + 1);
    w.set([x, y, z].slice(0, last - k), k);
    if (makeReflector(w, k, last)) {
      reflectRows(h, w, k, last, Math.max(start, k - 1));
      reflectColumns(h, w, k, last, Math.min(k + 4, end + 1));
    }
    if (k > start) {
      for (let i = k + 1; i < last; i++) h[i][k - 1] = 0;
    }
    x = h[k + 1][k];
    y = k + 2 <= end ? h[k + 2][k] : 0;
    z = k + 3 <= end ? h[k + 3][k] : 0;
  }
}
