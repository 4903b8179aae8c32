/** Counting tests in what the test runners report. */

/** How many tests passed and failed; skipped ones are in neither. */
export interface Totals {
  passed: number;
  failed: number;
}

/** Whether a case is a step: the report names it after its test, `test > step`. */
function isStep(name: string, names: Set<string>): boolean {
  const parts = name.split(" &gt; ");
  return parts.some((_, n) => n > 0 && names.has(parts.slice(0, n).join(" &gt; ")));
}

/**
 * Counts the tests of a JUnit report, as `deno test --junit-path` writes it.
 *
 * @param xml The report; empty if the runner stopped before it had one.
 * @returns Its totals; a step of a test is not counted beside the test.
 */
export function countTests(xml: string): Totals {
  const totals = { passed: 0, failed: 0 };
  for (const suite of xml.split("</testsuite>")) {
    const cases = [...suite.matchAll(/<testcase name="([^"]*)"[^>]*>([\s\S]*?)<\/testcase>/g)];
    const names = new Set(cases.map(([, name]) => name));
    for (const [, name, content] of cases) {
      if (content.includes("<skipped") || isStep(name, names)) continue;
      totals[content.includes("<failure") ? "failed" : "passed"]++;
    }
  }
  return totals;
}

/**
 * Adds up the totals in the output of `cargo test` and of `tools/test.ts`.
 *
 * @param output What a command printed, without colours.
 * @returns The sum over all its summary lines; zeros if it has none.
 */
export function sumTotals(output: string): Totals {
  const totals = { passed: 0, failed: 0 };
  const summaries = /^test result: .*?(\d+) passed; (\d+) failed|^(\d+) passed, (\d+) failed$/gm;
  for (const [, rustPassed, rustFailed, passed, failed] of output.matchAll(summaries)) {
    totals.passed += Number(rustPassed ?? passed);
    totals.failed += Number(rustFailed ?? failed);
  }
  return totals;
}
