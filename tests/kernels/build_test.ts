import { assert } from "@std/assert";
import { random, twins } from "./_twins.ts";

Deno.test("the test module holds the SIMD kernels", () => {
  assert(twins.simd_is_compiled_in());
});

Deno.test("gemm() runs the SIMD path: it is many times faster than its twin", () => {
  const [count, k, n] = [32, 256, 256];
  const [a, b, out] = [random(1, count * k), random(2, k * n), new Float32Array(count * n)];
  const size = new twins.Product(count, k, n, k, n);
  const milliseconds = (simd: boolean) => {
    let best = Infinity;
    for (let i = 0; i < 20; i++) {
      const start = performance.now();
      twins.gemm(simd, size, a, b, 0, n, undefined, 0, out);
      best = Math.min(best, performance.now() - start);
    }
    return best;
  };
  const [fast, plain] = [milliseconds(true), milliseconds(false)];
  // About tenfold here, packing included; three leaves room for a busy machine.
  assert(plain > 3 * fast, `SIMD took ${fast} ms, the twin ${plain} ms`);
});
