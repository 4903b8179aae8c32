/** Two threads against one: the matrix products in one module, with and without the second thread in turn. */

import { core, type Handle } from "../src/core/engine.ts";
import { copyIn, copyOut, scoped } from "../src/core/scope.ts";
import { openSharedCore } from "../src/core/shared_core.ts";
import { pool_open } from "../wasm/pkg_threads/splicer.js";
import { median } from "./_median.ts";
import { Noise } from "./_noise.ts";
import { uniform as random } from "./_random.ts";

/** More than any share costs: nothing is shared. */
const ALONE = 2 ** 32 - 1;

/** How long each side of a round is measured: long enough for the system's clock to see who else was there. */
const MILLISECONDS = 60;

/** Below this many cores kept busy by others, a round counts as undisturbed. */
const QUIET = 0.1;

/** Rounds for each that is wanted, at most. */
const MOST_ATTEMPTS = 8;

/** A product, resident and packed. */
interface Product {
  name: string;
  operations: number;
  run: () => Handle;
  length: number;
}

/** What a product came to, in 10⁹ operations a second. */
interface ThreadsResult {
  name: string;
  one: number;
  two: number;
  /** The best rate of two threads to the best of one. */
  ratio: number;
  /** The median over the rounds of the same. */
  medianRatio: number;
  /** Cores that other programs kept busy in the most disturbed of the rounds that count. */
  others: number;
}

/** Keeps a value until the process ends. */
function kept(data: Float32Array<ArrayBuffer>, shape: number[]): Handle {
  return scoped(() => core().own(copyIn(data, shape, "float32")));
}

function product(rows: number, k: number, n: number): Product {
  const x = kept(random(1, rows * k), [rows, k]);
  const weight = core().new_weight(k, n, 0);
  core().fill_weight_singles(
    weight,
    random(2, k * n),
    0,
    Uint32Array.of(0, k, n, 1, 0, n, 1, 0, 1),
  );
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

/** One thread and two in turn. */
interface Round {
  one: number;
  two: number;
  /** Cores that other programs kept busy meanwhile. */
  others: number;
}

function measureRound(product: Product): Round {
  const noise = new Noise();
  const [one, two] = ([1, 2] as const).map((threads) => {
    withThreads(threads);
    return rate(product, MILLISECONDS);
  });
  return { one, two, others: noise.others() };
}

/** Measures until enough rounds were undisturbed, or too many weren't; the least disturbed count. */
function measureOne(product: Product, rounds: number): ThreadsResult {
  requireSameBits(product);
  const all: Round[] = [];
  const isQuiet = ({ others }: Round) => others <= QUIET;
  while (all.filter(isQuiet).length < rounds && all.length < MOST_ATTEMPTS * rounds) {
    all.push(measureRound(product));
  }
  const kept = all.sort((a, b) => a.others - b.others).slice(0, rounds);
  const [one, two] = [kept.map(({ one }) => one), kept.map(({ two }) => two)];
  return {
    name: product.name,
    one: median(one),
    two: median(two),
    ratio: Math.max(...two) / Math.max(...one),
    medianRatio: median(kept.map(({ one, two }) => two / one)),
    others: Math.max(...kept.map(({ others }) => others)),
  };
}

/** Rows, inputs and outputs: a model's products over a batch, a few rows and one, from cache and from memory. */
const SHAPES = [
  [128, 768, 3072],
  [128, 3072, 768],
  [128, 768, 24576],
  [8, 768, 3072],
  [8, 768, 768],
  [8, 768, 24576],
  [1, 768, 3072],
  [1, 768, 50257],
];

/**
 * Measures the products of a model's shapes on one thread and on two.
 *
 * @returns A table in Markdown, or why there are no threads.
 */
export async function compareThreads({ quick = false } = {}): Promise<string> {
  const pool = await openSharedCore();
  if (typeof pool === "string") return `There are no threads: ${pool}.\n`;
  await pool.resize(2);
  const rows = SHAPES.map(([rows, k, n]) => measureOne(product(rows, k, n), quick ? 3 : 15))
    .map(({ name, ...numbers }) => {
      const { one, two, ratio, medianRatio, others } = numbers;
      const cells = [
        one.toFixed(1),
        two.toFixed(1),
        ...[medianRatio, ratio, others].map((n) => n.toFixed(2)),
      ];
      return `| ${[name, ...cells].join(" | ")} |`;
    });
  pool.close();
  return [
    "# Two threads against one",
    "In one module, in turn, with equal bits; rates are medians in GFLOP/s.",
    [
      "| rows x outputs x inputs | one | two | median ratio | ratio of the best | others' cores |",
      "|---|---|---|---|---|---|",
      ...rows,
    ].join("\n"),
  ].join("\n\n") + "\n";
}

if (import.meta.main) console.log(await compareThreads());
