// What the tables of families make of config.json files and of tensors that no fixture has.

import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError, HookedTransformer, Tensor } from "../../mod.ts";
import { configFromHuggingFace } from "../../src/model/architectures/hugging_face.ts";
import type { HookedTransformerConfig } from "../../src/model/config.ts";
import { rotaryKind } from "../../src/model/rotary.ts";
import { openSafetensors } from "../../src/weights/safetensors.ts";
import { assertSameBits } from "../session/_models.ts";
import { fixture, floats, safetensors, type Written } from "../weights/_files.ts";

type Json = Record<string, unknown>;

/** Asserts that a `config.json` is refused for a reason. */
function assertRefused(json: Json, reason: string): void {
  const { message } = assertThrows(() => configFromHuggingFace(json), ConfigError);
  assertEquals(message, `Cannot read config.json: ${reason}`);
}

/** Asserts some fields of what a `config.json` gives. */
function assertFields(json: Json, wanted: Partial<HookedTransformerConfig>): void {
  const cfg = configFromHuggingFace(json);
  const got = Object.fromEntries(
    Object.keys(wanted).map((key) => [key, cfg[key as keyof HookedTransformerConfig]]),
  );
  assertEquals(got, wanted, JSON.stringify(json));
}

const LLAMA = { model_type: "llama", hidden_size: 32, num_attention_heads: 4, vocab_size: 10 };

