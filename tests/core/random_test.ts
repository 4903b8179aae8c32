import { assertAlmostEquals, assertEquals } from "@std/assert";
import { normal, uniform } from "../../src/core/random.ts";

const take = (random: () => number, n: number) => Array.from({ length: n }, random);

Deno.test("uniform() gives fixed numbers in [0, 1) for a seed", () => {
  // Of the generator itself at seeds 0 and 7, in units of 2^-32.
  const units = (seed: number) => take(uniform(seed), 3).map((u) => u * 2 ** 32);
  assertEquals(units(0), [3184218848, 2185019715, 663190848]);
  assertEquals(units(7), [1107360437, 179633292, 2841767865]);
  assertEquals(units(2 ** 32 + 7), units(7));
});

Deno.test("uniform() fills the interval evenly", () => {
  const counts = new Array<number>(10).fill(0);
  for (const u of take(uniform(1), 10_000)) counts[Math.floor(u * 10)]++;
  // Six standard deviations of a bin of 1,000: 6 sqrt(10^4 · 0.1 · 0.9) = 180.
  for (const count of counts) assertAlmostEquals(count, 1000, 180);
});

Deno.test("normal() has mean 0 and variance 1", () => {
  const values = take(normal(1), 10_000);
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length;
  // Six standard errors: 6 / sqrt(10^4), and 6 sqrt(2 / 10^4).
  assertAlmostEquals(mean, 0, 0.06);
  assertAlmostEquals(variance, 1, 0.085);
});
