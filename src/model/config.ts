/**
 * The configuration of a hooked transformer: TransformerLens' `HookedTransformerConfig` in camelCase, its defaults, its checks.
 *
 * @module
 */

import { ConfigError, nearestNames } from "../core/errors.ts";
import type { HeldDtype } from "../weights/weight_view.ts";

/** The non-linearity of an MLP; the names are TransformerLens'. */
export type ActivationName =
  | "relu"
  | "gelu"
  | "silu"
  | "gelu_new"
  | "gelu_fast"
  | "gelu_pytorch_tanh"
  | "tanh"
  | "solu"
  | "solu_ln";

/** The norm before each part; "Pre" without weights of its own, after folding. `null`: none. */
export type NormalizationType = "LN" | "LNPre" | "RMS" | "RMSPre" | null;

/** A model's configuration, every field set. The meaning of each field is TransformerLens'. */
export interface HookedTransformerConfig {
  /** The name that the model goes by. */
  readonly modelName: string;
  /** The class in Hugging Face's `architectures`. */
  readonly originalArchitecture: string | null;
  /** The name of its tokenizer on the hub. */
  readonly tokenizerName: string | null;
  /** The number of blocks. */
  readonly nLayers: number;
  /** The width of the residual stream. */
  readonly dModel: number;
  /** The most positions that a prompt may have. */
  readonly nCtx: number;
  /** The width of a head. */
  readonly dHead: number;
  /** The number of heads in a block. */
  readonly nHeads: number;
  /** The heads that keys and values have; `null` when as many as queries. */
  readonly nKeyValueHeads: number | null;
  /** The width of the MLPs; `null` without MLPs. */
  readonly dMlp: number | null;
  /** The number of tokens. */
  readonly dVocab: number;
  /** The number of logits. */
  readonly dVocabOut: number;
  /** `null` without MLPs. */
  readonly actFn: ActivationName | null;
  /** Added to the variance under the root of a norm. */
  readonly eps: number;
  /** The norm before attention, MLP and unembedding. */
  readonly normalizationType: NormalizationType;
  /** The last norm is an RMS norm although the others aren't. */
  readonly finalRms: boolean;
  /** How a model knows positions; "standard" adds a learned vector to each. */
  readonly positionalEmbeddingType: "standard" | "rotary" | "shortformer" | "alibi";
  /** The blocks have no MLPs. */
  readonly attnOnly: boolean;
  /** The MLPs have a gate beside the input matrix. */
  readonly gatedMlp: boolean;
  /** Attention and MLP read the same residual stream. */
  readonly parallelAttnMlp: boolean;
  /** Whether a position sees only those before it. */
  readonly attentionDir: "causal" | "bidirectional";
  /** Attention scores are divided by {@linkcode attnScale}. */
  readonly useAttnScale: boolean;
  /** sqrt(dHead) unless said otherwise; -1 when unused. */
  readonly attnScale: number;
  /** Attention scores are further divided by the layer's number, counted from 1. */
  readonly scaleAttnByInverseLayerIdx: boolean;
  /** Some layers see only a window of positions. */
  readonly useLocalAttn: boolean;
  /** Positions that local attention sees, the query's own included. */
  readonly windowSize: number | null;
  /** "global" or "local" by layer. */
  readonly attnTypes: readonly string[] | null;
  /** c · tanh(score / c); -1 for none. */
  readonly attnScoresSoftCap: number;
  /** c · tanh(logit / c); -1 for none. */
  readonly outputLogitsSoftCap: number;
  /** Queries and keys are normalised in each head. */
  readonly useQkNorm: boolean;
  /** Norms follow attention and MLP too. */
  readonly useNormalizationBeforeAndAfter: boolean;
  /** A layer norm follows the embedding. */
  readonly postEmbeddingLn: boolean;
  /** The dimensions of a head that rotate; `null` without rotation. */
  readonly rotaryDim: number | null;
  /** The base of the periods of rotation. */
  readonly rotaryBase: number;
  /** The base in layers of local attention; `null` where it is {@linkcode rotaryBase} too. */
  readonly rotaryBaseLocal: number | null;
  /** Stretches the periods of layers of global attention. */
  readonly rotaryScalingFactor: number;
  /** Neighbouring dimensions rotate together, not the halves. */
  readonly rotaryAdjacentPairs: boolean;
  /** Long periods are stretched, short ones kept (LLaMA 3.1). */
  readonly useNtkByPartsRope: boolean;
  /** How far the long periods are stretched. */
  readonly ntkByPartsFactor: number;
  /** Periods are long where fewer than this many fit into {@linkcode ntkOriginalCtxLen}. */
  readonly ntkByPartsLowFreqFactor: number;
  /** Periods are short where more than this many fit into it. */
  readonly ntkByPartsHighFreqFactor: number;
  /** The context that the unstretched periods were trained with. */
  readonly ntkOriginalCtxLen: number;
  /** Periods are stretched as YaRN does it. */
  readonly useYarnRope: boolean;
  /** How far the long periods are stretched. */
  readonly yarnFactor: number;
  /** Lengthens turned queries and keys. */
  readonly yarnAttentionFactor: number;
  /** Periods are short where more than this many fit into {@linkcode yarnOriginalMaxPositionEmbeddings}. */
  readonly yarnBetaFast: number;
  /** Periods are long where fewer than this many fit into it. */
  readonly yarnBetaSlow: number;
  /** The context that the unstretched periods were trained with. */
  readonly yarnOriginalMaxPositionEmbeddings: number;
  /** Whether the bounds of short and long periods are rounded to whole pairs. */
  readonly yarnTruncate: boolean;
  /**
   * Factors by which each pair's period is stretched, as LongRoPE does it; `null` for none. These are the ones of contexts of up to
   * {@linkcode longRopeOriginalMaxPositionEmbeddings}. TransformerLens has no such models.
   */
  readonly longRopeShortFactors: readonly number[] | null;
  /** The factors of longer contexts. */
  readonly longRopeLongFactors: readonly number[] | null;
  /** Lengthens turned queries and keys. */
  readonly longRopeAttentionFactor: number;
  /** The longest context of the short factors. */
  readonly longRopeOriginalMaxPositionEmbeddings: number;
  /** Prompts get a beginning-of-sequence token unless said otherwise. */
  readonly defaultPrependBos: boolean;
  /** Whether the tokenizer adds a beginning-of-sequence token by itself; `null` while there is no tokenizer. */
  readonly tokenizerPrependsBos: boolean | null;
  /** How fresh weights are drawn. */
  readonly initMode: "gpt2";
  /** The standard deviation of fresh weights. */
  readonly initializerRange: number;
  /** The seed of fresh weights; `null` for any. */
  readonly seed: number | null;
  /** How weights are stored; arithmetic is always float32. */
  readonly dtype: HeldDtype;
  /** Weights of attention and MLPs, without biases, norms and embeddings. */
  readonly nParams: number;
  /** `attn.hook_result` fires: the output of each head. */
  readonly useAttnResult: boolean;
  /** `hook_q_input`, `hook_k_input` and `hook_v_input` fire: a residual stream a head for each. */
  readonly useSplitQkvInput: boolean;
  /** `hook_mlp_in` fires: the residual stream that the MLP reads. */
  readonly useHookMlpIn: boolean;
  /** `hook_attn_in` fires: a residual stream a head. */
  readonly useAttnIn: boolean;
  /** `hook_tokens` fires: the token ids. */
  readonly useHookTokens: boolean;
  /** Keys and values that heads share are computed for each head. */
  readonly ungroupGroupedQueryAttention: boolean;
}

