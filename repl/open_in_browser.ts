/** Shows a figure in the user's browser. */
import type { Figure } from "../mod.ts";
import { CommandError } from "./errors.ts";

/** The programs that open a file with what belongs to it. */
const OPENERS: Readonly<Record<string, readonly string[]>> = {
  darwin: ["open"],
  windows: ["cmd", "/c", "start", ""],
  linux: ["xdg-open"],
};

/**
 * Writes a figure to a temporary page and opens it.
 *
 * @returns Where the page is.
 * @throws {CommandError} If there is nothing to open it with.
 */
export async function openInBrowser(figure: Figure): Promise<string> {
  const path = await Deno.makeTempFile({ prefix: "splicer_", suffix: ".html" });
  await figure.save(path);
  const [program, ...args] = OPENERS[Deno.build.os] ?? OPENERS.linux;
  try {
    const opener = new Deno.Command(program, {
      args: [...args, path],
      stdout: "null",
      stderr: "null",
    });
    const { success } = await opener.output();
    if (success) return path;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  throw new CommandError(`There is no browser to open (${program} failed). The page is ${path}.`);
}
