/** Node's REPL hands over pasted lines all at once; here each waits until the one before is done. */
import type { REPLServer } from "node:repl";

/** Gives what is being waited for; settled where nothing is. */
export type Pending = () => Promise<void>;

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
