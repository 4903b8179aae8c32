// Invariant 10: whatever is done in whatever order, and whatever fails, models compute what fresh ones do, and memory comes back. These
// are the first operations of `deno task soak`, which goes on for as long as it is told to.

import { assert, assertEquals } from "@std/assert";
import { runDeno } from "../runtimes/_package.ts";
import { DISTURBANCES } from "./_disturbances.ts";
import { PROGRAMS } from "./_programs.ts";
import type { SoakReport } from "./_soak.ts";

const OPERATIONS = 40;

Deno.test(`${OPERATIONS} operations on two models and eleven SAEs leave nothing behind`, async () => {
  const flags = ["--quiet", "--v8-flags=--expose-gc", "--allow-read=models"];
  const options = ["--operations", String(OPERATIONS), "--threads", "2", "--json"];
  const { operations, compared, counts }: SoakReport = JSON.parse(
    await runDeno(["run", ...flags, "tests/soak/main.ts", ...options]),
  );
  assertEquals(operations, OPERATIONS);
  assert(compared > OPERATIONS / 2, `only ${compared} results were compared`);
  const missed = Object.keys({ ...PROGRAMS, ...DISTURBANCES }).filter((name) => !counts[name]);
  assertEquals(missed, [], "never done");
});
