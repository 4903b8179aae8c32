import { type Figure, imshow, type Tensor } from "../../mod.ts";
import { figureText } from "../../src/plot/text.ts";
import { colourAt, colourStops } from "../../src/plot/colour_scale.ts";
import { takeCells } from "../cells.ts";
import { partOf } from "../cells_of.ts";
import type { Command, Context } from "../command.ts";
import { isTokenOf, takePoint } from "../edit_command.ts";
import { CommandError } from "../errors.ts";
import { partFigure } from "../figures.ts";
import { openInBrowser } from "../open_in_browser.ts";
import { requirePoint, shortPoint } from "../points.ts";
import { pointNames } from "../edit_command.ts";
import { significant } from "../render/numbers.ts";
import { textTokens, wrapped } from "../render/tokens.ts";
import type { Style } from "../style.ts";
import { valuesOf } from "../values.ts";
import type { WordReader } from "../words.ts";

/** A figure, and a text that stands for it in terminals where there is a better one. */
interface Drawing {
  readonly figure: Figure;
  readonly text?: string;
}

/** Where a head's queries look. */
function pattern(reader: WordReader, context: Context): Drawing {
  const { state: { session }, style } = context;
  const { text: word } = reader.require("a layer and a head, such as 2.1");
  const [, layer, head] = /^(\d+)(?:\.h?(\d+))?$/.exec(word) ?? [];
  if (layer === undefined) throw new CommandError(`Expected a layer or a head, found "${word}".`);
  const name = requirePoint(`${layer}.pattern`, pointNames(context));
  const value = valuesOf(session, [name]).get(name)!.at(0);
  const tokens = textTokens(session, 0).map(({ pos, token }) => `${pos} ${token.trim()}`);
  const title = `Attention of ${head === undefined ? `layer ${layer}` : `head ${layer}.${head}`}`;
  const options = { title, x: tokens, y: tokens, xaxis: "key", yaxis: "query", midpoint: null };
  const colours = { colorContinuousScale: "Blues", zmin: 0, zmax: 1 } as const;
  if (head !== undefined) {
    if (Number(head) >= value.shape[0]) {
      throw new CommandError(`There is no head ${head}: layer ${layer} has ${value.shape[0]}.`);
    }
    const figure = imshow(value.at(Number(head)), { ...options, ...colours });
    const text = attentionText(value.at(Number(head)), title, tokens, style);
    return { figure, text };
  }
  const facetLabels = Array.from({ length: value.shape[0] }, (_, h) => `head ${h}`);
  return { figure: imshow(value, { ...options, ...colours, facetCol: 0, facetLabels }) };
}

/** How full a cell is, from nothing to everything. */
const SHADES = [..." ·░▒▓█"];

/** Width of a cell of attention, in characters. */
const CELL = 3;

/** A cell of attention: coloured, or the fuller the more is attended to. */
function attentionCell(weight: number, { hasColours }: Style): string {
  if (Number.isNaN(weight)) return "NaN";
  // Edits may make more of it than there is, or less than nothing.
  const share = Math.min(1, Math.max(0, weight));
  if (!hasColours) {
    return SHADES[Math.ceil(Math.max(0, share * (SHADES.length - 1) - 0.05))].repeat(CELL);
  }
  const rgb = colourAt(colourStops("Blues"), share);
  return `\x1b[48;2;${rgb.join(";")}m${" ".repeat(CELL)}\x1b[0m`;
}

/** Attention with a row for each query and a column for each key; nothing where that is too wide. */
function attentionText(
  pattern: Tensor,
  title: string,
  tokens: readonly string[],
  style: Style,
): string | undefined {
  const rows: number[][] = pattern.toArray();
  const width = Math.max(...tokens.map((token) => [...token].length));
  if (width + 2 + rows.length * (CELL + 1) > style.columns) return undefined;
  const lines = rows.map((row, query) => {
    const cells = row.slice(0, query + 1).map((weight) => attentionCell(weight, style));
    return `${tokens[query].padStart(width)} │${cells.join(" ")}`.trimEnd();
  });
  const numbers = rows.map((_, key) => String(key).padEnd(CELL)).join(" ").trimEnd();
  const legend = style.hasColours
    ? `0 ${
      [0, 0.2, 0.4, 0.6, 0.8, 1].map((weight) => attentionCell(weight, style)).join("")
    } 1 of a query's attention`
    : "░ from 0.2, ▒ 0.4, ▓ 0.6, █ 0.8 of a query's attention";
  return [
    style.bold(title),
    style.dim(`${" ".repeat(width + 2)}${numbers}`),
    ...lines,
    `  ${legend}; keys across, queries down`,
  ].join("\n");
}

