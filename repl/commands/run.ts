import type { Command } from "../command.ts";
import { count } from "../render/numbers.ts";
import { runResult } from "../render/next_tokens.ts";

export const run: Command = {
  name: "run",
  group: "look",
  usage: "run",
  summary: "what the model says under the edits, and the stages that ran for it",
  examples: [["run", "the next tokens, the metric, the cost"]],
  run: (reader, { state: { session }, style }) => {
    reader.end();
    const { ran } = session.run();
    const stages = ran.stages.length === 0
      ? "  no stage had to run: nothing differs from the run without edits"
      : `  stages ${ran.stages.join(" ")}\n  ${ran.rows} rows in all, ${
        count(ran.multiplyAdds)
      } multiply-adds`;
    return runResult(session, style, { foot: [style.dim(stages)] });
  },
};
