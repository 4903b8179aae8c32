import { describeEdit } from "../../src/hooks/edit_text.ts";
import type { SessionEdit } from "../../mod.ts";
import type { Command } from "../command.ts";
import { CommandError } from "../errors.ts";
import { shortPoint } from "../points.ts";
import { tokensTable } from "../render/next_tokens.ts";
import { fixed, signed } from "../render/numbers.ts";
import type { Style } from "../style.ts";

function editLine({ at, edit }: SessionEdit, sign: string, style: Style): string {
  const where = typeof at === "function" ? "(name) => …" : shortPoint(at);
  const what = typeof edit === "function" ? "(act) => …" : describeEdit(edit);
  return `  ${sign} ${style.cyan(where)} ${what}`;
}

export const diff: Command = {
  name: "diff",
  group: "look",
  usage: "diff [SESSION]",
  summary: "what changed: against the run without edits, or against another session",
  completes: ["fork"],
  examples: [["diff", "against no edits"], ["diff main", "against the session main"]],
  run: (reader, { state: { session, sessions }, style }) => {
    const name = reader.take()?.text;
    reader.end();
    const other = name === undefined ? undefined : sessions.get(name);
    if (name !== undefined && !other) {
      throw new CommandError(
        `There is no session "${name}". There are: ${[...sessions.keys()].join(", ")}.`,
      );
    }
    const result = session.diff(other);
    const active = ({ isOn }: SessionEdit) => isOn;
    const [mine, theirs] = [session.edits, other?.edits ?? []].map((edits) => edits.filter(active));
    const isIn = (edits: readonly SessionEdit[]) => (edit: SessionEdit) =>
      edits.some((one) => one.edit === edit.edit && one.at === edit.at);
    const added = mine.filter((edit) => !isIn(theirs)(edit));
    const missing = theirs.filter((edit) => !isIn(mine)(edit));
    const texts = result.texts.map((text) =>
      [
        ...result.texts.length > 1 ? [style.dim(`  text ${text.text}`)] : [],
        tokensTable(text, true, style),
        style.dim(`  divergence ${fixed(text.divergence, 4)} nats`),
      ].join("\n")
    );
    const metric = result.metric
      ? result.metric.now.map((now, i) => {
        const before = result.metric!.before[i];
        return `  metric ${fixed(before, 2)} → ${style.bold(fixed(now, 2))} (${
          signed(now - before, 2)
        })`;
      })
      : [];
    return {
      text: [
        ...added.map((edit) => editLine(edit, style.green("+"), style)),
        ...missing.map((edit) => editLine(edit, style.red("−"), style)),
        ...texts,
        ...metric,
      ].join("\n"),
      json: { against: name ?? "no edits", ...result },
    };
  },
};
