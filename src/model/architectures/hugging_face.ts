/**
 * From a checkpoint in Hugging Face layout to a configuration and parameters in TransformerLens' names.
 *
 * @module
 */

import { ConfigError, nearestNames, WeightFileError } from "../../core/errors.ts";
import { readFloats, type TensorFile } from "../../weights/safetensors.ts";
import type { StateDict } from "../../weights/state_dict.ts";
import {
  type ConfigInput,
  describeMisfit,
  type HookedTransformerConfig,
  resolveConfig,
} from "../config.ts";
import { FLOAT_DTYPES } from "../../weights/tensor_data.ts";
import type { Architecture, HuggingFaceConfig, TensorRule } from "./architecture.ts";
import { firstRows } from "./layouts.ts";
import { ARCHITECTURES } from "./registry.ts";

/** Keys of any `config.json` that change nothing in what a model computes. */
const HARMLESS_KEYS: readonly string[] = [
  "model_type",
  "architectures",
  "tie_word_embeddings",
  "torch_dtype",
  "dtype",
  "transformers_version",
  "name_or_path",
  "use_cache",
  "bos_token_id",
  "eos_token_id",
  "pad_token_id",
  "sep_token_id",
  "task_specific_params",
  "id2label",
  "label2id",
  "num_labels",
  "finetuning_task",
  "problem_type",
  "gradient_checkpointing",
  "output_attentions",
  "output_hidden_states",
  "output_past",
  "return_dict",
  "torchscript",
  "use_bfloat16",
  "is_decoder",
  "do_sample",
  "max_length",
  "min_length",
  "early_stopping",
  "num_beams",
  "num_beam_groups",
  "num_return_sequences",
  "temperature",
  "top_k",
  "top_p",
  "typical_p",
  "repetition_penalty",
  "length_penalty",
  "diversity_penalty",
  "no_repeat_ngram_size",
  "output_scores",
  "return_dict_in_generate",
  "remove_invalid_values",
];

/** Keys of any `config.json` that would change what a model computes, by the only value that is understood. */
const FIXED_KEYS: Readonly<Record<string, unknown>> = {
  is_encoder_decoder: false,
  chunk_size_feed_forward: 0,
  pruned_heads: {},
  quantization_config: null,
  cross_attention_hidden_size: null,
};

/** How a model departs from its `config.json`. */
export interface LoadedConfigOptions {
  /** The name that the model goes by. */
  modelName?: string;
  /** Keeps only the first layers. */
  firstNLayers?: number;
  /** Shortens the context, in positions. */
  nCtx?: number;
  /** How weights are stored. */
  dtype?: HookedTransformerConfig["dtype"];
  /** Whether prompts get a beginning-of-sequence token unless said otherwise. */
  defaultPrependBos?: boolean;
}

/**
 * Reads a Hugging Face `config.json`, in the spelling of any version of transformers.
 *
 * @param json The parsed file.
 * @param options What to change.
 * @returns The model's configuration.
 * @throws {ConfigError} If the family isn't known, or a key is unknown and may matter, is out of its range or contradicts another.
 */
export function configFromHuggingFace(
  json: unknown,
  { firstNLayers, nCtx, ...options }: LoadedConfigOptions = {},
): HookedTransformerConfig {
  const full = readConfig(json);
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return resolveConfig({
    ...full,
    ...Object.fromEntries(given),
    nLayers: atMost("firstNLayers", firstNLayers, full.nLayers, "layers"),
    nCtx: atMost("nCtx", nCtx, full.nCtx, "positions"),
  });
}

/**
 * Reads a checkpoint's tensors into TransformerLens' parameters. Layers and positions beyond the configuration's are left out.
 *
 * @param json The checkpoint's parsed `config.json`.
 * @param cfg The model's configuration, from {@linkcode configFromHuggingFace} of the same file.
 * @param checkpoint The tensors.
 * @returns The parameters, float32.
 * @throws {WeightFileError} If tensors are missing, unknown, or of another shape or dtype than the configuration says; all of
 *   them are named.
 */
export async function stateDictFromHuggingFace(
  json: unknown,
  cfg: HookedTransformerConfig,
  checkpoint: TensorFile,
): Promise<StateDict> {
  const object = asObject(json);
  const architecture = architectureOf(object);
  const isTied = tieOf(object, architecture);
  const rules = architecture.tensorRules(resolveConfig(readConfig(object)), isTied);
  const names = matchTensors(architecture, isTied, rules, checkpoint);

  const dict: StateDict = new Map();
  for (const rule of rules) {
    const name = names.get(rule);
    if (name === undefined || (rule.layer ?? 0) >= cfg.nLayers) continue;
    const tensor = await readFloats(checkpoint, name);
    for (const [parameter, value] of rule.to(tensor)) dict.set(parameter, value);
  }
  for (const [parameter, value] of architecture.constants(cfg)) dict.set(parameter, value);
  const positions = dict.get("pos_embed.W_pos");
  if (positions !== undefined) dict.set("pos_embed.W_pos", firstRows(positions, cfg.nCtx));
  return dict;
}

/**
 * Finds each rule's tensor in a checkpoint.
 *
 * @throws {WeightFileError} If the two don't match in full.
 */
