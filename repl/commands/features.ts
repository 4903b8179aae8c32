import { bar, type HookedSAE } from "../../mod.ts";
import type { Command } from "../command.ts";
import { CommandError } from "../errors.ts";
import { shortPoint } from "../points.ts";
import { takePositions } from "../positions.ts";
import { promotedTokens } from "../promoted.ts";
import { significant } from "../render/numbers.ts";
import { valuesOf } from "../values.ts";
import { columnsText } from "../style.ts";
import { splicedSaes } from "../state.ts";

/** Features of one SAE that are active at a position. */
interface LiveFeatures {
  readonly sae: HookedSAE;
  readonly point: string;
  readonly nLive: number;
  readonly features: readonly { readonly feature: number; readonly activation: number }[];
}

function liveFeatures(sae: HookedSAE, codes: ArrayLike<number>, k: number): LiveFeatures {
  const live = Array.from(codes, (activation, feature) => ({ feature, activation }))
    .filter(({ activation }) => activation !== 0)
    .sort((a, b) => b.activation - a.activation);
  return { sae, point: codesOf(sae), nLive: live.length, features: live.slice(0, k) };
}

/** The point of an SAE's codes. */
export function codesOf({ cfg }: HookedSAE): string {
  return `${cfg.hookNameOut ?? cfg.hookName}.hook_sae_acts_post`;
}

export const features: Command = {
  name: "features",
  group: "look",
  usage: "features [SAE] [@POSITION] [COUNT]",
  summary: "the SAE features that are active at a position, and the tokens that they speak for",
  details:
    "The tokens are those whose logits the feature's direction raises most by itself, without the layers in between.",
  completes: ["sae", "cells"],
  examples: [["features @10", "of every SAE"], ["features 1.z @10 20", "twenty of one"]],
  run: (reader, context) => {
    const { state, style } = context;
    const spliced = splicedSaes(state);
    const known = state.saes.filter(({ isOn }) => isOn);
    const word = reader.peek()?.text ?? "";
    const one = known.find(({ name }) => name === word || `${name}.sae` === word);
    if (one) reader.take();
    const [pos] = takePositions(reader, context) ?? [state.session.tokens.shape[1] - 1];
    const k = reader.takeCount() ?? (one ? 12 : 5);
    reader.end();
    if (spliced.length === 0) throw new CommandError("No SAE is spliced in: see `saes`.");
    const wanted = one ? [one.sae] : spliced;
    const values = valuesOf(state.session, wanted.map(codesOf));
    const found = wanted.map((sae) =>
      liveFeatures(sae, values.get(codesOf(sae))!.at(0, pos).data(), k)
    );
    const most = Math.max(...found.flatMap(({ features }) => features.map((f) => f.activation)), 0);
    const token = state.model.toSingleStrToken(state.session.tokens.at(0, pos).item());
    const tables = found.map(({ sae, point, nLive, features }) => {
      const speaks = promotedTokens(state.model, sae, features.map(({ feature }) => feature));
      const rows = features.map(({ feature, activation }, i) => [
        `  ${style.yellow(String(feature).padStart(5))}`,
        significant(activation),
        style.green("█".repeat(Math.max(1, Math.round((12 * activation) / most)))),
        style.dim(speaks?.[i].join(" ") ?? ""),
      ]);
      const head = `${style.cyan(shortPoint(point))} ${
        style.dim(`${nLive} of ${sae.cfg.dSae} features are live`)
      }`;
      return rows.length === 0 ? head : `${head}\n${columnsText(["", ">", "", ""], rows, style)}`;
    });
    return {
      text: [style.bold(`@${pos} ${JSON.stringify(token)}`), ...tables].join("\n"),
      json: {
        pos,
        token,
        saes: found.map(({ point, nLive, features }) => ({ point, nLive, features })),
      },
      figure: () => {
        const all = found.flatMap(({ point, features }) =>
          features.map(({ feature, activation }) => ({
            name: `${shortPoint(point)} ${feature}`,
            activation,
          }))
        );
        return bar(all.map(({ name }) => name), all.map(({ activation }) => activation), {
          title: `Features at ${pos} ${JSON.stringify(token)}`,
        });
      },
    };
  },
};
