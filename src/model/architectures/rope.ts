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
  /** Kinds of stretching by other names that the family's checkpoints have for them. */
  readonly kinds?: Readonly<Record<string, string>>;
}

const SCALING_KEYS = ["rope_scaling", "rope_parameters"];
const TYPE_KEYS = ["rope_type", "type"];
/** Stands beside the dictionary in some checkpoints, and then counts. */
const ORIGINAL_CONTEXT = "original_max_position_embeddings";

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
    keys: ["factor", "low_freq_factor", "high_freq_factor", ORIGINAL_CONTEXT],
    read: ({ positive, count }) => ({
      useNtkByPartsRope: true,
      ntkByPartsFactor: positive("factor", 8),
      ntkByPartsLowFreqFactor: positive("low_freq_factor", 1),
      ntkByPartsHighFreqFactor: positive("high_freq_factor", 4),
      ntkOriginalCtxLen: count(ORIGINAL_CONTEXT, 8192),
    }),
  },
  yarn: {
    keys: [
      "factor",
      "attention_factor",
      "beta_fast",
      "beta_slow",
      "mscale",
      "mscale_all_dim",
      "truncate",
      ORIGINAL_CONTEXT,
    ],
    read: ({ json, positive, count, flag }, { nCtx }) => {
      const original = count(ORIGINAL_CONTEXT, nCtx);
      const factor = positive("factor", nCtx / original);
      // What Peng et al. (2023) recommend, and transformers takes where nothing is said.
      const length = (scale: number) => factor > 1 ? 0.1 * scale * Math.log(factor) + 1 : 1;
      const isGiven = Boolean(json.mscale && json.mscale_all_dim);
      const recommended = isGiven
        ? length(positive("mscale", 1)) / length(positive("mscale_all_dim", 1))
        : length(1);
      return {
        useYarnRope: true,
        yarnFactor: factor,
        yarnAttentionFactor: positive("attention_factor", recommended),
        yarnBetaFast: positive("beta_fast", 32),
        yarnBetaSlow: positive("beta_slow", 1),
        yarnOriginalMaxPositionEmbeddings: original,
        yarnTruncate: flag("truncate", true),
      };
    },
  },
  longrope: {
    keys: ["factor", "attention_factor", "short_factor", "long_factor", ORIGINAL_CONTEXT],
    read: ({ json, refuse, positive, count }, { nCtx }) => {
      const factors = (key: string): number[] | null => {
        const value = json[key];
        if (Array.isArray(value)) return value;
        refuse(`${key} of the rotary parameters is ${JSON.stringify(value)}, wanted a list`);
        return null;
      };
      const original = count(ORIGINAL_CONTEXT, nCtx);
      const factor = positive("factor", nCtx / original);
      // Ding et al. (2024), as transformers takes it where nothing is said.
      const recommended = factor > 1 ? Math.sqrt(1 + Math.log(factor) / Math.log(original)) : 1;
      return {
        longRopeShortFactors: factors("short_factor"),
        longRopeLongFactors: factors("long_factor"),
        longRopeAttentionFactor: positive("attention_factor", recommended),
        longRopeOriginalMaxPositionEmbeddings: original,
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
    flag: (key, usual) => {
      const value = json[key] ?? usual;
      if (typeof value === "boolean") return value;
      refuse(
        `${key} of the rotary parameters is ${JSON.stringify(value)}, wanted true or false`,
      );
      return usual;
    },
  };
}

function scalingOf(
  source: ConfigSource,
  parameters: HuggingFaceConfig,
  { known, kinds }: { known: readonly string[]; kinds: Readonly<Record<string, string>> },
  fields: ConfigInput,
): Partial<ConfigInput> {
  const given = String(TYPE_KEYS.map((key) => parameters[key]).find(Boolean) ?? "default");
  const type = Object.hasOwn(kinds, given) ? kinds[given] : given;
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
  const outer = source.json[ORIGINAL_CONTEXT];
  const beside = outer === undefined || outer === null ? {} : { [ORIGINAL_CONTEXT]: outer };
  return read(within({ ...parameters, ...beside }, source), fields);
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
    kinds = {},
  }: RopeKeys = {},
): ConfigReader {
  const inner = { known: ["rope_theta", "partial_rotary_factor"], kinds };
  return {
    keys: [base, part, ...(localBase ? [localBase] : []), ...SCALING_KEYS, ORIGINAL_CONTEXT],
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
