import { assertEquals, assertThrows } from "@std/assert";
import type { SaeConfig } from "../../src/sae/config.ts";
import { createSaeConfig, readSaeConfig } from "../../src/sae/read_config.ts";
import { ConfigError } from "../../src/core/errors.ts";

const FIXTURES = new URL("../fixtures/", import.meta.url);

/** A version 6 configuration with changes; null takes a field away as JSON's null does. */
function current(changes: Record<string, unknown> = {}, metadata: Record<string, unknown> = {}) {
  return {
    architecture: "standard",
    d_in: 48,
    d_sae: 40,
    dtype: "float32",
    device: "cpu",
    apply_b_dec_to_input: true,
    normalize_activations: "none",
    reshape_activations: "none",
    metadata: { sae_lens_version: "6.54.12", hook_name: "blocks.1.hook_resid_pre", ...metadata },
    ...changes,
  };
}

/** What the old configurations below have in common once they are read. */
const UPGRADED: SaeConfig = {
  architecture: "standard",
  dIn: 48,
  dSae: 40,
  dtype: "float32",
  applyBDecToInput: true,
  normalizeActivations: "none",
  reshapeActivations: "none",
  hookName: "blocks.1.hook_resid_pre",
  metadata: {
    hookName: "blocks.1.hook_resid_pre",
    modelName: "gpt2-small",
    prependBos: true,
    contextSize: 128,
  },
};

/** Fields that all old configurations below have. */
const OLD = { d_in: 48, d_sae: 40, model_name: "gpt2-small", prepend_bos: true, context_size: 128 };

function assertRefused(json: unknown, message: string) {
  const error = assertThrows(() => readSaeConfig(json, "x/cfg.json"), ConfigError);
  assertEquals(error.message, message);
}

Deno.test("readSaeConfig() reads version 6 and keeps what it doesn't know of the metadata", () => {
  const json = JSON.parse(
    Deno.readTextFileSync(new URL("multi_sae/saes/mlp0_transcoder/cfg.json", FIXTURES)),
  );
  assertEquals(readSaeConfig(json, "cfg.json"), {
    architecture: "transcoder",
    dIn: 48,
    dSae: 44,
    dOut: 48,
    dtype: "float32",
    applyBDecToInput: false,
    normalizeActivations: "none",
    reshapeActivations: "none",
    hookName: "blocks.0.ln2.hook_normalized",
    hookNameOut: "blocks.0.hook_mlp_out",
    metadata: {
      hookName: "blocks.0.ln2.hook_normalized",
      hookNameOut: "blocks.0.hook_mlp_out",
      modelName: "gpt2-tiny-random",
      prependBos: false,
      contextSize: 64,
      saeLensVersion: "6.54.12",
      saeLensTrainingVersion: "6.54.12",
    },
  });
});

Deno.test("readSaeConfig() takes version 6's defaults for what is left out or null", () => {
  const metadata = { sae_lens_version: "6.0.0-rc.1", hook_name: "blocks.1.attn.hook_z" };
  const cfg = readSaeConfig(
    { architecture: "topk", d_in: 48, d_sae: 40, k: 5, dtype: null, metadata },
    "cfg.json",
  );
  assertEquals(cfg, {
    ...UPGRADED,
    architecture: "topk",
    k: 5,
    rescaleActsByDecoderNorm: false,
    hookName: "blocks.1.attn.hook_z",
    metadata: { hookName: "blocks.1.attn.hook_z", saeLensVersion: "6.0.0-rc.1" },
  });
});

Deno.test("readSaeConfig() upgrades hook_point, false as normalisation and torch's dtype names", () => {
  const old = {
    ...OLD,
    hook_point: "blocks.1.hook_resid_pre",
    hook_point_layer: 1,
    hook_point_head_index: null,
    dtype: "torch.float32",
    device: "cpu",
    activation_fn_str: "relu",
    apply_b_dec_to_input: true,
    normalize_activations: false,
    dataset_path: "x/y",
    sae_lens_training_version: null,
  };
  const metadata = { ...UPGRADED.metadata, datasetPath: "x/y" };
  assertEquals(readSaeConfig(old, "cfg.json"), { ...UPGRADED, metadata });
});

