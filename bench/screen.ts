/**
 * Encoding with a screen of eight bits against the dense product, on one thread: 24,576 features of 768 inputs, about 20 alive in a
 * row. `deno run -A bench/screen.ts` prints how many times faster it is. The codes are compared bit by bit.
 */
import * as core from "../tests/kernels/pkg/splicer.js";
import { type Case, measure } from "./_measure.ts";
import { uniform } from "./_random.ts";
import { markdownTable } from "./_table.ts";

const [K, N] = [768, 24576];

/** Standard deviations of a pre-activation that about 20 features in 24,576 exceed. */
const SELDOM = 3.15;

/** Nearly normal numbers: the sum of four uniform ones, with variance 1. */
function normals(seed: number, length: number): Float32Array<ArrayBuffer> {
  const parts = [0, 1, 2, 3].map((i) => uniform(seed + i, length, Math.sqrt(3) / 2));
  return parts[0].map((x, i) => x + parts[1][i] + parts[2][i] + parts[3][i]);
}

/** Inputs by what makes them more or less difficult. */
const INPUTS: Record<string, (rows: number) => Float32Array<ArrayBuffer>> = {
  "normal": (rows) => normals(1, rows * K),
  "normal, 3 inputs 25 to 60 times as large": (rows) =>
    normals(2, rows * K).map((x, i) => x * ({ 5: 25, 300: 40, 700: 60 }[i % K] ?? 1)),
  "inputs' scales lognormal, σ 0.7": (rows) => {
    const scales = normals(3, K).map((x) => Math.exp(0.7 * x));
    return normals(4, rows * K).map((x, i) => x * scales[i % K]);
  },
};

/** What screening gains. */
interface ScreenResult {
  rows: number;
  inputs: string;
  /** Codes alive in a row, on average. */
  alive: number;
  denseMs: number;
  screenedMs: number;
  /** How many times faster, the median of rounds in turn. */
  gain: number;
}

/** Measures both, in turn. */
function measureScreen({ quick = false } = {}): ScreenResult[] {
  const wasm = new URL("../tests/kernels/pkg/splicer_bg.wasm", import.meta.url);
  core.initSync({ module: Deno.readFileSync(wasm) });
  const w = normals(10, K * N).map((x) => x / Math.sqrt(K));
  const results: ScreenResult[] = [];
  for (const [inputs, draw] of Object.entries(INPUTS)) {
    const x128 = draw(128);
    const deviation = Math.sqrt(x128.reduce((sum, x) => sum + x * x, 0) / x128.length);
    const bias = new Float32Array(N).fill(-SELDOM * deviation);
    const bench = new core.EncoderBench(w, bias, K, N);
    for (const rows of [8, 128]) {
      bench.set_rows(x128.subarray(0, rows * K), rows);
      const alive = bench.check() / rows;
      const operations = 2 * rows * K * N;
      const dense: Case = { name: "dense", operations, run: () => bench.dense() };
      const screened: Case = { name: "screened", operations, run: () => bench.screened() };
      const rounds = quick ? 2 : 9;
      const [, result] = measure(dense, [screened], { rounds, milliseconds: 200 });
      const [yardstick] = measure(dense, [], { rounds: 2, milliseconds: 200 });
      const ms = (rate: number) => operations / rate / 1e6;
      results.push({
        rows,
        inputs,
        alive,
        denseMs: ms(yardstick.best),
        screenedMs: ms(result.best),
        gain: result.medianRatio,
      });
    }
    bench.free();
  }
  return results;
}

/** Measures, and gives a table. */
export function compareScreens({ quick = false } = {}): string {
  const rows = measureScreen({ quick }).map((
    { rows, inputs, alive, denseMs, screenedMs, gain },
  ) => [
    inputs,
    rows,
    Math.round(alive),
    ...[denseMs, screenedMs, gain].map((n) => Number(n.toPrecision(3))),
  ]);
  return [
    "## Encoding with a screen of eight bits",
    `One thread, ${N} features of ${K} inputs; the codes are compared bit by bit.`,
    markdownTable(["inputs", "rows", "alive in a row", "dense, ms", "screened, ms", "gain"], rows),
  ].join("\n\n");
}

if (import.meta.main) console.log(compareScreens());
