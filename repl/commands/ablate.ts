import { edits } from "../../mod.ts";
import { editCommand } from "../edit_command.ts";

export const ablate = editCommand({
  name: "ablate",
  usage: "ablate POINT [CELLS]",
  summary: "set cells to zero",
  examples: [
    ["ablate 1.z.sae 517 @10", "a feature of the SAE at layer 1's attention mix, at position 10"],
    ['ablate 2.z h1 @" John"', "head 1 of layer 2 wherever John stands"],
    ["ablate 3.mlp_out", "all of an MLP"],
  ],
}, (cells) => edits.ablate(cells));
