/**
 * What checkpoints in LLaMA's layout have in common: RMS norms, gated MLPs, rotary positions, keys that heads may share.
 *
 * @module
 */

import type { HookedTransformerConfig } from "../config.ts";
import type { Architecture, ConfigField, ConfigReader, TensorRule } from "./architecture.ts";
import { TRAINING_KEYS } from "./harmless_keys.ts";
import {
  as,
  type Become,
  type BlockRules,
  blockRules,
  embeddingRules,
  outputRules,
  queryKeyValueRules,
  turnedTo,
} from "./rules.ts";

/** Sizes that transformers takes for a class where `config.json` has none. */
export interface LlamaSizes {
  readonly vocab: number;
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly intermediate: number;
  readonly positions: number;
  readonly eps: number;
  /** The width of a head; `undefined` for hidden / heads. */
  readonly dHead?: number;
  readonly activation?: string;
}

/** The keys of sizes. */
export function llamaFields(usual: LlamaSizes): Record<string, ConfigField> {
  return {
    vocab_size: { field: "dVocab", default: usual.vocab },
    max_position_embeddings: { field: "nCtx", default: usual.positions },
    hidden_size: { field: "dModel", default: usual.hidden },
    intermediate_size: { field: "dMlp", default: usual.intermediate },
    num_hidden_layers: { field: "nLayers", default: usual.layers },
    num_attention_heads: { field: "nHeads", default: usual.heads },
    head_dim: { field: "dHead", default: usual.dHead },
    hidden_act: { field: "actFn", default: usual.activation ?? "silu" },
    rms_norm_eps: { field: "eps", default: usual.eps },
  };
}

/** The spread of fresh weights, which TransformerLens takes over for some families. */
export const SPREAD_FIELD: Readonly<Record<string, ConfigField>> = {
  initializer_range: { field: "initializerRange", default: 0.02 },
};

/** What holds for all of them. */
export const LLAMA_ALWAYS = {
  normalizationType: "RMS",
  positionalEmbeddingType: "rotary",
  gatedMlp: true,
  finalRms: true,
} as const satisfies Architecture["always"];

/** Keys that change nothing in what they compute. */
export const LLAMA_HARMLESS: readonly string[] = [...TRAINING_KEYS, "pretraining_tp"];

/** The buffer that old checkpoints carry. */
export const LLAMA_BUFFERS = /^layers\.\d+\.self_attn\.rotary_emb\.inv_freq$/;

/**
 * Reads how many heads keys and values have.
 *
 * @param usual The number where none is given; `undefined` for as many as queries have.
 * @param isAlwaysSet Whether TransformerLens names the parameters of shared keys even where no heads share them.
 */
export function keyHeadReader(usual: number | undefined, isAlwaysSet: boolean): ConfigReader {
  return {
    keys: ["num_key_value_heads"],
    read: (source, { nHeads = 1 }) => {
      const given = source.count("num_key_value_heads", usual ?? nHeads);
      return { nKeyValueHeads: given === nHeads && !isAlwaysSet ? null : given };
    },
  };
}

/** How a family departs from LLaMA. */
export interface LlamaLayout {
  /** The projections that have biases; which ones `config.json` may say. */
  readonly biases?: readonly string[];
  /** Turns a norm's weight into the parameter. */
  readonly norm?: (name: string) => Become;
  /** The norms of the second half: before the MLP, and after either half where there are such. */
  readonly norms?: Readonly<Record<string, string>>;
  /** The norms of each head's queries and keys. */
  readonly hasHeadNorms?: boolean;
  /** Turns the embedding into the parameter. */
  readonly embed?: (cfg: HookedTransformerConfig) => Become;
  /** The rules of attention's and the MLP's matrices, where they aren't LLaMA's. */
  readonly matrices?: (
    cfg: HookedTransformerConfig,
    rules: BlockRules,
    biases: readonly string[],
  ) => readonly TensorRule[];
}

/** The projections that `attention_bias` gives biases. */
const ALL_PROJECTIONS: readonly string[] = ["q", "k", "v", "o"];

function separateMatrices(
  cfg: HookedTransformerConfig,
  rules: BlockRules,
  biases: readonly string[],
): TensorRule[] {
  const { block, rule } = rules;
  const { dModel } = cfg;
  const dMlp = cfg.dMlp ?? 0;
  const projection = (letter: string) => `self_attn.${letter}_proj`;
  return [
    ...queryKeyValueRules(cfg, rules, projection, biases),
    ...outputRules(cfg, rules, projection("o"), biases.includes("o")),
    rule("mlp.gate_proj.weight", [dMlp, dModel], turnedTo(`${block}.mlp.W_gate`)),
    rule("mlp.up_proj.weight", [dMlp, dModel], turnedTo(`${block}.mlp.W_in`)),
    rule("mlp.down_proj.weight", [dModel, dMlp], turnedTo(`${block}.mlp.W_out`)),
  ];
}

/** The rules of a family. */
export function llamaRules(layout: LlamaLayout = {}): Architecture["tensorRules"] {
  const {
    biases = [],
    norm = as,
    norms = { post_attention_layernorm: "ln2" },
    hasHeadNorms = false,
    embed = () => as("embed.W_E"),
    matrices = separateMatrices,
  } = layout;
  return (shape) => {
    const { cfg } = shape;
    const { dModel, dHead } = cfg;
    const ofBlock = (rules: BlockRules) => {
      const { block, rule } = rules;
      const all = { input_layernorm: "ln1", ...norms };
      return [
        ...Object.entries(all).map(([from, to]) =>
          rule(`${from}.weight`, [dModel], norm(`${block}.${to}.w`))
        ),
        ...(hasHeadNorms ? ["q_norm", "k_norm"] : []).map((name) =>
          rule(`self_attn.${name}.weight`, [dHead], norm(`${block}.attn.${name}.w`))
        ),
        ...matrices(cfg, rules, shape.json.attention_bias === true ? ALL_PROJECTIONS : biases),
      ];
    };
    return [
      ...embeddingRules(shape, "embed_tokens.weight", "lm_head.weight", embed(cfg)),
      { from: "norm.weight", shape: [dModel], to: norm("ln_final.w") },
      ...blockRules(cfg, (layer) => `layers.${layer}`, ofBlock),
    ];
  };
}
