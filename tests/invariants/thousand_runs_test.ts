// Invariant 6: live bytes after runs are those of the weights and one base run, and neither they nor the heap's size grow over a
// thousand synchronous runs. A process of its own runs them, so that no other test's memory is in the way.

import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import type { MemoryUsage } from "../../mod.ts";

const PROGRAM = fileURLToPath(new URL("./_thousand_runs.ts", import.meta.url));

const LOOPS = [
  "runs with hooks and SAEs",
  "runs of ever new tokens",
  "forward and backward passes",
  "forward and backward passes without a base run",
  "cached gradients",
  "generations",
  "runs that throw",
];

for (const loop of LOOPS) {
  Deno.test(`a thousand ${loop} leave live and heap bytes where they were`, async () => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--allow-read", PROGRAM, loop],
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assertEquals([code, text(stderr)], [0, ""]);
    const { first, last, disposed }: Record<string, MemoryUsage> = JSON.parse(text(stdout));
    assertEquals(last, first);
    assertEquals(last.liveBytes, last.weightBytes + last.baseBytes);
    assertEquals({ ...disposed, heapBytes: 0 }, {
      liveBytes: 0,
      heapBytes: 0,
      weightBytes: 0,
      baseBytes: 0,
      tapeBytes: 0,
    });
  });
}
