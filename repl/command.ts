/** What a command is, and what it is given. */
import type { Figure } from "../mod.ts";
import type { ReplState } from "./state.ts";
import type { Style } from "./style.ts";
import type { WordReader } from "./words.ts";

/** What came of a line. */
export interface Result {
  /** What is shown. */
  readonly text: string;
  /** The same for programs: anything that has a place in JSON. */
  readonly json: Readonly<Record<string, unknown>>;
  /** What `plot` draws of it. */
  readonly figure?: () => Figure;
  /** The next state; the same one unless given. */
  readonly state?: ReplState;
  /** Ends the program. */
  readonly isLast?: boolean;
}

/** What a command works with. */
export interface Context {
  readonly state: ReplState;
  readonly style: Style;
  /** Whether results go to a program: nothing is written on the way. */
  readonly isJson: boolean;
  /** Whether a person sits at a terminal. */
  readonly isInteractive: boolean;
  /** Aborted when the user presses Ctrl-C. */
  readonly signal: AbortSignal;
  /** Lets the terminal be read for a moment, so that Ctrl-C comes through. */
  breathe(): Promise<void>;
  /** Writes at once, for what comes piece by piece. */
  write(text: string): void;
  /** Runs JavaScript or TypeScript in the scope of the program. */
  evaluate(code: string): Promise<unknown>;
  /** Runs another line, from the state that holds then. */
  execute(line: string): Promise<Result>;
  /** The state that holds after the lines that were run. */
  current(): ReplState;
  /** Goes on with another state at once, for the lines that are run next. */
  enter(state: ReplState): void;
  /** Draws the last result that can be drawn. */
  readonly lastFigure: (() => Figure) | undefined;
  /** The stack of the last error. */
  readonly lastStack: string | undefined;
}

/** The groups that `help` shows, in this order. */
export const GROUPS = ["look", "edit", "session", "program"] as const;

/** What may stand at a place of a command, for completion. */
export type Completion = "point" | "cells" | "sae" | "file" | "fork" | "command" | "id";

/** A command. */
export interface Command {
  readonly name: string;
  readonly group: typeof GROUPS[number];
  /** How it is written: `ablate POINT [CELLS]`. */
  readonly usage: string;
  /** What it does, in a line. */
  readonly summary: string;
  /** What else there is to know. */
  readonly details?: string;
  /** Lines that work on the model that the program opens with. */
  readonly examples: readonly (readonly [line: string, does: string])[];
  /** What its words are, in order; the last kind goes on. */
  readonly completes?: readonly Completion[];
  /** Words that it understands anywhere. */
  readonly keywords?: readonly string[];
  run(reader: WordReader, context: Context): Result | Promise<Result>;
}
