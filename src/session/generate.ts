/**
 * Generating: token after token chosen from a model's logits, at once or as a stream.
 *
 * @module
 */

import { ConfigError, ShapeError, TokenError } from "../core/errors.ts";
import { elementsOf, Tensor } from "../core/tensor.ts";
import type { ActivationCache } from "../hooks/activation_cache.ts";
import type { CachedModel } from "../hooks/cached_model.ts";
import type { PointSelector } from "../hooks/hook_registry.ts";
import { progress } from "../plot/progress.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import {
  checkGenerateOptions,
  type EndTokens,
  endTokens,
  GENERATE_OPTIONS,
  type GenerateOptions,
  type GenerateStreamOptions,
  STREAM_OPTIONS,
} from "./generation_options.ts";
import { type GenerationHost, type GenerationPrompt, GenerationRun } from "./generation_run.ts";
import {
  type InputContext,
  type ModelInput,
  requireTokenizer,
  resolveInput,
  rowsOf,
} from "./input.ts";
import { cacheRequest } from "./plan.ts";
import { anySeed, mostLikely, type Random, randomOfTexts, sampleToken } from "./sampling.ts";

/** A model, as generating sees it. */
export interface GeneratingModel {
  readonly host: GenerationHost;
  readonly context: InputContext;
  readonly cached: CachedModel;
  /** Puts the generation's own hooks and splices in place, for one step. */
  readonly attach: () => Disposable;
}

/** A generation, checked and ready to begin. */
interface Generation {
  readonly model: GeneratingModel;
  readonly prompt: GenerationPrompt;
  readonly options: GenerateOptions;
  readonly maxNewTokens: number;
  readonly end: EndTokens;
  readonly random: readonly Random[];
  /** What to cache; `undefined` for nothing. */
  readonly filters: { readonly selectors: readonly PointSelector[] | undefined } | undefined;
  readonly isText: boolean;
  readonly isList: boolean;
}

/** One new token for each text. */
interface NewTokens {
  readonly ids: Int32Array<ArrayBuffer>;
  /** What they were chosen from [batch, dVocab]. */
  readonly logits: Float32Array<ArrayBuffer>;
  readonly isLast: boolean;
}

/** Reads what a text begins with. */
function promptOf(
  input: ModelInput,
  { prependBos, paddingSide, attentionMask }: GenerateOptions,
  context: InputContext,
): GenerationPrompt {
  if (input instanceof Tensor && input.rank === 3) {
    const [batch, nPos, dModel] = input.shape;
    if (input.dtype !== "float32" || dModel !== context.cfg.dModel || nPos === 0 || batch === 0) {
      throw new ShapeError(
        `Cannot generate from ${input}: expected embeddings float32[batch, pos, dModel ${context.cfg.dModel}].`,
      );
    }
    const given = { startAtLayer: 0, attentionMask };
    const { mask } = resolveInput(input, given, context);
    return { batch, nPos, tokens: undefined, mask, embeds: input };
  }
  // Texts of unequal length end together, so that what is added follows each of them.
  const isSeveralTexts = Array.isArray(input) && input.length > 1 && typeof input[0] === "string";
  const side = isSeveralTexts ? "left" : paddingSide;
  const read = resolveInput(input, { prependBos, paddingSide: side, attentionMask }, context);
  return { ...read.shape, tokens: read.tokens, mask: read.mask };
}

function begin(
  model: GeneratingModel,
  input: ModelInput,
  options: GenerateOptions,
): Generation {
  const { cfg, tokenizer } = model.context;
  const { maxNewTokens = 10, namesFilter, returnCache = namesFilter !== undefined } = options;
  const prompt = promptOf(input, options, model.context);
  // The last token is only run where its activations are wanted.
  const nPos = prompt.nPos + maxNewTokens - (returnCache || maxNewTokens === 0 ? 0 : 1);
  if (nPos > cfg.nCtx) {
    throw new TokenError(
      `Cannot generate ${maxNewTokens} tokens after ${prompt.nPos}: the context of ${cfg.modelName} holds ${cfg.nCtx}.`,
    );
  }
  const names = namesFilter ?? undefined;
  const selectors = names === undefined ? undefined : [names].flat() as PointSelector[];
  const [first] = Array.isArray(input) ? input : [undefined];
  using _hooks = model.attach();
  return {
    model,
    prompt,
    options,
    maxNewTokens,
    end: endTokens(options, tokenizer?.eosTokenId),
    random: randomOfTexts(options.seed ?? anySeed(), prompt.batch),
    filters: returnCache ? { selectors } : undefined,
    isText: typeof input === "string" || typeof first === "string",
    isList: typeof first === "string",
  };
}

