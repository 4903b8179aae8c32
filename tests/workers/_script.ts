/** Programs that are given as text. */
import { runDeno } from "../runtimes/_package.ts";

const ROOT = new URL("../../", import.meta.url);

/** Runs a program that imports from `~/`, and gives what it prints. */
export async function runScript(source: string, ...permissions: string[]): Promise<string> {
  const path = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(path, source.replaceAll('from "~/', `from "${ROOT.href}`));
    return (await runDeno(["run", "--quiet", "--no-prompt", ...permissions, path])).trim();
  } finally {
    await Deno.remove(path);
  }
}
