/** A text in two pieces over a cache of keys and values. */

import { HookedTransformer, HookedTransformerKeyValueCache, type Tensor } from "../../mod.ts";
import { type FixtureInfo, fixtureUrl, readJson, readTensors } from "../_fixtures.ts";
import { kept, type ParityCase, prefixed, tokenTensor } from "./_observe.ts";

/** Where the references cut the text. */
const CUT = 6;

function kvCacheCase(fixture: string): ParityCase {
  return {
    name: `${fixture}/kv_cache`,
    async run() {
      const info = await readJson<FixtureInfo>(fixture, "fixture.json");
      const tokens = tokenTensor(info.tokens);
      using model = await HookedTransformer.fromPretrained(fixtureUrl(`${fixture}/model`));
      using pastKvCache = HookedTransformerKeyValueCache.initCache(model.cfg, tokens.shape[0]);
      const first = model.forward(tokens.at(":", `:${CUT}`), { pastKvCache });
      const [second, activations] = model.runWithCache(tokens.at(":", `${CUT}:`), { pastKvCache });
      const got = kept([
        ["logits_first", first],
        ["logits_second", second],
        ...prefixed("second/", activations),
        ...pastKvCache.entries.flatMap(({ pastKeys, pastValues }, layer): [string, Tensor][] => [
          [`past_keys.${layer}`, pastKeys],
          [`past_values.${layer}`, pastValues],
        ]),
      ]);
      return { got, want: await readTensors(fixture, "kv_cache.safetensors") };
    },
  };
}

/** The cases of the models whose references have pieces. */
export const KV_CACHE_CASES: readonly ParityCase[] = ["gpt2"].map(kvCacheCase);