/** A prompt whose tokens are coloured by how active a feature is there. */
function tokenStrip(reader: WordReader, context: Context): Drawing {
  const { state: { session }, style } = context;
  const name = takePoint(reader, context);
  const cells = takeCells(reader, isTokenOf(context));
  if (typeof cells.feature !== "number") throw new CommandError("Expected one feature's number.");
  const { value } = partOf(valuesOf(session, [name]).get(name)!, name, cells, context);
  const activations = Array.from(value.reshape(value.size).data());
  const tokens = textTokens(session, 0);
  const title = `${shortPoint(name)} ${cells.feature}`;
  return {
    figure: imshow([activations], {
      title,
      x: tokens.map(({ pos, token }) => `${pos} ${token}`),
      y: [title],
      xaxis: "token",
    }),
    text: stripText(tokens.map(({ token }) => token), activations, title, style),
  };
}

function stripText(
  tokens: readonly string[],
  activations: readonly number[],
  title: string,
  style: Style,
): string {
  const most = Math.max(...activations.map(Math.abs));
  const extent = most > 0 ? `up to ${significant(most)}` : "active nowhere here";
  const stops = colourStops("Reds");
  const words = tokens.map((token, i) => {
    const shown = JSON.stringify(token).slice(1, -1).replace(/^ /, "·");
    const value = activations[i];
    if (!style.hasColours) {
      const text = value === 0 ? shown : `${shown}(${significant(value, 2)})`;
      return { text, width: [...text].length };
    }
    const share = most > 0 ? Math.abs(value) / most : 0;
    const rgb = colourAt(stops, share * 0.8);
    const ink = share > 0.6 ? "97" : "30";
    return {
      text: `\x1b[48;2;${rgb.join(";")}m\x1b[${ink}m${shown}\x1b[0m`,
      width: [...shown].length,
    };
  });
  return `${style.cyan(title)} ${style.dim(extent)}\n${wrapped(words, style.columns - 2)}`;
}

function drawing(reader: WordReader, context: Context): Drawing {
  if (reader.takeIf("pattern", "attention")) return pattern(reader, context);
  if (reader.takeIf("tokens")) return tokenStrip(reader, context);
  const word = reader.peek();
  if (!word || word.raw.startsWith(">") || ["browser", "terminal"].includes(word.raw)) {
    if (!context.lastFigure) {
      throw new CommandError(
        "There is nothing to draw yet: try `sweep 2.z`, then `plot`, or `plot pattern 2.1`.",
      );
    }
    return { figure: context.lastFigure() };
  }
  const name = takePoint(reader, context);
  const cells = takeCells(reader, isTokenOf(context));
  const value = valuesOf(context.state.session, [name]).get(name)!;
  const part = partOf(value, name, cells, context);
  return { figure: partFigure(part.value, part.rows, shortPoint(name)) };
}

export const plot: Command = {
  name: "plot",
  group: "look",
  usage: "plot [POINT [CELLS] | pattern LAYER[.HEAD] | tokens POINT FEATURE] [browser | > FILE]",
  summary: "draw the last result, an activation, attention, or tokens coloured by a feature",
  details:
    "In a terminal it is drawn with characters; `browser` opens it there, and `> FILE` writes .html, .svg or .png.",
  keywords: ["pattern", "tokens", "browser"],
  completes: ["point", "cells"],
  examples: [
    ["plot pattern 2.1", "where each position looks"],
    ["plot tokens 1.z.sae 517", "the prompt, coloured by how active a feature is"],
    ["plot > sweep.html", "what a sweep before it found, as a page"],
  ],
  run: async (reader, context) => {
    const { style } = context;
    const { figure, text } = drawing(reader, context);
    if (reader.takeIf("browser")) {
      reader.end();
      const path = await openInBrowser(figure);
      return { text: `  opened ${path}`, json: { path }, figure: () => figure };
    }
    reader.takeIf("terminal");
    const redirect = reader.peek();
    if (redirect?.raw.startsWith(">")) {
      reader.take();
      const path = redirect.raw.slice(1) || reader.require("the name of a file").text;
      reader.end();
      await figure.save(path);
      return { text: `  wrote ${path}`, json: { path }, figure: () => figure };
    }
    reader.end();
    const { columns, hasColours } = style;
    return {
      text: text ?? figureText(figure.toJSON(), { columns, hasColours }),
      json: { figure: figure.toJSON() },
      figure: () => figure,
    };
  },
};
