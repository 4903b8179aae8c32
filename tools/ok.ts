/**
 * Runs the checks that precede a commit, each under a heading with its seconds, and ends with
 * `N passed, N failed` over the tests of Rust and Deno.
 *
 * With `--all`, as CI runs it, the modules are built anew instead of comparing the hash of their
 * sources, and the demo and the tests run by the commands that the README gives.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sumTotals, type Totals } from "./totals.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const DENO = Deno.execPath();

interface Step {
  name: string;
  command: string[];
  /** Folder to run in, from the root. */
  folder?: string;
  /** Its output has the summaries of a test runner. */
  countsTests?: boolean;
}

/** What is fixed about this Deno: a machine with nothing but npm gets the same one. */
const NPX = ["npx", "-y", `deno@${Deno.version.deno}`];

function steps(all: boolean): Step[] {
  const deno = all ? [...NPX, "task"] : [DENO, "task"];
  const rust = (name: string, args: string[]) => ({
    name,
    command: ["cargo", ...args],
    folder: "wasm",
  });
  return [
    {
      name: "the committed modules",
      command: [DENO, "task", "build", all ? "--check" : "--check-sources"],
    },
    { name: "deno fmt", command: [DENO, "fmt", "--check"] },
    { name: "deno lint", command: [DENO, "lint"] },
    {
      name: "types at the borders of modules",
      command: [DENO, "lint", "--rules-include=explicit-module-boundary-types", "mod.ts", "src"],
    },
    { name: "deno check", command: [DENO, "check", "--frozen"] },
    {
      name: "types of the pages' programs",
      command: [DENO, "run", "-A", "tests/docs/check_types.ts"],
    },
    { name: "documentation of the public names", command: [DENO, "doc", "--lint", "mod.ts"] },
    {
      name: "import directions",
      command: [DENO, "run", "--allow-read", "tools/check_imports.ts"],
    },
    rust("cargo fmt", ["fmt", "--check"]),
    rust("cargo clippy", [
      "clippy",
      "--quiet",
      "--locked",
      "--all-targets",
      "--",
      "-D",
      "warnings",
    ]),
    { ...rust("cargo test", ["test", "--quiet", "--locked"]), countsTests: true },
    ...all ? [{ name: "the demo", command: [...deno, "demo"] }] : [],
    { name: "deno test", command: [...deno, "test"], countsTests: true },
  ];
}

/** Passes a stream on to the terminal and keeps it as text. */
async function tee(from: ReadableStream<Uint8Array>, to: typeof Deno.stdout): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of from) {
    text += decoder.decode(chunk, { stream: true });
    for (let sent = 0; sent < chunk.length;) sent += await to.write(chunk.subarray(sent));
  }
  return text + decoder.decode();
}

async function run({ command, folder = "." }: Step): Promise<{ ok: boolean; output: string }> {
  const [program, ...args] = command;
  try {
    const child = new Deno.Command(program, {
      args,
      cwd: join(ROOT, folder),
      // Colours would stand between the words that are counted.
      env: { NO_COLOR: "1", CARGO_TERM_COLOR: "never" },
      stdout: "piped",
    }).spawn();
    const output = await tee(child.stdout, Deno.stdout);
    return { ok: (await child.status).success, output };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.log(`${program} is not installed`);
    return { ok: false, output: "" };
  }
}

async function main(args: string[]): Promise<number> {
  const totals: Totals = { passed: 0, failed: 0 };
  const failed: string[] = [];
  for (const step of steps(args.includes("--all"))) {
    console.log(`\n== ${step.name}`);
    const start = performance.now();
    const { ok, output } = await run(step);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(`== ${step.name}: ${ok ? "ok" : "FAILED"} in ${seconds} s`);
    if (!ok) failed.push(step.name);
    if (!step.countsTests) continue;
    const { passed, failed: failures } = sumTotals(output);
    totals.passed += passed;
    // What doesn't compile fails before it is counted.
    totals.failed += !ok && failures === 0 ? 1 : failures;
  }
  if (failed.length > 0) console.log(`\nFailed: ${failed.join(", ")}`);
  console.log(`\n${totals.passed} passed, ${totals.failed} failed`);
  return failed.length > 0 ? 1 : 0;
}

Deno.exit(await main(Deno.args));
