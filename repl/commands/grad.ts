import { describeMetric } from "../../src/session/metric.ts";
import { takeCells } from "../cells.ts";
import { partOf } from "../cells_of.ts";
import type { Command } from "../command.ts";
import { isTokenOf, takePoint } from "../edit_command.ts";
import { CommandError } from "../errors.ts";
import { partFigure } from "../figures.ts";
import { shortPoint } from "../points.ts";
import { tensorJson, tensorText } from "../render/tensor.ts";
import { gradientsOf } from "../values.ts";

export const grad: Command = {
  name: "grad",
  group: "look",
  usage: "grad POINT [CELLS]",
  summary: "the gradient of the metric at a point, under the edits",
  completes: ["point", "cells"],
  examples: [["grad 2.resid_pre", "a row for each position"], ["grad 1.z.sae 517", "of a feature"]],
  run: (reader, context) => {
    const { state: { session }, style } = context;
    const name = takePoint(reader, context);
    const cells = takeCells(reader, isTokenOf(context));
    reader.end();
    const gradient = gradientsOf(session, [name]).gradients.get(name);
    if (!gradient) throw new CommandError(`The metric doesn't depend on ${shortPoint(name)}.`);
    const { value, rows } = partOf(gradient, name, cells, context);
    const title = `d ${describeMetric(session.metric!)} / d ${shortPoint(name)}`;
    return {
      text: `${style.cyan(title)} ${tensorText(value, style, { rows })}`,
      json: { point: name, metric: describeMetric(session.metric!), ...tensorJson(value) },
      figure: () => partFigure(value, rows, title),
    };
  },
};
