import { HookedSAE } from "../../mod.ts";
import type { Command, Context, Result } from "../command.ts";
import { CommandError } from "../errors.ts";
import { droppedJson, droppedLines } from "../render/dropped.ts";
import { runResult } from "../render/next_tokens.ts";
import { type KnownSae, namedSaes, type ReplState, withSession } from "../state.ts";
import { columnsText, type Style } from "../style.ts";
import type { WordReader } from "../words.ts";

function table({ saes }: ReplState, style: Style): string {
  const rows = saes.map(({ name, sae, isOn }) => [
    isOn ? style.green("  on ") : style.dim("  off"),
    style.cyan(name),
    sae.cfg.architecture,
    String(sae.cfg.dSae),
    sae.useErrorTerm ? "with error term" : style.yellow("without error term"),
    style.dim(sae.cfg.hookName),
  ]);
  return columnsText(["", "SAE", "kind", ">features", "", "point"], rows, style);
}

function listJson({ saes }: ReplState): Record<string, unknown>[] {
  return saes.map(({ name, sae, isOn }) => ({
    name,
    isOn,
    useErrorTerm: sae.useErrorTerm,
    hookName: sae.cfg.hookName,
    architecture: sae.cfg.architecture,
    dSae: sae.cfg.dSae,
  }));
}

/** Switches SAEs: of those at one point, the one that was named. */
function switched(saes: readonly KnownSae[], names: readonly string[], isOn: boolean): KnownSae[] {
  const chosen = names.map((name) => {
    const found = saes.find((sae) => sae.name === name);
    if (found) return found;
    const known = saes.map(({ name }) => name).join(", ");
    throw new CommandError(`There is no SAE "${name}". There are: ${known}.`);
  });
  const points = new Set(chosen.map(({ sae }) => sae.cfg.hookName));
  return saes.map((known) => {
    if (chosen.includes(known)) return { ...known, isOn };
    return isOn && points.has(known.sae.cfg.hookName) ? { ...known, isOn: false } : known;
  });
}

function withErrorTerm(saes: readonly KnownSae[], useErrorTerm: boolean): KnownSae[] {
  return saes.map(({ sae, ...known }) => {
    const clone = sae.clone();
    clone.useErrorTerm = useErrorTerm;
    return { ...known, sae: clone };
  });
}

/** Loads an SAE of a release, or from a folder. */
async function loaded(reader: WordReader): Promise<HookedSAE> {
  const { text } = reader.require("a folder, or a release and an id");
  const id = reader.take()?.text;
  const sae = id === undefined
    ? await HookedSAE.fromDisk(text)
    : await HookedSAE.fromPretrained(text, id);
  sae.useErrorTerm = true;
  return sae;
}

/** Goes on with other SAEs; edits that need those that are gone are dropped. */
function next(saes: readonly KnownSae[], { state, style }: Context): Result {
  const { state: changed, dropped } = withSession({ ...state, saes }, state.session.edits);
  return {
    state: changed,
    ...runResult(changed.session, style, {
      head: [table(changed, style), ...droppedLines(dropped, style)],
      json: {
        saes: listJson(changed),
        ...droppedJson(dropped),
      },
    }),
  };
}

/** Takes what is to be done; `on all` and `off all` have names of their own. */
function takeAction(reader: WordReader): string | undefined {
  const action = reader.takeIf("on", "off", "only", "all", "none", "error", "add");
  if ((action !== "on" && action !== "off") || reader.takeIf("all") === undefined) return action;
  return action === "on" ? "all" : "none";
}

export const saes: Command = {
  name: "saes",
  group: "session",
  usage:
    "saes [on|off NAME … | only NAME … | all | none | error on|off | add FOLDER | add RELEASE ID]",
  summary: "list the SAEs, splice them in or take them out",
  details:
    "With its error term an SAE changes nothing by itself, so that what changes is due to edits; without it, the model gets the reconstruction.",
  keywords: ["on", "off", "only", "all", "none", "error", "add"],
  completes: ["sae"],
  examples: [
    ["saes", "list them"],
    ["saes only 1.z", "splice in one"],
    ["saes error off", "let the model work on reconstructions"],
  ],
  run: async (reader, context) => {
    const { state, style } = context;
    const action = takeAction(reader);
    if (action === undefined) {
      reader.end();
      return { text: table(state, style), json: { saes: listJson(state) } };
    }
    const isOn = (on: boolean) => state.saes.map((known) => ({ ...known, isOn: on }));
    switch (action) {
      case "all": {
        const first = new Map(
          state.saes.map(({ name, sae }) => [sae.cfg.hookName, name]).reverse() as [
            string,
            string,
          ][],
        );
        return next(switched(isOn(false), [...first.values()], true), context);
      }
      case "none":
        return next(isOn(false), context);
      case "error": {
        const useErrorTerm = reader.requireKeyword("on", "off") === "on";
        return next(withErrorTerm(state.saes, useErrorTerm), context);
      }
      case "add": {
        const sae = await loaded(reader);
        const others = state.saes.map(({ sae }) => ({ sae }));
        const names = namedSaes([...others, { sae }]);
        const { name } = names[names.length - 1];
        const added = [...state.saes, { name, sae, isOn: false }];
        return next(switched(added, [name], true), context);
      }
    }
    const names: string[] = [];
    while (reader.peek()) names.push(reader.require("a name").text);
    if (names.length === 0) throw new CommandError("Expected the name of an SAE: see `saes`.");
    const from = action === "only" ? isOn(false) : state.saes;
    return next(switched(from, names, action !== "off"), context);
  },
};
