/**
 * What a run is given: texts, tokens or a residual stream, turned into a pass.
 *
 * @module
 */

import { described, ShapeError, TokenError } from "../core/errors.ts";
import { elementsOf, ownedTensor, Tensor } from "../core/tensor.ts";
import type { HookedTransformerConfig } from "../model/config.ts";
import { type PassShape, positionsOf } from "../model/rows.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { attentionMask, type PaddingSide, toTokens } from "../tokenizer/tokens.ts";

/** A prompt, several, token ids [pos] or [batch, pos], or a residual stream [batch, pos, dModel] with `startAtLayer`. */
export type ModelInput =
  | string
  | readonly string[]
  | Tensor
  | readonly number[]
  | readonly (readonly number[])[];

/** How texts become tokens. */
export interface TextOptions {
  /** Puts the beginning-of-sequence token in front; the model's own habit unless said. */
  prependBos?: boolean;
  /** The side on which shorter prompts are padded. */
  paddingSide?: PaddingSide;
}

/** Options that say how an input is read. */
export interface InputOptions extends TextOptions {
  /** The first block to run; the input is the residual stream before it. Negative counts from the end. */
  startAtLayer?: number;
  /** The tokens that a residual stream came from, for the loss. */
  tokens?: Tensor;
  /** 1 at real tokens, 0 at pads, [batch, pos]. */
  attentionMask?: Tensor | readonly (readonly number[])[];
}

/** What came before an input, in a cache. */
export interface PastPositions {
  /** How many positions. */
  readonly length: number;
  /** Flags of real tokens [batch, length]; `undefined` when all are. */
  readonly mask: Uint8Array<ArrayBuffer> | undefined;
}

/** What reading an input needs of the model. */
export interface InputContext {
  readonly cfg: HookedTransformerConfig;
  readonly tokenizer: Tokenizer | undefined;
  readonly defaultPaddingSide: PaddingSide;
}

/** An input, read. */
export interface ResolvedInput {
  readonly shape: PassShape;
  /** Token ids [batch, pos], where there are tokens. */
  readonly tokens: Int32Array<ArrayBuffer> | undefined;
  /** Positions [batch, pos]: the place of each token among the real ones. */
  readonly positions: Int32Array<ArrayBuffer>;
  /** Flags of real tokens [batch, pos]; `undefined` without pads. */
  readonly mask: Uint8Array<ArrayBuffer> | undefined;
  /** The residual stream, with `startAtLayer`. */
  readonly resid: Tensor | undefined;
  /** What stands for the tokens' embeddings [batch, pos, dModel], in a text that was given by them. */
  readonly embeds?: Tensor;
}

/** The tokenizer, or an error that says what needed it. */
export function requireTokenizer(tokenizer: Tokenizer | undefined, what: string): Tokenizer {
  if (tokenizer) return tokenizer;
  throw new TokenError(
    `Cannot ${what}: the model has no tokenizer. Load it with one, or pass token ids.`,
  );
}

function isText(input: ModelInput): input is string | readonly string[] {
  return typeof input === "string" || (Array.isArray(input) && typeof input[0] === "string");
}

function listedTokens(input: readonly number[] | readonly (readonly number[])[]): Tensor {
  if (Array.isArray(input) || ArrayBuffer.isView(input)) {
    return Tensor.from(input as readonly number[]);
  }
  throw new ShapeError(
    `Cannot run on ${
      described(input)
    }: expected text, texts, token ids, or a residual stream with startAtLayer.`,
  );
}

/** The int32 that is nearest to a whole number. */
function saturated(whole: number): number {
  return Math.max(-(2 ** 31), Math.min(whole, 2 ** 31 - 1));
}

/** Token ids as an int32 tensor [batch, pos]. */
export function tokenTensor(input: Exclude<ModelInput, string | readonly string[]>): Tensor {
  const tensor = input instanceof Tensor ? input : listedTokens(input);
  const isWhole = tensor.dtype !== "float32" || elementsOf(tensor).every(Number.isInteger);
  if (tensor.dtype === "bool" || !isWhole) {
    throw new ShapeError(
      `Cannot run on ${tensor.dtype} values as tokens: expected integers (a residual stream needs startAtLayer).`,
    );
  }
  const ids = tensor.dtype === "int32"
    ? tensor
    : ownedTensor(Int32Array.from(elementsOf(tensor), saturated), tensor.shape);
  if (ids.rank === 1) return ids.unsqueeze(0);
  if (ids.rank !== 2) {
    throw new ShapeError(
      `Cannot run on tokens of shape [${ids.shape.join(", ")}]: expected [pos] or [batch, pos].`,
    );
  }
  return ids;
}

