/** GPT-2 with pads, texts, switches, and from old names of the same weights. */

import type { HookedTransformer, Tensor } from "../../mod.ts";
import { type FixtureInfo, readJson, readTensors } from "../_fixtures.ts";
import { EXACT } from "./_compare.ts";
import { load, loadRaw, weightsAndValues } from "./_models.ts";
import { gradients, kept, type ParityCase, shown, tokenTensor, under } from "./_observe.ts";

const GPT2 = "gpt2";
const SIDES = ["left", "right"] as const;

const HUB_KEYS_CASE: ParityCase = {
  name: "gpt2/model_hubkeys as model",
  tolerance: EXACT,
  async run() {
    const tokens = tokenTensor((await readJson<FixtureInfo>(GPT2, "fixture.json")).tokens);
    return {
      got: await weightsAndValues("gpt2/model_hubkeys", tokens),
      want: await weightsAndValues("gpt2/model", tokens),
    };
  },
};

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
      const info = await readJson<FixtureInfo>(GPT2, "fixture.json");
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

/** The cases that only the GPT-2 fixture has. */
export const GPT2_CASES: readonly ParityCase[] = [
  HUB_KEYS_CASE,
  ...PADDING_CASES,
  ...STRING_CASES,
  ...Object.keys(FLAGS).flatMap((
    file,
  ) => [flagCase(file, "switches"), flagCase(file, "exact names")]),
];
