/** The lines of earlier sessions, for the arrow keys. */
import { join } from "node:path";

/** How many lines are kept. */
const MAX_LINES = 1000;

/** Where the lines are kept; `undefined` where there is no home. `SPLICER_HISTORY` names another file, or none when empty. */
export function historyPath(): string | undefined {
  const own = Deno.env.get("SPLICER_HISTORY");
  if (own !== undefined) return own === "" ? undefined : own;
  const home = Deno.env.get("HOME") ?? Deno.env.get("USERPROFILE");
  const state = Deno.env.get("XDG_STATE_HOME") ?? (home && join(home, ".local", "state"));
  return state && join(state, "splicer", "history");
}

/** A file of lines, the newest at its end. Whatever goes wrong with it, the program goes on. */
export class LineHistory {
  readonly #path: string | undefined;

  /** Keeps lines in a file, or nowhere. */
  constructor(path: string | undefined) {
    this.#path = path;
  }

  /** The lines, the newest first. */
  read(): string[] {
    if (this.#path === undefined) return [];
    try {
      const lines = Deno.readTextFileSync(this.#path).split("\n").filter((line) => line !== "");
      const kept = lines.slice(-MAX_LINES);
      if (kept.length < lines.length) Deno.writeTextFileSync(this.#path, `${kept.join("\n")}\n`);
      return kept.reverse();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }

  /** Adds a line. */
  add(line: string): void {
    if (this.#path === undefined || line.trim() === "") return;
    Deno.mkdirSync(join(this.#path, ".."), { recursive: true });
    Deno.writeTextFileSync(this.#path, `${line.replaceAll("\n", " ")}\n`, { append: true });
  }
}
