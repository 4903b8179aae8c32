import type { Edit, Forecast } from "../../mod.ts";
import { describeEdit } from "../../src/hooks/edit_text.ts";
import type { Command, Context } from "../command.ts";
import type { EditCommand } from "../edit_command.ts";
import { CommandError } from "../errors.ts";
import { shortPoint } from "../points.ts";
import { idleLines } from "../render/idle.ts";
import { bytes, count } from "../render/numbers.ts";
import type { Style } from "../style.ts";
import { WordReader } from "../words.ts";

function spanOf({ stages }: Forecast): string {
  if (stages.length === 0) return "nothing has to run";
  return stages.length === 1 ? stages[0] : `${stages[0]} → ${stages[stages.length - 1]}`;
}

function costs(forecast: Forecast): string {
  const { stages, rows, multiplyAdds, otherRuns } = forecast;
  const others = otherRuns === 0
    ? ""
    : `, after ${otherRuns} other ${otherRuns === 1 ? "run" : "runs"}`;
  return `${spanOf(forecast)}: ${stages.length} stages, ${rows} rows, ${
    count(multiplyAdds)
  } multiply-adds, ${bytes(forecast.bytes)}${others}`;
}

function text(forecast: Forecast, style: Style): string {
  return [`  at most ${costs(forecast)}`, ...idleLines(forecast.idle, style)].join("\n");
}

/** Makes the command that foresees what other commands cost. */
export function explainCommand(editCommands: () => readonly EditCommand[]): Command {
  const read = async (
    reader: WordReader,
    context: Context,
  ): Promise<{ at?: string; edit?: Edit }> => {
    const word = reader.take();
    if (!word) return {};
    const command = editCommands().find(({ name }) => name === word.text);
    if (command) return await command.read(new WordReader(reader.rest()), context);
    const known = editCommands().map(({ name }) => name).join(", ");
    throw new CommandError(`Expected a command that edits, found "${word.raw}": ${known}.`);
  };
  return {
    name: "explain",
    group: "look",
    usage: "explain [COMMAND …]",
    summary: "what the edits, or one more, would cost, and which won't fire; nothing runs",
    details:
      "Rows that come out as they were aren't computed any further, so that a run may cost less.",
    completes: ["command"],
    examples: [
      ["explain ablate 1.z.sae 517 @10", "before it runs"],
      ["explain", "the edits in place"],
    ],
    run: async (reader, context) => {
      const { state: { session }, style } = context;
      const { at, edit } = await read(reader, context);
      reader.end();
      const forecast = session.explain(at, edit);
      const head = at !== undefined && edit
        ? [
          `${style.cyan(shortPoint(at))} ${describeEdit(edit)}, ${
            session.edits.length === 0 ? "alone" : "on top of what is in place"
          }`,
        ]
        : [];
      return { text: [...head, text(forecast, style)].join("\n"), json: { ...forecast } };
    },
  };
}
