/**
 * A text that is being written: run piece by piece, taken back to a position, and gone on from there.
 *
 * The contract: whatever was run, appended, rewound and truncated before, and in pieces of whatever size, `logits()` and
 * `activations()` have the bits of one run over the text as it stands, with the hooks and splices as they stand, as long as
 * - a hook treats a position by where it is in the text (`hook.posOffset` says where the piece begins), not by its place in the piece,
 *   and a splice that mixes positions says so (then the whole text is run each time);
 * - whoever changes hooks, splices or weights calls `rewind(p)` with the first position that the change concerns: keys, values and
 *   activations before it stay as they were computed.
 *
 * A run that throws leaves the text and what was computed of it as they were.
 *
 * @module
 */

import { Tensor } from "../core/tensor.ts";
import type { ActivationCache } from "../hooks/activation_cache.ts";
import type { CachedModel } from "../hooks/cached_model.ts";
import type { PositionedText } from "../hooks/edit_positions.ts";
import type { Edit } from "../hooks/edits.ts";
import type { PointSelector } from "../hooks/hook_registry.ts";
import type { HookedTransformerConfig } from "../model/config.ts";
import { HookedTransformerKeyValueCache, maskOf } from "../model/kv_cache.ts";
import { GrowingCache } from "./growing_cache.ts";
import { positioned, type ResolvedInput, rowsOf } from "./input.ts";
import { type EditPlaces, firstMoved } from "./edit_growth.ts";
import type { WholeTexts } from "./edit_runs.ts";
import type { CacheRequest, KeepValue, RunRequest } from "./plan.ts";

/** What runs a text's pieces. */
export interface GenerationHost {
  readonly cfg: HookedTransformerConfig;
  /**
   * Runs positions behind those of a cache, which then has them too.
   *
   * @returns Logits [batch, dVocab] after each of `rows`, places in the flattened [batch, pos] of the input.
   */
  advance(
    input: ResolvedInput,
    rows: readonly number[],
    options: {
      readonly pastKvCache: HookedTransformerKeyValueCache | undefined;
      readonly request: RunRequest;
    },
  ): Float32Array<ArrayBuffer>;
  /** The texts of a piece that is to be run. */
  textsOf(piece: ResolvedInput, whole: WholeTexts): PositionedText[];
  /** Where the edits that are in place are in texts. */
  editPlaces(texts: readonly PositionedText[]): EditPlaces;
  /**
   * Whether something is spliced in, or edited, for which texts have to be run from the beginning.
   *
   * @param from The first position that is to be run otherwise.
   */
  needsWholeTexts(texts: readonly PositionedText[], from: number): boolean;
  /** Embeds tokens: [..., dModel]. */
  embed(tokens: Tensor): Tensor;
}

/** What a text begins with: tokens or their embeddings. */
export type GenerationPrompt = Pick<ResolvedInput, "tokens" | "mask" | "embeds"> & {
  readonly batch: number;
  readonly nPos: number;
};

/** How a text is run. */
export interface GenerationRunOptions {
  /** Keeps keys and values, so that each position is run once; true unless said. The bits are the same either way. */
  readonly usePastKvCache?: boolean;
  /** How many positions the text is expected to have. */
  readonly capacity?: number;
  /** What to cache of each position; nothing unless said. */
  readonly cache?: CacheRequest;
  /** Selectors of hooks, each of which must reach a point. */
  readonly selectors?: readonly PointSelector[];
}

/** A text, or several of one length, and what was computed of it. */
export class GenerationRun implements Disposable {
  /** How many texts there are. */
  readonly batch: number;
  readonly #host: GenerationHost;
  readonly #keysAndValues: HookedTransformerKeyValueCache | undefined;
  readonly #request: RunRequest;
  /** How many positions the prompt has, or what is left of it. */
  #nPrompt: number;
  readonly #activations = new GrowingCache();
  /** Token ids by text; -1 where embeddings stand instead. */
  readonly #tokens: number[][];
  /** 1 at real tokens by text; `undefined` when all are. */
  readonly #mask: number[][] | undefined;
  #embeds: Tensor | undefined;
  #length: number;
  /** Where edits were when the text was last run. */
  #places: EditPlaces = new Map();
  /** Up to where keys, values and activations are there. */
  #computed = 0;
  #logits: Float32Array<ArrayBuffer> | undefined;

  constructor(
    host: GenerationHost,
    { batch, nPos, tokens, mask, embeds }: GenerationPrompt,
    { usePastKvCache = true, capacity = nPos, cache, selectors }: GenerationRunOptions = {},
  ) {
    this.#host = host;
    this.batch = batch;
    this.#length = this.#nPrompt = nPos;
    this.#tokens = rowsOf(tokens ?? new Int32Array(batch * nPos).fill(-1), batch, nPos);
    this.#mask = mask?.includes(0) ? rowsOf(mask, batch, nPos) : undefined;
    this.#embeds = embeds;
    const keep: KeepValue = (name, value, grid) => this.#activations.keep(name, value, grid);
    this.#request = { cache, selectors, keep };
    if (!usePastKvCache) return;
    this.#keysAndValues = HookedTransformerKeyValueCache.initCache(host.cfg, batch);
    this.#keysAndValues.reserve(capacity);
  }

