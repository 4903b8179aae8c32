/** Values of expressions. */
import {
  ActivationCache,
  Figure,
  HookedSAE,
  HookedTransformer,
  Session,
  type SessionRun,
  Tensor,
} from "../../mod.ts";
import { figureText } from "../../src/plot/text.ts";
import type { Context } from "../command.ts";
import { shortPoint } from "../points.ts";
import { columnsText, type Style } from "../style.ts";
import { runResult } from "./next_tokens.ts";
import { shapeText, tensorJson, tensorText } from "./tensor.ts";

/** More entries of a cache than this aren't listed. */
const MAX_ENTRIES = 40;

function cacheText(cache: ActivationCache, style: Style): string {
  const entries = [...cache.entries()];
  const rows = entries.slice(0, MAX_ENTRIES).map(([name, value]) => [
    `  ${style.cyan(shortPoint(name))}`,
    shapeText(value.shape),
    style.dim(name),
  ]);
  const more = entries.length > rows.length
    ? style.dim(`\n  and ${entries.length - rows.length} more`)
    : "";
  return `${style.bold(`${cache.size} activations`)}\n${
    columnsText(["", "", ""], rows, style)
  }${more}`;
}

function isRun(value: unknown): value is SessionRun {
  return typeof value === "object" && value !== null && "logits" in value && "ran" in value &&
    value.logits instanceof Tensor;
}

/** Renders a value; nothing for `undefined`. */
export function shownValue(value: unknown, { style, state }: Context): string {
  if (value === undefined) return "";
  if (value instanceof Tensor) return tensorText(value, style);
  if (value instanceof ActivationCache) return cacheText(value, style);
  if (value instanceof Figure) {
    const { columns, hasColours } = style;
    return figureText(value.toJSON(), { columns, hasColours });
  }
  if (value instanceof HookedSAE || value instanceof HookedTransformer) return value.toString();
  if (value instanceof Session) return runResult(value, style).text;
  if (isRun(value) && value === state.session.run()) return runResult(state.session, style).text;
  return Deno.inspect(value, { colors: style.hasColours });
}

/** A value for programs: what has no place in JSON is described. */
export function valueJson(value: unknown): unknown {
  if (value === undefined) return null;
  if (value instanceof Tensor) return tensorJson(value);
  if (value instanceof ActivationCache) {
    return Object.fromEntries([...value.entries()].map(([name, { shape }]) => [name, { shape }]));
  }
  try {
    const text = JSON.stringify(value);
    return text === undefined ? Deno.inspect(value) : JSON.parse(text);
  } catch {
    return Deno.inspect(value);
  }
}
