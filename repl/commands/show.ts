import type { Command } from "../command.ts";
import { takeCells } from "../cells.ts";
import { partOf } from "../cells_of.ts";
import { isTokenOf, takePoint } from "../edit_command.ts";
import { partFigure } from "../figures.ts";
import { shortPoint } from "../points.ts";
import { tensorJson, tensorText } from "../render/tensor.ts";
import { valuesOf } from "../values.ts";

export const show: Command = {
  name: "show",
  group: "look",
  usage: "show POINT [CELLS]",
  summary: "an activation under the edits: shape, statistics and a strip of heat",
  completes: ["point", "cells"],
  examples: [["show 2.resid_pre", "a row for each position"], [
    "show 1.z.sae @10",
    "the codes there",
  ]],
  run: (reader, context) => {
    const { state: { session }, style } = context;
    const name = takePoint(reader, context);
    const cells = takeCells(reader, isTokenOf(context));
    reader.end();
    const { value, rows } = partOf(valuesOf(session, [name]).get(name)!, name, cells, context);
    return {
      text: `${style.cyan(shortPoint(name))} ${tensorText(value, style, { rows })}`,
      json: { point: name, ...tensorJson(value) },
      figure: () => partFigure(value, rows, shortPoint(name)),
    };
  },
};
