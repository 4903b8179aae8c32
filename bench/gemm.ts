/**
 * The matrix products against the machine's own rate of 128-bit multiply-adds, measured in the same run by a loop of independent
 * ones. Weights are in cache. Each product is checked against a plain loop first.
 */
import * as core from "../tests/kernels/pkg/splicer.js";
import { type Case, measure, type Result } from "./_measure.ts";
import { uniform as random } from "./_random.ts";

const ROUNDS_OF_MULTIPLY_ADDS = 200_000;

/** Compares some cells of a result with a plain float64 sum. */
function check(name: string, result: Float32Array, cell: (at: number) => number, terms: number) {
  for (let at = 0; at < result.length; at += 1 + Math.floor(result.length / 997)) {
    // A sum of `terms` products below 1 wanders to about their root, each addition rounding by half an ulp of that.
    const bound = terms * Math.sqrt(terms) * 2 ** -24;
    const wanted = cell(at);
    if (!(Math.abs(result[at] - wanted) <= bound)) {
      throw new Error(`${name}: cell ${at} is ${result[at]}, wanted ${wanted} within ${bound}`);
    }
  }
}

/** `[rows, k]` by `[k, n]`. */
function product(rows: number, k: number, n: number): Case {
  const name = `A·B, ${rows} x ${n} x ${k}`;
  const [a, b] = [random(1, rows * k), random(2, k * n)];
  const bench = new core.Bench(a, rows, b, k, n, 0);
  bench.gemm(0);
  check(name, bench.result().subarray(0, rows * n), (at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    let sum = 0;
    for (let x = 0; x < k; x++) sum += a[i * k + x] * b[x * n + j];
    return sum;
  }, k);
  return { name, operations: 2 * rows * k * n, run: () => bench.gemm(0) };
}

/** `[rows, n]` by the transpose of `[k, n]`. */
function transposed(rows: number, k: number, n: number): Case {
  const name = `A·Bᵀ, ${rows} x ${k} x ${n}`;
  const [dy, b] = [random(3, rows * n), random(4, k * n)];
  const bench = new core.Bench(dy, rows, b, k, n, 0);
  bench.gemm_bt();
  check(name, bench.result().subarray(0, rows * k), (at) => {
    const [i, x] = [Math.floor(at / k), at % k];
    let sum = 0;
    for (let j = 0; j < n; j++) sum += dy[i * n + j] * b[x * n + j];
    return sum;
  }, n);
  return { name, operations: 2 * rows * k * n, run: () => bench.gemm_bt() };
}

/** `[rows, 768]` by `[768, 768]` in blocks of a head. */
function blocks(rows: number): Case {
  const [k, n] = [768, 768];
  const name = `A·B by heads, ${rows} x ${n} x ${k}`;
  const [a, b] = [random(5, rows * k), random(6, k * n)];
  const bench = new core.Bench(a, rows, b, k, n, 0);
  bench.gemm_blocks(64);
  check(name, bench.result().subarray(0, rows * n), (at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    let sum = 0;
    for (let x = 0; x < k; x++) sum += a[i * k + x] * b[x * n + j];
    return sum;
  }, k);
  return { name, operations: 2 * rows * k * n, run: () => bench.gemm_blocks(64) };
}

/** Least shares of the yardstick's rate that the project has set itself, by case. */
const LIMITS: Record<string, number> = {
  "A·B, 128 x 3072 x 768": 0.9,
  "A·B, 128 x 768 x 3072": 0.9,
  "A·B, 128 x 24576 x 768": 0.85,
  "A·B, 8 x 3072 x 768": 0.85,
  "A·B, 8 x 768 x 3072": 0.85,
  "A·Bᵀ, 128 x 768 x 3072": 0.85,
  "A·Bᵀ, 128 x 3072 x 768": 0.85,
};

/** Rates of the products, the yardstick's first, and the limits for their shares of it by name. */
export interface GemmReport {
  results: Result[];
  limits: Record<string, number>;
}

/** Measures the products on one thread. */
export function measureGemm({ quick = false } = {}): GemmReport {
  const wasm = new URL("../tests/kernels/pkg/splicer_bg.wasm", import.meta.url);
  core.initSync({ module: Deno.readFileSync(wasm) });
  const yardstick: Case = {
    name: "128-bit multiply-adds",
    operations: ROUNDS_OF_MULTIPLY_ADDS * core.multiply_add_operations(),
    run: () => core.multiply_adds(ROUNDS_OF_MULTIPLY_ADDS),
  };
  const cases = [
    product(128, 768, 3072),
    product(128, 3072, 768),
    product(128, 768, 24576),
    product(8, 768, 3072),
    product(8, 3072, 768),
    product(1, 768, 3072),
    product(1, 3072, 768),
    transposed(128, 768, 3072),
    transposed(128, 3072, 768),
    transposed(8, 768, 3072),
    blocks(128),
    blocks(8),
  ];
  const results = measure(yardstick, cases, quick ? { rounds: 3 } : {});
  return { results, limits: LIMITS };
}
