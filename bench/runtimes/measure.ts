/** Cold start and memory of the library in every runtime. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findChromium } from "../../src/plot/chromium.ts";
import { endBundling } from "../../tools/dist/bundle.ts";
import { filesBelow } from "../../tools/dist/files.ts";
import { makePackage } from "../../tools/dist/npm.ts";
import { packageFolder } from "../../tools/npm/package_folder.ts";
import { bunProgram, nodeMajor } from "../../tools/npm/programs.ts";
import { startWorkerd } from "../../tools/npm/workerd.ts";
import { serveFiles } from "../../tools/serve_files.ts";
import { median } from "../_median.ts";
import { processCpuMs } from "../_noise.ts";
import { processMemory } from "../_process_memory.ts";
import { markdownTable } from "../_table.ts";
import type { ColdStart } from "./_cold_start.js";

/** A cold start, seen from outside as well; what a runtime doesn't tell is undefined. */
interface Start extends Partial<ColdStart> {
  /** What the first logits name. */
  readonly token: string;
  /** From the start of the process, or of the page, to the first logits. */
  readonly totalMs: number;
  /** What the process computed until then, on all cores; others that run meanwhile hardly change it. */
  readonly cpuMs?: number;
  /** What the process, or the page, allocated. */
  readonly ownMiB: number;
  /** All that the process holds. */
  readonly residentMiB?: number;
}

const MIB = 2 ** 20;

/** What the model says first. */
const TOKEN = " Mary";

