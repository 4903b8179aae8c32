import { bar } from "../../mod.ts";
import { describeMetric } from "../../src/session/metric.ts";
import type { Command } from "../command.ts";
import { CommandError } from "../errors.ts";
import { shortPoint } from "../points.ts";
import { takePositions } from "../positions.ts";
import { pointNames } from "../edit_command.ts";
import { requirePoint } from "../points.ts";
import { decimalsFor, fixed, signed, significant } from "../render/numbers.ts";
import { splicedSaes } from "../state.ts";
import { columnsText } from "../style.ts";
import { gradientsOf } from "../values.ts";
import { codesOf } from "./features.ts";

/** A cell and what its ablation would do to the metric, to first order. */
interface Attribution {
  readonly point: string;
  readonly pos: number;
  readonly feature: number;
  readonly activation: number;
  readonly effect: number;
}

export const attr: Command = {
  name: "attr",
  group: "look",
  usage: "attr [POINT] [@POSITION] [COUNT]",
  summary: "what the metric owes to each feature: one backward pass for all of them",
  details:
    "The effect is the gradient of the metric times minus the activation: what ablating the cell would change, to first order (attribution patching). `sweep` tells the truth, one run for each.",
  completes: ["point", "cells"],
  examples: [["attr", "all features of all SAEs"], [
    "attr 1.z.sae @10",
    "those of one, at a position",
  ]],
  run: (reader, context) => {
    const { state, style } = context;
    const { session } = state;
    const word = reader.peek();
    const isPoint = word !== undefined && !/^(@|\d+$)/.test(word.raw);
    const names = isPoint
      ? [requirePoint(reader.require("a point").text, pointNames(context))]
      : splicedSaes(state).map(codesOf);
    if (names.length === 0) {
      throw new CommandError("No SAE is spliced in: see `saes`, or give a hook point.");
    }
    const wanted = takePositions(reader, context);
    const k = reader.takeCount() ?? 15;
    reader.end();
    const { values, gradients } = gradientsOf(session, names);
    if (gradients.size === 0) {
      throw new CommandError(`The metric doesn't depend on ${names.map(shortPoint).join(", ")}.`);
    }
    const all: Attribution[] = [];
    for (const point of names) {
      const value = values.get(point);
      const gradient = gradients.get(point);
      if (!value || !gradient) continue;
      const [, nPos, ...tail] = value.shape;
      const width = tail.reduce((n, m) => n * m, 1);
      const [acts, grads] = [value.at(0).data(), gradient.at(0).data()];
      for (const pos of wanted ?? Array.from({ length: nPos }, (_, p) => p)) {
        for (let feature = 0; feature < width; feature++) {
          const activation = acts[pos * width + feature];
          const effect = -activation * grads[pos * width + feature];
          if (effect !== 0) all.push({ point, pos, feature, activation, effect });
        }
      }
    }
    all.sort((a, b) => Math.abs(b.effect) - Math.abs(a.effect));
    const shown = all.slice(0, k);
    const most = Math.abs(shown[0]?.effect ?? 1);
    const decimals = decimalsFor(most);
    const token = (pos: number) => state.model.toSingleStrToken(session.tokens.at(0, pos).item());
    const rows = shown.map(({ point, pos, feature, activation, effect }) => [
      `  ${style.cyan(shortPoint(point))}`,
      style.yellow(String(feature)),
      `@${pos}`,
      JSON.stringify(token(pos)),
      significant(activation),
      (effect < 0 ? style.red : style.green)(signed(effect, decimals)),
      (effect < 0 ? style.red : style.green)(
        "█".repeat(Math.round((12 * Math.abs(effect)) / most)),
      ),
    ]);
    const total = all.reduce((sum, { effect }) => sum + effect, 0);
    const heads = ["  point", ">feature", ">at", "", ">active", ">effect", ""];
    const what = `effect of ablating each on ${describeMetric(session.metric!)}, to first order`;
    return {
      text: `${columnsText(heads, rows, style)}\n${
        style.dim(`  ${what}; ${all.length} active cells, ${fixed(total, decimals)} in all`)
      }`,
      json: { metric: describeMetric(session.metric!), attributions: shown, total },
      figure: () =>
        bar(
          shown.map(({ point, feature, pos }) => `${shortPoint(point)} ${feature} @${pos}`),
          shown.map(({ effect }) => effect),
          { title: what },
        ),
    };
  },
};
