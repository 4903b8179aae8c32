/**
 * GPT-Neo checkpoints (also TinyStories): GPT-2 with local attention in every other layer and scores that nothing divides.
 *
 * @module
 */

import type { HookedTransformerConfig } from "../config.ts";
import type { Architecture, ConfigReader, TensorRule } from "./architecture.ts";
import { SUMMARY_KEYS, TRAINING_KEYS } from "./harmless_keys.ts";
import {
  as,
  type BlockRules,
  blockRules,
  embeddingRules,
  layerNormRules,
  mlpRules,
  outputRules,
  queryKeyValueRules,
} from "./rules.ts";

/** `[[["global", "local"], 6]]`: runs of kinds, and how often each run comes. */
function expandedTypes(types: unknown): string[] | undefined {
  if (!Array.isArray(types)) return undefined;
  const runs = types.map((entry: unknown) => {
    if (!Array.isArray(entry) || entry.length !== 2 || !Array.isArray(entry[0])) return undefined;
    const [kinds, times] = entry as [unknown[], unknown];
    return Array.from({ length: Number(times) }, () => kinds.map(String)).flat();
  });
  return runs.includes(undefined) ? undefined : runs.flatMap((run) => run ?? []);
}

/** Which layers are local. `attention_layers` is what `attention_types` comes to, and counts where there are both. */
const ATTENTION_TYPES: ConfigReader = {
  keys: ["attention_types", "attention_layers", "window_size"],
  read({ json, count, refuse }, { nLayers }) {
    const usual = [[["global", "local"], Math.floor(nLayers / 2)]];
    const types = Array.isArray(json.attention_layers)
      ? json.attention_layers.map(String)
      : expandedTypes(json.attention_types ?? usual);
    if (types?.length !== nLayers || types.some((type) => type !== "global" && type !== "local")) {
      const given = JSON.stringify(json.attention_layers ?? json.attention_types);
      refuse(`attention_types is ${given}, wanted ${nLayers} of "global" or "local"`);
      return {};
    }
    return { useLocalAttn: true, attnTypes: types, windowSize: count("window_size", 256) };
  },
};

function ofBlock(cfg: HookedTransformerConfig, rules: BlockRules): TensorRule[] {
  const { block, name } = rules;
  return [
    ...layerNormRules(`${name}.ln_1`, [`${block}.ln1`], cfg.dModel),
    ...queryKeyValueRules(cfg, rules, (letter) => `attn.attention.${letter}_proj`),
    ...outputRules(cfg, rules, "attn.attention.out_proj", true),
    ...layerNormRules(`${name}.ln_2`, [`${block}.ln2`], cfg.dModel),
    ...mlpRules(cfg, rules, ["mlp.c_fc", "mlp.c_proj"]),
  ];
}

/** The row of the registry for GPT-Neo. The defaults are those of transformers' `GPTNeoConfig`. */
export const GPT_NEO: Architecture = {
  modelType: "gpt_neo",
  fields: {
    vocab_size: { field: "dVocab", default: 50257 },
    max_position_embeddings: { field: "nCtx", default: 2048 },
    hidden_size: { field: "dModel", default: 2048 },
    num_layers: { field: "nLayers", default: 24, alias: "num_hidden_layers" },
    num_heads: { field: "nHeads", default: 16, alias: "num_attention_heads" },
    intermediate_size: { field: "dMlp", default: undefined },
    activation_function: { field: "actFn", default: "gelu_new" },
    layer_norm_epsilon: { field: "eps", default: 1e-5 },
  },
  readers: [ATTENTION_TYPES],
  always: { normalizationType: "LN", positionalEmbeddingType: "standard", useAttnScale: false },
  fixedKeys: {},
  twinKeys: {},
  harmlessKeys: [...SUMMARY_KEYS, ...TRAINING_KEYS, "resid_dropout", "embed_dropout"],
  isTiedByDefault: true,
  prefixes: ["transformer."],
  tensorRules: (shape) => [
    ...embeddingRules(shape, "wte.weight", "lm_head.weight"),
    { from: "wpe.weight", shape: [shape.cfg.nCtx, shape.cfg.dModel], to: as("pos_embed.W_pos") },
    ...layerNormRules("ln_f", ["ln_final"], shape.cfg.dModel),
    ...blockRules(shape.cfg, (layer) => `h.${layer}`, (rules) => ofBlock(shape.cfg, rules)),
  ],
  buffers: /^h\.\d+\.attn\.attention\.(bias|masked_bias)$/,
  unembedding: "lm_head.weight",
};
