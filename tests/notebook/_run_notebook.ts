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

/** The Python that the program is written for, from its first line; `undefined` where it isn't on the PATH. */
function findPython(): string | undefined {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    try {
      return Deno.readTextFileSync(`${folder}/${PROGRAM}`).match(/^#!(\S+)/)?.[1];
    } catch {
      // Not here.
    }
  }
  return undefined;
}

const python = findPython();

/** Why notebooks can't be run; `undefined` where they can. */
export const noJupyter: string | undefined = python === undefined
  ? `no ${PROGRAM} on the PATH: see tests/notebook/requirements.txt`
  : undefined;

/** As the program does, but for the time that outputs may come late on a busy machine: it gives up after 4 seconds. */
const EXECUTE = `
import os
import sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
folder = {"metadata": {"path": os.path.dirname(sys.argv[1])}}
NotebookClient(notebook, timeout=120, iopub_timeout=120, kernel_name="deno", resources=folder).execute()
nbformat.write(notebook, sys.argv[2])
`;

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
    const { success, stderr } = await new Deno.Command(python ?? "python3", {
      args: ["-c", EXECUTE, notebook, `${folder}/run.ipynb`],
      env: { JUPYTER_PATH: folder, JUPYTER_RUNTIME_DIR: folder, JUPYTER_NO_CONFIG: "1" },
    }).output();
    if (!success) throw new Error(`${notebook}:\n${new TextDecoder().decode(stderr)}`);
    return JSON.parse(await Deno.readTextFile(`${folder}/run.ipynb`)).cells;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
