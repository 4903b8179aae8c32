import { edits, type Positions } from "../../mod.ts";
import { positionsFrom } from "../cells.ts";
import type { Context } from "../command.ts";
import { isTokenOf, placedEditCommand, pointNames } from "../edit_command.ts";
import { CommandError } from "../errors.ts";
import { requirePoint } from "../points.ts";
import type { WordReader } from "../words.ts";

function takePositions(reader: WordReader, context: Context): Positions {
  const { raw } = reader.require("a position, such as @10");
  return positionsFrom(raw.replace(/^@/, ""), isTokenOf(context));
}

export const cut = placedEditCommand({
  name: "cut",
  usage: "cut LAYER[.HEAD] @TO from @FROM [weight]",
  summary: "keep queries at @TO from attending to keys at @FROM",
  details:
    "What was attended to there goes to the other keys, as if the softmax had never seen it; with `weight` it is lost instead.",
  keywords: ["from", "weight"],
  examples: [
    ["cut 2.1 @-1 from @10", "head 1 of layer 2 can't look from the end to position 10"],
    ['cut 2 @-1 from @" John" weight', "no head of layer 2 gets anything from John"],
  ],
}, (reader, context) => {
  const { text } = reader.require("a layer, or a layer and a head such as 2.1");
  const [, layer, head] = /^(\d+)(?:\.h?(\d+))?$/.exec(text) ?? [];
  if (layer === undefined) {
    throw new CommandError(`Expected a layer or a head such as 2.1, found "${text}".`);
  }
  const to = takePositions(reader, context);
  if (!reader.peek()?.raw.startsWith("@")) reader.requireKeyword("from");
  const from = takePositions(reader, context);
  const point = reader.takeIf("weight") ? "pattern" : "scores";
  reader.end();
  const at = requirePoint(`${layer}.${point}`, pointNames(context));
  const edit = edits.cutEdge({ from, to, ...(head !== undefined && { head: Number(head) }) });
  return { at, edit };
});
