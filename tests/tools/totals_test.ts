import { assertEquals } from "@std/assert";
import { countTests, sumTotals } from "../../tools/totals.ts";

Deno.test("countTests() counts tests, not their steps nor skipped ones", () => {
  const xml = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="5" failures="2" errors="0" time="0.008">
  <testsuite name="./a_test.ts" tests="5" disabled="1" errors="0" failures="2">
    <testcase name="a" classname="./a_test.ts" time="0.001">
    </testcase>
    <testcase name="b &gt; c" classname="./a_test.ts" time="0.001">
      <failure message="1 step failed">text</failure>
    </testcase>
    <testcase name="d" classname="./a_test.ts" time="0.000"><skipped/></testcase>
    <testcase name="a &gt; step" classname="./a_test.ts" time="0.000"></testcase>
    <testcase name="b &gt; c &gt; step" classname="./a_test.ts" time="0.000">
      <failure message="x">text</failure>
    </testcase>
  </testsuite>
</testsuites>`;
  assertEquals(countTests(xml), { passed: 1, failed: 1 });
  assertEquals(countTests(""), { passed: 0, failed: 0 });
});

Deno.test("sumTotals() adds up the summaries of cargo and of the test task", () => {
  const output = [
    "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out",
    "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out",
    "ok | 9 passed | 0 failed (1s)",
    "40 passed, 2 failed",
  ].join("\n");
  assertEquals(sumTotals(output), { passed: 47, failed: 3 });
});
