import type { Command } from "../command.ts";

export const quit: Command = {
  name: "quit",
  group: "program",
  usage: "quit",
  summary: "leave; so do Ctrl-D, .exit and exit",
  examples: [["quit", ""]],
  run: (reader) => {
    reader.end();
    return { text: "", json: {}, isLast: true };
  },
};
