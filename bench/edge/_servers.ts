/** The edge example, served by each runtime that serves it. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { filesBelow } from "../../tools/dist/files.ts";
import { nodeMajor } from "../../tools/npm/programs.ts";
import { startWorkerd } from "../../tools/npm/workerd.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** A server that is up. */
export interface Server extends AsyncDisposable {
  /** Where it listens, with a slash at the end. */
  readonly url: string;
  readonly pid: number;
  /** Bytes of the worker's isolate, where the server limits those. */
  isolateBytes?(): Promise<number>;
}

/** Starts a program that says where it listens, and waits until it has. */
async function startProgram(program: string, args: readonly string[]): Promise<Server> {
  const child = new Deno.Command(program, {
    args: [...args],
    cwd: ROOT,
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  // Deno says it on one stream and Node on the other; both must be read to their end.
  const said = { text: "" };
  let found: (url: string) => void;
  const url = new Promise<string>((resolve) => found = resolve);
  const read = async (stream: ReadableStream<Uint8Array>) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      said.text += text;
      const match = /http:\/\/127\.0\.0\.1:\d+\//.exec(said.text);
      if (match) found(match[0]);
    }
  };
  const reading = Promise.all([read(child.stdout), read(child.stderr)]);
  const ended = child.status.then(() => {
    throw new Error(`${program} ended before it listened:\n${said.text}`);
  });
  ended.catch(() => {});
  return {
    url: await Promise.race([url, ended]),
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.status;
      await reading;
    },
  };
}

/** Short-lived values in MiB before they are collected: left alone they grow to many times the model. */
const YOUNG = "--max-semi-space-size=2";

/** What serves the example, by name; each is given the folder that `deno task dist edge` made. */
export const SERVERS: Readonly<Record<string, (dist: string) => Promise<Server>>> = {
  deno: () =>
    startProgram(Deno.execPath(), [
      "serve",
      "--no-prompt",
      `--v8-flags=${YOUNG}`,
      "--allow-read=models",
      "--host=127.0.0.1",
      "--port=0",
      "examples/edge/worker.ts",
    ]),
  workerd: (dist) => {
    const folder = join(dist, "workerd");
    const files = filesBelow(folder).filter((file) => /\.(wasm|safetensors)$/.test(file));
    return startWorkerd(folder, ["worker.js", ...files]);
  },
  node: async (dist) => {
    // Node 20 has relaxed SIMD behind a flag; without it the module is another, with other bits.
    const flags = Number(await nodeMajor()) < 21 ? ["--experimental-wasm-relaxed-simd"] : [];
    return await startProgram("node", [YOUNG, ...flags, join(dist, "node/server.mjs"), "0"]);
  },
};
