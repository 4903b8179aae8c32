/**
 * Breaks files and reads them: `deno task fuzz`, or with `--target NAME`, `--seed N`, `--cases N`, or `--case N` for one of them.
 */

import { parseArgs } from "node:util";
import { fuzz, problemOf } from "./_fuzz.ts";
import { TARGETS } from "./_targets.ts";

const { values } = parseArgs({
  options: {
    target: { type: "string" },
    seed: { type: "string", default: "1" },
    cases: { type: "string" },
    case: { type: "string" },
  },
});

let failed = false;
for (const [target, { cases }] of Object.entries(TARGETS)) {
  if (values.target !== undefined && values.target !== target) continue;
  const one = values.case === undefined ? undefined : Number(values.case);
  const from = one ?? 0;
  const to = one === undefined ? Number(values.cases ?? cases) : one + 1;
  const options = { target, seed: Number(values.seed), from, to };
  const started = performance.now();
  const result = await fuzz(options);
  const problem = problemOf(options, result);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const counts = "valid" in result ? `${result.valid} valid, ${result.refused} refused` : "hung";
  console.log(`${target}: ${to - from} cases in ${seconds} s, ${counts}`);
  if (problem === undefined) continue;
  console.log(problem);
  failed = true;
}
if (failed) Deno.exit(1);
