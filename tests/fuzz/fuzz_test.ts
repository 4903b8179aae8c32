/**
 * Invariant 8: broken files end in a typed error or in a whole object, never in a trap, a hang or an allocation beyond the budget.
 * 100,000 cases of a fixed seed, each of them one to four faults in a whole file; `deno task fuzz` runs others.
 */

import { assert, assertEquals } from "@std/assert";
import { fuzz, problemOf } from "./_fuzz.ts";
import { TARGETS } from "./_targets.ts";

const SEED = 1;

for (const [target, { cases, corpus, read }] of Object.entries(TARGETS)) {
  Deno.test(`${cases} broken ${target} end in a typed error or in what can be used`, async () => {
    const options = { target, seed: SEED, from: 0, to: cases };
    const result = await fuzz(options);
    assertEquals(problemOf(options, result), undefined);
    assert("valid" in result && result.valid + result.refused === cases);
    // Faults have to be found, and not each of them matters.
    assert(result.valid > cases / 1000 && result.refused > cases / 10, JSON.stringify(result));
  });

  Deno.test(`Most of the ${target} that are broken are whole before`, async () => {
    const files = await corpus();
    const results = await Promise.allSettled(files.map((file) => read(file)));
    const whole = results.filter(({ status }) => status === "fulfilled");
    assert(whole.length > files.length / 2, `${whole.length} of ${files.length} can be read`);
  });
}

Deno.test("The suite runs 100,000 broken files", () => {
  assertEquals(Object.values(TARGETS).reduce((sum, { cases }) => sum + cases, 0), 100_000);
});