type Key = keyof HookedTransformerConfig;

/** What a caller gives to make a configuration; the sizes without a default are required. */
export type ConfigInput =
  & Pick<HookedTransformerConfig, "nLayers" | "dModel" | "nCtx" | "dVocab">
  & Partial<HookedTransformerConfig>;

/** What a value may be: a test and its words. */
interface Domain {
  readonly wanted: string;
  readonly holds: (value: unknown) => boolean;
}

const COUNT: Domain = {
  wanted: "a whole number of at least 1",
  holds: (value) => Number.isSafeInteger(value) && (value as number) >= 1,
};
const INTEGER: Domain = { wanted: "a whole number", holds: Number.isSafeInteger };
const POSITIVE: Domain = {
  wanted: "a number above 0",
  holds: (value) => Number.isFinite(value) && (value as number) > 0,
};
const POSITIVE_OR_OFF: Domain = {
  wanted: "a number above 0, or -1 for none",
  holds: (value) => value === -1 || POSITIVE.holds(value),
};
const FLAG: Domain = { wanted: "true or false", holds: (value) => typeof value === "boolean" };
const FACTORS: Domain = {
  wanted: "a list of numbers above 0",
  holds: (value) => Array.isArray(value) && value.every(POSITIVE.holds),
};
const TEXT: Domain = { wanted: "a string", holds: (value) => typeof value === "string" };

