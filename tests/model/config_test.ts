import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../../src/core/errors.ts";
import {
  type ConfigInput,
  type HookedTransformerConfig,
  resolveConfig,
} from "../../src/model/config.ts";
import {
  configFromHuggingFace,
  modelTypes,
  stateDictFromHuggingFace,
} from "../../src/model/architectures/hugging_face.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";
import { processWeights } from "../../src/weights/process.ts";
import { fixtureIndex } from "../_fixtures.ts";
import { fixture } from "../weights/_files.ts";

const SMALL: ConfigInput = {
  nLayers: 2,
  dModel: 8,
  nCtx: 16,
  dVocab: 10,
  nHeads: 2,
  actFn: "relu",
};
const GPT2 = {
  model_type: "gpt2",
  vocab_size: 10,
  n_positions: 16,
  n_embd: 8,
  n_layer: 2,
  n_head: 2,
};

/** TransformerLens caps these contexts whatever the file says; ours is the file's, and official names bring the cap along. */
const UNCAPPED: Readonly<Record<string, number>> = { mistral: 64, qwen3: 64 };

/** Fields that TransformerLens doesn't have. */
const OURS = /^longRope/;

const OWN_TOKENIZER = "NeelNanda/gpt-neox-tokenizer-digits";

/** Asserts that every field has the value that TransformerLens gave it. */
async function assertSameConfig(
  cfg: HookedTransformerConfig,
  fixture: string,
  file: string,
): Promise<void> {
  const url = new URL(`../fixtures/${fixture}/${file}`, import.meta.url);
  const theirs: Record<string, unknown> = JSON.parse(await Deno.readTextFile(url));
  const wanted = new Map(Object.entries(theirs).map(([key, value]) => [camelCase(key), value]));
  if (fixture in UNCAPPED) wanted.set("nCtx", UNCAPPED[fixture]);
  // The references of its own checkpoints were made without the tokenizer that their files name.
  if (fixture.startsWith("toy/")) wanted.set("tokenizerName", OWN_TOKENIZER);
  for (const [key, value] of Object.entries(cfg)) {
    if (OURS.test(key)) continue;
    assertEquals(value, wanted.get(key), `${fixture}/${file}: ${key}`);
  }
}

