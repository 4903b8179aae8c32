import type { Command } from "../command.ts";
import { runResult } from "../render/next_tokens.ts";
import { takeOnePosition } from "../positions.ts";

export const top: Command = {
  name: "top",
  group: "look",
  usage: "top [COUNT] [@POSITION] [text NUMBER]",
  summary: "the tokens that the model would go on with, at a position",
  keywords: ["text"],
  completes: ["cells"],
  examples: [["top 20", "twenty of them"], ["top @4", "what it expects behind position 4"]],
  run: (reader, context) => {
    const { state: { session }, style } = context;
    const k = reader.takeCount() ?? 10;
    const pos = takeOnePosition(reader, context) ?? -1;
    const text = reader.takeIf("text") ? reader.requireNumber("the number of a text") : undefined;
    reader.end();
    const view = { k, pos, text };
    return runResult(session, style, { view, json: { pos } });
  },
};