function oneOf(...values: readonly unknown[]): Domain {
  return {
    wanted: `${values.length > 1 ? "one of " : ""}${values.map(show).join(", ")}`,
    holds: (value) => values.includes(value),
  };
}

function orNull(domain: Domain): Domain {
  return {
    wanted: `${domain.wanted}, or null`,
    holds: (value) => value === null || domain.holds(value),
  };
}

/** What each field may be: TransformerLens' vocabulary. */
const DOMAINS: Readonly<Record<Key, Domain>> = {
  modelName: TEXT,
  originalArchitecture: orNull(TEXT),
  tokenizerName: orNull(TEXT),
  nLayers: COUNT,
  dModel: COUNT,
  nCtx: COUNT,
  dHead: COUNT,
  nHeads: COUNT,
  nKeyValueHeads: orNull(COUNT),
  dMlp: orNull(COUNT),
  dVocab: COUNT,
  dVocabOut: COUNT,
  actFn: orNull(
    oneOf(
      "relu",
      "gelu",
      "silu",
      "gelu_new",
      "gelu_fast",
      "gelu_pytorch_tanh",
      "tanh",
      "solu",
      "solu_ln",
    ),
  ),
  eps: POSITIVE,
  normalizationType: oneOf("LN", "LNPre", "RMS", "RMSPre", null),
  finalRms: FLAG,
  positionalEmbeddingType: oneOf("standard", "rotary", "shortformer", "alibi"),
  attnOnly: FLAG,
  gatedMlp: FLAG,
  parallelAttnMlp: FLAG,
  attentionDir: oneOf("causal", "bidirectional"),
  useAttnScale: FLAG,
  attnScale: POSITIVE_OR_OFF,
  scaleAttnByInverseLayerIdx: FLAG,
  useLocalAttn: FLAG,
  windowSize: orNull(COUNT),
  attnTypes: orNull({
    wanted: 'a list of "global" and "local"',
    holds: (value) =>
      Array.isArray(value) && value.every((item) => item === "global" || item === "local"),
  }),
  attnScoresSoftCap: POSITIVE_OR_OFF,
  outputLogitsSoftCap: POSITIVE_OR_OFF,
  useQkNorm: FLAG,
  useNormalizationBeforeAndAfter: FLAG,
  postEmbeddingLn: FLAG,
  rotaryDim: orNull(COUNT),
  rotaryBase: POSITIVE,
  rotaryBaseLocal: orNull(POSITIVE),
  rotaryScalingFactor: POSITIVE,
  rotaryAdjacentPairs: FLAG,
  useNtkByPartsRope: FLAG,
  ntkByPartsFactor: POSITIVE,
  ntkByPartsLowFreqFactor: POSITIVE,
  ntkByPartsHighFreqFactor: POSITIVE,
  ntkOriginalCtxLen: COUNT,
  useYarnRope: FLAG,
  yarnFactor: POSITIVE,
  yarnAttentionFactor: POSITIVE,
  yarnBetaFast: POSITIVE,
  yarnBetaSlow: POSITIVE,
  yarnOriginalMaxPositionEmbeddings: COUNT,
  yarnTruncate: FLAG,
  longRopeShortFactors: orNull(FACTORS),
  longRopeLongFactors: orNull(FACTORS),
  longRopeAttentionFactor: POSITIVE,
  longRopeOriginalMaxPositionEmbeddings: COUNT,
  defaultPrependBos: FLAG,
  tokenizerPrependsBos: orNull(FLAG),
  initMode: oneOf("gpt2"),
  initializerRange: POSITIVE,
  seed: orNull(INTEGER),
  dtype: oneOf("float32", "float16", "bfloat16", "int8"),
  nParams: COUNT,
  useAttnResult: FLAG,
  useSplitQkvInput: FLAG,
  useHookMlpIn: FLAG,
  useAttnIn: FLAG,
  useHookTokens: FLAG,
  ungroupGroupedQueryAttention: FLAG,
};

