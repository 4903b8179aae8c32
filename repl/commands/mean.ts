import { edits } from "../../mod.ts";
import { editCommand } from "../edit_command.ts";

export const mean = editCommand({
  name: "mean",
  usage: 'mean POINT [CELLS] [of "PROMPT" …]',
  summary: "set cells to their mean over the positions of these prompts, or of others",
  keywords: ["of"],
  examples: [
    ["mean 2.z h1 @-1", "a head's output at the end becomes what it is on average"],
    ['mean 2.z h1 @-1 of "When Tom and Rose went home, Rose gave the book to"', "on average there"],
  ],
}, (cells, reader) => {
  const of = reader.takeIf("of") ? reader.restTexts("prompts to take the mean of") : undefined;
  return edits.meanAblate({ ...cells, of });
});
