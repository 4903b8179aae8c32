/**
 * Edits in a run: what they ask of other runs, and the hooks that they become.
 *
 * @module
 */

import { ConfigError } from "../core/errors.ts";
import { Tensor } from "../core/tensor.ts";
import { type EditContext, editHook, type Observed } from "../hooks/edit_hook.ts";
import { type Edit, edits, type PathEnd, type PathPatchEdit } from "../hooks/edits.ts";
import { type PositionedText, positionsIn } from "../hooks/edit_positions.ts";
import { editedRows, isTextMeant, requireSome } from "../hooks/edit_rows.ts";
import type { HookEntry, PointSelector } from "../hooks/hook_registry.ts";
import { unknownPoint } from "../hooks/hooked_root.ts";
import {
  type InputOptions,
  type ModelInput,
  requireTokenizer,
  type ResolvedInput,
} from "./input.ts";
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

/** An entry with the edit's own hook in it; none when the run computes nothing that it touches. */
function compiled(entry: HookEntry, name: string, context: EditContext): HookEntry[] {
  const { edit } = entry;
  if (!edit || edit.kind === "pathPatch") return [entry];
  const hook = editHook(edit, name, context);
  return hook ? [{ ...entry, hook, edit: undefined }] : [];
}

/** A hook for a run that one edit asks for. */
function entryOf(selector: string, edit: Exclude<Edit, PathPatchEdit>): HookEntry {
  const hook = () => {};
  return { selector, hook, edit, direction: "fwd", isPermanent: false, level: null };
}

/** The layer and the part of a point: the attention layer and the MLP have points inside, the residual stream is neither. */
function placeOf(name: string): { layer: number; part: "attn" | "mlp" | "stream" } {
  const layer = Number(/^blocks\.(\d+)\./.exec(name)?.[1] ?? -1);
  if (/\.(attn|ln1)\.|\.hook_(attn_in|attn_out|[qkv]_input)/.test(name)) {
    return { layer, part: "attn" };
  }
  return { layer, part: /\.(mlp|ln2)\.|\.hook_mlp_(in|out)/.test(name) ? "mlp" : "stream" };
}

/** Whether an edit that begins a path changes positions behind its own: attention carries it on. */
export function spreads(at: string, through: PathPatchEdit["through"]): boolean {
  const isMixed = placeOf(at).part === "attn" && !/\.hook_(z|result|attn_out)$/.test(at);
  return isMixed || through.includes("attn");
}

/**
 * Whether a path changes anything from a position on.
 *
 * @param at Where it begins.
 * @param from The first position that a run computes.
 */
export function pathReaches(
  edit: PathPatchEdit,
  at: PointSelector,
  texts: readonly PositionedText[],
  from: number,
): boolean {
  const first = typeof at === "string" && spreads(at, edit.through) ? 0 : from;
  return editedRows(edit, texts).some((row) => row.some((pos) => pos >= first));
}

/** Patches a path's end at the positions that it speaks of, those of generated text included. */
function endEntries(
  { at, pos = "all", text, ...cells }: PathEnd,
  from: Tensor,
  texts: readonly PositionedText[],
): HookEntry[] {
  requireSome(pos, texts);
  return texts.flatMap((one) => {
    const places = positionsIn(pos, one);
    if (!isTextMeant(text, one.text, texts.length) || places.length === 0) return [];
    return [entryOf(at, edits.patch({ ...cells, text: one.text, pos: places, from }))];
  });
}

/** What components write into the stream behind a point, those aside that may react: they keep their values. */
function heldParts(
  at: string,
  { through }: PathPatchEdit,
  names: readonly string[],
): string[] {
  const begin = placeOf(at);
  const from = names.indexOf(at);
  return names.filter((name, i) => {
    const part = /\.hook_(attn|mlp)_out$/.exec(name)?.[1] as "attn" | "mlp" | undefined;
    if (!part || i <= from || through.includes(part)) return false;
    // The part in which the path begins carries it on.
    return !(begin.part === part && begin.layer === placeOf(name).layer);
  });
}

/**
 * What becomes of a path: its ends are patched with what they are when the edit reaches them alone.
 *
 * @param before The hooks in front of it.
 */
function pathEntries(
  entry: HookEntry,
  edit: PathPatchEdit,
  before: readonly HookEntry[],
  host: EditHost,
): HookEntry[] {
  const { selector: at } = entry;
  if (typeof at !== "string") {
    throw new ConfigError("Cannot patch paths that begin where a predicate says: expected a name.");
  }
  const names = host.pointNames();
  for (const name of [at, ...edit.to.map((end) => end.at)]) {
    if (!names.includes(name)) throw unknownPoint(name, names);
  }
  const { texts, from } = contextOf(host);
  if (!pathReaches(edit, at, texts, from)) return [];
  const held = heldParts(at, edit, names);
  const kept = host.observe({ names: held, entries: before });
  const holding = [...kept].map(([name, value]) => entryOf(name, edits.patch({ from: value })));
  const first = entryOf(at, edit.edit as Exclude<Edit, PathPatchEdit>);
  const ends = [...new Set(edit.to.map((end) => end.at))];
  const reached = host.observe({ names: ends, entries: [...before, first, ...holding] });
  return edit.to.flatMap((end) => {
    const from = reached.get(end.at);
    if (!from) throw new Error(`The run never passes "${end.at}".`);
    return endEntries(end, from, texts);
  });
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
  compile: (entry: HookEntry, name: string) => HookEntry[];
} {
  const resolved = entries.reduce<readonly HookEntry[]>(
    (before, entry) =>
      entry.edit?.kind === "pathPatch"
        ? [...before, ...pathEntries(entry, entry.edit, before, host)]
        : [...before, entry],
    [],
  );
  let context: EditContext | undefined;
  return {
    entries: resolved,
    compile: (entry, name) =>
      entry.edit ? compiled(entry, name, context ??= contextOf(host)) : [entry],
  };
}
