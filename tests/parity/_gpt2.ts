/** GPT-2 with and without processing, with pads, texts, switches, and from other files of the same weights. */

import { assertEquals } from "@std/assert";
import { HookedTransformer, type Tensor } from "../../mod.ts";
import { type FixtureInfo, fixtureUrl, openFixture, readJson, readTensors } from "../_fixtures.ts";
import { EXACT } from "./_compare.ts";
import {
  gradients,
  kept,
  type Named,
  type ParityCase,
  perPrompt,
  prefixed,
  queryNormGradients,
  shown,
  tokenTensor,
  under,
} from "./_observe.ts";

const GPT2 = "gpt2";
const SIDES = ["left", "right"] as const;

function load(folder: string): Promise<HookedTransformer> {
  return HookedTransformer.fromPretrained(fixtureUrl(folder));
}

function loadRaw(folder: string): Promise<HookedTransformer> {
  return HookedTransformer.fromPretrainedNoProcessing(fixtureUrl(folder));
}

async function inputOf(fixture: string): Promise<{ info: FixtureInfo; tokens: Tensor }> {
  const info = await readJson<FixtureInfo>(fixture, "fixture.json");
  return { info, tokens: tokenTensor(info.tokens) };
}

function assertSameNames(got: Iterable<string>, want: Iterable<string>): void {
  assertEquals([...got].sort(), [...want].sort());
}

/** Everything that a model shows of an input: activations, logits, the losses, the metric. */
function everything(model: HookedTransformer, tokens: Tensor, { metric }: FixtureInfo): Named {
  const values = shown(model.runWithCache(tokens));
  values.set("loss", model.forward(tokens, { returnType: "loss" }));
  values.set("loss_per_token", model.forward(tokens, { returnType: "loss", lossPerToken: true }));
  values.set("metric", perPrompt(model.forward(tokens), metric).mean());
  return values;
}

/** The cases that every checkpoint of the family has. */
function checkpointCases(fixture: string): ParityCase[] {
  return [
    {
      name: `${fixture}/raw`,
      async run() {
        const { info, tokens } = await inputOf(fixture);
        using model = await loadRaw(`${fixture}/model`);
        return {
          got: everything(model, tokens, info),
          want: await readTensors(fixture, "raw.safetensors"),
        };
      },
    },
    {
      name: `${fixture}/hf`,
      async run() {
        const { tokens } = await inputOf(fixture);
        using model = await loadRaw(`${fixture}/model`);
        const got = kept([["logits", model.forward(tokens)]]);
        return { got, want: await readTensors(fixture, "hf.safetensors") };
      },
    },
    {
      name: `${fixture}/processed`,
      async run() {
        const { info, tokens } = await inputOf(fixture);
        using model = await load(`${fixture}/model`);
        const got = everything(model, tokens, info);
        const want = await readTensors(fixture, "processed.safetensors");
        assertSameNames(model.hookDict.keys(), info.hook_points as string[]);
        assertSameNames(under("cache/", got).keys(), under("cache/", want).keys());
        return { got, want };
      },
    },
  ];
}

/** The total derivatives at `ln1` in the place of the last call's, which `grad/` has there. */
function withTotals(want: Named): Named {
  const totals = new Map(prefixed("grad/", under("grad_sum/", want)));
  const single = [...want].filter(([name]) => !name.startsWith("grad_sum/"));
  return new Map([...single, ...totals]);
}

const GRADIENT_CASES: ParityCase[] = [
  {
    name: "gpt2/gradients by bwd hooks",
    async run() {
      const { info, tokens } = await inputOf(GPT2);
      using model = await load("gpt2/model");
      return {
        got: gradients(model, tokens, info),
        want: withTotals(await readTensors(GPT2, "gradients.safetensors")),
      };
    },
  },
  {
    name: "gpt2/gradients by watch",
    async run() {
      const { info, tokens } = await inputOf(GPT2);
      using model = await load("gpt2/model");
      const [logits, cache] = model.runWithCache(tokens, { watch: [() => true] });
      const metric = perPrompt(logits, info.metric).mean();
      metric.backward();
      const got: Named = new Map([["metric", metric]]);
      for (const [name, { grad }] of [...cache].reverse()) if (grad) got.set(`grad/${name}`, grad);
      return { got, want: withTotals(await readTensors(GPT2, "gradients.safetensors")) };
    },
  },
  {
    name: "gpt2/gradients of ln1's query input",
    async run() {
      const { info, tokens } = await inputOf(GPT2);
      using model = await load("gpt2/model");
      const got = queryNormGradients(model, tokens, info);
      const want = await readTensors(GPT2, "gradients.safetensors");
      return { got, want: new Map([...want].filter(([name]) => /^grad\/.*\.ln1\./.test(name))) };
    },
  },
  {
    name: "gpt2/gradients.raw",
    async run() {
      const { info, tokens } = await inputOf(GPT2);
      using model = await loadRaw("gpt2/model");
      return {
        got: gradients(model, tokens, info),
        want: await readTensors(GPT2, "gradients.raw.safetensors"),
      };
    },
  },
];

