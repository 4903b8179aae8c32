/**
 * Takes the pictures of the docs anew: the interactive program in a terminal, and the playground.
 *
 * The first argument says which, `repl` or `playground`; both without one.
 */
import { chromium } from "npm:playwright-core@1.65.1";
import { CHROMIUM_FLAGS, findChromium } from "../../src/plot/chromium.ts";
import { takePlayground } from "./playground.ts";
import { takeRepl } from "./repl.ts";

const FOLDER = new URL("../../docs/images/", import.meta.url).pathname;

const PICTURES = { repl: takeRepl, playground: takePlayground } as const;

const [only] = Deno.args;
if (only !== undefined && !Object.hasOwn(PICTURES, only)) {
  console.error(`There is no picture "${only}": ${Object.keys(PICTURES).join(", ")}.`);
  Deno.exit(2);
}
await Deno.mkdir(FOLDER, { recursive: true });
await using browser = await chromium.launch({
  executablePath: await findChromium(),
  args: CHROMIUM_FLAGS,
});
for (const [name, take] of Object.entries(PICTURES)) {
  if (only !== undefined && name !== only) continue;
  const path = `${FOLDER}${name}.png`;
  await take(browser, path);
  console.log(`docs/images/${name}.png: ${(await Deno.stat(path)).size} bytes`);
}