Deno.test("readSaeConfig() flattens hook_z in an old config that doesn't speak of reshaping", () => {
  const hookName = "blocks.1.attn.hook_z";
  const old = { ...OLD, hook_name: hookName, hook_layer: 1, finetuning_scaling_factor: false };
  assertEquals(readSaeConfig(old, "cfg.json"), {
    ...UPGRADED,
    reshapeActivations: "hook_z",
    hookName,
    metadata: { ...UPGRADED.metadata, hookName },
  });
});

Deno.test("readSaeConfig() upgrades true as normalisation of an old gated SAE", () => {
  const hook_name = UPGRADED.hookName;
  const old = { ...OLD, hook_name, architecture: "gated", normalize_activations: true };
  assertEquals(readSaeConfig(old, "cfg.json"), {
    ...UPGRADED,
    architecture: "gated",
    normalizeActivations: "expected_average_only_in",
  });
});

Deno.test("readSaeConfig() upgrades topk from an activation function to an architecture", () => {
  const old = {
    ...OLD,
    hook_name: UPGRADED.hookName,
    architecture: "standard",
    activation_fn_str: "topk",
    activation_fn_kwargs: { k: 6 },
    apply_b_dec_to_input: false,
    normalize_activations: "layer_norm",
  };
  assertEquals(readSaeConfig(old, "cfg.json"), {
    ...UPGRADED,
    architecture: "topk",
    k: 6,
    rescaleActsByDecoderNorm: false,
    applyBDecToInput: false,
    normalizeActivations: "layer_norm",
  });
});

Deno.test("readSaeConfig() assumes a BOS in an old config that doesn't speak of it", () => {
  const { prepend_bos: _, ...old } = { ...OLD, hook_name: UPGRADED.hookName };
  assertEquals(readSaeConfig(old, "cfg.json"), UPGRADED);
});

Deno.test("readSaeConfig() takes metadata without a version for version 6's form", () => {
  const json = current({ reshape_activations: null }, { sae_lens_version: null });
  assertEquals(readSaeConfig(json, "cfg.json").metadata, {
    hookName: "blocks.1.hook_resid_pre",
    prependBos: true,
  });
  assertRefused(
    { ...json, normalise_activations: "layer_norm" },
    'Cannot use the SAE config "x/cfg.json": normalise_activations is no field of architecture ' +
      '"standard"; nearest is normalize_activations',
  );
});

Deno.test("readSaeConfig() names an unknown architecture and the nearest one", () => {
  assertRefused(
    current({ architecture: "jumpreLU" }),
    'Cannot use the SAE config "x/cfg.json": architecture is "jumpreLU", wanted "standard", ' +
      '"gated", "jumprelu", "topk", "abstopk", "matching_pursuit", "temporal", "transcoder", "skip_transcoder", "jumprelu_transcoder" or "jumprelu_skip_transcoder"; nearest is "jumprelu"',
  );
});

Deno.test("readSaeConfig() names an unknown normalisation and the nearest one", () => {
  assertRefused(
    current({ normalize_activations: "layernorm" }),
    'Cannot use the SAE config "x/cfg.json": normalize_activations is "layernorm", wanted "none", ' +
      '"expected_average_only_in", "constant_norm_rescale", "layer_norm", "covariance_whitening" or "constant_scalar_rescale"; nearest is "layer_norm"',
  );
});

Deno.test("readSaeConfig() names everything that is wrong at once", () => {
  assertRefused(
    {
      architecture: "topk",
      d_in: "48",
      dtype: "int8",
      rescale_acts_by_decoder_norm: 1,
      metadata: { sae_lens_version: "6.54.12", context_size: "64" },
    },
    'Cannot use the SAE config "x/cfg.json":\n' +
      "  hook_name is missing, wanted a string\n" +
      '  context_size is "64", wanted a number\n' +
      '  d_in is "48", wanted a positive integer\n' +
      "  d_sae is missing, wanted a positive integer\n" +
      '  dtype is "int8", wanted "float32", "float16", "bfloat16" or "float64"; nearest is "float32"\n' +
      "  k is missing, wanted a positive integer\n" +
      "  rescale_acts_by_decoder_norm is 1, wanted true or false",
  );
});

