/** Compares named tensors with a reference and finds where they part. */

import { AssertionError } from "@std/assert";
import type { Tensor } from "../../mod.ts";
import type { FixtureInfo } from "../_fixtures.ts";

/** `|got - want| <= atol + rtol |want|`, element by element. */
export interface Tolerance {
  readonly atol: number;
  readonly rtol: number;
}

/** One tolerance for all names, or one for each. */
export type ToleranceRule = Tolerance | ((name: string) => Tolerance);

/** What a comparison that passed saw. */
export interface Comparison {
  readonly name: string;
  /** How many tensors were compared. */
  readonly points: number;
  /** The largest difference between finite elements. */
  readonly worst: number;
  /** The tensor in which it is. */
  readonly worstAt: string;
}

/** For what claims to be the same computation. */
export const EXACT: Tolerance = { atol: 0, rtol: 0 };

// The fixtures' own advice for float32 on a CPU (`tolerance` in fixture.json): two correct implementations differ by about 1e-5,
// and the smallest real mistakes (exact gelu for tanh gelu, a wrong epsilon) move logits by 1e-3 and more.
const VALUES: Tolerance = { atol: 1e-4, rtol: 2e-5 };
const LOSSES: Tolerance = { atol: 2e-5, rtol: 1e-5 };
const GRADIENTS: Tolerance = { atol: 1e-4, rtol: 1e-4 };

/** The tolerance of a reference by what it holds: a loss, a gradient (or an attribution made of one), or values. */
export function referenceTolerance(name: string): Tolerance {
  if (/(^|\/)loss(_per_token)?$/.test(name)) return LOSSES;
  if (/(^|\/)(grad|attr)(\/|$)/.test(name)) return GRADIENTS;
  return VALUES;
}

/** The tolerance that a fixture states: logits of large models differ by as much as their own float32 noise. */
export function ruleOf({ tolerance_for_this_fixture: own }: FixtureInfo): ToleranceRule {
  const atol = Math.max(own?.logits_atol ?? 0, VALUES.atol);
  return (name) => (/(^|\/)logits$/.test(name) ? { ...VALUES, atol } : referenceTolerance(name));
}

/** An element that is off. */
interface Divergence {
  readonly point: string;
  /** By how much the worst element is off; infinite where one of the two isn't finite, or the shapes differ. */
  readonly error: number;
  readonly reason: string;
}

function indexOf(flat: number, shape: readonly number[]): string {
  const index = shape.map((n, axis) => {
    const stride = shape.slice(axis + 1).reduce((product, dim) => product * dim, 1);
    return Math.floor(flat / stride) % n;
  });
  return `[${index.join(", ")}]`;
}

/** The difference of two elements; infinities (masked scores) and NaN have to be identical. */
function difference(got: number, want: number): number {
  if (Number.isFinite(got) && Number.isFinite(want)) return Math.abs(got - want);
  return Object.is(got, want) ? 0 : Infinity;
}

function compareOne(
  point: string,
  got: Tensor,
  want: Tensor,
  tolerance: Tolerance,
): { worst: number; divergence?: Divergence } {
  if (`${got}` !== `${want}`) {
    return {
      worst: Infinity,
      divergence: { point, error: Infinity, reason: `it is ${got}, expected ${want}` },
    };
  }
  const { atol, rtol } = want.dtype === "float32" ? tolerance : EXACT;
  const [a, b] = [got.data(), want.data()];
  let worst = 0;
  let worstExcess = 0;
  let at = -1;
  for (let i = 0; i < b.length; i++) {
    const error = difference(a[i], b[i]);
    worst = Math.max(worst, error);
    const excess = error - (atol + rtol * (Number.isFinite(b[i]) ? Math.abs(b[i]) : 0));
    if (excess <= worstExcess) continue;
    worstExcess = excess;
    at = i;
  }
  if (at < 0) return { worst };
  const error = difference(a[at], b[at]);
  const allowed = atol + rtol * Math.abs(b[at]);
  const reason = `element ${indexOf(at, want.shape)} is ${a[at]}, expected ${b[at]} ` +
    `(off by ${error.toPrecision(3)}, allowed ${allowed.toPrecision(3)})`;
  return { worst, divergence: { point, error, reason } };
}

/**
 * Compares tensors by name with a reference.
 *
 * @param name What is compared, for messages.
 * @param got Tensors in the order in which their points fired; those that the reference lacks don't count.
 * @param want The reference: each of its names must be there, in shape and dtype too. Integers have to be equal.
 * @param tolerance For real numbers.
 * @throws {AssertionError} If a name is missing, or values differ: the first point that does, in firing order, with its worst element.
 */
export function compareAll(
  name: string,
  got: ReadonlyMap<string, Tensor>,
  want: ReadonlyMap<string, Tensor>,
  tolerance: ToleranceRule,
): Comparison {
  const missing = [...want.keys()].filter((point) => !got.has(point));
  if (missing.length > 0) {
    throw new AssertionError(
      `${name}: ${missing.map((point) => `"${point}"`).join(", ")} didn't come up`,
    );
  }
  const ruleOf = typeof tolerance === "function" ? tolerance : () => tolerance;
  let [worst, worstAt] = [0, ""];
  const divergences: Divergence[] = [];
  for (const [point, value] of got) {
    const reference = want.get(point);
    if (!reference) continue;
    const result = compareOne(point, value, reference, ruleOf(point));
    if (result.worst > worst) [worst, worstAt] = [result.worst, point];
    if (result.divergence) divergences.push(result.divergence);
  }
  if (divergences.length > 0) {
    const [{ point, reason }] = divergences;
    throw new AssertionError(
      `${name}: ${divergences.length} of ${want.size} points diverge, the first is "${point}": ${reason}`,
    );
  }
  return { name, points: want.size, worst, worstAt };
}

/**
 * Sums comparisons up by the fixture that their names begin with, in the fixtures' order.
 *
 * @param fixtures Folders; one that nothing was compared with has no points.
 * @throws {AssertionError} If a comparison is of none of them.
 */
export function byFixture(
  fixtures: readonly string[],
  comparisons: readonly Comparison[],
): Comparison[] {
  const rows = new Map(
    fixtures.map((
      name,
    ): [string, Comparison] => [name, { name, points: 0, worst: 0, worstAt: "" }]),
  );
  for (const { name, points, worst, worstAt } of comparisons) {
    const row = fixtures.map((fixture) => rows.get(fixture)!).find((row) =>
      name === row.name || name.startsWith(`${row.name}/`) || name.startsWith(`${row.name} `)
    );
    if (!row) throw new AssertionError(`${name} is of no fixture`);
    rows.set(row.name, {
      name: row.name,
      points: row.points + points,
      ...worst > row.worst ? { worst, worstAt } : { worst: row.worst, worstAt: row.worstAt },
    });
  }
  return [...rows.values()];
}

/** Lays comparisons out as a table of text. */
export function summary(comparisons: readonly Comparison[]): string {
  const rows = comparisons.map((
    { name, points, worst, worstAt },
  ) => [name, `${points}`, worst.toExponential(1), worstAt]);
  const all = [["fixture", "points", "worst", "at"], ...rows];
  const widths = all[0].map((_, column) => Math.max(...all.map((row) => row[column].length)));
  const isNumber = [false, true, true, false];
  const lines = all.map((row) =>
    row.map((cell, column) =>
      isNumber[column] ? cell.padStart(widths[column]) : cell.padEnd(widths[column])
    ).join("  ").trimEnd()
  );
  return lines.join("\n");
}
