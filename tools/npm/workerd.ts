/** Serving a worker with workerd. */
import { join } from "node:path";
import { workerdProgram } from "./programs.ts";

/** The kind of a module by the ending of its file, as workerd's configuration names it. */
const KINDS: Readonly<Record<string, string>> = {
  js: "esModule",
  wasm: "wasm",
  safetensors: "data",
};

/**
 * Makes a configuration of workerd that serves a worker.
 *
 * @param files The worker's modules by their paths from the configuration, the entry first.
 * @param address Where it listens, as in `127.0.0.1:8000`.
 */
export function workerdConfig(files: readonly string[], address: string): string {
  const modules = files.map((file) => {
    const kind = KINDS[file.split(".").at(-1) ?? ""];
    return `    (name = "${file}", ${kind} = embed "${file}"),`;
  });
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "${address}", http = (), service = "main")],
  # Short-lived values in MiB before they are collected: left alone they grow to many times the model.
  v8Flags = ["--max-semi-space-size=2"],
);

const worker :Workerd.Worker = (
  modules = [
${modules.join("\n")}
  ],
  compatibilityDate = "2026-01-01",
);
`;
}

/** A running workerd. */
export interface RunningWorkerd extends AsyncDisposable {
  /** Where it listens. */
  readonly url: string;
  readonly pid: number;
  /** Bytes of the worker's isolate, which Cloudflare limits: its JavaScript heap and its buffers, WASM memory among them. */
  isolateBytes(): Promise<number>;
}

/** The memory of an isolate, asked of its inspector. */
async function isolateBytes(inspector: number): Promise<number> {
  const socket = new WebSocket(`ws://127.0.0.1:${inspector}/main`);
  const reply = await new Promise<string>((resolve, reject) => {
    socket.onopen = () => socket.send(JSON.stringify({ id: 1, method: "Runtime.getHeapUsage" }));
    socket.onmessage = ({ data }) => resolve(data);
    socket.onerror = reject;
  });
  const closed = new Promise((resolve) => socket.onclose = resolve);
  socket.close();
  await closed;
  const { totalSize, embedderHeapUsedSize, backingStorageSize } = JSON.parse(reply).result;
  return totalSize + embedderHeapUsedSize + backingStorageSize;
}

/**
 * Starts workerd over modules in a folder, and waits until it listens.
 *
 * @param folder The folder; a configuration is written there.
 * @param files The worker's modules by their paths from the folder, the entry first.
 * @returns The process, which ends with its block.
 * @throws {Error} If it ends before it listens.
 */
export async function startWorkerd(
  folder: string,
  files: readonly string[],
): Promise<RunningWorkerd> {
  const config = join(folder, "any_port.capnp");
  await Deno.writeTextFile(config, workerdConfig(files, "127.0.0.1:0"));
  const child = new Deno.Command(await workerdProgram(), {
    args: ["serve", config, "--control-fd=1", "--inspector-addr=127.0.0.1:0"],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const control = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  const portOf = (event: string) =>
    Number(new RegExp(`"${event}"[^}]*"port":(\\d+)`).exec(said)?.[1]);
  while (!(portOf("listen") && portOf("listen-inspector"))) {
    const { value } = await control.read();
    if (value === undefined) throw new Error(`workerd ended before it listened: ${said}`);
    said += value;
  }
  return {
    url: `http://127.0.0.1:${portOf("listen")}/`,
    pid: child.pid,
    isolateBytes: () => isolateBytes(portOf("listen-inspector")),
    async [Symbol.asyncDispose]() {
      child.kill();
      await control.cancel();
      await child.status;
    },
  };
}
