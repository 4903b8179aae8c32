// Threads share the work without changing a bit, and leave nothing behind.

import { assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { runDeno } from "../runtimes/_package.ts";
import { runScript } from "./_script.ts";

const PRELOAD = ["--preload", "tests/workers/_two_threads.ts"];

/** Runs a program with permission to read the embedded model alone. */
function script(source: string): Promise<string> {
  return runScript(
    source,
    `--allow-read=${fileURLToPath(new URL("../../models", import.meta.url))}`,
  );
}

Deno.test("two threads give the bits of one, in products of many shapes and in whole runs", async () => {
  const run = async (flags: readonly string[]) => {
    const program = "tests/workers/_results.ts";
    return JSON.parse(await runDeno(["run", "--quiet", "--allow-read", ...flags, program]));
  };
  const [alone, together] = [await run([]), await run(PRELOAD)];
  assertEquals([alone.variant, alone.threads], ["relaxed", 1]);
  assertEquals([together.variant, together.threads], ["threads", 2]);
  assertEquals(together.digests, alone.digests);
});

Deno.test("rows, resumed runs and caches keep their invariants on two threads", async () => {
  const tests = [
    "tests/invariants/rows_test.ts",
    "tests/invariants/resumed_test.ts",
    "tests/invariants/cached_test.ts",
  ];
  const out = await runDeno(["test", "--no-check", "--allow-read", ...PRELOAD, ...tests]);
  assertMatch(out, /ok \| [1-9]\d* passed \| 0 failed/);
});

Deno.test("threads: 2 starts a worker, and the process ends by itself", async () => {
  const out = await script(`
    import { coreInfo, HookedTransformer } from "~/mod.ts";
    const model = await HookedTransformer.fromPretrained("ioi-tiny", { threads: 2 });
    const { variant, threads } = coreInfo();
    model.forward("When John and Mary went to the shops, John gave the bag to");
    console.log(variant, threads);
  `);
  assertEquals(out, "threads 2");
});

Deno.test("threads are let go with the last model, and others come with the next", async () => {
  const out = await script(`
    import { coreInfo, HookedTransformer } from "~/mod.ts";
    const counts = [];
    const load = (threads) => HookedTransformer.fromPretrained("ioi-tiny", { threads });
    for (const threads of [2, 3]) {
      const [first, second] = [await load(threads), await load("auto")];
      counts.push(coreInfo().threads);
      first[Symbol.dispose]();
      counts.push(coreInfo().threads);
    }
    console.log(JSON.stringify(counts));
  `);
  assertEquals(JSON.parse(out), [2, 1, 3, 1]);
});

Deno.test("a worker that dies is replaced, and runs go on meanwhile", async () => {
  const out = await script(`
    import { coreInfo, HookedTransformer } from "~/mod.ts";
    import { Worker } from "node:worker_threads";
    const workers = [];
    const { postMessage } = Worker.prototype;
    Worker.prototype.postMessage = function (message) {
      workers.push(this);
      postMessage.call(this, message);
    };
    const model = await HookedTransformer.fromPretrained("ioi-tiny", { threads: 2 });
    const run = () => model.forward("When John and Mary went to the shops, John gave the bag to");
    const before = run().data();
    await workers[0].terminate();
    const during = run().data();
    while (coreInfo().threads < 2) await new Promise((done) => setTimeout(done, 5));
    const after = run().data();
    console.log(workers.length, [during, after].every((logits) => before.every((x, i) => x === logits[i])));
  `);
  assertEquals(out, "2 true");
});

Deno.test("threads that can't be had are an error if they were asked for, and one thread if they weren't", async () => {
  const out = await script(`
    import { coreInfo, HookedTransformer } from "~/mod.ts";
    const kept = new HookedTransformer({ nLayers: 1, dModel: 4, nCtx: 4, dVocab: 4, nHeads: 1, dHead: 4, attnOnly: true });
    const said = [];
    for (const threads of [2, "auto", 1, 0, 2.5, "2", 65]) {
      try {
        using _model = await HookedTransformer.fromPretrained("ioi-tiny", { threads });
        said.push(coreInfo().variant);
      } catch (error) {
        said.push(error.name + ": " + error.message);
      }
    }
    kept[Symbol.dispose]();
    console.log(JSON.stringify(said));
  `);
  const range = 'expected "auto" or a whole number from 1 to 64.';
  assertEquals(JSON.parse(out), [
    "ConfigError: Cannot work on 2 threads: the core already runs on one thread, with values in its memory; threads are chosen " +
    "when the first model or SAE is loaded, so load one before others are made.",
    "relaxed",
    "relaxed",
    `ConfigError: Cannot load with threads 0: ${range}`,
    `ConfigError: Cannot load with threads 2.5: ${range}`,
    `ConfigError: Cannot load with threads "2": ${range}`,
    `ConfigError: Cannot load with threads 65: ${range}`,
  ]);
});

Deno.test("a budget that was set before holds in the module that a model is loaded into", async () => {
  const out = await script(`
    import { coreInfo, HookedTransformer, setMemoryLimit, Tensor } from "~/mod.ts";
    Tensor.ones([4]).sum();
    // More than what is checked before the module is there, less than the weights take.
    setMemoryLimit(3_000_000);
    const error = await HookedTransformer.fromPretrained("ioi-tiny", { threads: 2 }).catch((error) => error);
    console.log(error.name, coreInfo().variant);
  `);
  assertEquals(out, "MemoryBudgetError threads");
});

Deno.test("a model has threads though an SAE was loaded before", async () => {
  const out = await script(`
    import { coreInfo, HookedTransformer, SAE } from "~/mod.ts";
    const sae = await SAE.fromPretrained("ioi-tiny-hook-z", "blocks.1.hook_z");
    const alone = coreInfo().threads;
    const model = await HookedTransformer.fromPretrained("ioi-tiny", { threads: 2 });
    console.log(alone, coreInfo().threads);
  `);
  assertEquals(out, "1 2");
});

Deno.test("a model too small to gain has no workers unless they are asked for", async () => {
  const out = await script(`
    import { coreInfo, HookedTransformer } from "~/mod.ts";
    const model = await HookedTransformer.fromPretrained("ioi-tiny");
    console.log(coreInfo().threads);
  `);
  assertEquals(out, "1");
});
