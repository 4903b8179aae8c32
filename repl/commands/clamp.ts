import { edits } from "../../mod.ts";
import { editCommand } from "../edit_command.ts";
import { CommandError } from "../errors.ts";

export const clamp = editCommand({
  name: "clamp",
  usage: "clamp POINT [CELLS] [min NUMBER] [max NUMBER]",
  summary: "keep cells between two bounds",
  keywords: ["min", "max"],
  examples: [["clamp 1.z.sae max 1", "no feature is more active than 1"]],
}, (cells, reader) => {
  const bounds: { min?: number; max?: number } = {};
  for (let word = reader.takeIf("min", "max"); word; word = reader.takeIf("min", "max")) {
    bounds[word as "min" | "max"] = reader.requireNumber("a number");
  }
  if (Object.keys(bounds).length === 0) throw new CommandError('Expected "min" or "max".');
  return edits.clamp({ ...cells, ...bounds });
});
