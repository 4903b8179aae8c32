/**
 * Soaks: `deno task soak --minutes 60`, or with `--operations N`, `--seed N`, `--threads N` (the most that a model is given), `--json`.
 */

import { parseArgs } from "node:util";
import { soak, type SoakReport } from "./_soak.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    operations: { type: "string" },
    seed: { type: "string", default: "1" },
    threads: { type: "string", default: "3" },
    json: { type: "boolean", default: false },
  },
});

const started = performance.now();
const elapsed = () => performance.now() - started;
const limitMs = Number(values.minutes) * 60_000;
const most = Number(values.operations ?? Infinity);

const MIB = 2 ** 20;

function line({ operations, compared, heapBytes, residentBytes }: SoakReport): string {
  const [heap, resident] = [heapBytes, residentBytes].map((list) =>
    (list.at(-1)! / MIB).toFixed(0)
  );
  const seconds = (elapsed() / 1000).toFixed(0);
  return `${seconds} s: ${operations} operations, ${compared} compared; WASM ${heap} MiB, resident ${resident} MiB`;
}

let told = 0;
const report = await soak({
  seed: Number(values.seed),
  threads: Number(values.threads),
  goesOn: (operations) =>
    operations < most && (values.operations !== undefined || elapsed() < limitMs),
  onEpoch: (report) => {
    if (values.json || elapsed() - told < 60_000) return;
    told = elapsed();
    console.log(line(report));
  },
});
if (values.json) console.log(JSON.stringify(report));
else {
  console.log(line(report));
  for (const [name, count] of Object.entries(report.counts).sort()) {
    console.log(`  ${name} ${count}`);
  }
}
