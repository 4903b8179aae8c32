/**
 * Rotary positions in `config.json`: bases and stretched periods, in the spellings of any version of transformers.
 *
 * @module
 */

import type { ConfigInput } from "../config.ts";
import type { ConfigReader, ConfigSource, HuggingFaceConfig } from "./architecture.ts";

/** Where a family keeps what it says of rotation. */
export interface RopeKeys {
  /** The key of the base. */
  readonly base?: string;
  readonly usualBase?: number;
  /** The key of the part of a head that turns. */
  readonly part?: string;
  readonly usualPart?: number;
  /** The key of the base in layers of local attention. */
  readonly localBase?: string;
  readonly usualLocalBase?: number;
}

const SCALING_KEYS = ["rope_scaling", "rope_parameters"];
const TYPE_KEYS = ["rope_type", "type"];

/** Dictionaries as `rope_parameters` are: of their own keys, or one for each kind of layer. */
interface RopeParameters {
  readonly global: HuggingFaceConfig;
  readonly local: HuggingFaceConfig;
}

function isObject(value: unknown): value is HuggingFaceConfig {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parametersOf({ json, refuse }: ConfigSource): RopeParameters {
  const given = SCALING_KEYS.map((key) => [key, json[key]] as const)
    .filter(([, value]) => value !== undefined && value !== null);
  for (const [key, value] of given) {
    if (!isObject(value)) refuse(`${key} is ${JSON.stringify(value)}, wanted an object`);
  }
  const merged = Object.assign({}, ...given.map(([, value]) => isObject(value) ? value : {}));
  const { full_attention: full, sliding_attention: sliding, ...rest } = merged;
  if (full === undefined && sliding === undefined) return { global: rest, local: {} };
  return { global: isObject(full) ? full : {}, local: isObject(sliding) ? sliding : {} };
}

/** What a kind of stretching reads: the keys that it knows, and the fields that they give. */
interface Scaling {
  readonly keys: readonly string[];
  readonly read: (source: ConfigSource, fields: ConfigInput) => Partial<ConfigInput>;
}

const SCALINGS: Readonly<Record<string, Scaling>> = {
  default: { keys: [], read: () => ({}) },
  // Stretches nothing before the context's end, which no prompt passes.
  dynamic: { keys: ["factor"], read: () => ({}) },
  linear: {
    keys: ["factor"],
    read: ({ positive }) => ({ rotaryScalingFactor: positive("factor", 1) }),
  },
  llama3: {
    keys: ["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"],
    read: ({ positive, count }) => ({
      useNtkByPartsRope: true,
      ntkByPartsFactor: positive("factor", 8),
      ntkByPartsLowFreqFactor: positive("low_freq_factor", 1),
      ntkByPartsHighFreqFactor: positive("high_freq_factor", 4),
      ntkOriginalCtxLen: count("original_max_position_embeddings", 8192),
    }),
  },
  yarn: {
    keys: [
      "factor",
      "attention_factor",
      "beta_fast",
      "beta_slow",
      "original_max_position_embeddings",
    ],
    read: ({ positive, count }, { nCtx }) => {
      const factor = positive("factor", 1);
      return {
        useYarnRope: true,
        yarnFactor: factor,
        // What Peng et al. (2023) recommend, and transformers takes where nothing is said.
        yarnAttentionFactor: positive(
          "attention_factor",
          factor > 1 ? 0.1 * Math.log(factor) + 1 : 1,
        ),
        yarnBetaFast: positive("beta_fast", 32),
        yarnBetaSlow: positive("beta_slow", 1),
        yarnOriginalMaxPositionEmbeddings: count("original_max_position_embeddings", nCtx),
      };
    },
  },
};

/** Reads numbers of an inner dictionary. */
function within(json: HuggingFaceConfig, { refuse }: ConfigSource): ConfigSource {
  const number = (key: string, usual: number, isRight: (value: number) => boolean) => {
    const value = json[key] ?? usual;
    if (typeof value === "number" && isRight(value)) return value;
    refuse(`${key} of the rotary parameters is ${JSON.stringify(value)}, wanted a number above 0`);
    return usual;
  };
  return {
    json,
    refuse,
    positive: (key, usual) => number(key, usual, (value) => Number.isFinite(value) && value > 0),
    count: (key, usual) => number(key, usual, (value) => Number.isSafeInteger(value) && value > 0),
    flag: (_, usual) => usual,
  };
}

function scalingOf(
  source: ConfigSource,
  parameters: HuggingFaceConfig,
  known: readonly string[],
  fields: ConfigInput,
): Partial<ConfigInput> {
  const type = String(TYPE_KEYS.map((key) => parameters[key]).find(Boolean) ?? "default");
  if (!Object.hasOwn(SCALINGS, type)) {
    const names = Object.keys(SCALINGS).map((name) => `"${name}"`).join(", ");
    source.refuse(`rope_type of the rotary parameters is "${type}", wanted one of ${names}`);
    return {};
  }
  const { keys, read } = SCALINGS[type];
  const all = [...TYPE_KEYS, ...known, ...keys];
  for (const [key, value] of Object.entries(parameters)) {
    if (value === null || all.includes(key)) continue;
    source.refuse(`${key} of the rotary parameters is an unknown key that may matter`);
  }
  return read(within(parameters, source), fields);
}

/** Reads what a `config.json` says of rotation. */
export function ropeReader(
  {
    base = "rope_theta",
    usualBase = 10000,
    part = "partial_rotary_factor",
    usualPart = 1,
    localBase,
    usualLocalBase = 10000,
  }: RopeKeys = {},
): ConfigReader {
  const inner = ["rope_theta", "partial_rotary_factor"];
  return {
    keys: [base, part, ...(localBase ? [localBase] : []), ...SCALING_KEYS],
    read(source, fields) {
      const { global, local } = parametersOf(source);
      const dHead = fields.dHead ?? fields.dModel / (fields.nHeads ?? 1);
      // What transformers 5 has in the dictionary stood outside before.
      const outer = (key: string, usual: number) => source.positive(key, usual);
      const of = (json: HuggingFaceConfig) => within(json, source);
      const turning = of(global).positive("partial_rotary_factor", outer(part, usualPart));
      const scaling = scalingOf(source, global, inner, fields);
      if (Object.keys(scalingOf(source, local, inner, fields)).length > 0) {
        source.refuse("the rotary parameters stretch periods of local attention, wanted none");
      }
      return {
        positionalEmbeddingType: "rotary",
        rotaryBase: of(global).positive("rope_theta", outer(base, usualBase)),
        rotaryDim: Math.floor(turning * dHead),
        ...(localBase === undefined ? {} : {
          rotaryBaseLocal: of(local).positive("rope_theta", outer(localBase, usualLocalBase)),
        }),
        ...scaling,
      };
    },
  };
}
