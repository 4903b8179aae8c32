/** Node's REPL hands over pasted and piped lines all at once; here each waits until the one before is done. */
import type { REPLServer } from "node:repl";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";

/** Gives what is being waited for; settled where nothing is. */
export type Pending = () => Promise<void>;

async function* linesInTurn(
  input: NodeJS.ReadableStream,
  pending: Pending,
): AsyncGenerator<string> {
  for await (const line of createInterface({ input })) {
    yield `${line}\n`;
    await pending();
  }
}

/**
 * Makes a stream that holds back each line, and its end, until the line before has been run.
 *
 * @param input A pipe or a file.
 * @param pending The run of the line that was handed over last.
 */
export function pacedInput(input: NodeJS.ReadableStream, pending: Pending): Readable {
  return Readable.from(linesInTurn(input, pending), { highWaterMark: 1 });
}

/**
 * Lets the lines that a terminal's user pastes, or types ahead, wait for their turn.
 *
 * @param server A REPL that reads from a terminal.
 * @param pending The run of the line that was handed over last.
 */
export function takeTurns(server: REPLServer, pending: Pending): void {
  const [read] = server.rawListeners("line");
  server.off("line", read as (line: string) => void);
  let turn = Promise.resolve();
  server.on("line", (line) => {
    turn = turn.then(async () => {
      read.call(server, line);
      await pending();
    });
  });
}
