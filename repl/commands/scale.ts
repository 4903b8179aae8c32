import { edits } from "../../mod.ts";
import { editCommand } from "../edit_command.ts";

export const scale = editCommand({
  name: "scale",
  usage: "scale POINT [CELLS] by FACTOR",
  summary: "multiply cells",
  keywords: ["by"],
  examples: [
    ["scale 1.z.sae 517 by 3", "a feature is three times as active"],
    ["scale 2.z h1 @-1 by -1", "what a head says is turned around"],
  ],
}, (cells, reader) => {
  reader.requireKeyword("by");
  return edits.scale({ ...cells, by: reader.requireNumber("a factor") });
});
