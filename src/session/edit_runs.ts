/**
 * Edits in a run: what they ask of other runs, and the hooks that they become.
 *
 * @module
 */

import { ConfigError } from "../core/errors.ts";
import { Tensor } from "../core/tensor.ts";
import { type EditContext, editHook, type Observed } from "../hooks/edit_hook.ts";
import type { PositionedText } from "../hooks/edit_positions.ts";
import type { HookEntry } from "../hooks/hook_registry.ts";
import { pathEntries } from "./edit_paths.ts";
import {
  type InputOptions,
  type ModelInput,
  requireTokenizer,
  type ResolvedInput,
} from "./input.ts";
import type { ActivePoint } from "./plan.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/** Which values of a run are wanted, and under which hooks. */
export interface Observation {
  readonly names: readonly string[];
  readonly entries: readonly HookEntry[];
}

/** What edits need of the model that they run on. */
export interface EditHost {
  readonly tokenizer: Tokenizer | undefined;
  /** The names of all points of the run, in the order in which they fire. */
  readonly pointNames: () => readonly string[];
  /** The input of the run. */
  readonly resolved: ResolvedInput;
  /** The whole texts, when the run goes on from a cache and they are known. */
  readonly whole: WholeTexts | undefined;
  /** How many positions the texts may come to have; as many as they have unless they are gone on with. */
  readonly nMost: number | undefined;
  /**
   * Runs this run's input under other hooks, and gives the values that points have.
   *
   * @throws {ConfigError} If the run goes on from a cache.
   */
  observe(observation: Observation): ReadonlyMap<string, Tensor>;
  /** Runs another input without hooks, and gives the value that a point has. */
  elsewhere(
    source: ModelInput,
    name: string,
    options?: Pick<InputOptions, "attentionMask">,
  ): { value: Tensor; resolved: ResolvedInput };
}

/** How many values of other inputs are kept. */
const MAX_SOURCES = 16;

/** Values taken from runs on other inputs, the last ones used, so that a stack of patches doesn't run its sources again and again. */
export class SourceValues {
  readonly #values = new Map<string, Tensor>();

  /** The value of a key, computed if it isn't there. */
  get(key: string, compute: () => Tensor): Tensor {
    const value = this.#values.get(key) ?? compute();
    this.#values.delete(key);
    this.#values.set(key, value);
    for (const oldest of [...this.#values.keys()].slice(0, -MAX_SOURCES)) {
      this.#values.delete(oldest);
    }
    return value;
  }
}

/** The whole texts of a run that goes on from a cache. */
export interface WholeTexts {
  /** Token ids, those included that the cache holds [batch, pos]; `undefined` where the texts began with embeddings. */
  readonly tokens: ArrayLike<number> | undefined;
  /** How many positions of each text are the prompt's; the others were generated. */
  readonly nPrompt: number;
}

/** The texts of an input, for choosing positions in them. */
export function textsOf(
  { shape, tokens }: ResolvedInput,
  tokenizer: Tokenizer | undefined,
  { whole, nMost }: Partial<Pick<EditHost, "whole" | "nMost">> = {},
): PositionedText[] {
  const { batch, nPos, nKeys, offset } = shape;
  const id = (text: number, pos: number) => {
    if (whole?.tokens) return whole.tokens[text * nKeys + pos];
    if (tokens && pos >= offset) return tokens[text * nPos + pos - offset];
    throw new ConfigError(
      tokens
        ? "Cannot choose positions by token in a run that goes on from a cache: the tokens before aren't known."
        : "Cannot choose positions by token: pass the `tokens` that the residual stream came from.",
    );
  };
  const str = (id: number) =>
    requireTokenizer(tokenizer, "choose positions by token").decode([id], {});
  return Array.from({ length: batch }, (_, text) => ({
    text,
    nPos: nKeys,
    nPrompt: whole?.nPrompt ?? nKeys,
    nMost: Math.max(nMost ?? 0, nKeys),
    id: (pos: number) => id(text, pos),
    str,
    label: (id: number) => (tokenizer ? JSON.stringify(str(id)) : String(id)),
  }));
}

/** The first positions of each text, [batch, end]. */
function prefix(rows: ArrayLike<number>, batch: number, length: number, end: number): Tensor {
  const kept = Int32Array.from(
    { length: batch * end },
    (_, i) => rows[Math.floor(i / end) * length + i % end],
  );
  return Tensor.from(kept, [batch, end]);
}

function contextOf(host: EditHost): EditContext {
  const { resolved, tokenizer, whole } = host;
  const { shape: { batch, nKeys, offset, keyMask }, mask } = resolved;
  const texts = textsOf(resolved, tokenizer, host);
  const elsewhere = (source: ModelInput, name: string, options?: { attentionMask?: Tensor }) => {
    const { value, resolved: there } = host.elsewhere(source, name, options);
    return { value, texts: textsOf(there, tokenizer), mask: there.mask };
  };
  return {
    texts,
    from: offset,
    unedited: (name): Observed => {
      // While a text grows, its prompt is what it is without edits.
      if (whole?.tokens && (offset > 0 || whole.nPrompt < nKeys)) {
        const { tokens, nPrompt } = whole;
        const prompt = prefix(tokens, batch, nKeys, nPrompt);
        const attentionMask = keyMask && prefix(keyMask, batch, nKeys, nPrompt);
        return elsewhere(prompt, name, { attentionMask });
      }
      const value = host.observe({ names: [name], entries: [] }).get(name);
      if (!value) throw new Error(`A run without edits never passes "${name}".`);
      return { value, texts, mask };
    },
    elsewhere,
  };
}

/**
 * An entry with the edit's own hook in it; none when the run computes nothing that it touches. A point that is off under the switches is
 * there in every piece of a text all the same, as the others see by it how a layer's input is shared.
 */
function compiled(
  entry: HookEntry,
  { info: { name }, isGated }: Pick<ActivePoint, "info" | "isGated">,
  context: EditContext,
): HookEntry[] {
  const { edit } = entry;
  if (!edit || edit.kind === "pathPatch") return [entry];
  const hook = editHook(edit, name, context) ?? (isGated ? () => {} : undefined);
  return hook ? [{ ...entry, hook, edit: undefined }] : [];
}

/**
 * A run's hooks with edits among them: paths are resolved first, edits become hooks at the points where they run.
 *
 * @returns The entries, and what makes the hooks of a point.
 */
export function resolveEdits(
  entries: readonly HookEntry[],
  host: EditHost,
): {
  entries: readonly HookEntry[];
  compile: (entry: HookEntry, point: Pick<ActivePoint, "info" | "isGated">) => HookEntry[];
} {
  const resolved = entries.reduce<readonly HookEntry[]>(
    (before, entry) =>
      entry.edit?.kind === "pathPatch"
        ? [...before, ...pathEntries(entry, entry.edit, before, { host, ...contextOf(host) })]
        : [...before, entry],
    [],
  );
  let context: EditContext | undefined;
  return {
    entries: resolved,
    compile: (entry, point) =>
      entry.edit ? compiled(entry, point, context ??= contextOf(host)) : [entry],
  };
}