function checkTokens(ids: ArrayLike<number>, cfg: HookedTransformerConfig): void {
  for (let i = 0; i < ids.length; i++) {
    if (ids[i] < 0 || ids[i] >= cfg.dVocab) {
      throw new TokenError(
        `Cannot embed token ${ids[i]}: the vocabulary has ids from 0 to ${cfg.dVocab - 1}.`,
      );
    }
  }
}

/** The tokens that a residual stream came from. */
function givenTokens(
  given: Tensor,
  batch: number,
  nPos: number,
  cfg: HookedTransformerConfig,
): Int32Array<ArrayBuffer> {
  const tokens = tokenTensor(given);
  if (tokens.shape.join() !== [batch, nPos].join()) {
    throw new ShapeError(
      `Cannot use tokens of shape [${
        tokens.shape.join(", ")
      }]: expected those of the residual stream, [batch ${batch}, pos ${nPos}].`,
    );
  }
  const ids = elementsOf(tokens) as Int32Array<ArrayBuffer>;
  checkTokens(ids, cfg);
  return ids;
}

function checkLength(
  batch: number,
  nPos: number,
  cfg: HookedTransformerConfig,
  past: PastPositions | undefined,
): void {
  if (batch === 0 || nPos === 0) {
    throw new TokenError(
      "Cannot run an empty prompt: it has no tokens. Prepend the BOS token, or give some text.",
    );
  }
  const before = past?.length ?? 0;
  if (before + nPos > cfg.nCtx) {
    throw new TokenError(
      `Cannot run ${nPos} tokens${
        before > 0 ? ` after ${before}` : ""
      }: the context of ${cfg.modelName} holds ${cfg.nCtx}.`,
    );
  }
}

function givenMask(
  given: Tensor | readonly (readonly number[])[],
  batch: number,
  nPos: number,
): Uint8Array<ArrayBuffer> {
  const mask = given instanceof Tensor ? given : Tensor.from(given);
  if (mask.shape.join() !== [batch, nPos].join()) {
    throw new ShapeError(
      `Cannot use an attentionMask of shape [${
        mask.shape.join(", ")
      }]: expected [batch ${batch}, pos ${nPos}].`,
    );
  }
  return Uint8Array.from(elementsOf(mask), (flag) => (flag ? 1 : 0));
}

/** Rows of a flat [batch, pos] array. */
export function rowsOf(ids: ArrayLike<number>, batch: number, nPos: number): number[][] {
  return Array.from(
    { length: batch },
    (_, b) => Array.from({ length: nPos }, (_, p) => ids[b * nPos + p]),
  );
}

/** The mask of a left-padded batch, which TransformerLens reads off the tokens; none without pads. */
function leftPadMask(
  { tokenizer, cfg, defaultPaddingSide }: InputContext,
  ids: Int32Array,
  batch: number,
  nPos: number,
  { prependBos = cfg.defaultPrependBos, paddingSide = defaultPaddingSide }: TextOptions,
): Uint8Array<ArrayBuffer> | undefined {
  if (paddingSide !== "left" || !tokenizer) return undefined;
  const mask = attentionMask(tokenizer, rowsOf(ids, batch, nPos), { prependBos, paddingSide });
  return Uint8Array.from(mask.flat());
}

