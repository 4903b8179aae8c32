/** Lines that come from a pipe, a file or the command line. */
import { createInterface } from "node:readline";
import { stdin } from "node:process";
import { UnfinishedError } from "./evaluator.ts";
import { errorJson, errorText, resultJson } from "./outcome.ts";
import type { Program } from "./program.ts";
import type { Style } from "./style.ts";

/** How results are written. */
export interface BatchOptions {
  readonly style: Style;
  readonly isJson: boolean;
  /** Whether the first line that fails is the last that runs. */
  readonly stopsAtErrors: boolean;
}

/** What came of a line: whether it worked, and whether another may follow. */
interface Answer {
  readonly ok: boolean;
  readonly goesOn: boolean;
}

async function answer(program: Program, line: string, options: BatchOptions): Promise<Answer> {
  const { style, isJson } = options;
  try {
    const result = await program.execute(line);
    const isEmpty = line.trim() === "";
    if (isJson && !isEmpty) console.log(resultJson(result, line));
    else if (result.text !== "") console.log(result.text);
    return { ok: true, goesOn: !result.isLast };
  } catch (error) {
    if (error instanceof UnfinishedError) throw error;
    if (isJson) console.log(errorJson(error, line));
    else console.error(errorText(error, line, style));
    return { ok: false, goesOn: !options.stopsAtErrors };
  }
}

/**
 * Runs lines as they come; one that isn't complete waits for the next.
 *
 * @returns Whether all of them worked.
 */
export async function runBatch(
  program: Program,
  lines: AsyncIterable<string> | Iterable<string>,
  options: BatchOptions,
): Promise<boolean> {
  let allWorked = true;
  let waiting = "";
  for await (const line of lines) {
    const text = waiting + line;
    try {
      const { ok, goesOn } = await answer(program, text, options);
      waiting = "";
      allWorked &&= ok;
      if (!goesOn) return allWorked;
    } catch (error) {
      if (!(error instanceof UnfinishedError)) throw error;
      waiting = `${text}\n`;
    }
  }
  if (waiting === "") return allWorked;
  const unfinished = new SyntaxError("The last line isn't complete.");
  if (options.isJson) console.log(errorJson(unfinished, waiting));
  else console.error(errorText(unfinished, waiting, options.style));
  return false;
}

/** The lines of standard input. */
export async function* standardInput(): AsyncGenerator<string> {
  for await (const line of createInterface({ input: stdin })) yield line;
}
