/**
 * From a checkpoint in Hugging Face layout to a configuration and parameters in TransformerLens' names.
 *
 * @module
 */

import { ConfigError, nearestNames, WeightFileError } from "../../core/errors.ts";
import {
  heldDtype,
  readFloats,
  readParts,
  type TensorFile,
  type TensorInfo,
} from "../../weights/safetensors.ts";
import type { ParameterBatch } from "../../weights/parameter_store.ts";
import { partOf } from "../../weights/process.ts";
import type { StateDict, WeightArray } from "../../weights/state_dict.ts";
import {
  type ConfigInput,
  describeMisfit,
  type HookedTransformerConfig,
  resolveConfig,
} from "../config.ts";
import { FLOAT_DTYPES } from "../../weights/tensor_data.ts";
import { UnreadError, type WeightDtype, WeightView } from "../../weights/weight_view.ts";
import { isBias, parameterShapes } from "../parameters.ts";
import type { Architecture, ConfigSource, HuggingFaceConfig, TensorRule } from "./architecture.ts";
import { HARMLESS_KEYS } from "./harmless_keys.ts";
import { firstRows, zeros } from "./layouts.ts";
import { ARCHITECTURES } from "./registry.ts";

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
  /** The context, in positions, of at most those that the model has. */
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
    nCtx: atMost("nCtx", nCtx ?? usualContext(full), full.nCtx, "positions"),
  });
}

/** The context where none is asked for: with LongRoPE the original one, whose factors are those of shorter texts. */
function usualContext(full: ConfigInput): number {
  const { nCtx, longRopeShortFactors = null, longRopeOriginalMaxPositionEmbeddings } = full;
  return longRopeShortFactors === null
    ? nCtx
    : Math.min(nCtx, longRopeOriginalMaxPositionEmbeddings ?? nCtx);
}

/** The parameters of a checkpoint, to be read one tensor after the other. */
export interface CheckpointParameters {
  /** The format that all its matrices are stored in, float32 where they differ or are wider. */
  readonly dtype: WeightDtype;
  /** Reads the tensors, and gives the parameters that each becomes. */
  read(): AsyncGenerator<ParameterBatch>;
  /** The same, where tensors are read only as the elements are taken: those whose parameters are some of them as they are. */
  stream(): AsyncGenerator<ParameterBatch>;
  /** Reads the model part by part: what stands before and behind the blocks, then each block. */
  readParts(): AsyncGenerator<StateDict>;
}

/**
 * Finds TransformerLens' parameters in a checkpoint. Layers and positions beyond the configuration's are left out.
 *
 * @param json The checkpoint's parsed `config.json`.
 * @param cfg The model's configuration, from {@linkcode configFromHuggingFace} of the same file.
 * @param checkpoint The tensors.
 * @returns The parameters, none of them read yet.
 * @throws {WeightFileError} If tensors are missing, unknown, or of another shape or dtype than the configuration says; all of
 *   them are named.
 */
export function parametersFromHuggingFace(
  json: unknown,
  cfg: HookedTransformerConfig,
  checkpoint: TensorFile,
): CheckpointParameters {
  const { architecture, json: object } = architectureOf(json);
  const isTied = tieOf(object, architecture);
  const full = resolveConfig(readConfig(json));
  const rules = architecture.tensorRules({ cfg: full, json: object, isTied });
  const names = matchTensors(architecture, isTied, rules, checkpoint);
  const wanted = rules.flatMap((rule): WantedTensor[] => {
    const name = names.get(rule);
    if (name === undefined || (rule.layer ?? 0) >= cfg.nLayers) return [];
    return [{ rule, name, info: checkpoint.info(name) }];
  });
  const matrices = wanted.filter(({ rule }) => rule.shape.length > 1);
  const [dtype = "float32", ...others] = new Set(matrices.map(({ info }) => heldDtype(info.dtype)));
  const parametersOf = (rule: TensorRule, tensor: WeightArray) =>
    rule.to(tensor).map(([parameter, value]) =>
      [
        parameter,
        parameter === "pos_embed.W_pos" ? firstRows(value, cfg.nCtx) : value,
      ] as const
    );
  const whole = async ({ rule, name }: WantedTensor): Promise<ParameterBatch> => ({
    parameters: parametersOf(rule, await readFloats(checkpoint, name)),
  });
  /** The parameters of a tensor that isn't read yet; `undefined` where they can't be told without its values. */
  const unread = ({ rule, name, info }: WantedTensor): ParameterBatch | undefined => {
    const held = heldDtype(info.dtype);
    if (held === undefined || rule.shape.length < 2) return undefined;
    const view = WeightView.stored({ dtype: held }, info.shape);
    try {
      const parameters = parametersOf(rule, view);
      return { parameters, parts: readParts(checkpoint, name) };
    } catch (error) {
      if (error instanceof UnreadError) return undefined;
      throw error;
    }
  };
  const biases = [...parameterShapes(cfg)].filter(([name]) => isBias(name));
  return {
    dtype: others.length === 0 ? dtype : "float32",
    read: () => withAllBiases(biases, wanted, whole),
    async *readParts() {
      const layers = Array.from({ length: cfg.nLayers }, (_, layer) => layer);
      for (const layer of [undefined, ...layers]) {
        const tensors = wanted.filter(({ rule }) => rule.layer === layer);
        const ofPart = biases.filter(([name]) => {
          const part = partOf(name);
          return layer === undefined ? typeof part === "string" : part === layer;
        });
        const batches = await together(tensors.map(whole));
        const read = (_: WantedTensor, at: number) => batches[at];
        yield await collected(withAllBiases(ofPart, tensors, read));
      }
    },
    stream() {
      // A tensor that comes as a whole is gone before much else is there when the largest are first.
      const bySize = wanted.toSorted((a, b) => b.info.byteLength - a.info.byteLength);
      return withAllBiases(biases, bySize, (tensor) => {
        const batch = unread(tensor);
        return batch?.parts ? batch : whole(tensor);
      });
    },
  };
}