function start({ model, prompt, options, maxNewTokens, filters }: Generation): GenerationRun {
  const { fwdHooks = [], usePastKvCache } = options;
  const exact = filters?.selectors?.filter((filter) => typeof filter === "string") ?? [];
  return new GenerationRun(model.host, prompt, {
    usePastKvCache,
    capacity: prompt.nPos + maxNewTokens,
    cache: filters && cacheRequest(filters.selectors, false),
    selectors: [...fwdHooks.map(([selector]) => selector), ...exact],
  });
}

/** Chooses each text's next token. */
function choose(
  { options, random }: Generation,
  run: GenerationRun,
  logits: Float32Array<ArrayBuffer>,
): Int32Array<ArrayBuffer> {
  const { doSample = true, temperature, freqPenalty, repetitionPenalty } = options;
  const dVocab = logits.length / run.batch;
  return Int32Array.from({ length: run.batch }, (_, text) => {
    const row = logits.subarray(text * dVocab, (text + 1) * dVocab);
    if (!doSample) return mostLikely(row);
    const isWritten = temperature !== undefined || freqPenalty !== undefined ||
      repetitionPenalty !== undefined;
    const own = isWritten ? row.slice() : row;
    return sampleToken(own, run.tokensOf(text), options, random[text]);
  });
}

/** Adds tokens to a text until each has ended or there are enough. */
function* newTokens(generation: Generation, run: GenerationRun): Generator<NewTokens> {
  const { model, maxNewTokens, end } = generation;
  const ended = new Uint8Array(run.batch);
  for (let i = 1; i <= maxNewTokens; i++) {
    const logits = attached(model, () => run.logits());
    const ids = choose(generation, run, logits);
    ids.forEach((id, text) => {
      if (ended[text]) ids[text] = end.filling;
      else if (end.ids.has(id)) ended[text] = 1;
    });
    run.append(ids);
    const isLast = i === maxNewTokens || ended.every((flag) => flag === 1);
    yield { ids, logits, isLast };
    if (isLast) return;
  }
}

function attached<R>({ attach }: GeneratingModel, body: () => R): R {
  using _attached = attach();
  return body();
}

/** Turns tokens into text; a list where the input was one, or several. */
function textOf(
  tokenizer: Tokenizer | undefined,
  tokens: readonly (readonly number[])[],
  isList: boolean,
): string | string[] {
  const decoder = requireTokenizer(tokenizer, "give generated tokens as text");
  const texts = tokens.map((row) => decoder.decode(row, { skipSpecialTokens: true }));
  return isList || texts.length > 1 ? texts : texts[0];
}

/** What was generated, as it was asked for. */
function resultOf(generation: Generation, run: GenerationRun): string | string[] | Tensor {
  const { model: { context }, options, prompt, isText, isList } = generation;
  const asInput = isText ? "str" : prompt.embeds ? "embeds" : "tokens";
  const { returnType = "input" } = options;
  const kind = returnType === "input" ? asInput : returnType;
  if (kind === "embeds") return run.embeds;
  const tokens = tokensOf(run);
  // Of what was given by embeddings nobody knows the tokens.
  const known = prompt.embeds ? tokens.at(":", `${prompt.nPos}:`) : tokens;
  if (kind === "tokens") return known;
  const rows = rowsOf(elementsOf(known), ...known.shape as [number, number]);
  return textOf(context.tokenizer, rows, isList);
}

function tokensOf(run: GenerationRun): Tensor {
  return Tensor.from(run.tokens, [run.batch, run.length]);
}

/** What `generate` may give. */
export type AnyGenerated =
  | string
  | string[]
  | Tensor
  | { sequences: Tensor; logits: Tensor[] };

/**
 * Generates.
 *
 * @throws {TokenError} If the prompt is empty, the context too short, no end token known, or the logits hold NaN.
 * @throws {ConfigError} If an option isn't one that there is.
 */
