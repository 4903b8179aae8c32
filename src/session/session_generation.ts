/**
 * Generation under a session's edits, which may change between tokens.
 *
 * @module
 */

import { TokenError } from "../core/errors.ts";
import { elementsOf, Tensor } from "../core/tensor.ts";
import { firstPosition } from "../hooks/edit_rows.ts";
import type { PositionedText } from "../hooks/edit_positions.ts";
import { type EndTokens, endTokens } from "./generation_options.ts";
import { GenerationRun } from "./generation_run.ts";
import { executionOf } from "./hooked_transformer.ts";
import { rowsOf } from "./input.ts";
import {
  anySeed,
  checkSampling,
  mostLikely,
  type Random,
  randomOfTexts,
  sampleToken,
  type SamplingOptions,
} from "./sampling.ts";
import type { Session } from "./session.ts";
import type { SessionEdit, SessionState } from "./session_state.ts";

/** How a session's text goes on. */
export interface SessionGenerationOptions extends SamplingOptions {
  /** Draws tokens; otherwise the most likely one is taken, which is so unless said. */
  doSample?: boolean;
  /** The same seed draws the same tokens. Any seed unless said. */
  seed?: number;
  /** Ends at the tokenizer's end token; true unless said. */
  stopAtEos?: boolean;
}

/** One token more for each text. */
export interface SessionGenerationStep {
  /** The new tokens, [batch]. */
  readonly newTokens: readonly number[];
  /** What they add to each text. */
  readonly newText: readonly string[];
  /** The logits that they were chosen from [batch, dVocab]. */
  readonly logits: Tensor;
  /** The first position that was computed again because edits changed; `undefined` when none had to be. */
  readonly rewoundTo: number | undefined;
  /** Whether every text has ended. */
  readonly isLast: boolean;
}

/** The edits that are in one of two stacks only, or in another order. */
function changedEdits(before: SessionState, now: SessionState): readonly SessionEdit[] {
  const active = ({ edits }: SessionState) => edits.filter(({ isOn }) => isOn);
  const [old, current] = [active(before), active(now)];
  const isIn = (edits: readonly SessionEdit[]) => ({ edit, at }: SessionEdit) =>
    edits.some((one) => one.edit === edit && one.at === at);
  const changed = [
    ...old.filter((one) => !isIn(current)(one)),
    ...current.filter((one) => !isIn(old)(one)),
  ];
  const kept = [old.filter(isIn(current)), current.filter(isIn(old))];
  const isMoved = kept[0].some((one, i) => one.edit !== kept[1][i]?.edit);
  return isMoved ? [...changed, ...kept[0]] : changed;
}

/** The points that an edit is at; none where a predicate says, which nobody knows beforehand. */
function pointsOf({ at, edit }: SessionEdit): string[] | undefined {
  const ends = typeof edit !== "function" && edit.kind === "pathPatch" ? edit.to : [];
  return typeof at === "string" ? [at, ...ends.map((end) => end.at)] : undefined;
}

/**
 * Whether changed edits give queries, keys or values of a layer inputs of their own, or no longer: then an edit of the norm that they share
 * reaches others, at all positions.
 */
function splitsDifferently(changed: readonly SessionEdit[], all: readonly SessionEdit[]): boolean {
  const isAt = (pattern: RegExp) => (edit: SessionEdit) =>
    pointsOf(edit)?.some((name) => pattern.test(name)) ?? true;
  return changed.some(isAt(/\.hook_([qkv]_input|attn_in)$/)) && all.some(isAt(/\.ln1\./));
}

/**
 * A text that a model goes on with under a session's edits, token after token. Edits may come, go and change between tokens: then keys
 * and values are computed again from the first position concerned, so that every token is chosen from the logits of one run over the
 * whole text under the edits of that moment, bit for bit. What was written stays written, unless it is taken back.
 *
 * Positions in edits are those of the text, also of what isn't written yet; the ones from the end count from the end of the prompt, and
 * `"generated"` means what was added.
 */
export class SessionGeneration implements Disposable {
  readonly #session: Session;
  readonly #options: SessionGenerationOptions;
  readonly #run: GenerationRun;
  readonly #random: readonly Random[];
  readonly #end: EndTokens;
  readonly #ended: Uint8Array;
  #state: SessionState;

