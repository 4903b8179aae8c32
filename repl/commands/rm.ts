import type { Command } from "../command.ts";
import { runResult } from "../render/next_tokens.ts";

export const rm: Command = {
  name: "rm",
  group: "session",
  usage: "rm NUMBER",
  summary: "take an edit out",
  completes: ["id"],
  examples: [["rm 2", "edit 2 is gone"]],
  run: (reader, { state: { session }, style }) => {
    const id = reader.requireNumber("the number of an edit: see `list`");
    reader.end();
    session.remove(id);
    return runResult(session, style, { json: { removed: id } });
  },
};