export function generate(
  model: GeneratingModel,
  input: ModelInput,
  options: GenerateOptions,
): AnyGenerated | [AnyGenerated, ActivationCache] {
  checkGenerateOptions(options, GENERATE_OPTIONS);
  const generation = begin(model, input, options);
  const { maxNewTokens, filters } = generation;
  using run = start(generation);
  const bar = { total: maxNewTokens, label: "generate" };
  const steps = newTokens(generation, run);
  const chosen: Tensor[] = [];
  for (const { logits } of options.verbose ?? true ? progress(steps, bar) : steps) {
    if (!options.outputLogits) continue;
    chosen.push(Tensor.from(logits, [run.batch, logits.length / run.batch]));
  }
  const output = options.outputLogits
    ? { sequences: tokensOf(run), logits: chosen }
    : resultOf(generation, run);
  if (!filters) return output;
  // The last token has been chosen, not run.
  if (run.computed < run.length) attached(model, () => run.logits());
  return [output, run.activations(model.cached)];
}

/** One step of a stream. */
export class GenerationStep {
  /** The tokens that this step added [batch, n]. */
  readonly newTokens: Tensor;
  /** The prompt's tokens and all that were added so far [batch, pos]; -1 where the prompt was given by embeddings. */
  readonly tokens: Tensor;
  /** The logits that the last of the new tokens were chosen from [batch, dVocab]. */
  readonly logits: Tensor;
  /** Whether no step follows. */
  readonly isLast: boolean;
  readonly #generation: Generation;
  readonly #run: GenerationRun;

  /** Takes what a run has come to. */
  constructor(generation: Generation, run: GenerationRun, nNew: number, last: NewTokens) {
    this.#generation = generation;
    this.#run = run;
    this.tokens = tokensOf(run);
    this.newTokens = this.tokens.at(":", `${run.length - nNew}:`);
    this.logits = Tensor.from(last.logits, [run.batch, last.logits.length / run.batch]);
    this.isLast = last.isLast;
  }

  /** The prompt and what was added so far, as text, special tokens left out; a list where the input was one, or several. */
  get text(): string | string[] {
    return this.#textUpTo(this.tokens.shape[1]);
  }

  /** What this step adds to the text. A character that a token begins comes with the token that ends it. */
  get newText(): string | string[] {
    const [, nPos] = this.tokens.shape;
    const [before, now] = [nPos - this.newTokens.shape[1], nPos].map((end) =>
      [this.#textUpTo(end)].flat()
    );
    const added = now.map((text, i) => {
      const whole = this.isLast ? text : finished(text);
      return whole.slice(finished(before[i]).length);
    });
    return this.#generation.isList || added.length > 1 ? added : added[0];
  }

  /**
   * The activations of every position that was run: all but that of the newest token.
   *
   * @throws {ConfigError} If neither `returnCache` nor `namesFilter` asked for them.
   */
  get cache(): ActivationCache {
    const { model, filters } = this.#generation;
    if (!filters) {
      throw new ConfigError("There is no cache of this step: pass returnCache or a namesFilter.");
    }
    return this.#run.activations(model.cached, this.tokens.shape[1] - 1);
  }

  #textUpTo(end: number): string | string[] {
    const { model: { context }, isList } = this.#generation;
    const rows = rowsOf(elementsOf(this.tokens), ...this.tokens.shape as [number, number]);
    const known = rows.map((row) => row.slice(0, end).filter((id) => id >= 0));
    return textOf(context.tokenizer, known, isList);
  }
}

/** Text without the characters at its end that aren't complete yet. */
function finished(text: string): string {
  return text.replace(/\uFFFD+$/, "");
}

/** Others get their turn after this long, so that a signal can come through. */
const TURN_MS = 8;

/**
 * Generates as a stream. Nothing is computed before the first step is asked for.
 *
 * @throws {TokenError} If the prompt is empty, the context too short, no end token known, or the logits hold NaN.
 * @throws {ConfigError} If an option isn't one that there is.
 */
export function generateStream(
  model: GeneratingModel,
  input: ModelInput,
  options: GenerateStreamOptions,
): AsyncGenerator<GenerationStep, void, void> {
  checkGenerateOptions(options, STREAM_OPTIONS);
  return streamed(begin(model, input, options), options);
}

async function* streamed(
  generation: Generation,
  { maxTokensPerYield = 1, signal }: GenerateStreamOptions,
): AsyncGenerator<GenerationStep, void, void> {
  signal?.throwIfAborted();
  using run = start(generation);
  let nNew = 0;
  let turn = performance.now();
  for (const added of newTokens(generation, run)) {
    nNew++;
    if (performance.now() - turn > TURN_MS) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      turn = performance.now();
    }
    signal?.throwIfAborted();
    if (nNew < maxTokensPerYield && !added.isLast) continue;
    yield new GenerationStep(generation, run, nNew, added);
    nNew = 0;
    signal?.throwIfAborted();
  }
}