Deno.test("readSaeConfig() refuses what isn't an object, or has no metadata", () => {
  assertRefused([], 'Cannot use the SAE config "x/cfg.json": it holds [], wanted an object');
  assertRefused(
    current({ metadata: 3 }),
    'Cannot use the SAE config "x/cfg.json": hook_name is missing, wanted a string',
  );
});

Deno.test("readSaeConfig() refuses fields of another architecture", () => {
  assertRefused(
    current({ k: 5 }),
    'Cannot use the SAE config "x/cfg.json": k is a field of architecture "topk" or "abstopk", ' +
      'but architecture is "standard"',
  );
});

Deno.test("readSaeConfig() refuses activation functions that it doesn't have", () => {
  const old = { ...OLD, hook_name: UPGRADED.hookName };
  assertRefused(
    { ...old, activation_fn: "tanh-relu" },
    'Cannot use the SAE config "x/cfg.json":\n' +
      '  activation_fn is "tanh-relu", wanted "relu" or "topk"\n' +
      "  k is missing, wanted a positive integer",
  );
  assertRefused(
    { ...old, architecture: "gated", activation_fn: "topk", activation_fn_kwargs: { k: 3 } },
    'Cannot use the SAE config "x/cfg.json": activation_fn is "topk", but architecture is "gated", ' +
      'wanted "standard" or "topk"',
  );
});

Deno.test("readSaeConfig() refuses fields that contradict each other", () => {
  assertRefused(
    current({ architecture: "transcoder", d_out: 24 }),
    'Cannot use the SAE config "x/cfg.json":\n' +
      "  apply_b_dec_to_input is true, but a transcoder's b_dec is of its output, wanted false\n" +
      "  hook_name_out is missing, but d_in is 48 and d_out 24, wanted the hook point of the output",
  );
  assertRefused(
    current({ architecture: "topk", k: 41, reshape_activations: "hook_z" }),
    'Cannot use the SAE config "x/cfg.json":\n' +
      "  k is 41, but d_sae is 40, wanted at most that many\n" +
      '  reshape_activations is "hook_z", but hook_name is "blocks.1.hook_resid_pre", ' +
      'wanted a name that ends in "_z"',
  );
});

Deno.test("createSaeConfig() fills in SAELens' defaults", () => {
  const hookName = "blocks.1.hook_resid_pre";
  assertEquals(createSaeConfig({ dIn: 48, dSae: 40, hookName }), {
    ...UPGRADED,
    metadata: { hookName },
  });
  const transcoder = createSaeConfig({
    dIn: 48,
    dSae: 40,
    hookName,
    hookNameOut: "blocks.1.hook_mlp_out",
    architecture: "transcoder",
    metadata: { modelName: "toy", trainedBy: "hand" },
  });
  assertEquals(transcoder, {
    ...UPGRADED,
    architecture: "transcoder",
    dOut: 48,
    applyBDecToInput: false,
    hookNameOut: "blocks.1.hook_mlp_out",
    metadata: {
      hookName,
      hookNameOut: "blocks.1.hook_mlp_out",
      modelName: "toy",
      trainedBy: "hand",
    },
  });
});

Deno.test("createSaeConfig() takes a config that it gave, and one that was read", () => {
  const cfg = readSaeConfig(current({ architecture: "topk", k: 5 }, { x_y: 1 }), "cfg.json");
  assertEquals(createSaeConfig(cfg), cfg);
});

Deno.test("createSaeConfig() speaks of its options by their own names", () => {
  const error = assertThrows(
    () => createSaeConfig({ dIn: 48, dSae: 0, hookName: "", architecture: "topk", k: 5 }),
    ConfigError,
  );
  assertEquals(
    error.message,
    "Cannot use the SAE config of a new SAE:\n" +
      '  hookName is "", wanted a string\n' +
      "  dSae is 0, wanted a positive integer",
  );
});