const WEIGHT_CASES: ParityCase[] = [
  {
    name: "gpt2/processed_weights",
    async run() {
      using model = await load("gpt2/model");
      const want = await readTensors(GPT2, "processed_weights.safetensors");
      const got = kept(model.stateDict());
      assertSameNames(got.keys(), want.keys());
      return { got, want };
    },
  },
  ...["model_sharded", "model_hubkeys"].map((folder): ParityCase => ({
    name: `gpt2/${folder} as model`,
    tolerance: EXACT,
    async run() {
      const { tokens } = await inputOf(GPT2);
      const shownBy = async (at: string): Promise<Named> => {
        using model = await load(`gpt2/${at}`);
        return new Map([...kept(model.stateDict()), ...shown(model.runWithCache(tokens))]);
      };
      return { got: await shownBy(folder), want: await shownBy("model") };
    },
  })),
  {
    name: "gpt2/model by config.transformers5.json",
    tolerance: EXACT,
    async run() {
      const { tokens } = await inputOf(GPT2);
      const config = await readJson(GPT2, "model/config.transformers5.json");
      const weights = await openFixture(GPT2).read("model/model.safetensors");
      using respelt = await HookedTransformer.fromPretrained({ config, weights });
      using model = await load("gpt2/model");
      return { got: shown(respelt.runWithCache(tokens)), want: shown(model.runWithCache(tokens)) };
    },
  },
  ...["bf16", "f16"].map((dtype): ParityCase => ({
    name: `gpt2/dtype_variants ${dtype}`,
    async run() {
      const { tokens } = await inputOf(GPT2);
      using processed = await load(`gpt2/model_${dtype}`);
      using raw = await loadRaw(`gpt2/model_${dtype}`);
      const rawLogits = raw.forward(tokens);
      const [processedLogits, cache] = processed.runWithCache(tokens);
      const got = kept([
        ...prefixed("processed/", cache),
        ["hf_logits", rawLogits],
        ["raw_logits", rawLogits],
        ["processed_logits", processedLogits],
      ]);
      return {
        got,
        want: under(`${dtype}/`, await readTensors(GPT2, "dtype_variants.safetensors")),
      };
    },
  })),
];

/** Zero logits at pads, where HF and TransformerLens differ: nothing defines what a pad predicts. */
function atRealTokens(logits: Tensor, mask: Tensor): Tensor {
  return logits.maskedFill(mask.eq(0).unsqueeze(-1), 0);
}

const PADDING_CASES = SIDES.map((side): ParityCase => ({
  name: `gpt2/padding_${side}`,
  async run() {
    const want = await readTensors(GPT2, `padding_${side}.safetensors`);
    const tokens = want.get("tokens")!;
    const attentionMask = want.get("attention_mask")!;
    using model = await load("gpt2/model");
    using raw = await loadRaw("gpt2/model");
    const got = shown(model.runWithCache(tokens, { attentionMask }));
    got.set("loss", model.forward(tokens, { attentionMask, returnType: "loss" }));
    got.set(
      "loss_per_token",
      model.forward(tokens, { attentionMask, returnType: "loss", lossPerToken: true }),
    );
    got.set(
      "hf_logits",
      atRealTokens(raw.forward(tokens, { attentionMask, returnType: "logits" }), attentionMask),
    );
    want.set("hf_logits", atRealTokens(want.get("hf_logits")!, attentionMask));
    want.delete("tokens");
    want.delete("attention_mask");
    return { got, want };
  },
}));

const STRING_CASES = SIDES.map((paddingSide): ParityCase => ({
  name: `gpt2/string_inputs ${paddingSide}`,
  async run() {
    const { strings } = await readJson<{ strings: string[] }>(GPT2, "tokenizer_refs.json");
    const texts = strings.slice(0, 3);
    using model = await load("gpt2/model");
    const got = kept([
      ["tokens", model.toTokens(texts, { paddingSide })],
      ["logits", model.forward(texts, { paddingSide, returnType: "logits" })],
      ["loss", model.forward(texts, { paddingSide, returnType: "loss" })],
    ]);
    return {
      got,
      want: under(`${paddingSide}/`, await readTensors(GPT2, "string_inputs.safetensors")),
    };
  },
}));

/** What the switches of each file of flags are. */
const FLAGS: Readonly<Record<string, (model: HookedTransformer) => void>> = {
  flags_split(model) {
    model.setUseAttnResult(true);
    model.setUseSplitQkvInput(true);
    model.setUseHookMlpIn(true);
  },
  flags_attn_in(model) {
    model.setUseAttnIn(true);
  },
};

function flagCase(file: string, way: "switches" | "exact names"): ParityCase {
  return {
    name: `gpt2/${file} by ${way}`,
    async run() {
      const { info } = await inputOf(GPT2);
      const want = await readTensors(GPT2, `${file}.safetensors`);
      const tokens = want.get("tokens")!;
      want.delete("tokens");
      using model = await load("gpt2/model");
      if (way === "switches") FLAGS[file](model);
      // Only the switch gives the norm a head axis.
      else for (const name of want.keys()) if (name.includes(".ln1.")) want.delete(name);
      const names = (prefix: string) =>
        way === "exact names" ? [...under(prefix, want).keys()] : undefined;
      const values = shown(model.runWithCache(tokens, { namesFilter: names("cache/") }));
      const metric = {
        answer_tokens: [info.metric.answer_tokens[0]],
        wrong_tokens: [info.metric.wrong_tokens[0]],
      };
      return {
        got: new Map([...values, ...gradients(model, tokens, { metric, points: names("grad/") })]),
        want,
      };
    },
  };
}

/** The cases of the GPT-2 fixtures. */
export const GPT2_CASES: readonly ParityCase[] = [
  ...checkpointCases(GPT2),
  ...WEIGHT_CASES,
  ...GRADIENT_CASES,
  ...PADDING_CASES,
  ...STRING_CASES,
  ...Object.keys(FLAGS).flatMap((
    file,
  ) => [flagCase(file, "switches"), flagCase(file, "exact names")]),
  ...checkpointCases("gpt2_scale_by_inverse_layer"),
];
