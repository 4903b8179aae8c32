/** The program behind the prompt: runs lines, whoever they come from. */
import { inspect } from "node:util";
import * as splicer from "../mod.ts";
import { COMMANDS, findCommand } from "./commands/registry.ts";
import { about } from "./about.ts";
import type { Command, Context, Result } from "./command.ts";
import { StoppedError } from "./errors.ts";
import { Evaluator } from "./evaluator.ts";
import { shownValue, valueJson } from "./render/value.ts";
import type { ReplState } from "./state.ts";
import type { Style } from "./style.ts";
import { WordReader } from "./words.ts";

/** What a program is made of. */
export interface ProgramParts {
  readonly state: ReplState;
  readonly style: Style;
  readonly isJson: boolean;
  readonly isInteractive: boolean;
  /** Writes what comes piece by piece. */
  readonly write: (text: string) => void;
}

/** Names that a line may use beside the exports: read anew each time. */
const LIVE_NAMES = ["model", "session", "saes"] as const;

/** What a line is: a command with its arguments, a question, or JavaScript. */
export type Line =
  | { readonly kind: "command"; readonly command: Command; readonly rest: string }
  | { readonly kind: "about"; readonly name: string }
  | { readonly kind: "code"; readonly code: string }
  | { readonly kind: "nothing"; readonly isEmpty: boolean };

/** Tells commands from JavaScript: a command's name stands alone, or before words. */
export function lineOf(text: string): Line {
  const line = text.trim();
  const isEmpty = line === "";
  if (isEmpty || line.startsWith("//") || line.startsWith("#")) return { kind: "nothing", isEmpty };
  if (line === "?") return lineOf("help");
  const question = /^\?\s*(\S+)$/.exec(line) ?? /^([\w.]+)\?$/.exec(line);
  if (question) return { kind: "about", name: question[1] };
  const [, name, rest = ""] = /^([a-z]+)(?:\s+([^]*))?$/.exec(line) ?? [];
  const command = name === undefined ? undefined : findCommand(name);
  // `run = 5` and `set => 5` are JavaScript.
  const isCode = /^(=(?!=)|[,;?]|[+*/%&|<]\s|instanceof\b|in\b)/.test(rest);
  if (!command || isCode) return { kind: "code", code: text };
  return { kind: "command", command, rest };
}

/** How a cache is read where a line asks for an activation as Python does: `cache["blocks.0.attn.hook_z"]`. */
function indexedCache(code: string): string | undefined {
  const [, name, key] = /^\s*([\w$]+)\[(.+)\]\s*;?\s*$/.exec(code) ?? [];
  return name !== undefined && /^["'`](blocks\.|hook_|ln_final|unembed)/.test(key)
    ? `${name}.get(${key})`
    : undefined;
}

/** Runs lines one after another. */
export class Program {
  readonly #parts: ProgramParts;
  readonly #evaluator = new Evaluator();
  #state: ReplState;
  #lastFigure: (() => splicer.Figure) | undefined;
  #lastStack: string | undefined;

  /** Puts every export, the model, its SAEs and the session in scope. */
  constructor(parts: ProgramParts) {
    this.#parts = parts;
    this.#state = parts.state;
    const define = (name: string, descriptor: PropertyDescriptor) =>
      // Configurable, so that a line may declare the name anew.
      Object.defineProperty(globalThis, name, {
        ...descriptor,
        enumerable: true,
        configurable: true,
      });
    for (const [name, value] of Object.entries(splicer)) define(name, { value, writable: true });
    for (const name of LIVE_NAMES) {
      define(name, {
        get: () => this.#live(name),
        set: (value) => define(name, { value, writable: true }),
      });
    }
  }

  /** The state after the last line. */
  get state(): ReplState {
    return this.#state;
  }

  /** Every command. */
  get commands(): readonly Command[] {
    return COMMANDS;
  }

  /**
   * Runs a line.
   *
   * @param text A command or JavaScript.
   * @param signal Stops what takes long.
   * @throws {UnfinishedError} If it is JavaScript that goes on in a line that isn't there yet.
   * @throws What the command or the code throws; the state stays as it was.
   */
  async execute(text: string, signal: AbortSignal = new AbortController().signal): Promise<Result> {
    const line = lineOf(text);
    try {
      const result = await this.#run(line, signal);
      this.#state = result.state ?? this.#state;
      this.#lastFigure = result.figure ?? this.#lastFigure;
      return result;
    } catch (error) {
      this.#lastStack = error instanceof Error ? inspect(error) : undefined;
      throw error;
    }
  }

  /** The value that `_` stands for. */
  set last(value: unknown) {
    Object.defineProperty(globalThis, "_", { value, writable: true, configurable: true });
  }

  #live(name: typeof LIVE_NAMES[number]): unknown {
    return name === "saes" ? this.#state.saes.map(({ sae }) => sae) : this.#state[name];
  }

  async #run(line: Line, signal: AbortSignal): Promise<Result> {
    const context = this.#context(signal);
    switch (line.kind) {
      case "nothing":
        // An empty line goes on with a tour.
        return context.isInteractive && context.state.tour !== undefined && line.isEmpty
          ? await this.#run(lineOf("tour"), signal)
          : { text: "", json: {} };
      case "about":
        return about(line.name, context);
      case "command":
        return await line.command.run(new WordReader(line.rest), context);
      case "code": {
        const value = await this.#evaluator.run(line.code);
        this.last = value;
        const missed = value === undefined ? indexedCache(line.code) : undefined;
        return {
          text: missed
            ? context.style.dim(`  undefined: did you mean ${missed}?`)
            : shownValue(value, context),
          json: { value: valueJson(value) },
          ...value instanceof splicer.Figure && { figure: () => value },
        };
      }
    }
  }

  #context(signal: AbortSignal): Context {
    const { style, isJson, isInteractive, write } = this.#parts;
    const stopped = () => {
      if (signal.aborted) throw new StoppedError("Stopped.");
    };
    return {
      state: this.#state,
      style,
      isJson,
      isInteractive,
      signal,
      write,
      lastFigure: this.#lastFigure,
      lastStack: this.#lastStack,
      breathe: async () => {
        stopped();
        await new Promise((resolve) => setTimeout(resolve, 0));
        stopped();
      },
      evaluate: (code) => this.#evaluator.run(`(${code}\n)`),
      execute: (text) => this.execute(text, signal),
      current: () => this.#state,
      enter: (state) => {
        this.#state = state;
      },
    };
  }
}