/** What the forward pass computes, where that is less than the vocabulary. */
const SUPPORTED: Partial<Record<Key, Domain>> = {
  attentionDir: oneOf("causal"),
  useHookTokens: oneOf(false),
};

/** The defaults that don't depend on other fields, as in TransformerLens 3.9. */
const DEFAULTS = {
  modelName: "custom",
  originalArchitecture: null,
  tokenizerName: null,
  nKeyValueHeads: null,
  actFn: null,
  eps: 1e-5,
  normalizationType: "LN",
  finalRms: false,
  positionalEmbeddingType: "standard",
  attnOnly: false,
  gatedMlp: false,
  parallelAttnMlp: false,
  attentionDir: "causal",
  useAttnScale: true,
  scaleAttnByInverseLayerIdx: false,
  useLocalAttn: false,
  windowSize: null,
  attnTypes: null,
  attnScoresSoftCap: -1,
  outputLogitsSoftCap: -1,
  useQkNorm: false,
  useNormalizationBeforeAndAfter: false,
  postEmbeddingLn: false,
  rotaryDim: null,
  rotaryBase: 10000,
  rotaryBaseLocal: null,
  rotaryScalingFactor: 1,
  rotaryAdjacentPairs: false,
  useNtkByPartsRope: false,
  ntkByPartsFactor: 8,
  ntkByPartsLowFreqFactor: 1,
  ntkByPartsHighFreqFactor: 4,
  ntkOriginalCtxLen: 8192,
  useYarnRope: false,
  yarnFactor: 1,
  yarnAttentionFactor: 1,
  yarnBetaFast: 32,
  yarnBetaSlow: 1,
  yarnOriginalMaxPositionEmbeddings: 4096,
  yarnTruncate: true,
  longRopeShortFactors: null,
  longRopeLongFactors: null,
  longRopeAttentionFactor: 1,
  longRopeOriginalMaxPositionEmbeddings: 4096,
  defaultPrependBos: true,
  tokenizerPrependsBos: null,
  initMode: "gpt2",
  seed: null,
  dtype: "float32",
  useAttnResult: false,
  useSplitQkvInput: false,
  useHookMlpIn: false,
  useAttnIn: false,
  useHookTokens: false,
  ungroupGroupedQueryAttention: false,
} as const satisfies Partial<HookedTransformerConfig>;

/**
 * Completes a configuration with TransformerLens' defaults and checks it.
 *
 * @param input The fields that are known; `nLayers`, `dModel`, `nCtx` and `dVocab` are required, so is one of `nHeads` and
 *   `dHead`, and with MLPs `actFn`. A field given as `undefined` counts as left out.
 * @returns The configuration, every field set, frozen.
 * @throws {ConfigError} If a field is unknown, missing, of the wrong kind, in contradiction with another, or asks for what the
 *   forward pass doesn't compute. All findings are in one message.
 */
