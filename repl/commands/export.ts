import { editToJson } from "../../src/hooks/edit_json.ts";
import type { SessionJson } from "../../mod.ts";
import type { Command, Context } from "../command.ts";
import { CommandError } from "../errors.ts";

/** The library, where this program got it from. */
const LIBRARY = new URL("../../mod.ts", import.meta.url).href;

function literal(value: unknown): string {
  return JSON.stringify(value);
}

/** A script that does what the session does. */
function scriptOf({ state: { session, prompts } }: Context, json: SessionJson): string {
  const { model, saes } = json;
  if (!model.from) throw new CommandError("The model was made in memory: a script can't load it.");
  const { model: name, ...options } = model.from;
  const loads = saes.map(({ from, hookName }) => {
    if (!from) throw new CommandError(`The SAE at ${hookName} was made in memory.`);
    return from.release === undefined
      ? `  await SAE.fromDisk(${literal(from.folder)}),`
      : `  await SAE.fromPretrained(${literal(from.release)}, ${literal(from.id)}),`;
  });
  const flags = json.attach.useErrorTerm;
  const edits = session.edits.map(({ id, at, edit, isOn }) => {
    if (typeof edit === "function" || typeof at === "function") {
      throw new CommandError(`Edit ${id} is code: a script can't be made of it.`);
    }
    const { kind, ...fields } = editToJson(edit) as Record<string, unknown>;
    if (JSON.stringify(fields).includes('"base64"')) {
      throw new CommandError(`Edit ${id} holds a tensor: use \`save\`, which keeps it.`);
    }
    const line = `session.edit(${literal(at)}, edits.${kind}(${literal(fields)}));`;
    return isOn ? line : `session.off(${line.slice(0, -1)});`;
  });
  const metric = json.metric ? `\n  metric: ${literal(json.metric)} as const,` : "";
  const hasOptions = Object.keys(options).length > 0;
  return `import { edits, HookedSAETransformer, SAE } from ${literal(LIBRARY)};

const model = await HookedSAETransformer.fromPretrained(${literal(name)}${
    hasOptions ? `, ${literal(options)}` : ""
  });
const saes = [
${loads.join("\n")}
];
${flags.map((flag, i) => `saes[${i}].useErrorTerm = ${flag};`).join("\n")}
const session = model.session(${literal(prompts)}, {
  saes,
  paddingSide: "left",${metric}
});
${edits.join("\n")}
const { logits, metric, ran } = session.run();
const [values, ids] = logits.at(":", -1).topk(8);
for (let text = 0; text < ids.shape[0]; text++) {
  const names = ids.at(text).toArray().map((id: number) => JSON.stringify(model.toString(id)));
  console.log(names.map((name: string, i: number) => \`\${name} \${values.at(text, i).item().toFixed(2)}\`).join("  "));
}
console.log("metric", metric?.toArray(), "rows", ran.rows);
`;
}

export const exportScript: Command = {
  name: "export",
  group: "session",
  usage: "export FILE",
  summary: "write a TypeScript program that does what the session does",
  completes: ["file"],
  examples: [["export session.ts", "run it with `deno run -A session.ts`"]],
  run: async (reader, context) => {
    const { text: path } = reader.require("the name of a file");
    reader.end();
    const script = scriptOf(context, context.state.session.toJSON());
    await Deno.writeTextFile(path, script);
    return {
      text: `  wrote ${path}: deno run -A ${path}`,
      json: { path },
    };
  },
};
