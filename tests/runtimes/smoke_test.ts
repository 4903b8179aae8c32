// The same suite in every runtime, with the same numbers.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as splicer from "../../mod.ts";
import { filesBelow } from "../../tools/dist/files.ts";
import { bunProgram, nodeMajor } from "../../tools/npm/programs.ts";
import { startWorkerd } from "../../tools/npm/workerd.ts";
import { noChromium, runWithChromium } from "../_chromium.ts";
import { serveFiles } from "../../tools/serve_files.ts";
import { type InstalledPackage, installPackage, runDeno, runProgram } from "./_package.ts";
import { smoke, type SmokeResult } from "./_smoke.js";

const ROOT = new URL("../../", import.meta.url);

/** What the library gives in the tests' own Deno. */
let expected: SmokeResult;
let installed: InstalledPackage;

Deno.test.beforeAll(async () => {
  [expected, installed] = [await smoke(splicer), await installPackage(["--no-types"])];
  for (const folder of [installed.folder, installed.package]) {
    await Deno.copyFile(new URL("./_smoke.js", import.meta.url), join(folder, "smoke.js"));
  }
});

Deno.test.afterAll(async () => {
  await installed[Symbol.asyncDispose]();
});

/** A program that runs the suite with the library of an address, and prints what comes out. */
function program(library: string, suite: string, threads: splicer.Threads = "auto"): string {
  return `import * as splicer from ${JSON.stringify(library)};
import { smoke } from ${JSON.stringify(suite)};
console.log(JSON.stringify(await smoke(splicer, ${JSON.stringify(threads)})));
`;
}

async function writeProgram(name: string, source: string): Promise<string> {
  const path = join(installed.folder, name);
  await Deno.writeTextFile(path, source);
  return path;
}

/** The numbers of a result, in order. */
function numbersOf({ logits, difference, strengths, ablated, gradient }: SmokeResult): number[] {
  return [...logits, difference, ...strengths, ablated, ...gradient];
}

/** The model is too small to gain from threads, but the module for them is there. */
const READY: splicer.CoreInfo = { variant: "threads", threads: 1 };

/** The result with what computed it: every variant with relaxed SIMD has the same bits. */
function expectedOn(core: splicer.CoreInfo): SmokeResult {
  return { ...expected, core };
}

/**
 * Holds a result of another engine to ours. Whether a relaxed multiply-add rounds once or twice is the engine's choice, so the
 * last bits differ: by some 2e-7 of a value of size 1 in each of four layers, and by no more than 1e-5 of the largest.
 */
function assertClose(actual: SmokeResult, core: splicer.CoreInfo): void {
  const { next, features, rows, resumedFrom } = actual;
  const exact = { next, features, rows, resumedFrom, core: actual.core };
  assertEquals({ ...expected, ...exact }, expectedOn(core));
  const numbers = numbersOf(actual);
  const atMost = 1e-5 * Math.max(...numbersOf(expected).map(Math.abs));
  for (const [n, value] of numbersOf(expected).entries()) {
    assert(Math.abs(numbers[n] - value) <= atMost, `number ${n} is ${numbers[n]}, wanted ${value}`);
  }
}

Deno.test("the suite finds the indirect object, and ablating a feature of it costs something", () => {
  assertEquals([expected.next, expected.resumedFrom], [" Mary", "1.attn_out"]);
  assert(expected.ablated < expected.difference - 1);
  assert(expected.gradient.every((value) => value !== 0));
});

Deno.test("Deno runs the suite from a file, with permission to read the embedded model alone", async () => {
  const path = await writeProgram(
    "file.ts",
    program(new URL("mod.ts", ROOT).href, new URL("tests/runtimes/_smoke.js", ROOT).href),
  );
  const models = fileURLToPath(new URL("models/ioi-tiny", ROOT));
  const flags = ["--quiet", "--no-prompt", `--allow-read=${models}`];
  assertEquals(JSON.parse(await runDeno(["run", ...flags, path])), expected);
});

Deno.test("Deno runs the suite by URL, with permission to import and to fetch the embedded model alone", async () => {
  await using server = serveFiles(ROOT);
  const host = `127.0.0.1:${server.addr.port}`;
  const path = await writeProgram(
    "url.ts",
    program(`http://${host}/mod.ts`, `http://${host}/tests/runtimes/_smoke.js`),
  );
  const flags = ["--quiet", "--no-prompt", "--no-lock", `--reload=http://${host}`];
  const permissions = [`--allow-import=${host}`, `--allow-net=${host}`];
  assertEquals(JSON.parse(await runDeno(["run", ...flags, ...permissions, path])), expected);
});

Deno.test("Deno's REPL runs the suite line by line", async () => {
  const source = program(
    new URL("mod.ts", ROOT).href,
    new URL("tests/runtimes/_smoke.js", ROOT).href,
  );
  const said = await runDeno(["repl", "--quiet", "-A"], { input: source });
  const result = said.split("\n").find((line) => line.startsWith("{"));
  assertEquals(JSON.parse(result ?? "null"), expected);
});

const major = await nodeMajor();

/** Node 20 has relaxed SIMD behind a flag. */
const RELAXED = Number(major) < 21 ? ["--experimental-wasm-relaxed-simd"] : [];

