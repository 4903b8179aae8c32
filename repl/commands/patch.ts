import { edits } from "../../mod.ts";
import { positionsFrom } from "../cells.ts";
import { editCommand, isTokenOf } from "../edit_command.ts";

export const patch = editCommand({
  name: "patch",
  usage: 'patch POINT [CELLS] from [@POSITION] "PROMPT" …',
  summary: "set cells to what they are on another prompt",
  keywords: ["from"],
  examples: [
    [
      'patch 2.resid_pre @10 from "When John and Mary went to the shops, Mary gave the bag to"',
      "the residual stream at position 10, had Mary given the bag",
    ],
    [
      'patch 1.z h2 @" John"#1 from @" Mary"#1 "When John and Mary went to the shops, Mary gave the bag to"',
      "from another position",
    ],
  ],
}, (cells, reader, context) => {
  if (!reader.peek()?.isQuoted) reader.requireKeyword("from");
  const word = reader.peek();
  const isPlaced = word?.raw.startsWith("@") ?? false;
  const fromPos = isPlaced
    ? positionsFrom(reader.require("a position").raw.slice(1), isTokenOf(context))
    : undefined;
  return edits.patch({ ...cells, fromPos, from: reader.restTexts("a prompt to patch from") });
});
