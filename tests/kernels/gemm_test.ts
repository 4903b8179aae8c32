import { assert, assertEquals } from "@std/assert";
import { assertSameBits, random, runBoth, SIZES, twins } from "./_twins.ts";

const { Product } = twins;

/** Adds two rows of room that no kernel may touch. */
const SLACK = 3;

Deno.test("gemm() in SIMD has its twin's bits at every small and awkward size", () => {
  for (const count of [0, 1, 2, 3, 4, 5, 6, 7, 8]) {
    for (const k of SIZES) {
      for (const n of SIZES) {
        const size = new Product(count, k, n, k + SLACK, n + SLACK);
        const [a, b] = [random(1, count * (k + SLACK)), random(2, k * n)];
        const bias = n % 2 ? random(3, n) : undefined;
        const [out] = runBoth(
          `gemm ${count}x${n}x${k}`,
          [count * (n + SLACK)],
          (simd, [out]) => twins.gemm(simd, size, a, b, 0, n, bias, 0, out),
        );
        for (let i = 0; i < out.length; i++) {
          assertEquals(Number.isNaN(out[i]), i % (n + SLACK) >= n, `gemm ${count}x${n}x${k}: ${i}`);
        }
      }
    }
  }
});

Deno.test("gemm() and gemm_bt() have their twins' bits however rows fall into strips", () => {
  const [k, n] = [29, 33];
  const [b, bias] = [random(71, k * n), random(72, n)];
  for (let count = 1; count <= 36; count++) {
    const a = random(73, count * Math.max(k, n));
    runBoth(`gemm of ${count} rows`, [count * n], (simd, [out]) => {
      twins.gemm(simd, new Product(count, k, n, k, n), a, b, 0, n, bias, 0, out);
    });
    runBoth(`gemm_bt of ${count} rows`, [count * k], (simd, [out]) => {
      twins.gemm_bt(simd, new Product(count, k, n, n, k), a, b, Uint32Array.of(0, n, 0, k), out);
    });
  }
});

Deno.test("gemm() has its twin's bits where rows and sums go beyond a packed block", () => {
  for (const [count, k] of [[131, 20], [7, 300], [3, 530], [7, 12_300], [130, 1700]]) {
    const n = 37;
    const size = new Product(count, k, n, k, n);
    const [a, b, bias] = [random(81, count * k), random(82, k * n), random(83, n)];
    const what = `${count}x${n}x${k}`;
    for (const storage of [0, 1, 2, 3]) {
      size.storage = storage;
      runBoth(`gemm ${what}`, [count * n], (simd, [out]) => {
        twins.gemm(simd, size, a, b, 0, n, bias, 0, out);
      });
      for (const block of [16, 280, 850]) {
        runBoth(`gemm_blocks ${what} by ${block}`, [count * n], (simd, [out]) => {
          twins.gemm_blocks(simd, size, a, b, block, bias, out);
        });
      }
      const dy = random(84, count * n);
      runBoth(`gemm_bt ${what}`, [count * k], (simd, [out]) => {
        twins.gemm_bt(simd, new Product(count, k, n, n, k), dy, b, Uint32Array.of(0, n, 0, k), out);
      });
    }
    const wide = new Product(count, n, k, k, n);
    runBoth(`gemm_bt ${count}x${n}x${k}`, [count * n], (simd, [out]) => {
      twins.gemm_bt(simd, wide, a, random(85, n * k), Uint32Array.of(0, k, 0, n), out);
    });
  }
});

Deno.test("gemm() is the matrix product", () => {
  const [count, k, n] = [5, 53, 37];
  const [a, b, bias] = [random(4, count * k), random(5, k * n), random(6, n)];
  const size = new Product(count, k, n, k, n);
  const [out] = runBoth(
    "gemm",
    [count * n],
    (simd, [out]) => twins.gemm(simd, size, a, b, 0, n, bias, 0, out),
  );
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < n; j++) {
      let sum = bias[j];
      for (let x = 0; x < k; x++) sum += a[i * k + x] * b[x * n + j];
      // 53 roundings of at most half an ulp of sums below 16.
      assert(
        Math.abs(out[i * n + j] - sum) < 53 * 2 ** -21,
        `${i},${j}: ${out[i * n + j]}, ${sum}`,
      );
    }
  }
});

