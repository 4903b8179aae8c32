import type { Command } from "../command.ts";
import { CommandError } from "../errors.ts";
import { runResult } from "../render/next_tokens.ts";

export const switchSession: Command = {
  name: "switch",
  group: "session",
  usage: "switch NAME",
  summary: "go to another session",
  completes: ["fork"],
  examples: [["switch main", "the session that the program began with"]],
  run: (reader, { state, style }) => {
    const { text: name } = reader.require("the name of a session: see `list`");
    reader.end();
    const session = state.sessions.get(name);
    if (!session) {
      throw new CommandError(
        `There is no session "${name}". There are: ${[...state.sessions.keys()].join(", ")}.`,
      );
    }
    return {
      state: { ...state, session, name },
      ...runResult(session, style, { head: [`  in session ${name}`], json: { session: name } }),
    };
  },
};