/** Files as the hub has them, with what has to come out; older ones lack what transformers' classes have as defaults. */
const HUB_FILES: readonly [Json, Partial<HookedTransformerConfig>][] = [
  [
    {
      _name_or_path: "EleutherAI/gpt-neo-125M",
      activation_function: "gelu_new",
      architectures: ["GPTNeoForCausalLM"],
      attention_dropout: 0,
      attention_types: [[["global", "local"], 4]],
      bos_token_id: 50256,
      embed_dropout: 0,
      eos_token_id: 50256,
      gradient_checkpointing: false,
      hidden_size: 64,
      initializer_range: 0.02,
      intermediate_size: null,
      layer_norm_epsilon: 1e-5,
      max_position_embeddings: 2048,
      model_type: "gpt_neo",
      num_heads: 16,
      num_layers: 8,
      resid_dropout: 0,
      summary_activation: null,
      summary_first_dropout: 0.1,
      summary_proj_to_labels: true,
      summary_type: "cls_index",
      summary_use_proj: true,
      torch_dtype: "float32",
      transformers_version: "4.28.1",
      use_cache: true,
      vocab_size: 50257,
      window_size: 256,
    },
    { nLayers: 8, dHead: 4, dMlp: 256, windowSize: 256, useAttnScale: false, dVocab: 50257 },
  ],
  [
    {
      architectures: ["GPTNeoXForCausalLM"],
      attention_probs_dropout_prob: 0,
      bos_token_id: 0,
      eos_token_id: 0,
      hidden_act: "gelu",
      hidden_dropout_prob: 0,
      hidden_size: 512,
      initializer_range: 0.02,
      intermediate_size: 2048,
      layer_norm_eps: 1e-5,
      max_position_embeddings: 2048,
      model_type: "gpt_neox",
      num_attention_heads: 8,
      num_hidden_layers: 6,
      rotary_emb_base: 10000,
      rotary_pct: 0.25,
      tie_word_embeddings: false,
      torch_dtype: "float16",
      transformers_version: "4.24.0",
      use_cache: true,
      use_parallel_residual: true,
      vocab_size: 50304,
    },
    { rotaryDim: 16, dHead: 64, parallelAttnMlp: true, defaultPrependBos: false, nCtx: 2048 },
  ],
  [
    {
      activation_function: "gelu_new",
      architectures: ["GPTJForCausalLM"],
      attn_pdrop: 0.0,
      bos_token_id: 50256,
      embd_pdrop: 0.0,
      eos_token_id: 50256,
      gradient_checkpointing: false,
      initializer_range: 0.02,
      layer_norm_epsilon: 1e-5,
      model_type: "gptj",
      n_embd: 4096,
      n_head: 16,
      n_inner: null,
      n_layer: 28,
      n_positions: 2048,
      resid_pdrop: 0.0,
      rotary: true,
      rotary_dim: 64,
      scale_attn_weights: true,
      summary_activation: null,
      summary_first_dropout: 0.1,
      summary_proj_to_labels: true,
      summary_type: "cls_index",
      summary_use_proj: true,
      task_specific_params: { "text-generation": { do_sample: true } },
      tie_word_embeddings: false,
      tokenizer_class: "GPT2Tokenizer",
      transformers_version: "4.18.0.dev0",
      use_cache: true,
      vocab_size: 50400,
    },
    { rotaryDim: 64, dHead: 256, dMlp: 16384, rotaryAdjacentPairs: true },
  ],
  [
    {
      _name_or_path: "facebook/opt-125m",
      _remove_final_layer_norm: false,
      activation_dropout: 0.0,
      activation_function: "relu",
      architectures: ["OPTForCausalLM"],
      attention_dropout: 0.0,
      bos_token_id: 2,
      do_layer_norm_before: true,
      dropout: 0.1,
      eos_token_id: 2,
      ffn_dim: 3072,
      hidden_size: 768,
      init_std: 0.02,
      layerdrop: 0.0,
      max_position_embeddings: 2048,
      model_type: "opt",
      num_attention_heads: 12,
      num_hidden_layers: 12,
      pad_token_id: 1,
      prefix: "</s>",
      torch_dtype: "float16",
      transformers_version: "4.21.0.dev0",
      use_cache: true,
      vocab_size: 50272,
      word_embed_proj_dim: 768,
    },
    { actFn: "relu", dMlp: 3072, nHeads: 12, nCtx: 2048 },
  ],
  [
    {
      apply_residual_connection_post_layernorm: false,
      architectures: ["BloomForCausalLM"],
      attention_dropout: 0.0,
      attention_softmax_in_fp32: true,
      bias_dropout_fusion: true,
      bos_token_id: 1,
      eos_token_id: 2,
      hidden_dropout: 0.0,
      initializer_range: 0.02,
      layer_norm_epsilon: 1e-5,
      masked_softmax_fusion: true,
      model_type: "bloom",
      n_embed: 1024,
      n_inner: null,
      n_layer: 24,
      num_attention_heads: 16,
      offset_alibi: 100,
      pad_token_id: 3,
      pretraining_tp: 1,
      seq_length: 2048,
      skip_bias_add: true,
      skip_bias_add_qkv: false,
      transformers_version: "4.20.0",
      unk_token_id: 0,
      use_cache: true,
      vocab_size: 250880,
    },
    { dModel: 1024, nHeads: 16, nLayers: 24, positionalEmbeddingType: "alibi", nCtx: 2048 },
  ],
  [
    {
      architectures: ["LlamaForCausalLM"],
      attention_bias: false,
      attention_dropout: 0.0,
      bos_token_id: 128000,
      eos_token_id: 128001,
      head_dim: 64,
      hidden_act: "silu",
      hidden_size: 2048,
      initializer_range: 0.02,
      intermediate_size: 8192,
      max_position_embeddings: 131072,
      mlp_bias: false,
      model_type: "llama",
      num_attention_heads: 32,
      num_hidden_layers: 16,
      num_key_value_heads: 8,
      pretraining_tp: 1,
      rms_norm_eps: 1e-5,
      rope_scaling: {
        factor: 32.0,
        high_freq_factor: 4.0,
        low_freq_factor: 1.0,
        original_max_position_embeddings: 8192,
        rope_type: "llama3",
      },
      rope_theta: 500000.0,
      tie_word_embeddings: true,
      torch_dtype: "bfloat16",
      transformers_version: "4.45.0.dev0",
      use_cache: true,
      vocab_size: 128256,
    },
    { useNtkByPartsRope: true, ntkByPartsFactor: 32, rotaryBase: 500000, nKeyValueHeads: 8 },
  ],
  [
    {
      architectures: ["MistralForCausalLM"],
      bos_token_id: 1,
      eos_token_id: 2,
      hidden_act: "silu",
      hidden_size: 4096,
      initializer_range: 0.02,
      intermediate_size: 14336,
      max_position_embeddings: 32768,
      model_type: "mistral",
      num_attention_heads: 32,
      num_hidden_layers: 2,
      num_key_value_heads: 8,
      rms_norm_eps: 1e-5,
      rope_theta: 10000.0,
      sliding_window: 4096,
      tie_word_embeddings: false,
      torch_dtype: "bfloat16",
      transformers_version: "4.34.0.dev0",
      use_cache: true,
      vocab_size: 32000,
    },
    { useLocalAttn: true, windowSize: 4096, attnTypes: ["local", "local"], nKeyValueHeads: 8 },
  ],
  [
    {
      architectures: ["Qwen2ForCausalLM"],
      attention_dropout: 0.0,
      bos_token_id: 151643,
      eos_token_id: 151643,
      hidden_act: "silu",
      hidden_size: 896,
      initializer_range: 0.02,
      intermediate_size: 4864,
      max_position_embeddings: 32768,
      max_window_layers: 24,
      model_type: "qwen2",
      num_attention_heads: 14,
      num_hidden_layers: 24,
      num_key_value_heads: 2,
      rms_norm_eps: 1e-6,
      rope_theta: 1000000.0,
      sliding_window: 32768,
      tie_word_embeddings: true,
      torch_dtype: "bfloat16",
      transformers_version: "4.40.1",
      use_cache: true,
      use_mrope: false,
      use_sliding_window: false,
      vocab_size: 151936,
    },
    { dHead: 64, nKeyValueHeads: 2, useLocalAttn: false, defaultPrependBos: false },
  ],
  [
    {
      architectures: ["Gemma2ForCausalLM"],
      attention_bias: false,
      attention_dropout: 0.0,
      attn_logit_softcapping: 50.0,
      bos_token_id: 2,
      cache_implementation: "hybrid",
      eos_token_id: 1,
      final_logit_softcapping: 30.0,
      head_dim: 256,
      hidden_act: "gelu_pytorch_tanh",
      hidden_activation: "gelu_pytorch_tanh",
      hidden_size: 2304,
      initializer_range: 0.02,
      intermediate_size: 9216,
      max_position_embeddings: 8192,
      model_type: "gemma2",
      num_attention_heads: 8,
      num_hidden_layers: 3,
      num_key_value_heads: 4,
      pad_token_id: 0,
      query_pre_attn_scalar: 256,
      rms_norm_eps: 1e-6,
      rope_theta: 10000.0,
      sliding_window: 4096,
      torch_dtype: "float32",
      transformers_version: "4.42.4",
      use_cache: true,
      vocab_size: 256000,
    },
    {
      attnScale: 16,
      attnScoresSoftCap: 50,
      outputLogitsSoftCap: 30,
      attnTypes: ["local", "global", "local"],
    },
  ],
  [
    {
      architectures: ["Gemma3ForConditionalGeneration"],
      boi_token_index: 255999,
      eoi_token_index: 256000,
      eos_token_id: [1, 106],
      image_token_index: 262144,
      initializer_range: 0.02,
      mm_tokens_per_image: 256,
      model_type: "gemma3",
      text_config: {
        head_dim: 128,
        hidden_size: 5376,
        intermediate_size: 21504,
        model_type: "gemma3_text",
        num_attention_heads: 32,
        num_hidden_layers: 12,
        num_key_value_heads: 16,
        query_pre_attn_scalar: 168,
        rope_scaling: { factor: 8.0, rope_type: "linear" },
        sliding_window: 1024,
      },
      torch_dtype: "bfloat16",
      transformers_version: "4.50.0.dev0",
      vision_config: { hidden_size: 1152, model_type: "siglip_vision_model" },
    },
    {
      originalArchitecture: "Gemma3ForConditionalGeneration",
      // TransformerLens divides by sqrt(128) here.
      attnScale: Math.sqrt(168),
      rotaryBase: 1e6,
      rotaryBaseLocal: 1e4,
      rotaryScalingFactor: 8,
      windowSize: 1024,
      dVocab: 262208,
      attnTypes: [...Array(2)].flatMap(() => [...Array(5).fill("local"), "global"]),
    },
  ],
  [
    {
      _name_or_path: "microsoft/phi-2",
      architectures: ["PhiForCausalLM"],
      attention_dropout: 0.0,
      bos_token_id: 50256,
      embd_pdrop: 0.0,
      eos_token_id: 50256,
      hidden_act: "gelu_new",
      hidden_size: 2560,
      initializer_range: 0.02,
      intermediate_size: 10240,
      layer_norm_eps: 1e-5,
      max_position_embeddings: 2048,
      model_type: "phi",
      num_attention_heads: 32,
      num_hidden_layers: 32,
      num_key_value_heads: 32,
      partial_rotary_factor: 0.4,
      qk_layernorm: false,
      resid_pdrop: 0.1,
      rope_scaling: null,
      rope_theta: 10000.0,
      tie_word_embeddings: false,
      torch_dtype: "float16",
      transformers_version: "4.37.0",
      use_cache: true,
      vocab_size: 51200,
    },
    { rotaryDim: 32, dHead: 80, parallelAttnMlp: true, nKeyValueHeads: null },
  ],
  [
    {
      architectures: ["Phi3ForCausalLM"],
      attention_bias: false,
      attention_dropout: 0.0,
      auto_map: { AutoConfig: "configuration_phi3.Phi3Config" },
      bos_token_id: 1,
      embd_pdrop: 0.0,
      eos_token_id: 32000,
      hidden_act: "silu",
      hidden_size: 3072,
      initializer_range: 0.02,
      intermediate_size: 8192,
      max_position_embeddings: 4096,
      model_type: "phi3",
      num_attention_heads: 32,
      num_hidden_layers: 32,
      num_key_value_heads: 32,
      original_max_position_embeddings: 4096,
      pad_token_id: 32000,
      resid_pdrop: 0.0,
      rms_norm_eps: 1e-5,
      rope_scaling: null,
      rope_theta: 10000.0,
      sliding_window: 2047,
      tie_word_embeddings: false,
      torch_dtype: "bfloat16",
      transformers_version: "4.40.2",
      use_cache: true,
      vocab_size: 32064,
    },
    { windowSize: 2047, gatedMlp: true, dHead: 96, rotaryDim: 96 },
  ],
  // Phi 4 mini: a context of 131072 by LongRoPE, of which the original one is used.
  [
    {
      _name_or_path: "Phi-4-mini-instruct",
      architectures: ["Phi3ForCausalLM"],
      attention_bias: false,
      attention_dropout: 0.0,
      auto_map: { AutoConfig: "configuration_phi3.Phi3Config" },
      bos_token_id: 199999,
      embd_pdrop: 0.0,
      eos_token_id: 199999,
      full_attn_mod: 1,
      hidden_act: "silu",
      hidden_size: 96,
      initializer_range: 0.02,
      intermediate_size: 128,
      interpolate_factor: 1,
      lm_head_bias: false,
      max_position_embeddings: 131072,
      mlp_bias: false,
      model_type: "phi3",
      num_attention_heads: 6,
      num_hidden_layers: 2,
      num_key_value_heads: 2,
      original_max_position_embeddings: 4096,
      pad_token_id: 199999,
      partial_rotary_factor: 0.75,
      resid_pdrop: 0.0,
      rms_norm_eps: 1e-5,
      rope_scaling: {
        long_factor: [1, 1.1, 1.5, 2, 4, 8],
        short_factor: [1, 1, 1, 1, 1, 1],
        type: "longrope",
      },
      rope_theta: 10000.0,
      sliding_window: 262144,
      tie_word_embeddings: true,
      torch_dtype: "bfloat16",
      transformers_version: "4.45.0",
      use_cache: true,
      vocab_size: 200064,
    },
    {
      nCtx: 4096,
      rotaryDim: 12,
      longRopeShortFactors: [1, 1, 1, 1, 1, 1],
      // sqrt(1 + ln 32 / ln 4096), since the context is 32 times the original one.
      longRopeAttentionFactor: Math.sqrt(1 + 5 / 12),
    },
  ],
  [
    {
      W_O_init_scale: true,
      act_fn: "solu_ln",
      attn_only: false,
      batch_size: 256,
      betas: [0.9, 0.99],
      d_head: 64,
      d_mlp: 2048,
      d_model: 512,
      d_vocab: 48262,
      dataset_name: "c4+code",
      ln_eps: 1e-5,
      lr_hidden: 0.002,
      n_ctx: 1024,
      n_devices: 8,
      n_heads: 8,
      n_layers: 1,
      neuron_scale: 1.0,
      normalization: "LN",
      shortformer_pos: false,
      tokenizer_name: "NeelNanda/gpt-neox-tokenizer-digits",
    },
    { originalArchitecture: "neel", normalizationType: "LN", actFn: "solu_ln", eps: 1e-5 },
  ],
];

