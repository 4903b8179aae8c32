/** Runs the interactive program as its users do: with lines on standard input, or with options. */

import { type Outcome, runToEnd } from "../_run.ts";

const MAIN = new URL("../../repl/main.ts", import.meta.url);

/**
 * Runs the program.
 *
 * @param args Its options.
 * @param lines Standard input.
 */
export async function runProgram(
  args: readonly string[],
  lines: readonly string[] = [],
  { main = MAIN.href, cwd }: { main?: string; cwd?: string } = {},
): Promise<Outcome> {
  return await runToEnd(
    Deno.execPath(),
    ["run", "--quiet", "--no-prompt", "-A", main, ...args],
    { cwd, input: lines.map((line) => `${line}\n`).join("") },
  );
}

/** A result as `--json` gives it. */
// deno-lint-ignore no-explicit-any -- Each command has fields of its own, which the tests look at.
export type Answer = Record<string, any> & { ok: boolean; command: string };

/** Runs lines with `--json` and gives an answer for each. */
export async function answersTo(
  lines: readonly string[],
  options: { cwd?: string; args?: readonly string[] } = {},
): Promise<{ answers: Answer[]; code: number; err: string }> {
  const { code, out, err } = await runProgram(["--json", ...options.args ?? []], lines, options);
  const answers = out.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  return { answers, code, err };
}