function matchTensors(
  { modelType, prefix, buffers, unembedding }: Architecture,
  isTied: boolean,
  rules: readonly TensorRule[],
  checkpoint: TensorFile,
): Map<TensorRule, string> {
  const ruleOf = new Map(rules.map((rule) => [rule.from, rule]));
  const found = new Map<TensorRule, string>();
  const findings: string[] = [];
  for (const name of checkpoint.names) {
    const bare = name.startsWith(prefix) ? name.slice(prefix.length) : name;
    const rule = ruleOf.get(bare);
    if (rule === undefined) {
      if (buffers.test(bare) || (isTied && bare === unembedding)) continue;
      const [near] = nearestNames(bare, ruleOf.keys());
      findings.push(`"${name}" is unknown (the nearest is "${near}")`);
      continue;
    }
    const twin = found.get(rule);
    if (twin !== undefined) findings.push(`"${twin}" and "${name}" are the same tensor`);
    found.set(rule, name);
    findings.push(...misfits(name, rule, checkpoint));
  }
  const missing = rules.filter((rule) => !found.has(rule)).map((rule) => `"${rule.from}"`);
  if (missing.length > 0) findings.push(`missing: ${missing.join(", ")}`);
  if (findings.length > 0) {
    throw new WeightFileError(
      `Cannot load "${checkpoint.label}" as a ${modelType} model: ${findings.join("; ")}`,
    );
  }
  return found;
}

function misfits(name: string, rule: TensorRule, checkpoint: TensorFile): string[] {
  const { shape, dtype } = checkpoint.info(name);
  const findings: string[] = [];
  if (shape.length !== rule.shape.length || shape.some((dim, i) => dim !== rule.shape[i])) {
    findings.push(`"${name}" is [${shape.join(", ")}], wanted [${rule.shape.join(", ")}]`);
  }
  if (!FLOAT_DTYPES.includes(dtype)) {
    findings.push(`"${name}" is ${dtype}, wanted one of ${FLOAT_DTYPES.join(", ")}`);
  }
  return findings;
}

/** Reads the fields of a `config.json`, checking every key. */
function readConfig(json: unknown): ConfigInput {
  const object = asObject(json);
  const architecture = architectureOf(object);
  const fixed = { ...FIXED_KEYS, ...architecture.fixedKeys };
  const findings: string[] = [];
  for (const [key, value] of Object.entries(object)) {
    // A key that is null isn't set; keys with an underscore are transformers' own notes.
    if (value === null || key.startsWith("_")) continue;
    if (Object.hasOwn(architecture.fields, key)) {
      const wanted = describeMisfit(architecture.fields[key].field, value);
      if (wanted !== undefined) findings.push(`${key} is ${show(value)}, wanted ${wanted}`);
    } else if (Object.hasOwn(fixed, key)) {
      if (show(value) === show(fixed[key])) continue;
      findings.push(`${key} is ${show(value)}, wanted ${show(fixed[key])}`);
    } else if (Object.hasOwn(architecture.twinKeys, key)) {
      const twin = architecture.twinKeys[key];
      const other = object[twin] ?? architecture.fields[twin].default;
      if (value !== other) findings.push(`${key} is ${show(value)}, but ${twin} is ${show(other)}`);
    } else if (!HARMLESS_KEYS.includes(key) && !architecture.harmlessKeys.includes(key)) {
      findings.push(unknownKey(key, architecture, Object.keys(fixed)));
    }
  }
  if (findings.length > 0) {
    throw new ConfigError(`Cannot read config.json: ${findings.join("; ")}`);
  }
  const fields = Object.entries(architecture.fields).map(([key, { field, default: usual }]) =>
    [field, object[key] ?? usual] as const
  );
  return {
    ...architecture.always,
    originalArchitecture: firstName(object.architectures),
    ...Object.fromEntries(fields),
  } as ConfigInput;
}

function unknownKey(key: string, architecture: Architecture, fixed: readonly string[]): string {
  const [near] = nearestNames(key, [
    ...Object.keys(architecture.fields),
    ...Object.keys(architecture.twinKeys),
    ...architecture.harmlessKeys,
    ...HARMLESS_KEYS,
    ...fixed,
  ]);
  return `${key} is an unknown key that may matter (the nearest is ${near})`;
}

function architectureOf(json: HuggingFaceConfig): Architecture {
  const architecture = ARCHITECTURES.get(String(json.model_type));
  if (architecture !== undefined) return architecture;
  const known = [...ARCHITECTURES.keys()].map(show).join(", ");
  throw new ConfigError(
    `Cannot read config.json: model_type is ${show(json.model_type)}, wanted one of ${known}`,
  );
}

function tieOf(json: HuggingFaceConfig, { isTiedByDefault }: Architecture): boolean {
  const value = json.tie_word_embeddings ?? isTiedByDefault;
  if (typeof value === "boolean") return value;
  throw new ConfigError(
    `Cannot read config.json: tie_word_embeddings is ${show(value)}, wanted true or false`,
  );
}

function asObject(json: unknown): HuggingFaceConfig {
  if (typeof json === "object" && json !== null && !Array.isArray(json)) {
    return json as HuggingFaceConfig;
  }
  throw new ConfigError(`Cannot read config.json: it is ${show(json)}, wanted an object`);
}

/** The class of a checkpoint: the first of `architectures`. */
function firstName(architectures: unknown): string | undefined {
  const first: unknown = Array.isArray(architectures) ? architectures[0] : undefined;
  return typeof first === "string" ? first : undefined;
}

function atMost(option: string, value: number | undefined, most: number, unit: string): number {
  if (value === undefined) return most;
  if (Number.isSafeInteger(value) && value >= 1 && value <= most) return value;
  throw new ConfigError(
    `Cannot load the model: ${option} is ${value}, wanted 1 to ${most}, the ${unit} that it has`,
  );
}

function show(value: unknown): string {
  return value === undefined ? "missing" : JSON.stringify(value);
}