Deno.test("config.json files as the hub has them are read", () => {
  for (const [json, wanted] of HUB_FILES) assertFields(json, wanted);
});

Deno.test("a key that no family's reader knows is named, in every family", () => {
  for (const [json] of HUB_FILES) {
    const inner = json.text_config === undefined
      ? { ...json, secret_sauce: 1 }
      : { ...json, text_config: { ...json.text_config as Json, secret_sauce: 1 } };
    const { message } = assertThrows(() => configFromHuggingFace(inner), ConfigError);
    const start = "Cannot read config.json: secret_sauce is an unknown key that may matter (";
    assertEquals(message.slice(0, start.length), start);
  }
});

Deno.test("rotary parameters are read in the spelling of any version", () => {
  assertFields({ ...LLAMA, rope_scaling: { type: "linear", factor: 4 } }, {
    rotaryScalingFactor: 4,
    rotaryBase: 10000,
  });
  assertFields(
    { ...LLAMA, rope_parameters: { rope_type: "linear", factor: 4, rope_theta: 500 } },
    { rotaryScalingFactor: 4, rotaryBase: 500 },
  );
  // It stretches nothing within the context.
  assertFields({ ...LLAMA, rope_scaling: { type: "dynamic", factor: 2 } }, {
    rotaryScalingFactor: 1,
    useNtkByPartsRope: false,
  });
  assertFields(
    {
      ...LLAMA,
      max_position_embeddings: 4096,
      rope_scaling: { type: "yarn", factor: 8, original_max_position_embeddings: 512 },
    },
    {
      useYarnRope: true,
      yarnFactor: 8,
      yarnAttentionFactor: 0.1 * Math.log(8) + 1,
      yarnBetaFast: 32,
      yarnOriginalMaxPositionEmbeddings: 512,
    },
  );
  assertRefused(
    { ...LLAMA, rope_scaling: { type: "wider", factor: 2 } },
    'rope_type of the rotary parameters is "wider", wanted one of "default", "dynamic", "linear", "llama3", "yarn", "longrope"',
  );
  assertRefused(
    { ...LLAMA, rope_scaling: { type: "linear", factor: 0, mscale: 1 } },
    "mscale of the rotary parameters is an unknown key that may matter; " +
      "factor of the rotary parameters is 0, wanted a number above 0",
  );
  assertRefused(
    { ...LLAMA, rope_scaling: 2, rope_theta: "big" },
    'rope_scaling is 2, wanted an object; rope_theta is "big", wanted a number above 0',
  );
  assertRefused(
    {
      model_type: "gemma3_text",
      rope_parameters: { sliding_attention: { rope_type: "linear", factor: 2 } },
    },
    "the rotary parameters stretch periods of local attention, wanted none",
  );
});

