/** Two threads against one: the matrix products in one module, with and without the second thread in turn. */

import { core, type Handle } from "../src/core/engine.ts";
import { copyIn, copyOut, scoped } from "../src/core/scope.ts";
import { openPool } from "../src/workers/pool.ts";
import { pool_open } from "../wasm/pkg_threads/splicer.js";
import { median } from "./_median.ts";
import { uniform as random } from "./_random.ts";

/** More than any share costs: nothing is shared. */
const ALONE = 2 ** 32 - 1;

/** A product, resident and packed. */
interface Product {
  name: string;
  operations: number;
  run: () => Handle;
  length: number;
}

/** What a product came to, in 10⁹ operations a second. */
export interface ThreadsResult {
  name: string;
  one: number;
  two: number;
  /** The best rate of two threads to the best of one. */
  ratio: number;
  /** The median over the rounds of the same. */
  medianRatio: number;
}

/** Keeps a value until the process ends. */
function kept(data: Float32Array<ArrayBuffer>, shape: number[]): Handle {
  return scoped(() => core().own(copyIn(data, shape, "float32")));
}

function product(rows: number, k: number, n: number): Product {
  const x = kept(random(1, rows * k), [rows, k]);
  const weight = scoped(() => core().pack(copyIn(random(2, k * n), [k, n], "float32")));
  const dims = Uint32Array.of(n);
  return {
    name: `A·B, ${rows} x ${n} x ${k}`,
    operations: 2 * rows * k * n,
    length: rows * n,
    run: () => core().linear(x, weight, 0, 1, dims, 0),
  };
}

function withThreads(count: 1 | 2): void {
  pool_open(true, count === 1 ? ALONE : 0);
}

/** Calls until about `milliseconds` have gone by, and returns the rate. */
function rate({ run, operations }: Product, milliseconds: number): number {
  const start = performance.now();
  let [calls, elapsed] = [0, 0];
  do {
    scoped(run);
    calls++;
    elapsed = performance.now() - start;
  } while (elapsed < milliseconds);
  return calls * operations / elapsed / 1e6;
}

function requireSameBits(one: Product): void {
  const results = ([1, 2] as const).map((threads) => {
    withThreads(threads);
    return scoped(() => new Uint32Array(copyOut(one.run(), "float32", one.length).buffer));
  });
  if (results[0].some((word, i) => word !== results[1][i])) {
    throw new Error(`${one.name}: two threads give other bits than one`);
  }
}

function measureOne(one: Product, rounds: number): ThreadsResult {
  requireSameBits(one);
  const rates = Array.from({ length: rounds + 1 }, () =>
    ([1, 2] as const).map((threads) => {
      withThreads(threads);
      return rate(one, 20);
    })).slice(1);
  const [alone, both] = [0, 1].map((i) => Math.max(...rates.map((pair) => pair[i])));
  return {
    name: one.name,
    one: alone,
    two: both,
    ratio: both / alone,
    medianRatio: median(rates.map(([one, two]) => two / one)),
  };
}

/**
 * Measures the products of a model's shapes on one thread and on two.
 *
 * @returns The results, or why there are no threads.
 */
export async function measureThreads({ quick = false } = {}): Promise<ThreadsResult[] | string> {
  const pool = await openPool();
  if (typeof pool === "string") return pool;
  await pool.resize(2);
  const shapes = [
    [128, 768, 3072],
    [128, 3072, 768],
    [128, 768, 24576],
    [8, 768, 3072],
    [8, 768, 768],
    [8, 768, 24576],
    [1, 768, 3072],
    [1, 768, 50257],
  ];
  const results = shapes.map(([rows, k, n]) => measureOne(product(rows, k, n), quick ? 3 : 25));
  withThreads(2);
  return results;
}

if (import.meta.main) console.table(await measureThreads());
