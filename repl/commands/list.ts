import { describeEdit } from "../../src/hooks/edit_text.ts";
import type { Command } from "../command.ts";
import { shortPoint } from "../points.ts";
import { columnsText } from "../style.ts";

export const list: Command = {
  name: "list",
  group: "session",
  usage: "list",
  summary: "the edits in place, and the sessions",
  examples: [["list", "all edits, with their numbers"]],
  run: (reader, { state: { session, sessions, name }, style }) => {
    reader.end();
    const rows = session.edits.map(({ id, at, edit, isOn }) => {
      const what = typeof edit === "function" ? `(act) => …` : describeEdit(edit);
      const cells = [
        `  ${style.yellow(`[${id}]`)}`,
        style.cyan(typeof at === "function" ? "(name) => …" : shortPoint(at)),
        what,
      ];
      return isOn ? [...cells, ""] : [...cells.map(style.dim), style.dim("off")];
    });
    const others = [...sessions].map(([other, { edits }]) =>
      `${other === name ? style.bold(other) : other} (${edits.length} ${
        edits.length === 1 ? "edit" : "edits"
      })`
    );
    const edits = rows.length > 0 ? columnsText(["", "", "", ""], rows, style) : "  no edits";
    const { nUndo, nRedo } = session;
    return {
      text: [
        edits,
        style.dim(`  session ${others.join(", ")}; ${nUndo} to undo, ${nRedo} to redo`),
      ].join("\n"),
      json: {
        session: name,
        sessions: [...sessions.keys()],
        edits: session.edits.map(({ id, at, edit, isOn }) => ({
          id,
          at: String(at),
          edit: typeof edit === "function" ? "function" : describeEdit(edit),
          isOn,
        })),
        nUndo,
        nRedo,
      },
    };
  },
};
