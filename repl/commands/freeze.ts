import { edits } from "../../mod.ts";
import { editCommand } from "../edit_command.ts";

export const freeze = editCommand({
  name: "freeze",
  usage: "freeze POINT [CELLS]",
  summary: "keep cells as they are without any edit",
  examples: [
    ["freeze 2.mlp_out", "an MLP doesn't react to the edits before it"],
    ["freeze 3.pattern", "nor does where layer 3 attends to"],
  ],
}, (cells) => edits.freeze(cells));