export function resolveConfig(input: ConfigInput): HookedTransformerConfig {
  const given = Object.fromEntries(
    Object.entries(input).filter(([, value]) => value !== undefined),
  );
  report("Cannot make a configuration", [
    ...unknownKeys(Object.keys(given)),
    ...missingKeys(given),
    ...outside(DOMAINS, given),
  ]);
  report("Cannot make a configuration", unevenHeads(given));
  const config = complete(given as unknown as ConfigInput);
  report("Cannot make a configuration", contradictions(config));
  report("Cannot run such a model yet", outside(SUPPORTED, config));
  return Object.freeze(config);
}

/**
 * Tells what a field may be, where a value isn't that.
 *
 * @param field The field.
 * @param value The value proposed for it.
 * @returns The words for what is wanted, or `undefined` where the value will do.
 */
export function describeMisfit(
  field: keyof HookedTransformerConfig,
  value: unknown,
): string | undefined {
  return DOMAINS[field].holds(value) ? undefined : DOMAINS[field].wanted;
}

/** Fills in the defaults. */
function complete(input: ConfigInput): HookedTransformerConfig {
  const { nLayers, dModel, attnOnly = false, gatedMlp = false } = input;
  // One of the two is there: `missingKeys` has asked for it.
  const nHeads = input.nHeads ?? Math.floor(dModel / (input.dHead ?? dModel));
  const dHead = input.dHead ?? Math.floor(dModel / nHeads);
  const dMlp = input.dMlp ?? (attnOnly ? null : 4 * dModel);
  const useAttnScale = input.useAttnScale ?? DEFAULTS.useAttnScale;
  const attnScale = input.attnScale ?? -1;
  const isRotary = input.positionalEmbeddingType === "rotary";
  return {
    ...DEFAULTS,
    ...input,
    nHeads,
    dHead,
    dMlp,
    dVocabOut: input.dVocabOut ?? input.dVocab,
    attnScale: useAttnScale && attnScale === -1 ? Math.sqrt(dHead) : attnScale,
    rotaryDim: input.rotaryDim ?? (isRotary ? dHead : null),
    initializerRange: input.initializerRange ?? 0.8 / Math.sqrt(dModel),
    // TransformerLens' count: W_Q, W_K, W_V and W_O, as if no head were shared; W_in, W_out, W_gate.
    nParams: input.nParams ?? nLayers * dModel *
        (4 * nHeads * dHead + (attnOnly ? 0 : (gatedMlp ? 3 : 2) * (dMlp ?? 0))),
  };
}

function unknownKeys(keys: readonly string[]): string[] {
  return keys.filter((key) => !Object.hasOwn(DOMAINS, key)).map((key) => {
    const [near] = nearestNames(key, Object.keys(DOMAINS));
    return `"${key}" isn't a field (the nearest is "${near}")`;
  });
}

function missingKeys(given: Readonly<Record<string, unknown>>): string[] {
  const missing = ["nLayers", "dModel", "nCtx", "dVocab"].filter((key) => !(key in given));
  if (!("nHeads" in given || "dHead" in given)) missing.push("nHeads (or dHead)");
  if (given.attnOnly !== true && !("actFn" in given)) missing.push("actFn (or attnOnly)");
  return missing.length > 0 ? [`${missing.join(", ")} must be given`] : [];
}

/** With one of head count and head size left out, dModel must divide evenly; with both given they are free. */
function unevenHeads(given: Readonly<Record<string, unknown>>): string[] {
  if ("nHeads" in given && "dHead" in given) return [];
  const key = "nHeads" in given ? "nHeads" : "dHead";
  const [dModel, parts] = [Number(given.dModel), Number(given[key])];
  return dModel % parts === 0 ? [] : [`dModel is ${dModel}, wanted a multiple of ${key} ${parts}`];
}

