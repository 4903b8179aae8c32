import type { Command } from "../command.ts";
import { runResult } from "../render/next_tokens.ts";

export const off: Command = {
  name: "off",
  group: "session",
  usage: "off [NUMBER]",
  summary: "switch an edit off, or all of them",
  completes: ["id"],
  examples: [["off 2", "edit 2 has no effect"], ["off", "none has"]],
  run: (reader, { state: { session }, style }) => {
    const id = reader.takeCount();
    reader.end();
    session.off(id);
    return runResult(session, style, { json: { off: id ?? "all" } });
  },
};
