/** How results and errors are written. */
import { ConfigError, HookError, ShapeError, TokenError, UnknownPointError } from "../mod.ts";
import type { Result } from "./command.ts";
import { nearestNames } from "../src/core/errors.ts";
import { COMMANDS } from "./commands/registry.ts";
import { CommandError, StoppedError } from "./errors.ts";
import { expandPoint } from "./points.ts";
import { lineOf } from "./program.ts";
import type { Style } from "./style.ts";

/** Errors whose message says all, so that the hook that they came through needn't be named. */
const PLAIN = [ConfigError, ShapeError, TokenError, UnknownPointError, RangeError];

/** What went wrong, without what only wraps it. */
function reasonOf(error: unknown): unknown {
  if (!(error instanceof HookError)) return error;
  const { cause } = error;
  return PLAIN.some((kind) => cause instanceof kind) ? cause : error;
}

/** An error in a line or a few: what happened, and how the command is written. */
export function errorText(error: unknown, line: string, style: Style): string {
  const reason = reasonOf(error);
  if (reason instanceof StoppedError) return style.yellow("  stopped");
  const read = lineOf(line);
  const isCommand = read.kind === "command";
  const isPlain = reason instanceof CommandError ||
    (isCommand && PLAIN.some((kind) => reason instanceof kind));
  const message = reason instanceof Error
    ? isPlain ? reason.message : `${reason.name}: ${reason.message}`
    : `Uncaught ${Deno.inspect(reason)}`;
  const usage = reason instanceof CommandError && isCommand
    ? style.dim(`\n  usage: ${read.command.usage}`)
    : "";
  const meant = read.kind === "code" ? meantBy(line, message) : undefined;
  const hint = meant ? style.dim(`\n  did you mean ${meant}?`) : "";
  return style.red(message) + usage + hint;
}

/** What a line that failed may have meant: names in camel case, a pair, a command with a similar name, or a hook point. */
function meantBy(line: string, message: string): string | undefined {
  const camel = camelCaseFor(message);
  if (camel !== undefined) return camel;
  const [, names, value] = /^\s*(\w+(?:\s*,\s*\w+)+)\s*=\s*([^=].*)$/.exec(line) ?? [];
  if (names !== undefined) return `const [${names}] = ${value}`;
  const [word] = line.trim().split(/\s/);
  if (expandPoint(word) !== word) return `?${word}, or show ${word}`;
  if (!/^[a-z]{2,}$/.test(word)) return undefined;
  const [nearest] = nearestNames(word, COMMANDS.map(({ name }) => name), 1);
  const isNear = nearest[0] === word[0] && Math.abs(nearest.length - word.length) <= 2;
  return isNear && word !== nearest ? `the command ${nearest}` : undefined;
}

/** The name that stands for Python's in a message about one that isn't there: `model.to_tokens is not a function`. */
function camelCaseFor(message: string): string | undefined {
  const [, path, name] = /((?:[\w$]+\.)*)([a-z]+(?:_[a-z0-9]+)+) is not (?:a function|defined)/
    .exec(message) ?? [];
  if (name === undefined) return undefined;
  const camel = name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  const at = (scope: unknown, key: string) => (scope as Record<string, unknown> | undefined)?.[key];
  const owners = path === "" ? ["", "utils.", "patching.", "model."] : [path];
  return owners.map((owner) => `${owner}${camel}`).find((full) =>
    full.split(".").reduce<unknown>(at, globalThis) !== undefined
  );
}

/** A line's command, for programs. */
function nameOf(line: string): string {
  const read = lineOf(line);
  return read.kind === "command" ? read.command.name : read.kind === "about" ? "about" : "code";
}

/** A result as one line of JSON. */
export function resultJson({ json }: Result, line: string): string {
  return JSON.stringify({ ok: true, command: nameOf(line), ...json });
}

/** An error as one line of JSON. */
export function errorJson(error: unknown, line: string): string {
  const reason = reasonOf(error);
  const { name, message } = reason instanceof Error
    ? reason
    : { name: "Uncaught", message: Deno.inspect(reason) };
  return JSON.stringify({ ok: false, command: nameOf(line), error: { name, message } });
}
