import { edits } from "../../mod.ts";
import { editCommand, takeValue } from "../edit_command.ts";

export const set = editCommand({
  name: "set",
  usage: "set POINT [CELLS] to VALUE",
  summary: "set cells to a number, or to what an expression gives",
  keywords: ["to"],
  examples: [
    ["set 1.z.sae 517 @10 to 4", "a feature is as active as that"],
    ["set 2.resid_pre @3 to model.W_E.at(model.toSingleToken(' Rose'))", "an expression's tensor"],
  ],
}, async (cells, reader, context) => {
  if (reader.takeIf("=") === undefined) reader.requireKeyword("to");
  return edits.set({ ...cells, value: await takeValue(reader, context) });
});
