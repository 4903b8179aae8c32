/**
 * Runs the notebook at GPT-2 small's full size, once, by hand: writes the hub's repositories with random weights (2.8 GB) to a
 * temporary folder, serves them, runs `deno task demo --model gpt2-small --saes gpt2-small-hook-z-kk` against that, and tells how
 * long it took and how much memory it held.
 *
 *     deno run -A tests/hub/full_size.ts [folder]
 *
 * A folder that is named is kept, and used as it is the next time.
 */
import { fileURLToPath } from "node:url";
import { processMemory } from "../../bench/_process_memory.ts";
import { FULL, MODEL, RELEASE, repositoriesIn, writeGpt2Small } from "./_gpt2_small.ts";
import { serveHub } from "./_hub_server.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** How often the process' memory is looked at, in milliseconds. */
const LOOK_MS = 200;

async function timed<T>(label: string, body: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await body();
  console.log(`${label}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return result;
}

/** Runs the demo and watches its memory. */
async function runDemo(env: Record<string, string>, out: string): Promise<number> {
  const command = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`)).tasks.demo.command;
  const [, ...args] = command.split(" ");
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args, "--model", MODEL, "--saes", RELEASE, "--out", out],
    cwd: ROOT,
    env,
  }).spawn();
  let [resident, own] = [0, 0];
  const look = setInterval(() => {
    try {
      const now = processMemory(child.pid);
      [resident, own] = [Math.max(resident, now.resident), Math.max(own, now.own)];
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }, LOOK_MS);
  const { code } = await child.status;
  clearInterval(look);
  console.log(`most memory: ${resident.toFixed(0)} MiB resident, ${own.toFixed(0)} MiB of its own`);
  return code;
}

const [kept] = Deno.args;
const folder = kept ?? await Deno.makeTempDir({ prefix: "splicer_full_size_" });
const done = `${folder}/done`;
let code = 1;
try {
  if (!await Deno.stat(done).catch(() => undefined)) {
    await timed("writing the repositories", () => writeGpt2Small(`${folder}/hub`, FULL));
    await Deno.writeTextFile(done, "");
  }
  await using hub = serveHub(await repositoriesIn(`${folder}/hub`));
  const env = { HF_ENDPOINT: hub.endpoint, HF_HOME: `${folder}/home` };
  const out = `${folder}/out`;
  code = await timed("the demo with its downloads", () => runDemo(env, out));
  if (code === 0) code = await timed("the demo from the cache", () => runDemo(env, out));
} finally {
  if (kept === undefined) await Deno.remove(folder, { recursive: true });
}
Deno.exit(code);
