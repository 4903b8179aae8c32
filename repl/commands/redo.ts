import type { Command } from "../command.ts";
import { runResult } from "../render/next_tokens.ts";

export const redo: Command = {
  name: "redo",
  group: "session",
  usage: "redo [COUNT|all]",
  summary: "do again what was undone",
  examples: [["redo", "the step that was undone last"]],
  run: (reader, { state: { session }, style }) => {
    const wanted = reader.takeSteps();
    reader.end();
    const done = session.redo(wanted);
    const what = done === 0 ? "nothing to redo" : `redid ${done} of ${done + session.nRedo} steps`;
    return runResult(session, style, {
      head: [`  ${what}`],
      json: { redone: done, nUndo: session.nUndo, nRedo: session.nRedo },
    });
  },
};
