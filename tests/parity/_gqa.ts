/** Keys that heads share: their points with and without `ungroupGroupedQueryAttention`. */

import { type FixtureInfo, readJson, readTensors } from "../_fixtures.ts";
import { load } from "./_models.ts";
import { gradients, type ParityCase, shown, under } from "./_observe.ts";

/** The cases of the fixture for shared keys. */
export const GQA_CASES: readonly ParityCase[] = ["grouped", "ungrouped"].map((way) => ({
  name: `llama/gqa ${way}`,
  async run() {
    const { metric } = await readJson<FixtureInfo>("llama", "fixture.json");
    const all = await readTensors("llama", "gqa.safetensors");
    const tokens = all.get("tokens")!;
    const want = under(`${way}/`, all);
    using model = await load("llama/model");
    model.setUseSplitQkvInput(true);
    model.setUseAttnResult(true);
    model.setUseHookMlpIn(true);
    model.setUngroupGroupedQueryAttention(way === "ungrouped");
    const first = {
      answer_tokens: metric.answer_tokens.slice(0, 1),
      wrong_tokens: metric.wrong_tokens.slice(0, 1),
    };
    const points = [...under("grad/", want).keys()];
    return {
      got: new Map([
        ...shown(model.runWithCache(tokens)),
        ...gradients(model, tokens, { metric: first, points }),
      ]),
      want,
    };
  },
}));