Deno.test("windows are read from lists of layers, patterns and switches", () => {
  const qwen = { model_type: "qwen2", num_hidden_layers: 3, sliding_window: 7 };
  assertFields(qwen, { useLocalAttn: false, windowSize: null });
  assertFields({ ...qwen, use_sliding_window: true, max_window_layers: 2 }, {
    attnTypes: ["global", "global", "local"],
    windowSize: 7,
  });
  const mistral = { model_type: "mistral", num_hidden_layers: 2 };
  assertFields(mistral, { useLocalAttn: true, windowSize: 4096 });
  assertFields({ ...mistral, sliding_window: null }, { useLocalAttn: false });
  const types = ["full_attention", "sliding_attention"];
  assertFields({ ...mistral, layer_types: types, sliding_window: 5 }, {
    attnTypes: ["global", "local"],
    windowSize: 5,
  });
  assertRefused(
    { ...mistral, layer_types: ["chunked_attention", "full_attention"] },
    'layer_types is ["chunked_attention","full_attention"], wanted 2 of "sliding_attention" or "full_attention"',
  );
  assertRefused(
    { ...mistral, layer_types: types, sliding_window: null },
    "sliding_window is missing, wanted a width",
  );
  assertFields({ model_type: "gemma3_text", num_hidden_layers: 3, sliding_window_pattern: 2 }, {
    attnTypes: ["local", "global", "local"],
  });
  const neo = { model_type: "gpt_neo", num_layers: 4 };
  assertFields({ ...neo, attention_types: [[["global"], 1], [["local"], 3]] }, {
    attnTypes: ["global", "local", "local", "local"],
  });
  assertRefused(
    { ...neo, attention_types: [[["global", "local"], 1]] },
    'attention_types is [[["global","local"],1]], wanted 4 of "global" or "local"',
  );
});

