import type { Command } from "../command.ts";
import { CommandError } from "../errors.ts";

export const fork: Command = {
  name: "fork",
  group: "session",
  usage: "fork [NAME]",
  summary: "go on in a copy of the session; `switch` goes back, `diff` compares",
  examples: [["fork other", "what is edited from here on leaves this session alone"]],
  run: (reader, { state }) => {
    const free = (n: number): string => {
      const name = `fork${n}`;
      return state.sessions.has(name) ? free(n + 1) : name;
    };
    const name = reader.take()?.text ?? free(1);
    reader.end();
    if (state.sessions.has(name)) throw new CommandError(`There is a session "${name}" already.`);
    const session = state.session.fork();
    const sessions = new Map(state.sessions).set(name, session);
    return {
      state: { ...state, session, name, sessions },
      text: `  in session ${name}, a copy of ${state.name}`,
      json: { session: name, from: state.name, sessions: [...sessions.keys()] },
    };
  },
};
