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
 * Makes a configuration of workerd that serves a worker on a free port of the loopback address.
 *
 * @param files The worker's modules by their paths from the configuration, the entry first.
 */
export function workerdConfig(files: readonly string[]): string {
  const modules = files.map((file) => {
    const kind = KINDS[file.split(".").at(-1) ?? ""];
    return `    (name = "${file}", ${kind} = embed "${file}"),`;
  });
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
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
}

/**
 * Starts workerd over modules in a folder, and waits until it listens.
 *
 * @param folder The folder; the configuration is written there.
 * @param files The worker's modules by their paths from the folder, the entry first.
 * @returns The process, which ends with its block.
 * @throws {Error} If it ends before it listens.
 */
export async function startWorkerd(
  folder: string,
  files: readonly string[],
): Promise<RunningWorkerd> {
  const config = join(folder, "workerd.capnp");
  await Deno.writeTextFile(config, workerdConfig(files));
  const child = new Deno.Command(await workerdProgram(), {
    args: ["serve", config, "--control-fd=1"],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const control = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  while (!said.includes("\n")) {
    const { value } = await control.read();
    if (value === undefined) throw new Error(`workerd ended before it listened: ${said}`);
    said += value;
  }
  const { port } = JSON.parse(said.split("\n")[0]);
  return {
    url: `http://127.0.0.1:${port}/`,
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.kill();
      await control.cancel();
      await child.status;
    },
  };
}
