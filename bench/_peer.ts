/** A peer: another program that does the same work, asked by lines of JSON. */
import { fileURLToPath } from "node:url";
import type { Scenario } from "./_random_model.ts";
import type { Step } from "./_steps.ts";
import { SAMPLE } from "./_values.ts";

/** What a peer is asked. `peers/` has the answers. */
export type Request =
  | { do: "versions" }
  | { do: "load"; scenario: Scenario; threads: number; graph?: string }
  | { do: "run"; steps: readonly Step[]; sample: number }
  | { do: "export_onnx"; scenario: Scenario; to: string };

/** What a peer answers. */
export interface Answer {
  error?: string;
  versions?: Record<string, string>;
  ms?: number;
  values?: number[];
}

/** What a timed run came to. */
export interface TimedRun {
  ms: number;
  values: number[];
}

/** One long-lived program. */
export class Peer implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: AsyncIterator<string>;

  /** Starts a program that reads requests from stdin and answers on stdout. */
  constructor(program: string, args: readonly string[], cwd?: string) {
    this.#process = new Deno.Command(program, {
      args: [...args],
      cwd,
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#writer = this.#process.stdin.getWriter();
    this.#lines = linesOf(this.#process.stdout);
  }

  /**
   * Asks and waits for the answer.
   *
   * @throws {Error} If the peer couldn't do it or has ended.
   */
  async ask(request: Request): Promise<Answer> {
    await this.#writer.write(new TextEncoder().encode(`${JSON.stringify(request)}\n`));
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("The peer ended without an answer.");
    const answer: Answer = JSON.parse(value);
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }

  /** The program's process id. */
  get pid(): number {
    return this.#process.pid;
  }

  /** Runs steps there. */
  async run(steps: readonly Step[]): Promise<TimedRun> {
    const { ms, values } = await this.ask({ do: "run", steps, sample: SAMPLE });
    if (ms === undefined || values === undefined) throw new Error("The peer timed nothing.");
    return { ms, values };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A peer that has ended already has closed its end.
    await this.#writer.close().catch(() => {});
    await this.#lines.return?.();
    await this.#process.status;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    yield* lines;
  }
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** The last line of an error's text: Python's tracebacks end with what went wrong. */
export function reasonOf(error: unknown): string {
  return messageOf(error).trim().split("\n").at(-1) ?? "";
}

const peerPath = (name: string) => fileURLToPath(new URL(`./peers/${name}`, import.meta.url));

/** The script that runs TransformerLens. */
export const TRANSFORMER_LENS = peerPath("transformer_lens_peer.py");

/** A peer that answered, with its versions, or why there is none. */
export type Found = { peer: Peer; versions: Record<string, string>; python: string } | {
  missing: string;
};

/** Finds a Python that can import the peers: `PEER_PYTHON`, or `python3`. */
export async function findTransformerLens(): Promise<Found> {
  const python = Deno.env.get("PEER_PYTHON") ?? "python3";
  let peer: Peer;
  try {
    peer = new Peer(python, [TRANSFORMER_LENS]);
  } catch (error) {
    return { missing: `${python} can't be started: ${messageOf(error)}` };
  }
  try {
    const { versions = {} } = await peer.ask({ do: "versions" });
    return { peer, versions, python };
  } catch (error) {
    await peer[Symbol.asyncDispose]();
    return { missing: `${python} can't import bench/peers/requirements.txt: ${reasonOf(error)}` };
  }
}

/** onnxruntime's packages on npm. */
export type OnnxPackage = "onnxruntime-node" | "onnxruntime-web";

/** The version of them that is measured. */
export const ONNX_VERSION = "1.30.0";

/**
 * Starts onnxruntime in a Deno of its own.
 *
 * @param folder where npm's packages are put: onnxruntime-web's file that runs with threads under Deno is none that the package
 *   exports, so it needs a path
 */
export async function startOnnx(name: OnnxPackage, folder: string): Promise<Peer> {
  Deno.mkdirSync(folder, { recursive: true });
  const specifier = `npm:${name}@${ONNX_VERSION}`;
  const config = `${folder}/deno.json`;
  Deno.writeTextFileSync(
    config,
    JSON.stringify({ nodeModulesDir: "auto", imports: { [name]: specifier } }),
  );
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["install", "--quiet", "--no-lock"],
    cwd: folder,
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const module = name === "onnxruntime-web"
    ? `file://${folder}/node_modules/${name}/dist/ort.node.min.mjs`
    : specifier;
  const script = peerPath("onnxruntime_peer.ts");
  return new Peer(
    Deno.execPath(),
    ["run", "-A", "--no-lock", "--config", config, script, module],
    folder,
  );
}
