/** Which cells a command means: features, heads, positions, texts, only where live. */
import type { Activity, EditCells, Positions } from "../mod.ts";
import { CommandError } from "./errors.ts";
import { unquoted, type WordReader } from "./words.ts";

const NUMBERS = /^-?\d+(,-?\d+)*$/;

function oneOrMore(text: string): number | number[] {
  const numbers = text.split(",").map(Number);
  return numbers.length === 1 ? numbers[0] : numbers;
}

/** Splits at commas that aren't in quotes. */
function parts(text: string): string[] {
  return text.match(/(?:"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|[^,])+/g) ?? [];
}

function onePosition(text: string, isToken: (token: string) => boolean): Positions {
  if (text === "all" || text === "everywhere") return "all";
  if (text === "gen" || text === "generated") return "generated";
  if (/^-?\d+$/.test(text)) return Number(text);
  const range = /^(-?\d*):(-?\d*)$/.exec(text);
  if (range) {
    const [from, to] = range.slice(1).map((end) => (end === "" ? undefined : Number(end)));
    return { ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
  }
  const [, token, nth] =
    /^("(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|[^#]+)(?:#(-?\d+))?$/.exec(text) ??
      [];
  if (token === undefined) {
    throw new CommandError(
      `Cannot understand the position "@${text}": expected @10, @-1, @2:5, @12:, @1,2, @all, @gen, @" John" or @" John"#0.`,
    );
  }
  const plain = /^["']/.test(token) ? unquoted(token) : token;
  // A bare word stands for the token with a space in front, where that is one.
  const isBare = plain === token;
  const name = isBare && isToken(` ${plain}`) ? ` ${plain}` : plain;
  return { token: name, ...(nth !== undefined && { nth: Number(nth) }) };
}

/**
 * Reads positions as they are written behind `@`.
 *
 * @param isToken Whether a text is one token.
 */
export function positionsFrom(text: string, isToken: (token: string) => boolean): Positions {
  const list = parts(text).map((part) => onePosition(part, isToken));
  if (list.length === 0) throw new CommandError("Expected a position behind @.");
  return list.length === 1 ? list[0] : list;
}

/** Reads `5>0.5`, `>0.1`, `<2`: a feature's or a cell's own activity. */
function activityFrom(text: string): Activity {
  const [, feature, sign, bound] = /^(\d*)([<>])(-?[\d.]+)$/.exec(text) ?? [];
  if (sign === undefined) {
    throw new CommandError(`Cannot understand "where ${text}": expected where 5>0.5, or where >0.`);
  }
  return {
    ...(feature !== "" && { feature: Number(feature) }),
    [sign === ">" ? "above" : "below"]: Number(bound),
  };
}

/** Takes words as long as they say which cells are meant. */
export function takeCells(reader: WordReader, isToken: (token: string) => boolean): EditCells {
  let cells: EditCells = {};
  for (let word = reader.peek(); word && !word.isQuoted; word = reader.peek()) {
    const { raw } = word;
    const head = /^(?:h|head)(\d.*)$/.exec(raw)?.[1];
    if (raw.startsWith("@")) {
      const pos = positionsFrom(raw.slice(1), isToken);
      cells = { ...cells, pos: cells.pos === undefined ? pos : [cells.pos, pos].flat() };
    } else if (NUMBERS.test(raw)) {
      const feature = [cells.feature ?? [], oneOrMore(raw)].flat();
      cells = { ...cells, feature: feature.length === 1 ? feature[0] : feature };
    } else if (head !== undefined && NUMBERS.test(head)) {
      cells = { ...cells, head: oneOrMore(head) };
    } else if (["pos", "position", "positions"].includes(raw)) {
      reader.take();
      const pos = positionsFrom(reader.require(`something behind "${raw}"`).raw, isToken);
      cells = { ...cells, pos: cells.pos === undefined ? pos : [cells.pos, pos].flat() };
      continue;
    } else if (["head", "heads", "text", "feature", "features", "where"].includes(raw)) {
      reader.take();
      cells = { ...cells, ...namedCells(raw, reader.require(`something behind "${raw}"`).raw) };
      continue;
    } else if (raw === "live") {
      cells = { ...cells, when: "live" };
    } else break;
    reader.take();
  }
  return cells;
}

function namedCells(name: string, value: string): EditCells {
  if (name === "where") return { when: activityFrom(value) };
  if (!NUMBERS.test(value)) {
    throw new CommandError(`Expected a number behind "${name}", found "${value}".`);
  }
  return { [name.replace(/s$/, "")]: oneOrMore(value) };
}