Deno.test({
  name: "Node runs the suite",
  ignore: major === undefined,
  fn: async () => {
    const path = await writeProgram("node.mjs", program("@splicer/splicer", "./smoke.js"));
    assertEquals(JSON.parse(await runProgram("node", [...RELAXED, path])), expectedOn(READY));
  },
});

Deno.test({
  name: "Node runs the suite on two threads, with the same bits",
  ignore: major === undefined,
  fn: async () => {
    const path = await writeProgram("two.mjs", program("@splicer/splicer", "./smoke.js", 2));
    const result = JSON.parse(await runProgram("node", [...RELAXED, path]));
    assertEquals(result, expectedOn({ variant: "threads", threads: 2 }));
  },
});

Deno.test({
  name: "Node 20 without its flag has no relaxed SIMD, and runs the suite in plain SIMD",
  ignore: RELAXED.length === 0,
  fn: async () => {
    const path = await writeProgram("plain.mjs", program("@splicer/splicer", "./smoke.js"));
    assertClose(JSON.parse(await runProgram("node", [path])), { variant: "plain", threads: 1 });
  },
});

Deno.test("Deno runs the suite in plain SIMD where the engine says that it has no other", async () => {
  const source = program(
    new URL("mod.ts", ROOT).href,
    new URL("tests/runtimes/_smoke.js", ROOT).href,
  );
  const path = await writeProgram(
    "denied.ts",
    source.replace(/^import \* as splicer from (.*);$/m, "const splicer = await import($1);")
      .replace(/^/, "WebAssembly.validate = () => false;\n"),
  );
  const said = await runDeno(["run", "--quiet", "--allow-read=models/ioi-tiny", path]);
  assertClose(JSON.parse(said), { variant: "plain", threads: 1 });
});

Deno.test("Bun runs the suite", async () => {
  const path = await writeProgram("bun.mjs", program("@splicer/splicer", "./smoke.js"));
  assertClose(JSON.parse(await runProgram(await bunProgram(), [path])), READY);
});

Deno.test("workerd runs the suite", async () => {
  await Deno.writeTextFile(
    join(installed.package, "worker.js"),
    `import * as splicer from "./workerd.js";
import { smoke } from "./smoke.js";
export default { fetch: async () => Response.json(await smoke(splicer)) };
`,
  );
  const weights = filesBelow(installed.package).filter((file) => file.endsWith(".safetensors"));
  const files = ["worker.js", "workerd.js", "smoke.js", "splicer_bg.wasm", ...weights];
  await using workerd = await startWorkerd(installed.package, files);
  assertEquals(
    await (await fetch(workerd.url)).json(),
    expectedOn({ variant: "relaxed", threads: 1 }),
  );
});

/** What the suite gives in Chromium, its files served from the package, and the paths that were asked for. */
async function browse(...args: string[]) {
  const paths: string[] = [];
  await using server = serveFiles(
    new URL(`file://${installed.package}/`),
    (path) => paths.push(path),
  );
  await Deno.writeTextFile(join(installed.package, "index.html"), "<!doctype html>");
  const url = `http://127.0.0.1:${server.addr.port}/`;
  const script = new URL("./_browse.ts", import.meta.url);
  return { result: JSON.parse(await runWithChromium(script, [url, ...args])), paths };
}

Deno.test({
  name:
    "Chromium runs the suite in a page, in a worker, and from the one file that holds everything",
  ignore: noChromium !== undefined,
  fn: async () => {
    const { result, paths } = await browse();
    const { page, worker, inline, consoleErrors } = result;
    const alone = expectedOn({ variant: "relaxed", threads: 1 });
    assertEquals({ page, worker, inline }, { page: alone, worker: alone, inline: alone });
    // No file is asked for that isn't there.
    const missing = paths.filter((path) => path !== "/favicon.ico" && !isThere(path));
    assertEquals({ missing, consoleErrors }, { missing: [], consoleErrors: [] });
  },
});

Deno.test({
  name: "Chromium fetches and runs plain SIMD where the page's engine says that it has no other",
  ignore: noChromium !== undefined,
  fn: async () => {
    const { result: { page }, paths } = await browse('"auto"', "plain");
    assertClose(page, { variant: "plain", threads: 1 });
    const [first] = paths.filter((path) => path.endsWith(".wasm"));
    assertEquals(first, "/splicer_plain_bg.wasm");
  },
});

Deno.test({
  name: "Chromium runs the suite on two threads where the page is isolated, with the same bits",
  ignore: noChromium !== undefined,
  fn: async () => {
    await using server = serveFiles(new URL(`file://${installed.package}/`), undefined, {
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
    });
    await Deno.writeTextFile(join(installed.package, "index.html"), "<!doctype html>");
    const url = `http://127.0.0.1:${server.addr.port}/`;
    const browse = new URL("./_browse.ts", import.meta.url);
    const { page, worker, inline } = JSON.parse(await runWithChromium(browse, [url, "2"]));
    const together = expectedOn({ variant: "threads", threads: 2 });
    assertEquals({ page, worker }, { page: together, worker: together });
    assertMatch(inline, /ConfigError: Cannot work on 2 threads: the module for them can't be/);
  },
});

function isThere(path: string): boolean {
  try {
    return Deno.statSync(`${installed.package}${path}`) !== undefined;
  } catch {
    return false;
  }
}