Deno.test("what TransformerLens' parts can't say is refused", () => {
  assertRefused({ ...LLAMA, mlp_bias: true }, "mlp_bias is true, wanted false");
  assertRefused(
    { model_type: "opt", do_layer_norm_before: false, _remove_final_layer_norm: true },
    "do_layer_norm_before is false, wanted true; _remove_final_layer_norm is true, wanted false",
  );
  assertRefused({ model_type: "phi", qk_layernorm: true }, "qk_layernorm is true, wanted false");
  assertRefused(
    { model_type: "gemma", hidden_activation: "relu" },
    'hidden_activation is "relu", wanted "gelu_pytorch_tanh" or "gelu"',
  );
  assertRefused(
    { model_type: "gemma3_text", attn_logit_softcapping: 50 },
    "attn_logit_softcapping is 50, wanted null",
  );
  assertRefused(
    { ...LLAMA, num_key_value_heads: 0 },
    "num_key_value_heads is 0, wanted a whole number of at least 1",
  );
  assertRefused(
    { model_type: "bloom", n_embed: 32, hidden_size: 64 },
    "n_embed is 32, but hidden_size is 64",
  );
});

/** The tensors of a checkpoint, to be written again. */
async function tensorsOf(folder: string): Promise<Map<string, Tensor>> {
  const file = await openSafetensors(fixture(folder), "model.safetensors");
  const read = async (name: string): Promise<[string, Tensor]> => {
    const { data, shape } = await file.read(name);
    return [name, Tensor.from(data, shape)];
  };
  return new Map(await Promise.all(file.names.map(read)));
}