  /** Begins with a session's prompts. */
  constructor(session: Session, options: SessionGenerationOptions = {}) {
    checkSampling(options);
    const { model, tokens, attentionMask } = session;
    const [batch, nPos] = tokens.shape;
    const eos = model.tokenizer?.eosTokenId;
    this.#session = session;
    this.#options = options;
    this.#state = session.state;
    this.#random = randomOfTexts(options.seed ?? anySeed(), batch);
    const stopAtEos = (options.stopAtEos ?? true) && eos !== null && eos !== undefined;
    this.#end = endTokens({ stopAtEos }, eos);
    this.#ended = new Uint8Array(batch);
    this.#run = new GenerationRun(executionOf(model), {
      batch,
      nPos,
      tokens: elementsOf(tokens) as Int32Array<ArrayBuffer>,
      mask: Uint8Array.from(elementsOf(attentionMask)),
      embeds: undefined,
    });
  }

  /** Token ids so far [batch, pos]. */
  get tokens(): Tensor {
    return Tensor.from(this.#run.tokens, [this.#run.batch, this.#run.length]);
  }

  /** How many tokens were added to the prompts. */
  get nNew(): number {
    return this.#run.length - this.#nPrompt;
  }

  /** Whether every text has come to an end token. */
  get hasEnded(): boolean {
    return this.#ended.every((flag) => flag === 1);
  }

  /**
   * What was added to each prompt, as text.
   *
   * @throws {TokenError} If the model has no tokenizer.
   */
  get newText(): string[] {
    return this.#newTextOf(rowsOf(this.#run.tokens, this.#run.batch, this.#run.length));
  }

  /**
   * Adds a token to each text, under the session's edits as they are now.
   *
   * @throws {TokenError} If the context is full.
   */
  step(): SessionGenerationStep {
    const { model } = this.#session;
    const { nCtx } = model.cfg;
    if (this.#run.length >= nCtx) {
      throw new TokenError(
        `Cannot go on after ${this.#run.length} tokens: the context holds ${nCtx}.`,
      );
    }
    const rewoundTo = this.#rewindForEdits();
    const logits = this.#session.within(() => this.#run.logits());
    const newTokens = this.#choose(logits);
    this.#run.append(newTokens);
    const { tokens, batch, length } = this.#run;
    const newText = () => {
      const rows = rowsOf(tokens, batch, length);
      const before = this.#newTextOf(rows.map((row) => row.slice(0, -1)));
      return this.#newTextOf(rows).map((text, i) => text.slice(before[i].length));
    };
    return {
      newTokens,
      get newText() {
        return newText();
      },
      logits: Tensor.from(logits, [this.#run.batch, logits.length / this.#run.batch]),
      rewoundTo,
      isLast: this.hasEnded,
    };
  }

  /** Takes the last tokens back, as many as there are at most. */
  takeBack(count: number): void {
    const length = Math.max(this.#nPrompt, this.#run.length - count);
    this.#run.truncate(length);
    this.#ended.fill(0);
  }

  /** Gives the memory of keys and values back. */
  [Symbol.dispose](): void {
    this.#run[Symbol.dispose]();
  }

  #newTextOf(rows: readonly (readonly number[])[]): string[] {
    return rows.map((row) => this.#session.model.toString(row.slice(this.#nPrompt)));
  }

  get #nPrompt(): number {
    return this.#session.tokens.shape[1];
  }

  /** Lets what the edits' changes concern be computed again, and says from where. */
  #rewindForEdits(): number | undefined {
    const { state } = this.#session;
    if (state === this.#state) return undefined;
    const texts = this.#texts();
    const changed = changedEdits(this.#state, state);
    const first = splitsDifferently(changed, [...this.#state.edits, ...state.edits]) ? 0 : Math.min(
      ...changed.map(({ edit }) =>
        typeof edit === "function"
          ? 0
          : Math.min(firstPosition(edit, texts), this.#run.firstEdited(edit))
      ),
    );
    this.#state = state;
    const { computed } = this.#run;
    this.#run.rewind(first);
    return this.#run.computed < computed ? this.#run.computed : undefined;
  }

  #choose(logits: Float32Array<ArrayBuffer>): number[] {
    const { doSample = false } = this.#options;
    const { batch } = this.#run;
    const dVocab = logits.length / batch;
    return Array.from({ length: batch }, (_, text) => {
      if (this.#ended[text]) return this.#end.filling;
      const row = logits.slice(text * dVocab, (text + 1) * dVocab);
      const id = doSample
        ? sampleToken(row, this.#run.tokensOf(text), this.#options, this.#random[text])
        : mostLikely(row);
      if (this.#end.ids.has(id)) this.#ended[text] = 1;
      return id;
    });
  }

  #texts(): PositionedText[] {
    const { model } = this.#session;
    const { batch, length } = this.#run;
    return Array.from({ length: batch }, (_, text) => ({
      text,
      nPos: length,
      nPrompt: this.#nPrompt,
      nMost: model.cfg.nCtx,
      id: (pos: number) => this.#run.tokensOf(text)[pos],
      str: (id: number) => model.toSingleStrToken(id),
      label: (id: number) => String(id),
    }));
  }
}