Deno.test("gemm() computes any range of columns, with the whole product's bits", () => {
  const [count, k, n] = [3, 13, 83];
  const [a, b, bias] = [random(7, count * k), random(8, k * n), random(9, n)];
  for (const rows of [1, count]) {
    const whole = new Float32Array(rows * n);
    twins.gemm(true, new Product(rows, k, n, k, n), a, b, 0, n, bias, 2, whole);
    for (const from of [0, 1, 15, 16, 17, 32, 47]) {
      for (
        const to of [from, from + 1, from + 3, 48, 63, 64, 65, 80, 83].filter((t) => t >= from)
      ) {
        const width = to - from;
        const size = new Product(rows, k, n, k, width);
        const [out] = runBoth(
          `gemm columns ${from}..${to} of ${rows} rows`,
          [rows * width],
          (simd, [out]) => twins.gemm(simd, size, a, b, from, to, bias, 2, out),
        );
        const wanted = Float32Array.from(
          out,
          (_, at) => whole[Math.floor(at / width) * n + from + at % width],
        );
        assertSameBits(out, wanted, `columns ${from}..${to}`);
      }
    }
  }
});

Deno.test("gemm() applies every activation with the activation kernel's bits", () => {
  const [count, k, n] = [3, 7, 21];
  const [a, b, bias] = [random(10, count * k), random(11, k * n), random(12, n)];
  const size = new Product(count, k, n, k, n);
  const product = new Float32Array(count * n);
  twins.gemm(true, size, a, b, 0, n, bias, 0, product);
  for (let act = 0; act < 8; act++) {
    const [out] = runBoth(
      `gemm with activation ${act}`,
      [count * n],
      (simd, [out]) => twins.gemm(simd, size, a, b, 0, n, bias, act, out),
    );
    const wanted = new Float32Array(count * n);
    twins.activate(true, act, product, wanted);
    assertSameBits(out, wanted, `activation ${act}`);
  }
});

Deno.test("gemm() gives a row the same bits alone and in any batch", () => {
  const [count, k, n] = [9, 96, 70];
  const [a, b, bias] = [random(13, count * k), random(14, k * n), random(15, n)];
  const all = new Float32Array(count * n);
  twins.gemm(true, new Product(count, k, n, k, n), a, b, 0, n, bias, 3, all);
  for (const rows of [1, 2, 3, 4]) {
    const size = new Product(rows, k, n, k, n);
    for (let i = 0; i + rows <= count; i++) {
      const out = new Float32Array(rows * n);
      twins.gemm(true, size, a.subarray(i * k), b, 0, n, bias, 3, out);
      assertSameBits(out, all.subarray(i * n, (i + rows) * n), `rows ${i}..${i + rows}`);
    }
  }
});

Deno.test("gemm_blocks() in SIMD has its twin's bits, and those of its blocks summed in order", () => {
  for (
    const [count, block, blocks, n] of [
      [0, 4, 3, 16],
      [1, 4, 3, 16],
      [2, 8, 4, 37],
      [5, 3, 5, 12],
      [3, 7, 1, 50],
      [28, 9, 2, 33],
    ]
  ) {
    const k = block * blocks;
    const [a, b, bias] = [random(16, count * k), random(17, k * n), random(18, n)];
    const size = new Product(count, k, n, k, n + SLACK);
    for (const start of [undefined, bias]) {
      const [out] = runBoth(
        `gemm_blocks ${count}x${n}x${blocks}x${block}`,
        [count * (n + SLACK)],
        (simd, [out]) => twins.gemm_blocks(simd, size, a, b, block, start, out),
      );
      const total = new Float32Array(count * n);
      for (let h = 0; h < blocks; h++) {
        const part = new Float32Array(count * n);
        const weight = b.subarray(h * block * n, (h + 1) * block * n);
        const size = new Product(count, block, n, k, n);
        twins.gemm(true, size, a.subarray(h * block), weight, 0, n, undefined, 0, part);
        part.forEach((value, i) => total[i] = h === 0 ? value : total[i] + value);
      }
      if (start) total.forEach((value, i) => total[i] = value + start[i % n]);
      for (let i = 0; i < count; i++) {
        const row = out.subarray(i * (n + SLACK), i * (n + SLACK) + n);
        assertSameBits(row, total.subarray(i * n, (i + 1) * n), `row ${i}`);
      }
    }
  }
});

