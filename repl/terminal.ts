/** The program at a terminal: Node's line editing with commands, history, completion and Ctrl-C. */
import { exit, stdout } from "node:process";
import { Recoverable, type REPLEval, type REPLServer, start } from "node:repl";
import { completed } from "./complete.ts";
import { UnfinishedError } from "./evaluator.ts";
import { historyPath, LineHistory } from "./history.ts";
import { errorJson, errorText, resultJson } from "./outcome.ts";
import type { Program } from "./program.ts";
import { MAIN } from "./state.ts";
import { folded, type Style } from "./style.ts";
import { takeTurns } from "./turns.ts";
import { warmUp } from "./warm_up.ts";

/** The prompt, with the session's name where it isn't the first one. */
function promptOf({ state: { name } }: Program, style: Style): string {
  const session = name === MAIN ? "" : ` ${name}`;
  return style.hasColours ? style.bold(style.cyan(`splicer${session}> `)) : `splicer${session}> `;
}

/** How long the prompt has been there before work begins that nobody asked for, in milliseconds. */
const WARM_UP_MS = 60;

/** A line that runs. */
interface RunningLine {
  readonly controller: AbortController;
}

/** Runs what Node's REPL reads. */
class Terminal {
  readonly #program: Program;
  readonly #style: Style;
  readonly #isJson: boolean;
  readonly #history = new LineHistory(historyPath());
  #running: RunningLine | undefined;
  /** Whether any line ran yet. */
  #hasRun = false;
  #server: REPLServer | undefined;
  /** Settled once everything handed over so far has run. */
  #done: Promise<void> = Promise.resolve();

  constructor(program: Program, style: Style, isJson: boolean) {
    this.#program = program;
    this.#style = style;
    this.#isJson = isJson;
  }

  open(): void {
    const server = start({
      prompt: promptOf(this.#program, this.#style),
      eval: this.#evaluate,
      useGlobal: true,
      ignoreUndefined: true,
      completer: (line: string) => completed(line, this.#program),
    });
    this.#server = server;
    const lines = server as unknown as { history: string[] };
    lines.history.push(...this.#history.read());
    takeTurns(server, () => this.#done);
    this.#listenForStops(server);
    setTimeout(() => this.#warm(warmUp(this.#program.state, this.#style)), WARM_UP_MS);
    // A closed REPL would still hand over the line after `.exit`.
    server.on("exit", () => exit(0));
  }

  readonly #evaluate: REPLEval = (code, _context, _file, finish) => {
    this.#hasRun = true;
    const running = { controller: new AbortController() };
    this.#running = running;
    this.#done = this.#run(code.replace(/\n$/, ""), running.controller.signal).then(
      (error) => finish(error, undefined),
    );
  };

  /** Does a part of what can be done beforehand, and the next one after a look at the keyboard, until a line runs. */
  #warm(parts: Iterator<void>): void {
    if (this.#hasRun || parts.next().done) return;
    setTimeout(() => this.#warm(parts), 0);
  }

  /** Runs a line and writes what comes of it; gives an error only where the line isn't complete. */
  async #run(line: string, signal: AbortSignal): Promise<Error | null> {
    try {
      const result = await this.#program.execute(line, signal);
      this.#history.add(line);
      const text = this.#isJson && line.trim() !== "" ? resultJson(result, line) : result.text;
      if (text !== "") this.#write(text);
      if (result.isLast) this.#server?.close();
    } catch (error) {
      if (error instanceof UnfinishedError) return new Recoverable(error);
      this.#history.add(line);
      const text = this.#isJson ? errorJson(error, line) : errorText(error, line, this.#style);
      this.#write(text);
    } finally {
      this.#running = undefined;
      this.#server?.setPrompt(promptOf(this.#program, this.#style));
    }
    return null;
  }

  /** Writes lines, broken where they are too long; JSON stays as it is. */
  #write(text: string): void {
    stdout.write(`${this.#isJson ? text : folded(text, this.#style.columns)}\n`);
  }

  /** Ctrl-C stops what runs; otherwise it clears the line, or leaves when pressed twice. */
  #listenForStops(server: REPLServer): void {
    const clearLine = server.rawListeners("SIGINT");
    server.removeAllListeners("SIGINT");
    server.on("SIGINT", () => {
      if (!this.#running) {
        for (const listener of clearLine) listener.call(server);
        return;
      }
      this.#running.controller.abort();
    });
  }
}

/** Opens the program at the terminal. */
export function openTerminal(program: Program, style: Style, isJson: boolean): void {
  new Terminal(program, style, isJson).open();
}
