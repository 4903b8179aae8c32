import { assert, assertEquals } from "@std/assert";
import { assertSameBits, random, runBoth, SIZES, twins } from "./_twins.ts";

/** 16-bit formats by their numbers. */
const HALVES = [[1, "float16"], [2, "bfloat16"]] as const;

/** Formats that are widened, by their numbers. */
const FORMATS = [...HALVES, [3, "int8"]] as const;

function product(storage: number, ...sizes: [number, number, number, number, number]) {
  const size = new twins.Product(...sizes);
  size.storage = storage;
  return size;
}

/** A matrix, and the same with its cells rounded to a format. */
function matrix(seed: number, k: number, n: number, storage: number): [Float32Array, Float32Array] {
  const b = random(seed, k * n);
  return [b, twins.widened(product(storage, 1, k, n, k, n), b)];
}

Deno.test("matrices in half precision are rounded to nearest, and what is exact is held exactly", () => {
  for (const [storage, name] of HALVES) {
    // 2^-25 and 3 * 2^-26 lie between float16's zero and its smallest number.
    const exact = [0, -0, 1, -2, 0.5, 1.5, -3.25, 2 ** -14, 1.125 * 2 ** -15, 2 ** -24, -60000];
    const b = Float32Array.of(...exact);
    const held = twins.widened(product(storage, 1, 1, b.length, 1, b.length), b);
    if (name === "bfloat16") b[10] = -59904;
    else b[10] = -60000;
    assertSameBits(held, b, name);
  }
  const ties = Float32Array.of(1 + 2 ** -11, 1 + 3 * 2 ** -11, 2 ** -25, 3 * 2 ** -26);
  const f16 = twins.widened(product(1, 1, 1, 4, 1, 4), ties);
  assertEquals([...f16], [1, 1 + 2 ** -9, 0, 2 ** -24]);
  const bf16 = twins.widened(
    product(2, 1, 1, 2, 1, 2),
    Float32Array.of(1 + 2 ** -8, 1 + 3 * 2 ** -8),
  );
  assertEquals([...bf16], [1, 1 + 2 ** -6]);
});

Deno.test("matrices in eight bits have steps of a 127th of their column's largest number", () => {
  const b = Float32Array.of(127, -5, 63.5, 5, -12.4, 0.02);
  // Columns of two: 127, 63.5, -12.4 and -5, 5, 0.02.
  const held = twins.widened(product(3, 1, 3, 2, 3, 2), b);
  const step = Math.fround(5 / 127);
  assertEquals([...held], [
    127,
    Math.fround(-127 * step),
    64,
    Math.fround(127 * step),
    -12,
    Math.fround(step),
  ]);
});

Deno.test("gemm() in another format than float32 has the bits of cells widened beforehand, at every size", () => {
  for (const [storage, name] of FORMATS) {
    for (const count of [0, 1, 2, 3, 5, 8]) {
      for (const k of [...SIZES, 300]) {
        for (const n of [1, 15, 16, 17, 32, 37, 48, 53, 100]) {
          const what = `gemm of ${name} ${count}x${n}x${k}`;
          const [b, wide] = matrix(2, k, n, storage);
          const [a, bias] = [random(1, count * k), n % 2 ? random(3, n) : undefined];
          const size = product(storage, count, k, n, k, n);
          const [out] = runBoth(
            what,
            [count * n],
            (simd, [out]) => twins.gemm(simd, size, a, b, 0, n, bias, 0, out),
          );
          const wanted = new Float32Array(count * n).fill(NaN);
          twins.gemm(true, product(0, count, k, n, k, n), a, wide, 0, n, bias, 0, wanted);
          assertSameBits(out, wanted, what);
        }
      }
    }
  }
});

Deno.test("gemm() in another format than float32 computes any range of columns", () => {
  const [count, k, n] = [5, 270, 83];
  for (const [storage, name] of FORMATS) {
    const [b] = matrix(8, k, n, storage);
    const [a, bias] = [random(7, count * k), random(9, n)];
    for (const rows of [1, 2, count]) {
      const whole = new Float32Array(rows * n);
      twins.gemm(true, product(storage, rows, k, n, k, n), a, b, 0, n, bias, 2, whole);
      for (const [from, to] of [[0, 1], [3, 40], [15, 16], [16, 80], [17, 83], [82, 83]]) {
        const width = to - from;
        const out = new Float32Array(rows * width).fill(NaN);
        twins.gemm(true, product(storage, rows, k, n, k, width), a, b, from, to, bias, 2, out);
        const wanted = out.map((_, at) => whole[Math.floor(at / width) * n + from + at % width]);
        assertSameBits(out, wanted, `${name}, columns ${from}..${to} of ${rows} rows`);
      }
    }
  }
});

Deno.test("gemm_blocks(), gemm_bt() and decode() in another format than float32 have the bits of cells widened beforehand", () => {
  for (const [storage, name] of FORMATS) {
    for (
      const [count, block, blocks, n] of [[1, 4, 3, 16], [2, 8, 4, 37], [5, 3, 5, 100], [
        70,
        300,
        2,
        50,
      ]]
    ) {
      const k = block * blocks;
      const [b, wide] = matrix(17, k, n, storage);
      const [a, dy, bias] = [random(16, count * k), random(21, count * n), random(18, n)];
      const codes = a.map((code, i) => i % 7 === 0 ? code : 0);
      const [half, full] = [storage, 0].map((storage) => product(storage, count, k, n, k, n));
      const [halfBt, fullBt] = [storage, 0].map((storage) => product(storage, count, k, n, n, k));
      const all = Uint32Array.of(0, n, 0, k);
      const cases: [
        string,
        number,
        (simd: boolean, out: Float32Array) => void,
        (out: Float32Array) => void,
      ][] = [
        [
          "gemm_blocks",
          n,
          (simd, out) => twins.gemm_blocks(simd, half, a, b, block, bias, out),
          (out) => twins.gemm_blocks(true, full, a, wide, block, bias, out),
        ],
        [
          "gemm_bt",
          k,
          (simd, out) => twins.gemm_bt(simd, halfBt, dy, b, all, out),
          (out) => twins.gemm_bt(true, fullBt, dy, wide, all, out),
        ],
        [
          "decode",
          n,
          (simd, out) => twins.decode(simd, half, codes, b, bias, out),
          (out) => twins.decode(true, full, codes, wide, bias, out),
        ],
      ];
      for (const [kernel, width, run, widened] of cases) {
        const what = `${kernel} of ${name} ${count}x${n}x${k}`;
        const [out] = runBoth(what, [count * width], (simd, [out]) => run(simd, out));
        const wanted = new Float32Array(count * width).fill(NaN);
        widened(wanted);
        assertSameBits(out, wanted, what);
      }
    }
  }
});

Deno.test("gemm() with float16 is exact for subnormal and large numbers together", () => {
  const b = Float32Array.of(2 ** -24, 65504, -(2 ** -20), 3 * 2 ** -24, 0.1, -0, 2 ** -15, 1024);
  for (const count of [1, 3]) {
    const a = random(40, count);
    const size = product(1, count, 1, 8, 1, 8);
    const [out] = runBoth(
      "gemm",
      [8 * count],
      (simd, [out]) => twins.gemm(simd, size, a, b, 0, 8, undefined, 0, out),
    );
    const held = twins.widened(size, b);
    // A single product, rounded once; adding zero makes -0 into 0.
    assert(
      out.every((x, at) => Object.is(x, Math.fround(a[Math.floor(at / 8)] * held[at % 8]) + 0)),
    );
  }
});
