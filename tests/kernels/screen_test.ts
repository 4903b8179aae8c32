import { assert } from "@std/assert";
import { assertSameBits, random, twins } from "./_twins.ts";

interface Encoding {
  readonly count: number;
  readonly k: number;
  readonly n: number;
  readonly x: Float32Array;
  readonly w: Float32Array;
  readonly bias: Float32Array;
  readonly thresholds?: Float32Array;
  readonly storage?: number;
}

/** Asserts that screened codes have the bits of dense ones, by SIMD and by the twin. */
function assertExact({ count, k, n, x, w, bias, thresholds, storage = 0 }: Encoding, what: string) {
  const stride = count > 0 ? x.length / count : k;
  const size = new twins.Product(count, k, n, k, n);
  size.storage = storage;
  const encoder = new twins.Encoder(size, w, bias, thresholds);
  const dense = new Float32Array(count * n);
  encoder.dense(x, count, stride, dense);
  for (const simd of [true, false]) {
    const out = new Float32Array(count * n);
    assert(encoder.screened(simd, x, count, stride, out), `${what}: not screened`);
    assertSameBits(out, dense, `${what}, ${simd ? "SIMD" : "twin"}`);
  }
  encoder.free();
  return dense;
}

/** A bias with which few codes are alive. */
function sparseBias(n: number, k: number): Float32Array {
  return random(90, n).map((b) => b - 2 * Math.sqrt(k / 9));
}

Deno.test("encode() has the dense product's bits at every small and awkward size", () => {
  for (const count of [0, 1, 2, 3, 7, 28, 130]) {
    for (const k of [1, 2, 3, 4, 5, 8, 17, 64, 97]) {
      for (const n of [1, 15, 16, 17, 48, 53]) {
        const [x, w] = [random(91, count * k), random(92, k * n)];
        const what = `encode ${count}x${n}x${k}`;
        assertExact({ count, k, n, x, w, bias: random(93, n) }, what);
        const thresholds = random(94, n);
        assertExact({ count, k, n, x, w, bias: sparseBias(n, k), thresholds }, what);
      }
    }
  }
});

Deno.test("encode() has the dense product's bits where fewer rows than usual fit into a packed block", () => {
  const [count, k, n] = [70, 9000, 33];
  const [x, w] = [random(95, count * k), random(96, k * n)];
  assertExact({ count, k, n, x, w, bias: sparseBias(n, k) }, `encode ${count}x${n}x${k}`);
});

Deno.test("encode() is exact for rows that stand apart, and for matrices in half precision", () => {
  const [count, k, n] = [9, 100, 90];
  const w = random(95, k * n);
  const bias = sparseBias(n, k);
  const x = random(96, count * (k + 5));
  for (const storage of [0, 1, 2, 3]) {
    const codes = assertExact({ count, k, n, x, w, bias, storage }, `storage ${storage}`);
    const alive = codes.reduce((n, code) => n + (code > 0 ? 1 : 0), 0);
    assert(alive > 5 && alive < count * n / 4, `${alive} alive`);
  }
});

Deno.test("encode() is exact where a few inputs, or features, stand out", () => {
  const [count, k, n] = [12, 256, 160];
  const plain = random(97, count * k);
  const w = random(98, k * n);
  const outliers = plain.map((x, i) => ([7, 100, 101].includes(i % k) ? 60 * x : x));
  const many = plain.map((x, i) => (i % 11 === 0 ? 40 * x : x));
  const uneven = plain.map((x, i) => x * Math.exp(3 * Math.sin(i % k)));
  const loud = w.map((w, i) => (i % n < 20 ? 1000 * w : w));
  for (const x of [plain, outliers, many, uneven]) {
    for (const matrix of [w, loud]) {
      assertExact({ count, k, n, x, w: matrix, bias: sparseBias(n, k) }, "outliers");
    }
  }
});

Deno.test("encode() is exact at every scale, down to subnormal numbers", () => {
  const [count, k, n] = [3, 64, 48];
  const [x, w, bias] = [random(99, count * k), random(100, k * n), random(101, n)];
  for (
    const [a, b] of [[1e-30, 1], [1, 1e-38], [1e-22, 1e-22], [1e-42, 1e4], [1e17, 1e17], [0, 1], [
      1,
      0,
    ]]
  ) {
    const scaled = (data: Float32Array, scale: number) => data.map((x) => x * scale);
    assertExact(
      { count, k, n, x: scaled(x, a), w: scaled(w, b), bias: scaled(bias, a * b) },
      `scales ${a}, ${b}`,
    );
  }
});

Deno.test("encode() leaves numbers that aren't finite, or might become so, to the dense product", () => {
  const [k, n] = [8, 20];
  const size = new twins.Product(1, k, n, k, n);
  const [x, w, bias] = [random(102, k), random(103, k * n), random(104, n)];
  const isScreened = (
    x: Float32Array,
    w: Float32Array,
    bias: Float32Array,
    thresholds?: Float32Array,
  ) => {
    const encoder = new twins.Encoder(size, w, bias, thresholds);
    return encoder.screened(true, x, 1, k, new Float32Array(n));
  };
  const with3rd = (data: Float32Array, value: number) => data.map((x, i) => (i === 3 ? value : x));
  assert(isScreened(x, w, bias));
  for (const value of [NaN, Infinity, -Infinity]) {
    assert(!isScreened(with3rd(x, value), w, bias));
    assert(!isScreened(x, with3rd(w, value), bias));
    assert(!isScreened(x, w, with3rd(bias, value)));
    // A threshold only says which codes are alive.
    const thresholds = with3rd(random(105, n), value);
    assertExact({ count: 1, k, n, x, w, bias, thresholds }, `threshold ${value}`);
  }
  assert(!isScreened(x.map((x) => 1e20 * x), w.map((w) => 1e18 * w), bias));
});
