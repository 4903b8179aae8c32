/** Opens as many generations as the edge example takes, each as large as it may be, and prints the memory that all of them take. */
import { memoryUsage } from "../../mod.ts";
import { LIMITS } from "../../examples/edge/limits.ts";
import { SAE_IDS } from "../../examples/edge/study.ts";
import worker from "../../examples/edge/worker.ts";

const body = JSON.stringify({
  prompt: "When John and Mary went to the shops, ".repeat(9) + "John",
  // All but one: two sit at the same point.
  saes: SAE_IDS.slice(0, -1),
  top: LIMITS.top,
  newTokens: LIMITS.newTokens,
});

async function open(): Promise<ReadableStreamDefaultReader | undefined> {
  const headers = { "content-type": "application/json" };
  const request = new Request("http://edge/stream", { method: "POST", headers, body });
  const { status, body: events } = await worker.fetch(request);
  if (status !== 200) return void await events?.cancel();
  const reader = events!.getReader();
  for (let event = 0; event < 2; event++) await reader.read();
  return reader;
}

const readers: ReadableStreamDefaultReader[] = [];
for (let reader = await open(); reader !== undefined; reader = await open()) readers.push(reader);
(globalThis as unknown as { gc: () => void }).gc();
const { heapUsed, external } = Deno.memoryUsage();
const bytes = heapUsed + external + memoryUsage().heapBytes;
console.log(JSON.stringify({ streams: readers.length, bytes }));
for (const reader of readers) await reader.cancel();
