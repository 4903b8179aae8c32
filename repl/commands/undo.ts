import type { Command } from "../command.ts";
import { runResult } from "../render/next_tokens.ts";

export const undo: Command = {
  name: "undo",
  group: "session",
  usage: "undo [COUNT|all]",
  summary: "undo the last edits, or whatever was done to them",
  examples: [["undo", "the last step"], ["undo all", "back to the start"]],
  run: (reader, { state: { session }, style }) => {
    const wanted = reader.takeSteps();
    reader.end();
    const done = session.undo(wanted);
    const what = done === 0 ? "nothing to undo" : `undid ${done} of ${done + session.nUndo} steps`;
    return runResult(session, style, {
      head: [`  ${what}`],
      json: { undone: done, nUndo: session.nUndo, nRedo: session.nRedo },
    });
  },
};
