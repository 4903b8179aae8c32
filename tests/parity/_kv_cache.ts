/** A text in two pieces over a cache of keys and values, and generation. */

import { HookedTransformer, HookedTransformerKeyValueCache, type Tensor } from "../../mod.ts";
import { type FixtureInfo, fixtureUrl, openFixture, readJson, readTensors } from "../_fixtures.ts";
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

/** What `fixture.json` says of generation. */
interface GenerationInfo {
  readonly generation: {
    readonly prompt: readonly (readonly number[])[];
    readonly greedy_with_kv_cache: readonly (readonly number[])[];
  };
}

// Hugging Face's tokens, which TransformerLens gives too, except without a tokenizer and with learned positions: there its cached
// steps run at position 2n instead of n. These models have no tokenizer, with and without the cache.
function generationCase(fixture: string, usePastKvCache: boolean): ParityCase {
  return {
    name: `${fixture}/generation with${usePastKvCache ? "" : "out"} the cache`,
    async run() {
      const { generation } = await readJson<GenerationInfo>(fixture, "fixture.json");
      const { prompt, greedy_with_kv_cache: wanted } = generation;
      const weights = await openFixture(fixture).read("model/model.safetensors");
      const config = await readJson(fixture, "model/config.json");
      using model = await HookedTransformer.fromPretrained({ config, weights });
      const tokens = model.generate(tokenTensor(prompt), {
        maxNewTokens: wanted[0].length - prompt[0].length,
        doSample: false,
        stopAtEos: false,
        usePastKvCache,
      });
      return {
        got: new Map([["tokens", tokens]]),
        want: new Map([["tokens", tokenTensor(wanted)]]),
      };
    },
  };
}

/** The models whose references have pieces. */
const WITH_PIECES = ["gpt2", "llama"];

/** The models whose references have generated text. */
const WITH_GENERATION = ["gpt2", "llama", "mistral", "gemma2"];

/** The cases of cached keys and values. */
export const KV_CACHE_CASES: readonly ParityCase[] = [
  ...WITH_PIECES.map(kvCacheCase),
  ...WITH_GENERATION.flatMap((fixture) => [true, false].map((use) => generationCase(fixture, use))),
];
