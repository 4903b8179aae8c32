// The edge example under load, served by every runtime that serves it.

import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { load, loadCases } from "../../bench/edge/_load.ts";
import { SERVERS } from "../../bench/edge/_servers.ts";
import { nodeMajor } from "../../tools/npm/programs.ts";
import { runDeno } from "../runtimes/_package.ts";

let dist: string;

Deno.test.beforeAll(async () => {
  dist = await Deno.makeTempDir({ prefix: "splicer_edge_" });
  await runDeno(["run", "--quiet", "-A", "tools/dist.ts", "edge", "--out", dist]);
});

Deno.test.afterAll(() => Deno.remove(dist, { recursive: true }));

const major = await nodeMajor();

/** The answers of each server. */
const answers = new Map<string, string[]>();

for (const [name, start] of Object.entries(SERVERS)) {
  Deno.test({
    name: `${name} serves fifty clients at once, each with its right answer`,
    ignore: name === "node" && major === undefined,
    fn: async () => {
      await using server = await start(join(dist, "edge"));
      const cases = await loadCases(server.url);
      answers.set(name, cases.map(({ answer }) => answer));
      const heapBytes = async () => (await (await fetch(server.url)).json()).memory.heapBytes;
      const before = await heapBytes();
      const { times, lost, wrong } = await load(server.url, cases, { clients: 50, requests: 300 });
      assertEquals({ answered: times.length, lost, wrong }, { answered: 300, lost: 0, wrong: 0 });
      assertEquals(await heapBytes(), before, "the module's memory grew");
      const response = await fetch(`${server.url}stream`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ prompt: "Once there was a", newTokens: 3, top: 1 }),
      });
      const events = (await response.text()).match(/^event: \w+$/gm);
      assertEquals(events, ["event: token", "event: token", "event: token", "event: end"]);
    },
  });
}

Deno.test("every runtime gives the same answers", () => {
  for (const [name, given] of answers) assertEquals(given, answers.get("deno"), name);
});
