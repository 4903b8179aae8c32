import { edits } from "../../mod.ts";
import { editCommand, takeValue } from "../edit_command.ts";

export const steer = editCommand({
  name: "steer",
  usage: "steer POINT [CELLS] by VALUE",
  summary: "add a number, or what an expression gives, to cells",
  details:
    "Adding to a feature's code adds as much of its direction to the activation that the SAE reads.",
  keywords: ["by"],
  examples: [
    ["steer 1.z.sae 517 @10 by 5", "five of a feature's direction"],
    ["steer 2.resid_pre @-1 by saes[4].W_dec.at(3).mul(8)", "a direction from an expression"],
  ],
}, async (cells, reader, context) => {
  reader.requireKeyword("by");
  return edits.steer({ ...cells, value: await takeValue(reader, context) });
});
