import { type Command, GROUPS } from "../command.ts";
import { nearestNames } from "../../src/core/errors.ts";
import { CommandError } from "../errors.ts";
import { columnsText, folded, seenLength, type Style } from "../style.ts";

const HEADINGS: Readonly<Record<typeof GROUPS[number], string>> = {
  look: "Look",
  edit: "Edit",
  session: "Session",
  program: "Program",
};

const CELLS_HELP = `Cells are said by any of
  517        features (or neurons, dimensions), 3,5,7 for several
  h1         heads
  @10        positions: @-1 from the end, @2:5, @12: on, @1,2
             @" John" wherever a token stands, @John too, @" John"#0 the first
             @gen in generated text, @all
  live       only where active; where 5>0.5 only where feature 5 is
  text 0     one text of several
Points are said shortly: 1.z.sae, 2.resid_pre, 3.mlp_out, 0.pattern; see \`points\`.
Anything else is JavaScript or TypeScript: session, model, saes, edits and every export are in scope.`;

/** Widest usage in the list, in characters. */
const USAGE_WIDTH = 34;

function shortened(usage: string): string {
  return usage.length > USAGE_WIDTH ? `${usage.slice(0, USAGE_WIDTH - 1).trimEnd()}…` : usage;
}

/** Two columns, the second one broken where it is too wide. */
function pairsText(pairs: readonly (readonly string[])[], style: Style): string {
  const first = Math.max(...pairs.map(([name]) => seenLength(name))) + 2;
  const room = Math.max(20, style.columns - first);
  const rows = pairs.flatMap(([name, text]) =>
    folded(text, room).split("\n").map((part, i) => [i === 0 ? name : "", part])
  );
  return columnsText(["", ""], rows, style);
}

function all(commands: readonly Command[], style: Style): string {
  const groups = GROUPS.map((group) => {
    const rows = commands.filter((command) => command.group === group)
      .map(({ name, usage, summary }) => [
        `  ${style.cyan(name)}${style.dim(shortened(usage.slice(name.length)))}`,
        summary,
      ]);
    return `${style.bold(HEADINGS[group])}\n${pairsText(rows, style)}`;
  });
  const more = "`help COMMAND` has examples; `tour` shows the program at work.";
  return [...groups, style.dim(CELLS_HELP), style.dim(more)].join("\n");
}

function one({ usage, summary, details, examples }: Command, style: Style): string {
  const lines = examples.map(([line, does]) => [`  ${style.cyan(line)}`, style.dim(does)]);
  return [
    style.bold(usage),
    `  ${summary}`,
    ...details ? [`  ${details}`] : [],
    pairsText(lines, style),
  ].join("\n");
}

/** Makes the command that explains the others. */
export function helpCommand(commands: () => readonly Command[]): Command {
  return {
    name: "help",
    group: "program",
    usage: "help [COMMAND]",
    summary: "all commands, or one with examples",
    completes: ["command"],
    examples: [["help patch", "about one command"]],
    run: (reader, { style }) => {
      const name = reader.take()?.text;
      reader.end();
      if (name === undefined) {
        const list = commands().map(({ name, usage, summary }) => ({ name, usage, summary }));
        return { text: all(commands(), style), json: { commands: list } };
      }
      const found = commands().find((command) => command.name === name);
      if (found) {
        const { usage, summary, details, examples } = found;
        return { text: one(found, style), json: { name, usage, summary, details, examples } };
      }
      const names = commands().map((command) => command.name);
      throw new CommandError(
        `There is no command "${name}". Did you mean ${nearestNames(name, names, 2).join(" or ")}?`,
      );
    },
  };
}
