/**
 * The interactive program: interventions on a model while you watch.
 *
 * @module
 */
import { exit, stdin, stdout } from "node:process";
import { type Arguments, readArguments, USAGE } from "./arguments.ts";
import { runBatch, standardInput } from "./batch.ts";
import { greeting } from "./greeting.ts";
import { openState } from "./open_state.ts";
import { Program } from "./program.ts";
import { folded, styleFor } from "./style.ts";
import { openTerminal } from "./terminal.ts";

/** Width of lines where nobody says. */
const PLAIN_COLUMNS = 100;

function parsed(args: readonly string[]): Arguments {
  try {
    return readArguments(args);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    exit(2);
  }
}

async function main(): Promise<void> {
  const options = parsed(Deno.args);
  if (options.isHelp) return console.log(USAGE);
  const { isJson, lines } = options;
  const isInteractive = stdin.isTTY === true && lines === undefined;
  const hasColours = options.colours ?? (stdout.isTTY === true && !Deno.noColor && !isJson);
  // Some terminals say that they have no columns.
  const style = styleFor(hasColours, () => stdout.columns || PLAIN_COLUMNS);
  let program: Program;
  try {
    const state = await openState(options);
    const write = (text: string) => void stdout.write(text);
    program = new Program({ state, style, isJson, isInteractive, write });
    if (options.load !== undefined) await program.execute(`load ${JSON.stringify(options.load)}`);
  } catch (error) {
    console.error(error instanceof Error ? `${error.name}: ${error.message}` : error);
    exit(2);
  }
  if (isInteractive) {
    if (!isJson) console.log(folded(greeting(program.state, style), style.columns));
    return openTerminal(program, style, isJson);
  }
  const input = lines ?? standardInput();
  const worked = await runBatch(program, input, {
    style,
    isJson,
    stopsAtErrors: lines !== undefined,
  });
  exit(worked ? 0 : 1);
}

await main();