/** Waits for all promises, for those that come after one that was rejected too: nothing goes on behind the caller's back. */
async function together<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return await Promise.all(promises);
}

/** Reads tensors, and adds those biases that none of them gives, which are zero. */
async function* withAllBiases(
  biases: readonly (readonly [name: string, shape: readonly number[]])[],
  wanted: readonly WantedTensor[],
  read: (tensor: WantedTensor, at: number) => ParameterBatch | Promise<ParameterBatch>,
): AsyncGenerator<ParameterBatch> {
  const seen = new Set<string>();
  for (const [at, tensor] of wanted.entries()) {
    const batch = await read(tensor, at);
    batch.parameters.forEach(([name]) => seen.add(name));
    yield batch;
  }
  const missing = biases.filter(([name]) => !seen.has(name));
  yield { parameters: missing.map(([name, shape]) => [name, zeros(shape)]) };
}

/** A tensor of a checkpoint, and what becomes of it. */
interface WantedTensor {
  readonly rule: TensorRule;
  readonly name: string;
  readonly info: TensorInfo;
}

/**
 * Reads a checkpoint's tensors into TransformerLens' parameters, as {@linkcode parametersFromHuggingFace} finds them.
 *
 * @returns The parameters by name.
 * @throws {WeightFileError} If tensors are missing, unknown, or of another shape or dtype than the configuration says; all of
 *   them are named.
 */
export async function stateDictFromHuggingFace(
  json: unknown,
  cfg: HookedTransformerConfig,
  checkpoint: TensorFile,
): Promise<StateDict> {
  return await collected(parametersFromHuggingFace(json, cfg, checkpoint).read());
}

/** Collects parameters that have been read. */
export async function collected(batches: AsyncIterable<ParameterBatch>): Promise<StateDict> {
  const dict: StateDict = new Map();
  for await (const { parameters } of batches) {
    for (const [name, value] of parameters) dict.set(name, value);
  }
  return dict;
}

/**
 * Finds each rule's tensor in a checkpoint.
 *
 * @throws {WeightFileError} If the two don't match in full.
 */
