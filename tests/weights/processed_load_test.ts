/** A load with processing goes part by part, and writes over what it has read; what comes out is what processing the whole gives. */

import { assert, assertEquals } from "@std/assert";
import { HookedTransformer, memoryUsage } from "../../mod.ts";
import {
  configFromHuggingFace,
  stateDictFromHuggingFace,
} from "../../src/model/architectures/hugging_face.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";
import { type ProcessingOptions, processWeights } from "../../src/weights/process.ts";
import { fixture } from "./_files.ts";

const FOLDERS = [
  "gpt2/model",
  "gpt2/model_f16",
  "gpt2/model_sharded",
  "llama_mha_tied/model",
  "qwen2/model",
  "gemma2/model",
  "gptj/model",
  "bloom/model",
  "toy/solu_ln_2l",
  "toy/shortformer_attn_only",
];

const OPTIONS: readonly ProcessingOptions[] = [
  {},
  { foldLn: false, centerUnembed: false, centerWritingWeights: false },
  { foldLn: false, centerWritingWeights: false, foldValueBiases: false },
  { foldLn: false, centerUnembed: false },
];

for (const folder of FOLDERS) {
  Deno.test(`fromPretrained() of ${folder} gives the bits of processing all weights at once`, async () => {
    const source = fixture(folder);
    const json = await source.readJson("config.json");
    const cfg = configFromHuggingFace(json);
    const checkpoint = await openCheckpoint(source);
    for (const options of OPTIONS) {
      const whole = processWeights(
        cfg,
        await stateDictFromHuggingFace(json, cfg, checkpoint),
        options,
      );
      using model = await HookedTransformer.fromPretrained(new URL(source.base), options);
      assertEquals(model.cfg.normalizationType, whole.cfg.normalizationType);
      const got = model.stateDict();
      assertEquals([...got.keys()].sort(), [...whole.stateDict.keys()].sort());
      for (const [name, { data }] of whole.stateDict) {
        const values = got.get(name)!.data();
        assert(
          values.every((value, i) => Object.is(value, data[i])),
          `${name}, ${JSON.stringify(options)}`,
        );
      }
    }
  });
}

Deno.test("fromPretrained() leaves files that are in memory as they are", async () => {
  const source = fixture("gpt2/model");
  const config = await source.readJson("config.json");
  const weights = await source.read("model.safetensors");
  const before = weights.slice();
  using first = await HookedTransformer.fromPretrained({ config, weights });
  assertEquals(weights, before);
  using again = await HookedTransformer.fromPretrained({ config, weights });
  const tokens = [[1, 2, 3, 4]];
  assertEquals(again.forward(tokens).data(), first.forward(tokens).data());
});

Deno.test("an embedding that processing leaves alone is held once with its unembedding", async () => {
  const tied = new URL(fixture("llama_mha_tied/model").base);
  const bytesOf = async (options: ProcessingOptions) => {
    using model = await HookedTransformer.fromPretrained(tied, options);
    return { bytes: memoryUsage().weightBytes, embedding: model.W_E.size * 4 };
  };
  const { bytes: twice, embedding } = await bytesOf({ foldLn: false });
  const { bytes: once } = await bytesOf({ foldLn: false, centerUnembed: false });
  assert(twice - once >= embedding, `${twice} bytes, ${once} where both are one`);
});