/** Starts a program that prints a token and a cold start, and looks at what it holds before it ends. */
async function startProgram(program: string, args: readonly string[]): Promise<Start> {
  const started = performance.now();
  const child = new Deno.Command(program, {
    args: [...args],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let [said, totalMs, cpuMs] = ["", 0, 0];
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    said += text;
    if (totalMs === 0) {
      totalMs = performance.now() - started;
      cpuMs = processCpuMs(child.pid);
    }
    if (said.endsWith("}\n")) break;
  }
  const { own, resident } = processMemory(child.pid);
  child.kill();
  await child.status;
  const [token, result] = said.split("\n");
  return { ...JSON.parse(result), token, totalMs, cpuMs, ownMiB: own, residentMiB: resident };
}

/** A program for {@linkcode startProgram}: it stays until it is ended. */
function program(coldStart: string, compile: string, library: string): string {
  return `import { coldStart } from ${JSON.stringify(coldStart)};
const compile = async () => ${compile};
const importLibrary = () => import(${JSON.stringify(library)});
console.log(JSON.stringify(await coldStart(compile, importLibrary, (token) => console.log(token))));
setInterval(() => {}, 1000);
`;
}

/** A folder with everything that programs of other runtimes import. */
interface Place {
  readonly folder: string;
  readonly package: string;
}

async function preparePlace(): Promise<Place> {
  const folder = await Deno.makeTempDir({ prefix: "splicer-bench-runtimes-" });
  const out = join(folder, "node_modules/@splicer/splicer");
  await makePackage(out, { hasTypes: false });
  await endBundling();
  await Deno.mkdir(join(folder, "node_modules/@huggingface"));
  await Deno.symlink(
    await packageFolder("@huggingface/tokenizers", "0.2.0"),
    join(folder, "node_modules/@huggingface/tokenizers"),
  );
  for (const place of [folder, out]) {
    await Deno.copyFile(new URL("./_cold_start.js", import.meta.url), join(place, "cold_start.js"));
  }
  await Deno.writeTextFile(join(out, "index.html"), "<!doctype html>");
  return { folder, package: out };
}

const PROJECT = new URL("../../", import.meta.url);

async function startDeno({ folder }: Place): Promise<Start> {
  const path = join(folder, "deno.js");
  const file = (name: string) => new URL(name, PROJECT).href;
  const compile = `await import(${JSON.stringify(file("src/core/wasm_module.js"))})`;
  const source = program(file("bench/runtimes/_cold_start.js"), compile, file("mod.ts"));
  await Deno.writeTextFile(path, source);
  const models = fileURLToPath(new URL("models/ioi-tiny", PROJECT));
  const config = fileURLToPath(new URL("deno.json", PROJECT));
  return await startProgram(Deno.execPath(), [
    "run",
    "--no-prompt",
    `--config=${config}`,
    `--allow-read=${models}`,
    path,
  ]);
}

/** Node and Bun read and compile the module alike. */
async function writeNodeProgram({ folder }: Place): Promise<string> {
  const path = join(folder, "node.mjs");
  const compile = `{
  const { readFileSync } = await import("node:fs");
  const file = new URL("./node_modules/@splicer/splicer/splicer_bg.wasm", import.meta.url);
  return new WebAssembly.Module(readFileSync(file));
}`;
  await Deno.writeTextFile(path, program("./cold_start.js", compile, "@splicer/splicer"));
  return path;
}

async function startNode(place: Place): Promise<Start> {
  // Node 20 has relaxed SIMD behind a flag.
  const flags = Number(await nodeMajor()) < 21 ? ["--experimental-wasm-relaxed-simd"] : [];
  return await startProgram("node", [...flags, await writeNodeProgram(place)]);
}

async function startBun(place: Place): Promise<Start> {
  return await startProgram(await bunProgram(), [await writeNodeProgram(place)]);
}

/** A worker's clock stands still while it computes, so that each part is a request. */
const WORKER = `import { HookedSAETransformer, memoryUsage } from "./workerd.js";
let model;
const load = async () => void (model = await HookedSAETransformer.fromPretrained("ioi-tiny"));
const next = () => model.toString(
  model.forward("When John and Mary went to the shops, John gave the bag to").at(0, -1).argmax()
    .item());
const parts = {
  "/load": load,
  "/first": next,
  "/warm": () => Array.from({ length: 50 }, next).at(-1),
  "/memory": () => memoryUsage().heapBytes,
};
export default {
  fetch: async ({ url }) => Response.json(await parts[new URL(url).pathname]() ?? null),
};
`;

async function startWorker({ package: folder }: Place): Promise<Start> {
  await Deno.writeTextFile(join(folder, "worker.js"), WORKER);
  const weights = filesBelow(folder).filter((file) => file.endsWith(".safetensors"));
  const started = performance.now();
  const files = ["worker.js", "workerd.js", "splicer_bg.wasm", ...weights];
  await using workerd = await startWorkerd(folder, files);
  const ask = async (part: string): Promise<{ ms: number; value: unknown }> => {
    const asked = performance.now();
    const value = await (await fetch(`${workerd.url}${part}`)).json();
    return { ms: performance.now() - asked, value };
  };
  const { ms: loadMs } = await ask("load");
  const { ms: firstMs, value: token } = await ask("first");
  const totalMs = performance.now() - started;
  const cpuMs = processCpuMs(workerd.pid);
  await ask("warm");
  const { ms: warmMs } = await ask("first");
  const { value: wasmBytes } = await ask("memory");
  const { own, resident } = processMemory(workerd.pid);
  return {
    token: String(token),
    loadMs,
    firstMs,
    warmMs,
    totalMs,
    cpuMs,
    wasmBytes: Number(wasmBytes),
    ownMiB: own,
    residentMiB: resident,
  };
}

async function startPage({ package: folder }: Place): Promise<Start> {
  await using server = serveFiles(new URL(`file://${folder}/`));
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "-A",
      fileURLToPath(new URL("./_page.ts", import.meta.url)),
      `http://127.0.0.1:${server.addr.port}/`,
    ],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("The page failed, see above");
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** The runtimes that are here. */
async function runtimes(): Promise<Record<string, (place: Place) => Promise<Start>>> {
  return {
    Deno: startDeno,
    ...await nodeMajor() === undefined ? {} : { [`Node ${await nodeMajor()}`]: startNode },
    Bun: startBun,
    workerd: startWorker,
    ...await findChromium() === undefined ? {} : { "Chromium, a page": startPage },
  };
}

/** The fastest of one field, or the median of a size; a dash where a runtime doesn't tell it. */
function summary(starts: readonly Start[], field: Exclude<keyof Start, "token">): number | "-" {
  const values = starts.map((start) => start[field]).filter((value) => value !== undefined);
  if (values.length === 0) return "-";
  // Whatever else runs on the machine only ever makes a start slower.
  const value = field.endsWith("Ms") ? Math.min(...values) : median(values);
  return Number(value.toFixed(1));
}

/**
 * Starts the library cold in every runtime, in turn.
 *
 * @param reps How often.
 * @returns A section in Markdown.
 * @throws {Error} If a runtime's first logits name another token.
 */
export async function measureRuntimes(reps: number): Promise<string> {
  const place = await preparePlace();
  const starts = new Map<string, Start[]>();
  try {
    const all = Object.entries(await runtimes());
    // The first of each reads its files from disk.
    for (let rep = -1; rep < reps; rep++) {
      for (const [name, start] of all) {
        const one = await start(place);
        if (one.token !== TOKEN) throw new Error(`${name} says "${one.token}", not "${TOKEN}"`);
        if (rep >= 0) starts.set(name, [...starts.get(name) ?? [], one]);
      }
    }
  } finally {
    await Deno.remove(place.folder, { recursive: true });
  }
  const columns = {
    compileMs: "module compiled, ms",
    importMs: "rest of the import",
    loadMs: "model loaded",
    firstMs: "first logits",
    totalMs: "start to first logits",
    cpuMs: "of it computing, all threads",
    warmMs: "a warm pass",
    ownMiB: "own MiB",
    residentMiB: "resident MiB",
  } as const;
  const fields = Object.keys(columns) as (keyof typeof columns)[];
  const table = markdownTable(
    ["runtime", ...Object.values(columns), "WASM MiB"],
    [...starts].map(([name, all]) => [
      name,
      ...fields.map((field) => summary(all, field)),
      Math.round((all[0].wasmBytes ?? 0) / MIB),
    ]),
  );
  return `## Cold start and memory by runtime

The embedded model, one prompt of 15 tokens; of ${reps} new processes each the fastest, and the median
of sizes. From the start of the process to the first logits, for the page from its navigation; workerd's parts are requests, its
clock stands still within one. A page's own memory is its JavaScript heap and the module's.

${table}
`;
}
