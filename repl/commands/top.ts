import type { Command } from "../command.ts";
import { CommandError } from "../errors.ts";
import { runResult } from "../render/next_tokens.ts";
import type { WordReader } from "../words.ts";
import { takeOnePosition } from "../positions.ts";

/** Takes the number of one of several texts. */
function takeText(reader: WordReader, nTexts: number): number {
  const text = reader.requireNumber("the number of a text");
  if (Number.isInteger(text) && text >= 0 && text < nTexts) return text;
  const known = nTexts === 1 ? "there is only text 0" : `they are 0 to ${nTexts - 1}`;
  throw new CommandError(`There is no text ${text}: ${known}.`);
}

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
    const text = reader.takeIf("text") ? takeText(reader, session.tokens.shape[0]) : undefined;
    reader.end();
    const view = { k, pos, text };
    return runResult(session, style, { view, json: { pos } });
  },
};
