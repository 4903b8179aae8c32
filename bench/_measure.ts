/** Measuring against the machine's own rate, in the same run. */

import { median } from "./_median.ts";

/** One benchmark: `run` does `operations` floating-point operations. */
export interface Case {
  name: string;
  operations: number;
  run: () => void;
}

/** What a case came to. Rates are in 10⁹ operations a second, ratios to the yardstick's. */
export interface Result {
  name: string;
  best: number;
  median: number;
  /** The best rate against the yardstick's best. */
  ratio: number;
  /** The median over the rounds of the rate against the yardstick's of the same round. */
  medianRatio: number;
}

/** Calls until about `milliseconds` have gone by, and returns the rate in 10⁹ operations a second. */
function rate({ operations, run }: Case, milliseconds: number): number {
  const start = performance.now();
  let [calls, elapsed] = [0, 0];
  do {
    run();
    calls++;
    elapsed = performance.now() - start;
  } while (elapsed < milliseconds);
  return calls * operations / elapsed / 1e6;
}

/**
 * Runs the cases in alternation with the yardstick, so that a change of the machine's clock meets both.
 *
 * @param yardstick the loop whose rate is 1
 * @param cases what is compared with it
 * @param rounds how often each is measured; one more round goes before, unmeasured, for the compiler
 * @param milliseconds how long one measurement takes at least
 * @returns the yardstick's result first, then the cases' in order
 */
export function measure(
  yardstick: Case,
  cases: Case[],
  { rounds = 25, milliseconds = 20 } = {},
): Result[] {
  const all = [yardstick, ...cases];
  const rates: number[][] = all.map(() => []);
  const ratios: number[][] = all.map(() => []);
  for (let round = 0; round <= rounds; round++) {
    all.forEach((one, i) => {
      const before = rate(yardstick, milliseconds / 4);
      const own = rate(one, milliseconds);
      if (round === 0) return;
      rates[i].push(own);
      ratios[i].push(own / before);
      rates[0].push(before);
    });
  }
  const bestYardstick = Math.max(...rates[0]);
  return all.map(({ name }, i) => {
    const best = Math.max(...rates[i]);
    return {
      name,
      best,
      median: median(rates[i]),
      ratio: best / bestYardstick,
      medianRatio: median(ratios[i]),
    };
  });
}
