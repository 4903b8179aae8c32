/**
 * The options and results of generating.
 *
 * @module
 */

import {
  ConfigError,
  described,
  requireKnownOptions,
  requireOneOf,
  TokenError,
} from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import type { ActivationCache } from "../hooks/activation_cache.ts";
import type { HookSpec } from "../hooks/hook_registry.ts";
import type { InputOptions, ModelInput, TextOptions } from "./input.ts";
import type { NamesFilter } from "./options.ts";
import { checkSampling, type SamplingOptions } from "./sampling.ts";

/** What generated text is given as: what the input was, text, tokens, or embeddings. */
export type GenerateReturnType = "input" | "str" | "tokens" | "embeds";

/** Options of `generate`: TransformerLens', and a few of ours. */
export interface GenerateOptions
  extends TextOptions, SamplingOptions, Pick<InputOptions, "attentionMask"> {
  /** How many tokens to add at most; 10 unless said. */
  maxNewTokens?: number;
  /** Stops a text at its first end token, and fills it up with those while others go on; true unless said. */
  stopAtEos?: boolean;
  /** The tokens that end a text; the tokenizer's own unless said. */
  eosTokenId?: number | readonly number[];
  /** Draws tokens; otherwise the most likely one is taken. True unless said. */
  doSample?: boolean;
  /** Computes each position once; true unless said. The bits are the same either way. */
  usePastKvCache?: boolean;
  /** What to give back; what the input was unless said. */
  returnType?: GenerateReturnType;
  /** Draws a progress bar where there is a terminal; true unless said. */
  verbose?: boolean;
  /** Gives the tokens with the logits that each of them was chosen from. */
  outputLogits?: boolean;
  /** Gives `[output, cache]`: the activations of every position of the whole text. */
  returnCache?: boolean;
  /** What to cache; everything unless said. Asks for the cache too. */
  namesFilter?: NamesFilter;
  /** The same seed draws the same tokens; text `i` of several draws what it would alone with `seed + i`. Any seed unless said. */
  seed?: number;
  /** Hooks for this generation. A hook sees the positions of a step; `hook.posOffset` says where they begin. */
  fwdHooks?: readonly HookSpec[];
}

/** Options of `generateStream`. */
export interface GenerateStreamOptions
  extends Omit<GenerateOptions, "returnType" | "outputLogits" | "verbose"> {
  /** How many tokens a step gathers; 1 unless said. */
  maxTokensPerYield?: number;
  /** Ends the stream with the signal's reason. */
  signal?: AbortSignal;
}

/** Tokens, and the logits that they were chosen from. */
export interface TokensWithLogits {
  /** Token ids [batch, pos], the prompt's too. */
  readonly sequences: Tensor;
  /** Logits [batch, dVocab] of each new token. */
  readonly logits: readonly Tensor[];
}

/** Text, or a list of them for a list. */
export type GeneratedText<I> = I extends string ? string
  : I extends readonly string[] ? string[]
  : string | string[];

/** What generating gives for an input under a return type. */
export type GeneratedAs<I, R> = R extends "tokens" | "embeds" ? Tensor
  : R extends "str" ? GeneratedText<I>
  : I extends string | readonly string[] ? GeneratedText<I>
  : Tensor;

/** What generating gives beside a cache. */
export type Generated<I, O> = O extends { outputLogits: true } ? TokensWithLogits
  : O extends { returnType: infer R } ? GeneratedAs<I, R>
  : GeneratedAs<I, "input">;

/** What `generate` gives for an input under options. */
export type GenerateOutput<I extends ModelInput, O> = O extends
  { returnCache: true } | { namesFilter: NamesFilter }
  ? [output: Generated<I, O>, cache: ActivationCache]
  : Generated<I, O>;

const SHARED_OPTIONS: readonly (keyof GenerateOptions & keyof GenerateStreamOptions)[] = [
  "prependBos",
  "paddingSide",
  "topK",
  "topP",
  "temperature",
  "freqPenalty",
  "repetitionPenalty",
  "attentionMask",
  "maxNewTokens",
  "stopAtEos",
  "eosTokenId",
  "doSample",
  "usePastKvCache",
  "returnCache",
  "namesFilter",
  "seed",
  "fwdHooks",
];

/** The options of `generate` by name. */
export const GENERATE_OPTIONS: ReadonlySet<string> = new Set<keyof GenerateOptions>([
  ...SHARED_OPTIONS,
  "returnType",
  "verbose",
  "outputLogits",
]);

/** The options of `generateStream` by name. */
export const STREAM_OPTIONS: ReadonlySet<string> = new Set<keyof GenerateStreamOptions>([
  ...SHARED_OPTIONS,
  "maxTokensPerYield",
  "signal",
]);

function requireCount(name: string, value: number | undefined, least: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= least)) return;
  throw new ConfigError(
    `Cannot generate with ${name} ${described(value)}: expected a whole number from ${least}.`,
  );
}

/**
 * Checks the options of generating that no type could.
 *
 * @param known The names that there are.
 * @throws {ConfigError} If there is no option of a name, or its value isn't one of those that there are.
 */
export function checkGenerateOptions(
  options: GenerateOptions & GenerateStreamOptions,
  known: ReadonlySet<string>,
): void {
  requireKnownOptions("Cannot generate", options, known);
  checkSampling(options);
  const { returnType = "input", seed = 0, maxNewTokens, maxTokensPerYield } = options;
  requireOneOf("Cannot generate with the returnType", returnType, [
    "input",
    "str",
    "tokens",
    "embeds",
  ]);
  requireCount("maxNewTokens", maxNewTokens, 0);
  requireCount("maxTokensPerYield", maxTokensPerYield, 1);
  if (Number.isInteger(seed)) return;
  throw new ConfigError(`Cannot generate with the seed ${described(seed)}: expected an integer.`);
}

/** The tokens that end a text, and what fills it up from there. */
export interface EndTokens {
  readonly ids: ReadonlySet<number>;
  readonly filling: number;
}

/**
 * The tokens that end a text; none unless generation stops at them.
 *
 * @param own The tokenizer's end token, where there is one.
 * @throws {TokenError} If there is none.
 */
export function endTokens(
  { stopAtEos = true, eosTokenId }: GenerateOptions,
  own: number | null | undefined,
): EndTokens {
  if (!stopAtEos) return { ids: new Set(), filling: 0 };
  const ids = [eosTokenId ?? own ?? []].flat();
  if (ids.length === 0 || !ids.every((id) => Number.isInteger(id))) {
    throw new TokenError(
      "Cannot stop at an end token: the model has no tokenizer with one. Pass eosTokenId, or stopAtEos: false.",
    );
  }
  // Of several end tokens the tokenizer's own fills up (TransformerLens).
  const filling = Array.isArray(eosTokenId) ? own ?? ids[0] : ids[0];
  return { ids: new Set(ids), filling };
}
