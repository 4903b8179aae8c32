/** Starts the library in a new Chromium, with the package served at the address of the first argument, and prints what it took. */
import { chromium } from "npm:playwright-core@1.65.1";
import { CHROMIUM_FLAGS, findChromium } from "../../src/plot/chromium.ts";

const START = `(async () => {
  const { coldStart } = await import("/cold_start.js");
  const compile = async () => WebAssembly.compileStreaming(fetch("/splicer_bg.wasm"));
  let token;
  const announce = (named) => token = named;
  return { ...await coldStart(compile, () => import("/browser.js"), announce), token };
})()`;

const [address] = Deno.args;
await using browser = await chromium.launch({
  executablePath: await findChromium(),
  args: CHROMIUM_FLAGS,
});
const page = await browser.newPage();
await page.goto(address);
const result = await page.evaluate<Record<string, unknown>>(START);
const session = await page.context().newCDPSession(page);
await session.send("Performance.enable");
const { metrics } = await session.send("Performance.getMetrics");
const heap = metrics.find(({ name }) => name === "JSHeapTotalSize")?.value ?? 0;
console.log(JSON.stringify({ ...result, ownMiB: (heap + Number(result.wasmBytes)) / 2 ** 20 }));
