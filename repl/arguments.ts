/** What the program is started with. */
import { parseArgs } from "node:util";

/** The options of the program. */
export interface Arguments {
  readonly model: string;
  /** SAEs as folders, or as `release/id`; those of the embedded model unless given. */
  readonly saes: readonly string[] | undefined;
  readonly prompts: readonly string[] | undefined;
  /** Lines to run instead of reading any. */
  readonly lines: readonly string[] | undefined;
  /** A session to begin with. */
  readonly load: string | undefined;
  readonly isJson: boolean;
  readonly colours: boolean | undefined;
  readonly isHelp: boolean;
}

/** What `--help` says. */
export const USAGE = `Interventions on a language model while you watch.

  deno task repl [options]        or  deno run -A …/repl/main.ts [options]

  --model NAME     a model's name, folder or URL; ioi-tiny (embedded) unless said
  --sae FOLDER     an SAE's folder, or RELEASE/ID; may be given several times
  --prompt TEXT    what the model reads; may be given several times
  --load FILE      begin with a session that \`save\` wrote
  --eval LINE      run a line and leave; may be given several times
  --json           one JSON object a result, for programs
  --color, --no-color
  --help           this text

Without a terminal, lines are read from standard input. The exit code is 0 when every line worked, 1 when one didn't,
2 when the options can't be understood. Inside, \`help\` lists the commands and \`tour\` shows what they do.`;

/**
 * Reads the options.
 *
 * @throws {TypeError} If one is unknown.
 */
export function readArguments(args: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...args],
    allowPositionals: false,
    allowNegative: true,
    options: {
      model: { type: "string", default: "ioi-tiny" },
      sae: { type: "string", multiple: true },
      prompt: { type: "string", multiple: true },
      eval: { type: "string", multiple: true },
      load: { type: "string" },
      json: { type: "boolean", default: false },
      color: { type: "boolean" },
      help: { type: "boolean", default: false },
    },
  });
  return {
    model: values.model,
    saes: values.sae,
    prompts: values.prompt,
    lines: values.eval,
    load: values.load,
    isJson: values.json,
    colours: values.color,
    isHelp: values.help,
  };
}
