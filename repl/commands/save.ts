import type { Command } from "../command.ts";

export const save: Command = {
  name: "save",
  group: "session",
  usage: "save FILE",
  summary: "write the session to a file that `load` and `deno task replay` read",
  details:
    "The file names where model and SAEs come from, with fingerprints, the tokens, the edits in order, and the fingerprint of the logits that are to come out.",
  completes: ["file"],
  examples: [["save session.json", "all of it"]],
  run: async (reader, { state: { session } }) => {
    const { text: path } = reader.require("the name of a file");
    reader.end();
    const json = session.toJSON();
    await Deno.writeTextFile(path, `${JSON.stringify(json, null, 2)}\n`);
    const { logits, module } = json.expected;
    return {
      text: `  wrote ${path}: ${session.edits.length} edits, logits ${logits} under ${module}`,
      json: { path, edits: session.edits.length, expected: json.expected },
    };
  },
};