/** Flags of the real tokens among those of a cache and the new ones [batch, before + nPos]; `undefined` when all are. */
function wholeMask(
  past: PastPositions | undefined,
  mask: Uint8Array<ArrayBuffer> | undefined,
  batch: number,
  nPos: number,
): Uint8Array<ArrayBuffer> | undefined {
  const { length: before, mask: old } = past ?? { length: 0, mask: undefined };
  if (!old && !mask?.includes(0)) return undefined;
  if (before === 0) return mask;
  const whole = new Uint8Array(batch * (before + nPos)).fill(1);
  for (let b = 0; b < batch; b++) {
    const start = b * (before + nPos);
    if (old) whole.set(old.subarray(b * before, (b + 1) * before), start);
    if (mask) whole.set(mask.subarray(b * nPos, (b + 1) * nPos), start + before);
  }
  return whole;
}

/**
 * Gives an input its positions, behind those of a cache.
 *
 * @param mask Flags of real tokens [batch, nPos]; `undefined` when all are.
 */
export function positioned(
  { batch, nPos, tokens, mask, resid, embeds }:
    & { batch: number; nPos: number }
    & Partial<Pick<ResolvedInput, "tokens" | "mask" | "resid" | "embeds">>,
  past: PastPositions | undefined,
): ResolvedInput {
  const offset = past?.length ?? 0;
  const nKeys = offset + nPos;
  const keyMask = wholeMask(past, mask, batch, nPos);
  return {
    shape: { batch, nPos, nKeys, offset, keyMask },
    tokens,
    positions: positionsOf(keyMask, batch, nKeys, offset),
    mask,
    resid,
    embeds,
  };
}

/**
 * Reads an input.
 *
 * @param past What came before it, in a cache. A text that goes on from there gets no BOS unless `prependBos` says so, and token ids
 *   that do are all real tokens unless `attentionMask` says otherwise.
 * @throws {TokenError} If it is empty, longer than the context, or needs a tokenizer that isn't there.
 * @throws {ShapeError} If it has another shape than the options call for.
 */
export function resolveInput(
  input: ModelInput,
  options: InputOptions,
  context: InputContext,
  past?: PastPositions,
): ResolvedInput {
  const { cfg, tokenizer, defaultPaddingSide } = context;
  const explicit = options.attentionMask;
  const isContinuation = past !== undefined && past.length > 0;
  if (options.startAtLayer !== undefined) {
    if (
      !(input instanceof Tensor) || input.rank !== 3 || input.shape[2] !== cfg.dModel ||
      input.dtype !== "float32"
    ) {
      const got = input instanceof Tensor ? `${input}` : described(input);
      throw new ShapeError(
        `Cannot start at layer ${options.startAtLayer} from ${got}: expected the residual stream, float32[batch, pos, dModel ${cfg.dModel}].`,
      );
    }
    const [batch, nPos] = input.shape;
    checkLength(batch, nPos, cfg, past);
    const ids = options.tokens && givenTokens(options.tokens, batch, nPos, cfg);
    const mask = explicit && givenMask(explicit, batch, nPos);
    return positioned({ batch, nPos, tokens: ids, mask, resid: input }, past);
  }
  if (isText(input)) {
    const { prependBos = cfg.defaultPrependBos && !isContinuation } = options;
    const { paddingSide = defaultPaddingSide } = options;
    const read = toTokens(requireTokenizer(tokenizer, "run on text"), input, {
      prependBos,
      paddingSide,
      nCtx: cfg.nCtx - (past?.length ?? 0),
      forRun: true,
    });
    const [batch, nPos] = [read.ids.length, read.ids[0].length];
    const ids = Int32Array.from(read.ids.flat());
    checkTokens(ids, cfg);
    // Right-padded texts run without a mask: no real token sees a pad, unless a cache lets more follow (TransformerLens).
    const own = paddingSide === "left" || past ? Uint8Array.from(read.mask.flat()) : undefined;
    const mask = explicit ? givenMask(explicit, batch, nPos) : own;
    return positioned({ batch, nPos, tokens: ids, mask }, past);
  }
  const tensor = tokenTensor(input);
  const [batch, nPos] = tensor.shape;
  checkLength(batch, nPos, cfg, past);
  const ids = (elementsOf(tensor) as Int32Array<ArrayBuffer>).slice();
  checkTokens(ids, cfg);
  const mask = explicit
    ? givenMask(explicit, batch, nPos)
    : isContinuation
    ? undefined
    : leftPadMask(context, ids, batch, nPos, options);
  return positioned({ batch, nPos, tokens: ids, mask }, past);
}
