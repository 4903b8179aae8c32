/** Runs notebooks in Deno's kernel, driven by Jupyter's own client. */

/** A cell's output, in the form that notebooks keep it in. */
export interface Output {
  readonly output_type: "stream" | "display_data" | "execute_result" | "error";
  /** Contents by mime type; text is a list of lines. */
  readonly data?: Readonly<Record<string, unknown>>;
  readonly text?: readonly string[];
}

/** A cell of a notebook that was run. */
export interface Cell {
  readonly cell_type: "code" | "markdown";
  readonly execution_count?: number | null;
  readonly outputs?: readonly Output[];
}

/** Jupyter's program that runs notebooks: nbclient's. */
const PROGRAM = "jupyter-execute";

/** Why notebooks can't be run; `undefined` where they can. */
export const noJupyter: string | undefined = await (async () => {
  try {
    const { success } = await new Deno.Command(PROGRAM, { args: ["--version"] }).output();
    return success ? undefined : `${PROGRAM} fails`;
  } catch {
    return `no ${PROGRAM} on the PATH: see tests/notebook/requirements.txt`;
  }
})();

/** The kernel, as `deno jupyter --install` would make it known, but of this Deno. */
const KERNEL = {
  argv: [Deno.execPath(), "jupyter", "--kernel", "--conn", "{connection_file}"],
  display_name: "Deno",
  language: "typescript",
};

/**
 * Runs a notebook from top to bottom, in a process of its own.
 *
 * @param notebook Where it is; it stays as it is.
 * @returns Its cells, with what each gave.
 * @throws {Error} If a cell throws.
 */
export async function runNotebook(notebook: string): Promise<Cell[]> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/kernels/deno`, { recursive: true });
    await Deno.writeTextFile(`${folder}/kernels/deno/kernel.json`, JSON.stringify(KERNEL));
    const { success, stderr } = await new Deno.Command(PROGRAM, {
      args: ["--timeout=120", "--kernel_name=deno", `--output=${folder}/run`, notebook],
      env: { JUPYTER_PATH: folder, JUPYTER_RUNTIME_DIR: folder, JUPYTER_NO_CONFIG: "1" },
    }).output();
    if (!success) throw new Error(`${notebook}:\n${new TextDecoder().decode(stderr)}`);
    return JSON.parse(await Deno.readTextFile(`${folder}/run.ipynb`)).cells;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