/** `use_attn_in` → `useAttnIn`. */
function camelCase(name: string): string {
  return name.toLowerCase().replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** Asserts that a configuration is refused for reasons. */
function assertRefused(fields: Record<string, unknown>, message: string): void {
  const input = { ...SMALL, ...fields } as ConfigInput;
  assertEquals(assertThrows(() => resolveConfig(input), ConfigError).message, message);
}

/** Asserts that a `config.json` is refused for reasons. */
function assertUnreadable(json: unknown, reasons: string): void {
  const error = assertThrows(() => configFromHuggingFace(json), ConfigError);
  assertEquals(error.message, `Cannot read config.json: ${reasons}`);
}

Deno.test("configFromHuggingFace() gives TransformerLens' configuration from either spelling", async () => {
  for (const { folder, kind } of fixtureIndex()) {
    if (kind !== "model" && kind !== "model_tl_format") continue;
    const isOwn = kind === "model_tl_format";
    const source = fixture(isOwn ? folder : `${folder}/model`);
    const files = ["config.json", ...(isOwn ? [] : ["config.transformers5.json"])];
    for (const file of files) {
      const json = await source.readJson(file);
      const cfg = configFromHuggingFace(json, { modelName: isOwn ? "custom" : folder });
      await assertSameConfig(cfg, folder, "hooked_config.raw.json");
      const stateDict = await stateDictFromHuggingFace(json, cfg, await openCheckpoint(source));
      const { cfg: processed } = processWeights(cfg, stateDict);
      await assertSameConfig(processed, folder, "hooked_config.processed.json");
    }
  }
});

Deno.test("resolveConfig() fills in TransformerLens' defaults", () => {
  const cfg = resolveConfig(SMALL);
  assert(Object.isFrozen(cfg));
  const { dHead, dMlp, dVocabOut, attnScale, initializerRange, nParams, normalizationType } = cfg;
  assertEquals(
    { dHead, dMlp, dVocabOut, attnScale, initializerRange, nParams, normalizationType },
    {
      dHead: 4,
      dMlp: 32,
      dVocabOut: 10,
      attnScale: 2,
      initializerRange: 0.8 / Math.sqrt(8),
      nParams: 2 * (4 * 8 * 8 + 2 * 8 * 32),
      normalizationType: "LN",
    },
  );
  assertEquals(resolveConfig({ ...SMALL, nHeads: undefined, dHead: 2 }).nHeads, 4);
  assertEquals(resolveConfig({ ...SMALL, dHead: 3 }).nHeads, 2);
  assertEquals(resolveConfig({ ...SMALL, useAttnScale: false }).attnScale, -1);
  assertEquals(resolveConfig({ ...SMALL, attnScale: 7 }).attnScale, 7);
  const { dMlp: none, nParams: attention } = resolveConfig({ ...SMALL, attnOnly: true });
  assertEquals([none, attention], [null, 2 * 4 * 8 * 8]);
  assertEquals(resolveConfig(cfg), cfg);
});

Deno.test("resolveConfig() names unknown, missing and misshapen fields in one error", () => {
  assertRefused(
    { nLayer: 3, d_head: 4, dModel: 0, actFn: "gelu_old", eps: NaN, useAttnIn: "yes" },
    'Cannot make a configuration: "nLayer" isn\'t a field (the nearest is "nLayers"); ' +
      '"d_head" isn\'t a field (the nearest is "dHead"); ' +
      "dModel is 0, wanted a whole number of at least 1; " +
      'actFn is "gelu_old", wanted one of "relu", "gelu", "silu", "gelu_new", "gelu_fast", ' +
      '"gelu_pytorch_tanh", "tanh", "solu", "solu_ln", or null; ' +
      "eps is NaN, wanted a number above 0; " +
      'useAttnIn is "yes", wanted true or false',
  );
  assertRefused(
    { nLayers: undefined, nHeads: undefined, dVocab: undefined, actFn: undefined },
    "Cannot make a configuration: nLayers, dVocab, nHeads (or dHead), actFn (or attnOnly) must be given",
  );
});

Deno.test("resolveConfig() refuses contradictions", () => {
  const cases: [Record<string, unknown>, string][] = [
    [{ nHeads: 3 }, "dModel is 8, wanted a multiple of nHeads 3"],
    [{ nHeads: undefined, dHead: 16 }, "dModel is 8, wanted a multiple of dHead 16"],
    [{ nHeads: 4, nKeyValueHeads: 3 }, "nHeads is 4, wanted a multiple of nKeyValueHeads 3"],
    [{ actFn: null }, "actFn is null, wanted a name unless attnOnly is true"],
    [{ useLocalAttn: true }, "useLocalAttn is true, wanted windowSize and 2 attnTypes"],
    [
      { useAttnIn: true, nKeyValueHeads: 1 },
      "useAttnIn is true, but heads share keys, so that queries and keys have no common input by head " +
      "(setUngroupGroupedQueryAttention gives each its own)",
    ],
    [{ rotaryDim: 3 }, "rotaryDim is 3, wanted an even number of at most dHead 4"],
    [{ rotaryDim: 6 }, "rotaryDim is 6, wanted an even number of at most dHead 4"],
    [
      { useNtkByPartsRope: true, useYarnRope: true },
      "useNtkByPartsRope and useYarnRope are true, wanted one of them",
    ],
    [
      { ntkByPartsHighFreqFactor: 1 },
      "ntkByPartsLowFreqFactor is 1, wanted less than ntkByPartsHighFreqFactor 1",
    ],
  ];
  for (const [fields, reason] of cases) {
    assertRefused(fields, `Cannot make a configuration: ${reason}`);
  }
});

Deno.test("resolveConfig() refuses what the forward pass doesn't compute", () => {
  assertRefused(
    { attentionDir: "bidirectional", useHookTokens: true },
    'Cannot run such a model yet: attentionDir is "bidirectional", wanted "causal"; ' +
      "useHookTokens is true, wanted false",
  );
});

Deno.test("configFromHuggingFace() reads n_inner, scales and the transformers' defaults", () => {
  const cfg = configFromHuggingFace({
    ...GPT2,
    n_inner: 20,
    scale_attn_weights: false,
    scale_attn_by_inverse_layer_idx: true,
    activation_function: "relu",
    architectures: ["GPT2LMHeadModel"],
    _name_or_path: "x",
    something_new: null,
  });
  assertEquals(
    [
      cfg.dMlp,
      cfg.useAttnScale,
      cfg.scaleAttnByInverseLayerIdx,
      cfg.actFn,
      cfg.originalArchitecture,
    ],
    [20, false, true, "relu", "GPT2LMHeadModel"],
  );
  const usual = configFromHuggingFace({ model_type: "gpt2" });
  assertEquals(
    [usual.nLayers, usual.dModel, usual.nHeads, usual.dHead, usual.nCtx, usual.dVocab, usual.dMlp],
    [12, 768, 12, 64, 1024, 50257, 3072],
  );
});

Deno.test("configFromHuggingFace() cuts layers and context, and says what can't be cut", () => {
  const options = { firstNLayers: 1, nCtx: 4, modelName: "cut", defaultPrependBos: false };
  const cfg = configFromHuggingFace(GPT2, options);
  assertEquals(
    [cfg.nLayers, cfg.nCtx, cfg.modelName, cfg.defaultPrependBos, cfg.nParams],
    [1, 4, "cut", false, 4 * 8 * 8 + 2 * 8 * 32],
  );
  assertEquals(
    assertThrows(() => configFromHuggingFace(GPT2, { firstNLayers: 3 }), ConfigError).message,
    "Cannot load the model: firstNLayers is 3, wanted 1 to 2, the layers that it has",
  );
  assertEquals(
    assertThrows(() => configFromHuggingFace(GPT2, { nCtx: 0 }), ConfigError).message,
    "Cannot load the model: nCtx is 0, wanted 1 to 16, the positions that it has",
  );
});

Deno.test("configFromHuggingFace() names every key that may matter", () => {
  assertUnreadable(
    { ...GPT2, n_layers: 3, rope_theta: 1e4, add_cross_attention: true, n_ctx: 8, n_head: "4" },
    'n_head is "4", wanted a whole number of at least 1; ' +
      "n_layers is an unknown key that may matter (the nearest is n_layer); " +
      "rope_theta is an unknown key that may matter (the nearest is n_head); " +
      "add_cross_attention is true, wanted false; n_ctx is 8, but n_positions is 16",
  );
  assertUnreadable(
    { ...GPT2, quantization_config: { bits: 4 }, pruned_heads: {} },
    'quantization_config is {"bits":4}, wanted null',
  );
  const known = modelTypes().map((type) => `"${type}"`).join(", ");
  assertUnreadable({ model_type: "gpt3" }, `model_type is "gpt3", wanted one of ${known}`);
  assertUnreadable({}, `model_type is missing, wanted one of ${known}`);
  assertUnreadable([GPT2], `it is [${JSON.stringify(GPT2)}], wanted an object`);
});
