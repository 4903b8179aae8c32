/** The embedded model: all activations of two prompts, and the gradients of their mean logit difference. */

import { HookedSAETransformer, type Tensor } from "../../mod.ts";
import { readJson, readTensors, type TokenPairs } from "../_fixtures.ts";
import type { Tolerance } from "./_compare.ts";
import {
  gradients,
  kept,
  type Named,
  type ParityCase,
  prefixed,
  queryNormGradients,
  shown,
  under,
} from "./_observe.ts";

const FIXTURE = "ioi-tiny";

const { acts: { atol, rtol } } = await readJson<{ acts: Tolerance }>(FIXTURE, "seed_workload.json");

interface Input {
  readonly tokens: Tensor;
  readonly metric: TokenPairs;
  /** All references but these two. */
  readonly want: Named;
}

async function read(): Promise<Input> {
  const want = await readTensors(FIXTURE, "acts.safetensors");
  const [tokens, answers] = ["tokens", "answer_tokens"].map((name) => want.get(name)!);
  want.delete("tokens");
  want.delete("answer_tokens");
  const [answer_tokens, wrong_tokens] = [0, 1].map((column) => answers.at(":", column).toArray());
  return { tokens, metric: { answer_tokens, wrong_tokens }, want };
}

/** Activations, logits and gradients under the names of the references. */
function observed(model: HookedSAETransformer, { tokens, metric }: Input): Named {
  const values = shown(model.runWithCache(tokens));
  const acts = prefixed("act/", under("cache/", values));
  return new Map([
    ...acts,
    ["logits", values.get("logits")!],
    ...gradients(model, tokens, { metric }),
  ]);
}

const PLAIN: ParityCase = {
  name: `${FIXTURE}/acts`,
  tolerance: { atol, rtol },
  async run() {
    const input = await read();
    using model = await HookedSAETransformer.fromPretrained(FIXTURE);
    const got = observed(model, input);
    for (const [name, grad] of queryNormGradients(model, input.tokens, input)) got.set(name, grad);
    return {
      got: kept(got),
      want: new Map([...input.want].filter(([name]) => !name.startsWith("full."))),
    };
  },
};

const FULL: ParityCase = {
  name: `${FIXTURE}/acts with the switches on`,
  tolerance: { atol, rtol },
  async run() {
    const input = await read();
    using model = await HookedSAETransformer.fromPretrained(FIXTURE);
    model.setUseAttnResult(true);
    model.setUseSplitQkvInput(true);
    model.setUseHookMlpIn(true);
    return { got: kept(observed(model, input)), want: under("full.", input.want) };
  },
};

/** The cases of the embedded model. */
export const IOI_TINY_CASES: readonly ParityCase[] = [PLAIN, FULL];
