import type { Command } from "../command.ts";
import { runResult } from "../render/next_tokens.ts";

export const on: Command = {
  name: "on",
  group: "session",
  usage: "on [NUMBER]",
  summary: "switch an edit on again, or all of them",
  completes: ["id"],
  examples: [["on 2", "edit 2 has an effect again"]],
  run: (reader, { state: { session }, style }) => {
    const id = reader.takeCount();
    reader.end();
    session.on(id);
    return runResult(session, style, { json: { on: id ?? "all" } });
  },
};
