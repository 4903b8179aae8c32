/**
 * Vectors of float64, for decompositions of matrices.
 *
 * @module
 */

/** The scalar product from an entry on, in four sums so that additions needn't wait for each other. */
export function dot(x: Float64Array, y: Float64Array, from = 0): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  let i = from;
  for (; i + 3 < x.length; i += 4) {
    a += x[i] * y[i];
    b += x[i + 1] * y[i + 1];
    c += x[i + 2] * y[i + 2];
    d += x[i + 3] * y[i + 3];
  }
  for (; i < x.length; i++) a += x[i] * y[i];
  return (a + b) + (c + d);
}

/** Turns two vectors in their plane, in place. */
export function rotate(x: Float64Array, y: Float64Array, cosine: number, sine: number): void {
  for (let i = 0; i < x.length; i++) {
    const [xi, yi] = [x[i], y[i]];
    x[i] = cosine * xi - sine * yi;
    y[i] = sine * xi + cosine * yi;
  }
}