function matchTensors(
  { modelType, prefixes, buffers, unembedding }: Architecture,
  isTied: boolean,
  rules: readonly TensorRule[],
  checkpoint: TensorFile,
): Map<TensorRule, string> {
  const ruleOf = new Map(rules.map((rule) => [rule.from, rule]));
  const found = new Map<TensorRule, string>();
  const findings: string[] = [];
  for (const name of checkpoint.names) {
    const prefix = longestPrefix(name, prefixes);
    const bare = name.slice(prefix.length);
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

function longestPrefix(name: string, prefixes: readonly string[]): string {
  const fitting = prefixes.filter((prefix) => name.startsWith(prefix));
  return fitting.reduce((a, b) => (b.length > a.length ? b : a), "");
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
function readConfig(given: unknown): ConfigInput {
  const { architecture, json } = architectureOf(given);
  const findings: string[] = [];
  const source = sourceOf(json, findings);
  const readers = architecture.readers ?? [];
  checkKeys(architecture, json, findings);
  const own = Object.fromEntries(
    Object.entries(architecture.fields).map(([key, { field, default: usual, alias = key }]) =>
      [field, json[key] ?? json[alias] ?? usual] as const
    ),
  );
  // Sizes that are wrong would only mislead those who read further fields from them.
  const fields = { ...architecture.always, ...own } as ConfigInput;
  const derived = findings.length > 0 ? [] : readers.map(({ read }) => read(source, fields));
  if (findings.length > 0) {
    throw new ConfigError(`Cannot read config.json: ${findings.join("; ")}`);
  }
  return Object.assign({}, fields, ...derived, {
    originalArchitecture: firstName(json.architectures),
  }) as ConfigInput;
}

/** Finds keys that are unknown, or whose values aren't understood. */
function checkKeys(architecture: Architecture, json: HuggingFaceConfig, findings: string[]): void {
  const { fields, twinKeys } = architecture;
  const fixed = { ...FIXED_KEYS, ...architecture.fixedKeys };
  const aliases = Object.fromEntries(
    Object.entries(fields).flatMap(([key, { alias }]) => alias === undefined ? [] : [[alias, key]]),
  );
  const fieldOf = (key: string) => fields[Object.hasOwn(aliases, key) ? aliases[key] : key];
  const twins = { ...aliases, ...twinKeys };
  const known = [
    ...HARMLESS_KEYS,
    ...architecture.harmlessKeys,
    ...(architecture.readers ?? []).flatMap(({ keys }) => keys),
  ];
  for (const [key, value] of Object.entries(json)) {
    // A key that is null isn't set.
    if (value === null) continue;
    const field = fieldOf(key);
    const misfit = field && describeMisfit(field.field, value);
    if (misfit !== undefined) findings.push(`${key} is ${show(value)}, wanted ${misfit}`);
    else if (Object.hasOwn(twins, key)) {
      const twin = twins[key];
      const other = json[twin] ?? (key in aliases ? value : fields[twin].default);
      if (value !== other) findings.push(`${key} is ${show(value)}, but ${twin} is ${show(other)}`);
    } else if (Object.hasOwn(fixed, key)) {
      if (show(value) === show(fixed[key])) continue;
      findings.push(`${key} is ${show(value)}, wanted ${show(fixed[key])}`);
    } else if (field === undefined && !key.startsWith("_") && !known.includes(key)) {
      // Keys with an underscore are transformers' own notes.
      const all = [...Object.keys({ ...fields, ...twins, ...fixed }), ...known];
      const [near] = nearestNames(key, all);
      findings.push(`${key} is an unknown key that may matter (the nearest is ${near})`);
    }
  }
}

/** A `config.json` for readers, which report what is out of range. */
function sourceOf(json: HuggingFaceConfig, findings: string[]): ConfigSource {
  const checked = <T>(
    key: string,
    usual: T,
    wanted: string,
    holds: (value: unknown) => boolean,
  ) => {
    const value = json[key] ?? usual;
    if (holds(value)) return value as T;
    findings.push(`${key} is ${show(value)}, wanted ${wanted}`);
    return usual;
  };
  return {
    json,
    refuse: (finding) => findings.push(finding),
    count: (key, usual) =>
      checked(
        key,
        usual,
        "a whole number of at least 1",
        (value) => Number.isSafeInteger(value) && (value as number) >= 1,
      ),
    positive: (key, usual) =>
      checked(
        key,
        usual,
        "a number above 0",
        (value) => Number.isFinite(value) && (value as number) > 0,
      ),
    flag: (key, usual) =>
      checked(key, usual, "true or false", (value) => typeof value === "boolean"),
  };
}

/** The family of a checkpoint, and the part of its `config.json` that describes the language model. */
function architectureOf(
  given: unknown,
): { architecture: Architecture; json: HuggingFaceConfig } {
  const json = asObject(given);
  for (const architecture of ARCHITECTURES) {
    const own = languageModelOf(architecture, json);
    if (own !== undefined) return { architecture, json: own };
  }
  throw new ConfigError(
    `Cannot read config.json: model_type is ${show(json.model_type)}, wanted one of ${
      modelTypes().map(show).join(", ")
    }`,
  );
}

/** The part of a `config.json` that describes a family's language model; `undefined` where it is another family's. */
function languageModelOf(
  { modelType, languageModel }: Architecture,
  json: HuggingFaceConfig,
): HuggingFaceConfig | undefined {
  if (languageModel) return languageModel(json);
  return json.model_type === modelType ? json : undefined;
}

/** What `model_type` may be. */
export function modelTypes(): string[] {
  const types = ARCHITECTURES.filter((architecture) =>
    languageModelOf(architecture, { model_type: architecture.modelType })
  );
  return types.map(({ modelType }) => modelType);
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