function written(tensors: ReadonlyMap<string, Tensor>): Uint8Array {
  const entries = [...tensors].map(([name, tensor]): [string, Written] => [
    name,
    floats(tensor.shape, tensor.data() as Float32Array),
  ]);
  return safetensors(Object.fromEntries(entries));
}

const TOKENS = [[5, 17, 3, 88, 40, 2], [9, 9, 61, 4, 77, 30]];

Deno.test("Phi 3's packed matrices are LLaMA's, one below the other", async () => {
  const json = await fixture("llama/model").readJson("config.json") as Json;
  const weights = await tensorsOf("llama/model");
  const packed = new Map(weights);
  for (let layer = 0; layer < 3; layer++) {
    const take = (name: string) => {
      const full = `model.layers.${layer}.${name}_proj.weight`;
      packed.delete(full);
      return weights.get(full)!;
    };
    const at = (name: string) => `model.layers.${layer}.${name}_proj.weight`;
    const qkv = ["self_attn.q", "self_attn.k", "self_attn.v"].map(take);
    packed.set(at("self_attn.qkv"), Tensor.cat(qkv, 0));
    packed.set(at("mlp.gate_up"), Tensor.cat(["mlp.gate", "mlp.up"].map(take), 0));
  }
  const { attention_bias: _, mlp_bias: __, ...shared } = json;
  using phi = await HookedTransformer.fromPretrained({
    config: { ...shared, model_type: "phi3", architectures: ["Phi3ForCausalLM"] },
    weights: written(packed),
  });
  using llama = await HookedTransformer.fromPretrained({ config: json, weights: written(weights) });
  assertSameBits(phi.forward(TOKENS), llama.forward(TOKENS));
});

