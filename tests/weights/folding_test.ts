import { assertEquals } from "@std/assert";
import { addProduct, centerRows, type Extents, scaleRows } from "../../src/weights/folding.ts";
import { seeded } from "./_files.ts";

/** Numbers of very different sizes: another order of a sum would give other bits. */
function numbers(length: number, seed: number): Float32Array {
  const next = seeded(seed);
  return Float32Array.from({ length }, () => next() * 10 ** (4 * next()));
}

/** Small matrices, several of them in a piece or in more than one, and matrices that are cut between columns. */
const EXTENTS: readonly Extents[] = [
  { outer: 1, rows: 1, columns: 1 },
  { outer: 3, rows: 5, columns: 7 },
  { outer: 37, rows: 64, columns: 130 },
  { outer: 2, rows: 300, columns: 1000 },
  { outer: 1, rows: 140_000, columns: 3 },
];

/** sum_i x[i] matrix[o, i, j] in float64, from a number on. */
function sumOf(
  first: number,
  x: Float32Array,
  data: Float32Array,
  { rows, columns }: Extents,
  [o, j]: readonly [o: number, j: number],
): number {
  let sum = first;
  for (let i = 0; i < rows; i++) sum += x[i] * data[(o * rows + i) * columns + j];
  return sum;
}

function sameBits(got: Float32Array, wanted: Float32Array): boolean {
  return got.length === wanted.length && got.every((value, i) => Object.is(value, wanted[i]));
}

Deno.test("addProduct() sums in order in float64 and rounds once, in whatever pieces", () => {
  for (const extents of EXTENTS) {
    const { outer, rows, columns } = extents;
    const [x, data] = [numbers(rows, 1), numbers(outer * rows * columns, 2)];
    const bias = numbers(outer * columns, 3);
    const wanted = bias.map((first, at) =>
      sumOf(first, x, data, extents, [Math.floor(at / columns), at % columns])
    );
    const given = data.slice();
    addProduct(bias, x, data, extents);
    assertEquals(sameBits(bias, wanted), true, JSON.stringify(extents));
    assertEquals(sameBits(data, given), true, "the matrix is left as it is");
  }
});

Deno.test("scaleRows() scales and centres in float64 and rounds once, in whatever pieces", () => {
  for (const extents of EXTENTS) {
    const { outer, rows, columns } = extents;
    const w = numbers(rows, 4);
    for (const centers of [false, true]) {
      const data = numbers(outer * rows * columns, 5);
      const means = Float64Array.from(
        { length: outer * columns },
        (_, at) =>
          centers ? sumOf(0, w, data, extents, [Math.floor(at / columns), at % columns]) / rows : 0,
      );
      const wanted = data.map((value, at) => {
        const row = Math.floor(at / columns);
        return w[row % rows] * value - means[Math.floor(row / rows) * columns + at % columns];
      });
      scaleRows(data, extents, w, centers);
      assertEquals(sameBits(data, wanted), true, JSON.stringify({ ...extents, centers }));
    }
  }
});

Deno.test("centerRows() takes means in float64 and rounds once, in whatever pieces", () => {
  for (const [rows, columns] of [[1, 1], [6, 5], [1030, 257], [3, 140_000]]) {
    const data = numbers(rows * columns, 6);
    const wanted = new Float32Array(data.length);
    for (let start = 0; start < data.length; start += columns) {
      const row = data.subarray(start, start + columns);
      const mean = row.reduce((sum, value) => sum + value, 0) / columns;
      wanted.set(row.map((value) => value - mean), start);
    }
    centerRows(data, columns);
    assertEquals(sameBits(data, wanted), true, `[${rows}, ${columns}]`);
  }
});
