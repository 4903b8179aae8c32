/**
 * What a worker runs. It is sent as text, so that it needs no file, no permission to read one and no import.
 *
 * @module
 */

/** What a worker is told to begin with. */
export interface Beginning {
  /** The module with shared memory, compiled. */
  readonly module: WebAssembly.Module;
  /** The memory that it shares with the main thread. */
  readonly memory: WebAssembly.Memory;
  /** Its place in the pool. */
  readonly index: number;
  /** The size of its stack, in whole pages. */
  readonly stackBytes: number;
}

/** What a worker says: that it has joined the pool, and that it has left it. */
export type Report = "joined" | "left";

/** What the worker uses of the module; the binding's own script isn't there. */
interface WorkerExports {
  __wbindgen_start(stackBytes: number): void;
  pool_join(index: number): void;
  pool_work(index: number): void;
  pool_mourn(index: number): void;
  __wbindgen_thread_destroy(): void;
}

/**
 * A worker's life: it instantiates the module, joins the pool and works until the pool closes. It uses nothing from outside itself.
 *
 * @param beginning What it was told.
 * @param report Says something to the main thread.
 */
function work(beginning: Beginning, report: (report: Report) => void): void {
  const { module, memory, index, stackBytes } = beginning;
  const imports: WebAssembly.Imports = {};
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    // The main thread does what needs JavaScript; here the functions only have to be there.
    (imports[from] ??= {})[name] = kind === "memory" ? memory : () => {};
  }
  const { exports } = new WebAssembly.Instance(module, imports);
  const core = exports as unknown as WorkerExports;
  core.__wbindgen_start(stackBytes);
  core.pool_join(index);
  report("joined");
  try {
    core.pool_work(index);
  } catch (error) {
    // The main thread may be waiting for this worker's share, in a loop that sees no message.
    core.pool_mourn(index);
    throw error;
  }
  // Gives its stack back.
  core.__wbindgen_thread_destroy();
  report("left");
}

/** The program for workers of browsers. */
export function webProgram(): string {
  return `onmessage = ({ data }) => {
  (${work})(data, (report) => postMessage(report));
  close();
};`;
}

/** The program for workers of Node, and of whoever has its module. */
export function nodeProgram(): string {
  return `import("node:worker_threads").then(({ parentPort }) => {
  parentPort.once("message", (data) => (${work})(data, (report) => parentPort.postMessage(report)));
});`;
}