  /** How many positions the text has. */
  get length(): number {
    return this.#length;
  }

  /** Up to which position it was run and needn't be again. */
  get computed(): number {
    return this.#computed;
  }

  /** Token ids so far [batch, length], -1 where the text was given by embeddings. */
  get tokens(): Int32Array<ArrayBuffer> {
    return Int32Array.from(this.#tokens.flat());
  }

  /** A text's token ids so far. */
  tokensOf(text: number): readonly number[] {
    return this.#tokens[text];
  }

  /** Embeddings so far [batch, length, dModel]. */
  get embeds(): Tensor {
    return this.#embeds ??
      this.#host.embed(Tensor.from(this.tokens, [this.batch, this.#length]));
  }

  /** Adds a token to each text. */
  append(ids: ArrayLike<number>): void {
    this.#tokens.forEach((row, text) => row.push(ids[text]));
    this.#mask?.forEach((row) => row.push(1));
    if (this.#embeds) {
      const added = this.#host.embed(Tensor.from(Int32Array.from(ids), [this.batch, 1]));
      this.#embeds = Tensor.cat([this.#embeds, added], 1);
    }
    this.#length++;
    this.#logits = undefined;
  }

  /** Lets the positions from one on be run again, because hooks or splices do something else there now. The text stays. */
  rewind(position: number): void {
    this.#computed = Math.min(this.#computed, Math.max(0, position));
    this.#logits = undefined;
  }

  /** The first position that an edit touched when the text was last run; `Infinity` when it touched none. */
  firstEdited(edit: Edit): number {
    return Math.min(...this.#places.get(edit)?.map(([first]) => first ?? Infinity) ?? [], Infinity);
  }

  /** Takes the text back to its first positions. What was computed of them stays. */
  truncate(length: number): void {
    if (!Number.isInteger(length) || length < 1 || length > this.#length) {
      throw new RangeError(
        `Cannot truncate a text of ${this.#length} positions to ${length}: expected a whole number from 1 to ${this.#length}.`,
      );
    }
    this.rewind(length);
    for (const rows of [this.#tokens, this.#mask ?? []]) rows.forEach((row) => row.length = length);
    if (this.#embeds) this.#embeds = this.#embeds.at(":", `:${length}`);
    this.#length = length;
    this.#nPrompt = Math.min(this.#nPrompt, length);
  }

  /** Logits [batch, dVocab] after each text's last real token. Runs what wasn't run yet. */
  logits(): Float32Array<ArrayBuffer> {
    if (this.#logits) return this.#logits;
    const last = this.#tokens.map((_, text) => this.#lastReal(text));
    const whole = { tokens: this.#embeds ? undefined : this.tokens, nPrompt: this.#nPrompt };
    let places: EditPlaces;
    let from = this.#keysAndValues ? Math.min(this.#computed, ...last) : 0;
    try {
      const texts = this.#host.textsOf(this.#piece(from), whole);
      places = this.#host.editPlaces(texts);
      from = Math.min(from, firstMoved(this.#places, places));
      if (from > 0 && this.#host.needsWholeTexts(texts, from)) from = 0;
      const width = this.#length - from;
      this.#logits = this.#host.advance(
        this.#piece(from),
        last.map((pos, text) => text * width + pos - from),
        { pastKvCache: this.#keysAndValues, request: { ...this.#request, whole } },
      );
    } catch (error) {
      this.#activations.discard();
      // What the cache was cut to is what there is now.
      this.#computed = Math.min(this.#computed, from);
      throw error;
    }
    this.#places = places;
    this.#activations.commit(from, this.#length);
    this.#computed = this.#length;
    return this.#logits;
  }

  /** The activations of the text before a position, up to where it was run. */
  activations(model: CachedModel, end: number = this.#computed): ActivationCache {
    this.#activations.truncate(this.#computed);
    return this.#activations.toCache(model, end);
  }

  /** Gives the memory of keys and values back. */
  [Symbol.dispose](): void {
    this.#keysAndValues?.[Symbol.dispose]();
  }

  /** The position of a text's last real token. */
  #lastReal(text: number): number {
    const last = this.#mask?.[text].lastIndexOf(1) ?? this.#length - 1;
    return last < 0 ? this.#length - 1 : last;
  }

  /** The positions from one on, as an input behind the keys and values before it, which alone are kept. */
  #piece(from: number): ResolvedInput {
    const flat = (rows: readonly (readonly number[])[]) => rows.flatMap((row) => row.slice(from));
    const cache = this.#keysAndValues;
    cache?.truncate(from);
    return positioned({
      batch: this.batch,
      nPos: this.#length - from,
      tokens: this.#embeds ? undefined : Int32Array.from(flat(this.#tokens)),
      mask: this.#mask && Uint8Array.from(flat(this.#mask)),
      embeds: this.#embeds?.at(":", `${from}:`),
    }, cache && { length: cache.length, mask: maskOf(cache) });
  }
}