Deno.test("gemm_blocks() takes a last block that is shorter", () => {
  const [count, k, n] = [3, 11, 18];
  const size = new Product(count, k, n, k, n);
  const [a, b] = [random(19, count * k), random(20, k * n)];
  runBoth(
    "gemm_blocks with blocks of 4 of 11",
    [count * n],
    (simd, [out]) => twins.gemm_blocks(simd, size, a, b, 4, undefined, out),
  );
});

Deno.test("gemm_bt() in SIMD has its twin's bits at every small and awkward size", () => {
  for (const count of [0, 1, 2, 3, 5]) {
    for (const k of SIZES) {
      for (const n of SIZES) {
        const size = new Product(count, k, n, n + SLACK, k + SLACK);
        const [dy, b] = [random(21, count * (n + SLACK)), random(22, k * n)];
        runBoth(
          `gemm_bt ${count}x${k}x${n}`,
          [count * (k + SLACK)],
          (simd, [out]) => twins.gemm_bt(simd, size, dy, b, Uint32Array.of(0, n, 0, k), out),
        );
      }
    }
  }
});

Deno.test("gemm_bt() takes any ranges of columns and rows, blocks of transposed columns included", () => {
  const [count, k, n] = [3, 40, 1100];
  const b = random(23, k * n);
  for (const [from, to] of [[0, n], [3, 1090], [511, 1025], [512, 1024], [16, 16], [17, 18]]) {
    for (const [first, last] of [[0, k], [5, 36], [16, 32], [7, 7], [39, 40]]) {
      const size = new Product(count, k, n, to - from, last - first);
      const dy = random(24, count * (to - from));
      runBoth(
        `gemm_bt columns ${from}..${to}, rows ${first}..${last}`,
        [count * (last - first)],
        (simd, [out]) =>
          twins.gemm_bt(simd, size, dy, b, Uint32Array.of(from, to, first, last), out),
      );
    }
  }
});

Deno.test("gemm_bt() is the product with the transpose", () => {
  const [count, k, n] = [4, 23, 70];
  const [dy, b] = [random(25, count * n), random(26, k * n)];
  const out = new Float32Array(count * k);
  twins.gemm_bt(true, new Product(count, k, n, n, k), dy, b, Uint32Array.of(0, n, 0, k), out);
  for (let i = 0; i < count; i++) {
    for (let x = 0; x < k; x++) {
      let sum = 0;
      for (let j = 0; j < n; j++) sum += dy[i * n + j] * b[x * n + j];
      // 70 roundings of at most half an ulp of sums below 16.
      assert(Math.abs(out[i * k + x] - sum) < 70 * 2 ** -21);
    }
  }
});

Deno.test("decode() in SIMD has its twin's bits, and those of the dense product", () => {
  for (
    const [count, k, n, every] of [[1, 5, 16, 2], [3, 37, 33, 5], [4, 701, 50, 1], [2, 53, 7, 60]]
  ) {
    const codes = random(27, count * k).map((code, i) => i % every === 0 ? code : 0);
    const [w, bias] = [random(28, k * n), random(29, n)];
    bias[1] = -0;
    const size = new Product(count, k, n, k, n + SLACK);
    for (const start of [undefined, bias]) {
      const what = `decode ${count}x${n}x${k}, one code in ${every}`;
      const [out] = runBoth(
        what,
        [count * (n + SLACK)],
        (simd, [out]) => twins.decode(simd, size, codes, w, start, out),
      );
      const dense = new Float32Array(out.length).fill(NaN);
      twins.gemm(true, size, codes, w, 0, n, start, 0, dense);
      assertSameBits(out, dense, what);
      const [sparse] = runBoth(
        `${what}, given alone`,
        [count * (n + SLACK)],
        (simd, [out]) => twins.decode_sparse(simd, size, codes, w, start, out),
      );
      assertSameBits(sparse, dense, what);
    }
  }
});

Deno.test("decode() gives the bias for a row without codes", () => {
  const out = new Float32Array(3);
  const bias = Float32Array.of(1, -0, 2);
  const size = new Product(1, 4, 3, 4, 3);
  for (const decode of [twins.decode, twins.decode_sparse]) {
    decode(true, size, new Float32Array(4), random(30, 12), bias, out.fill(NaN));
    assertSameBits(out, Float32Array.of(1, 0, 2), decode.name);
  }
});
