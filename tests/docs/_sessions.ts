/** Runs the sessions of the interactive program that pages show. */
import { runProgram } from "../repl/_program.ts";
import type { Block } from "./_pages.ts";

const PROMPT = "splicer> ";
const MARK = "=== next ===";

/** Whether a block shows the interactive program. */
export function isSession({ text }: Block): boolean {
  return text.startsWith(PROMPT);
}

/**
 * Types the commands of blocks, one after another, into one program.
 *
 * @returns Each block as it would be written today.
 */
export async function writtenSessions(blocks: readonly Block[]): Promise<string[]> {
  const commands = blocks.map(({ text }) =>
    text.split("\n").filter((line) => line.startsWith(PROMPT))
      .map((line) => line.slice(PROMPT.length))
  );
  const mark = `console.log(${JSON.stringify(MARK)})`;
  const { out, err } = await runProgram([], commands.flat().flatMap((line) => [line, mark]));
  if (err !== "") throw new Error(`The program says: ${err}`);
  const outputs = out.split(`${MARK}\n`);
  return commands.map((lines) =>
    lines.map((line) => `${PROMPT}${line}\n${outputs.shift()}`).join("").trimEnd()
  );
}
