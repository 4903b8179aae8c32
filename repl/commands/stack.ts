import type { Command } from "../command.ts";

export const stack: Command = {
  name: "stack",
  group: "program",
  usage: "stack",
  summary: "where the last error came from",
  examples: [["stack", ""]],
  run: (reader, { lastStack }) => {
    reader.end();
    return { text: lastStack ?? "  no error yet", json: { stack: lastStack ?? null } };
  },
};
