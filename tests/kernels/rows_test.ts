import { assert } from "@std/assert";
import { assertSameBits, random, runBoth, SIZES, twins, unwritten } from "./_twins.ts";

Deno.test("norm() in SIMD has its twin's bits, and its halves'", () => {
  for (const d of [...SIZES.filter((d) => d > 0), 96, 769]) {
    for (const center of [true, false]) {
      const rows = 3;
      const [x, weight, bias] = [random(1, rows * d), random(2, d), random(3, d)];
      const what = `norm of ${d}${center ? "" : " uncentred"}`;
      const [centered, scale] = runBoth(
        what,
        [rows * d, rows],
        (simd, [centered, scale]) => twins.norm_scale(simd, x, d, 1e-5, center, centered, scale),
      );
      const [out, scales, normalized] = runBoth(
        what,
        [rows * d, rows, rows * d],
        (simd, [out, scales, normalized]) =>
          twins.norm(simd, x, d, 1e-5, center, weight, bias, out, scales, normalized),
      );
      assertSameBits(scales, scale, what);
      const halves = centered.map((c, i) => c / scale[Math.floor(i / d)]);
      assertSameBits(normalized, halves, what);
      assertSameBits(
        out,
        halves.map((c, i) => Math.fround(c * weight[i % d]) + bias[i % d]),
        what,
      );
      const none = new Float32Array();
      const [bare] = runBoth(
        `${what} without weights`,
        [rows * d, rows, rows * d],
        (simd, [out, scales, normalized]) =>
          twins.norm(simd, x, d, 1e-5, center, none, none, out, scales, normalized),
      );
      assertSameBits(bare, normalized, what);
    }
  }
});

Deno.test("norm() agrees with float64 and treats each row alone", () => {
  const [rows, d] = [5, 768];
  const x = random(4, rows * d).map((value, i) => value * 3 + (i % d === 7 ? 40 : 0));
  const [centered, scale] = [unwritten(rows * d), unwritten(rows)];
  twins.norm_scale(true, x, d, 1e-5, true, centered, scale);
  for (let r = 0; r < rows; r++) {
    const row = Array.from(x.subarray(r * d, (r + 1) * d));
    const mean = row.reduce((sum, value) => sum + value, 0) / d;
    const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / d;
    // 48 additions a partial sum, each of half an ulp, then a square root, which halves the error.
    assert(Math.abs(scale[r] / Math.sqrt(variance + 1e-5) - 1) < 2e-6);
    const [alone, own] = [unwritten(d), unwritten(1)];
    twins.norm_scale(true, x.subarray(r * d, (r + 1) * d), d, 1e-5, true, alone, own);
    assertSameBits(alone, centered.subarray(r * d, (r + 1) * d), `row ${r}`);
    assertSameBits(own, scale.subarray(r, r + 1), `row ${r}`);
  }
});

for (const log of [false, true]) {
  const name = log ? "log_softmax()" : "softmax()";
  Deno.test(`${name} in SIMD has its twin's bits, whichever rows are beside a row`, () => {
    for (const n of SIZES.filter((n) => n > 0)) {
      for (const rows of [1, 2, 3, 4, 5, 9]) {
        const x = random(n, rows * n).map((value, i) => i % 11 === 5 ? -Infinity : value * 30);
        const [out] = runBoth(
          `${name} of ${rows} rows of ${n}`,
          [rows * n],
          (simd, [out]) => twins.softmax(simd, log, x, n, out),
        );
        for (let r = 0; r < rows; r++) {
          const alone = unwritten(n);
          twins.softmax(true, log, x.subarray(r * n, (r + 1) * n), n, alone);
          assertSameBits(alone, out.subarray(r * n, (r + 1) * n), `row ${r} of ${rows}`);
        }
      }
    }
  });
}

Deno.test("softmax() agrees with float64", () => {
  const n = 1000;
  const x = random(5, n).map((value) => value * 10);
  const [out, log] = [unwritten(n), unwritten(n)];
  twins.softmax(true, false, x, n, out);
  twins.softmax(true, true, x, n, log);
  const max = x.reduce((a, b) => Math.max(a, b));
  const sum = x.reduce((sum, value) => sum + Math.exp(value - max), 0);
  for (let i = 0; i < n; i++) {
    const wanted = Math.exp(x[i] - max) / sum;
    // The sum of a thousand terms below 1 rounds to about 100; the rest is an ulp or two.
    assert(Math.abs(out[i] / wanted - 1) < 2e-5, `${i}: ${out[i]}, ${wanted}`);
    assert(Math.abs(log[i] - (x[i] - max - Math.log(sum))) < 2e-5);
  }
});

Deno.test("softmax() of nothing but -inf is zeros, and NaN stays visible", () => {
  const out = unwritten(10);
  const x = new Float32Array(10).fill(-Infinity);
  x[7] = NaN;
  twins.softmax(true, false, x, 5, out);
  assertSameBits(out, Float32Array.from(x, (_, i) => i < 5 ? 0 : NaN), "softmax");
});