Deno.test("the language model of a Gemma 3 with images is found among what turns images into its input", async () => {
  const json = await fixture("gemma3/model").readJson("config.json") as Json;
  const weights = await tensorsOf("gemma3/model");
  const { model_type: _, architectures: __, ...text } = json;
  const around = {
    model_type: "gemma3",
    architectures: ["Gemma3ForConditionalGeneration"],
    text_config: text,
    vision_config: {},
  };
  using plain = await HookedTransformer.fromPretrained({ config: json, weights: written(weights) });
  const wanted = plain.forward(TOKENS).clone();
  for (const prefix of ["language_model.model.", "model.language_model."]) {
    const renamed = [...weights].map(([name, tensor]) =>
      [name.replace(/^model\./, prefix), tensor] as const
    );
    const all = new Map([...renamed, ["vision_tower.x.weight", Tensor.zeros([2, 2])]]);
    using model = await HookedTransformer.fromPretrained({ config: around, weights: written(all) });
    assertSameBits(model.forward(TOKENS), wanted, prefix);
  }
});

/** Asserts the angles per position, to float32. */
function assertFrequencies(json: Json, wanted: readonly number[]): void {
  const { frequencies } = rotaryKind(configFromHuggingFace({ ...LLAMA, ...json }), false);
  assertEquals(frequencies.length, wanted.length);
  frequencies.forEach((frequency, i) => {
    const error = Math.abs(frequency / wanted[i] - 1);
    assertEquals(error < 1e-6, true, `pair ${i}: ${frequency}, wanted ${wanted[i]}`);
  });
}

Deno.test("rotaryKind() stretches as its sources say", () => {
  // YaRN (Peng et al., 2023, section 3.4): by another program, for 32 and 1 turns in 256 positions.
  const yarn = { type: "yarn", factor: 4, original_max_position_embeddings: 256 };
  const slow = [0.0025, 0.00140585331, 0.000790569415, 0.000444569853, 0.00025, 0.000140585331];
  assertFrequencies({ head_dim: 32, rope_scaling: yarn }, [
    ...[1, 0.502090469, 0.248464673, 0.12066896, 0.0571428571, 0.0261087044, 0.0112938488],
    ...[0.00444569853, ...slow, 7.90569415e-05, 4.44569853e-05],
  ]);
  // By parts (LLaMA 3.1): the sizes of the fixture, whose second pair is short and whose third is between.
  const byParts = {
    rope_type: "llama3",
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 100,
  };
  assertFrequencies({ head_dim: 16, rope_theta: 500000, rope_scaling: byParts }, [
    ...[1, 0.142247459, 0.00470075387, 0.000911583092, 0.000176776695],
    ...[3.4281022e-05, 6.64786987e-06, 1.28917317e-06],
  ]);
});
