/** What the program says first. */
import { describeMetric } from "../src/session/metric.ts";
import { shortPoint } from "./points.ts";
import { tokensLine } from "./render/tokens.ts";
import { type ReplState, splicedSaes } from "./state.ts";
import type { Style } from "./style.ts";

/** The model, the SAEs, the prompt with its positions, and what to try. */
export function greeting(state: ReplState, style: Style): string {
  const { model: { cfg }, session } = state;
  const saes = splicedSaes(state).map(({ cfg }) => shortPoint(cfg.hookName)).join(" ");
  const spliced = saes === ""
    ? "no SAEs"
    : `SAEs at ${saes}, which change nothing until you edit them`;
  const metric = session.metric === undefined ? "" : describeMetric(session.metric);
  const tries = ["top", "features @10", "ablate 1.z.sae @10", "undo", "help", "tour"];
  return [
    `${
      style.bold("Splicer")
    }  ${cfg.modelName}: ${cfg.nLayers} layers, ${cfg.nHeads} heads, dModel ${cfg.dModel}; ${spliced}`,
    tokensLine(session, style),
    `  metric ${metric}`,
    `  Try  ${tries.map(style.cyan).join("  ")}`,
  ].join("\n");
}
