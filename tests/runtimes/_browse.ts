/**
 * Runs the suite in a Chromium, with the package served at the address of the first argument, on as many threads as the second one
 * says, and prints what it gave. With "plain" as the third the page's engine says that it has no relaxed SIMD.
 */
import { chromium } from "npm:playwright-core@1.65.1";
import { CHROMIUM_FLAGS, findChromium } from "../../src/plot/chromium.ts";

const RUN_IN_PAGE = `(async () => {
  const [splicer, { smoke }] = await Promise.all([import("/browser.js"), import("/smoke.js")]);
  return await smoke(splicer, THREADS);
})()`;

const RUN_IN_WORKER = `new Promise((resolve, reject) => {
  const source = 'import * as splicer from "' + location.origin + '/browser.js";' +
    'import { smoke } from "' + location.origin + '/smoke.js";' +
    'try { postMessage({ result: await smoke(splicer, THREADS) }); }' +
    'catch (error) { postMessage({ error: String(error) }); }';
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const worker = new Worker(address, { type: "module" });
  worker.onmessage = ({ data }) => "error" in data ? reject(data.error) : resolve(data.result);
  worker.onerror = (event) => reject(event.message);
})`;

/** The file is imported from memory, where nothing lies beside it. */
const RUN_INLINE = `(async () => {
  const blob = await (await fetch("/inline.js")).blob();
  const address = URL.createObjectURL(new Blob([blob], { type: "text/javascript" }));
  const [splicer, { smoke }] = await Promise.all([import(address), import("/smoke.js")]);
  return await smoke(splicer, THREADS).catch(String);
})()`;

const [address, threads = '"auto"', simd] = Deno.args;
await using browser = await chromium.launch({
  executablePath: await findChromium(),
  args: CHROMIUM_FLAGS,
});
const page = await browser.newPage();
const consoleErrors: string[] = [];
page.on("console", (message) => {
  const isIcon = message.location().url.endsWith("/favicon.ico");
  if (message.type() === "error" && !isIcon) consoleErrors.push(message.text());
});
page.on("pageerror", (error) => consoleErrors.push(String(error)));
if (simd === "plain") await page.addInitScript("WebAssembly.validate = () => false");
await page.goto(address);
const result = {
  page: await page.evaluate(RUN_IN_PAGE.replace("THREADS", threads)),
  worker: await page.evaluate(RUN_IN_WORKER.replace("THREADS", threads)),
  inline: await page.evaluate(RUN_INLINE.replace("THREADS", threads)),
  consoleErrors,
};
console.log(JSON.stringify(result));