function outside(
  domains: Partial<Record<Key, Domain>>,
  values: Readonly<Record<string, unknown>> | HookedTransformerConfig,
): string[] {
  const known = new Map<string, Domain>(Object.entries(domains));
  return Object.entries(values).flatMap(([key, value]) => {
    const domain = known.get(key);
    if (domain === undefined || domain.holds(value)) return [];
    return [`${key} is ${show(value)}, wanted ${domain.wanted}`];
  });
}

/** What fields say against each other. */
function contradictions(config: HookedTransformerConfig): string[] {
  const { nLayers, nHeads, nKeyValueHeads, dHead, attnOnly, actFn, rotaryDim } = config;
  const { useLocalAttn, windowSize, attnTypes, useAttnIn, useNtkByPartsRope, useYarnRope } = config;
  const findings: string[] = [];
  const check = (holds: boolean, finding: string) => {
    if (!holds) findings.push(finding);
  };
  check(
    nKeyValueHeads === null || nHeads % nKeyValueHeads === 0,
    `nHeads is ${nHeads}, wanted a multiple of nKeyValueHeads ${nKeyValueHeads}`,
  );
  check(attnOnly || actFn !== null, "actFn is null, wanted a name unless attnOnly is true");
  check(
    !useLocalAttn || (windowSize !== null && (attnTypes ?? []).length >= nLayers),
    `useLocalAttn is true, wanted windowSize and ${nLayers} attnTypes`,
  );
  check(
    rotaryDim === null || (rotaryDim % 2 === 0 && rotaryDim <= dHead),
    `rotaryDim is ${rotaryDim}, wanted an even number of at most dHead ${dHead}`,
  );
  check(
    !useNtkByPartsRope || !useYarnRope,
    "useNtkByPartsRope and useYarnRope are true, wanted one of them",
  );
  const pairs = (rotaryDim ?? dHead) / 2;
  for (const key of ["longRopeShortFactors", "longRopeLongFactors"] as const) {
    const { [key]: factors, longRopeShortFactors, longRopeLongFactors } = config;
    if (longRopeShortFactors === null && longRopeLongFactors === null) continue;
    const isAlone = !useNtkByPartsRope && !useYarnRope;
    check(isAlone, `useNtkByPartsRope or useYarnRope is true, wanted none beside ${key}`);
    const given = factors === null ? "null" : `${factors.length} numbers`;
    check(factors?.length === pairs, `${key} is ${given}, wanted ${pairs}, one for each pair`);
  }
  const { ntkByPartsLowFreqFactor: low, ntkByPartsHighFreqFactor: high } = config;
  check(
    low < high,
    `ntkByPartsLowFreqFactor is ${low}, wanted less than ntkByPartsHighFreqFactor ${high}`,
  );
  check(!useAttnIn || !sharesKeys(config), `useAttnIn is true, but ${SHARED_ATTN_IN}`);
  return findings;
}

/** Why there is no `hook_attn_in`, one residual stream for queries, keys and values, where several heads share keys. */
export const SHARED_ATTN_IN =
  "heads share keys, so that queries and keys have no common input by head (setUngroupGroupedQueryAttention gives each its own)";

/** Whether several heads read the same keys and values. */
export function sharesKeys(config: HookedTransformerConfig): boolean {
  return keyHeads(config) !== config.nHeads;
}

/** The heads that keys and values have in a run: fewer than queries have where those share them. */
export function keyHeads(
  { nHeads, nKeyValueHeads, ungroupGroupedQueryAttention }: HookedTransformerConfig,
): number {
  return ungroupGroupedQueryAttention ? nHeads : nKeyValueHeads ?? nHeads;
}

function report(failure: string, findings: readonly string[]): void {
  if (findings.length > 0) throw new ConfigError(`${failure}: ${findings.join("; ")}`);
}

function show(value: unknown): string {
  return typeof value === "number" || value === undefined ? String(value) : JSON.stringify(value);
}
