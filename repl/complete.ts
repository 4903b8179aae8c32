/** What Tab offers: commands, hook points, SAEs, features, tokens, files, and names of JavaScript. */
import { COMMANDS, findCommand } from "./commands/registry.ts";
import type { Command, Completion } from "./command.ts";
import { pointNames } from "./edit_command.ts";
import { expandPoint, shortPoint } from "./points.ts";
import type { Program } from "./program.ts";
import { textTokens } from "./render/tokens.ts";
import type { ReplState } from "./state.ts";
import { valuesOf } from "./values.ts";

/** What fits, and the part of the line that it would replace. */
export type Completions = [hits: string[], replaced: string];

/** More features than this aren't offered. */
const MAX_FEATURES = 40;

/** Points by their short names: codes first, then what else SAEs have. */
function shortNames(state: ReplState): string[] {
  const names = pointNames({ state }).map(shortPoint);
  const isCodes = (name: string) => name.endsWith(".sae");
  const isInside = (name: string) => name.includes(".sae");
  return [...names.filter(isCodes), ...names.filter(isInside), ...names];
}

/** The features that are live in the first text, at a position where one is given, the most active first. */
function liveFeatures(state: ReplState, words: readonly string[]): string[] {
  const point = words.map(expandPoint).find((word) => word.endsWith("hook_sae_acts_post"));
  if (point === undefined || !pointNames({ state }).includes(point)) return [];
  const codes = valuesOf(state.session, [point]).get(point)!.at(0);
  const pos = words.map((word) => /^@(\d+)$/.exec(word)?.[1]).find((pos) => pos !== undefined);
  const row = pos === undefined ? codes.sum(0) : codes.at(Number(pos));
  return Array.from(row.data(), (activation, feature) => ({ activation, feature }))
    .filter(({ activation }) => activation !== 0)
    .sort((a, b) => b.activation - a.activation)
    .slice(0, MAX_FEATURES)
    .map(({ feature }) => String(feature));
}

/** Positions by their tokens: `@10`, and `@" John"`. */
function positions(state: ReplState): string[] {
  const tokens = textTokens(state.session, 0);
  const names = new Set(tokens.map(({ token }) => `@${JSON.stringify(token)}`));
  return [...tokens.map(({ pos }) => `@${pos}`), ...names];
}

function files(word: string): string[] {
  const folder = word.includes("/") ? word.slice(0, word.lastIndexOf("/") + 1) : "";
  try {
    return [...Deno.readDirSync(folder === "" ? "." : folder)]
      .map(({ name, isDirectory }) => `${folder}${name}${isDirectory ? "/" : ""}`);
  } catch {
    return [];
  }
}

/** What may stand at a place of a command. */
function offered(
  kind: Completion,
  word: string,
  before: readonly string[],
  state: ReplState,
): string[] {
  switch (kind) {
    case "point":
      return shortNames(state);
    case "cells":
      if (word.startsWith("@")) return positions(state);
      return [...liveFeatures(state, before), "@", "head", "live", "where", "text"];
    case "sae":
      return state.saes.map(({ name }) => name);
    case "fork":
      return [...state.sessions.keys()];
    case "command":
      return COMMANDS.map(({ name }) => name);
    case "id":
      return state.session.edits.map(({ id }) => String(id));
    case "file":
      return files(word);
  }
}

function commandWords(
  { completes = [], keywords = [], name }: Command,
  word: string,
  before: readonly string[],
  state: ReplState,
): string[] {
  const last = before.at(-1);
  const isAfterKeyword = last !== undefined && ["to", "and"].includes(last) && name === "path";
  const place = isAfterKeyword ? 0 : Math.min(before.length, completes.length - 1);
  const kind = completes[place];
  return [...kind === undefined ? [] : offered(kind, word, before, state), ...keywords];
}

/** Names of JavaScript: what is in scope, or what an object has. */
function scriptNames(line: string): Completions {
  const [path] = /[\w$.]*$/.exec(line) ?? [""];
  const dot = path.lastIndexOf(".");
  const typed = path.slice(dot + 1);
  let scope: unknown = globalThis;
  // Only what is there already is read: a completion calls nothing.
  for (const name of dot < 0 ? [] : path.slice(0, dot).split(".")) {
    scope = (scope as Record<string, unknown> | undefined)?.[name];
  }
  if (scope === undefined || scope === null) return [[], typed];
  const names = new Set<string>();
  const end = dot < 0 ? null : Object.prototype;
  for (let at: unknown = Object(scope); at && at !== end; at = Object.getPrototypeOf(at)) {
    for (const name of Object.getOwnPropertyNames(at)) names.add(name);
  }
  const hits = [...names].filter((name) => name.startsWith(typed) && /^[\w$]+$/.test(name));
  return [hits.sort(), typed];
}

/** Hook names inside quotes of JavaScript. */
function quotedNames(line: string, state: ReplState): Completions | undefined {
  const [, typed] = /["'`]((?:blocks|hook|ln|unembed)[\w.]*)$/.exec(line) ?? [];
  if (typed === undefined) return undefined;
  return [pointNames({ state }).filter((name) => name.startsWith(typed)), typed];
}

/** Completes a line. */
export function completed(line: string, { state }: Program): Completions {
  const [, name, rest] = /^\s*([a-z]+)\s+([^]*)$/.exec(line) ?? [];
  const command = name === undefined ? undefined : findCommand(name);
  if (command) {
    const words = rest.split(/\s+/);
    const word = words[words.length - 1];
    const before = words.slice(0, -1);
    const isExplained = command.name === "explain" && before.length > 0;
    const inner = isExplained ? findCommand(before[0]) : undefined;
    const hits = inner
      ? commandWords(inner, word, before.slice(1), state)
      : commandWords(command, word, before, state);
    return [[...new Set(hits)].filter((hit) => hit.startsWith(word)), word];
  }
  const question = /^\?\s*(\S*)$/.exec(line);
  if (question) {
    const hits = shortNames(state).filter((short) => short.startsWith(question[1]));
    return [[...new Set(hits)], question[1]];
  }
  const quoted = quotedNames(line, state);
  if (quoted) return quoted;
  const [hits, typed] = scriptNames(line);
  const isFirst = /^\s*[a-z]*$/.test(line);
  const commands = isFirst
    ? COMMANDS.map((one) => one.name).filter((one) => one.startsWith(typed)).sort()
    : [];
  // Where nothing is typed yet, commands are offered, not the hundreds of names of the runtime.
  const isBare = typed === "" && !line.endsWith(".");
  return [[...new Set([...commands, ...isBare ? [] : hits])], typed];
}
