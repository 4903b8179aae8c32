import type { Command } from "../command.ts";
import { pointNames } from "../edit_command.ts";
import { shortPoint } from "../points.ts";
import { columnsText } from "../style.ts";

export const points: Command = {
  name: "points",
  group: "look",
  usage: "points [TEXT]",
  summary: "the hook points, with their short names; `?2.z` says more about one",
  examples: [["points 2.", "those of layer 2"], ["points sae", "those of SAEs"]],
  run: (reader, context) => {
    const filter = reader.take()?.text ?? "";
    reader.end();
    const { style } = context;
    const found = pointNames(context).map((name) => ({ name, short: shortPoint(name) }))
      .filter(({ name, short }) => name.includes(filter) || short.includes(filter));
    const rows = found.map(({ name, short }) => [`  ${style.cyan(short)}`, style.dim(name)]);
    return {
      text: rows.length === 0 ? "  none" : columnsText(["", ""], rows, style),
      json: { points: found },
    };
  },
};
