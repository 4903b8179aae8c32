/**
 * How tensors of checkpoints become parameters: the rules that families have in common.
 *
 * Axes: m = dModel, h = head, d = dHead, f = dMlp. A linear layer of torch is [out, in], a parameter of TransformerLens [in, out].
 *
 * @module
 */

import type { HookedTransformerConfig } from "../config.ts";
import type { CheckpointShape, TensorRule } from "./architecture.ts";
import { headsFromRows, reshaped, rowsOf, transposed } from "./layouts.ts";

/** What a tensor becomes. */
export type Become = TensorRule["to"];

/** The tensor under another name, and where said in another shape. */
export function as(name: string, shape?: readonly number[]): Become {
  return (tensor) => [[name, shape === undefined ? tensor : reshaped(tensor, shape)]];
}

/** A linear layer's weight, [out, in] to [in, out], and where said in another shape. */
export function turnedTo(name: string, shape?: readonly number[]): Become {
  return (tensor) => as(name, shape)(transposed(tensor));
}

/** Several parameters from one tensor. */
export function each(...parts: readonly Become[]): Become {
  return (tensor) => parts.flatMap((part) => part(tensor));
}

/** A part of a tensor: so many rows from a first one on. */
export function rows(first: number, count: number, to: Become): Become {
  return (tensor) => to(rowsOf(tensor, first, count));
}

/** Where heads lie in the rows of a weight or bias: the first row of the first head, and rows from one head to the next. */
export interface HeadRows {
  readonly heads: number;
  readonly dHead: number;
  readonly first?: number;
  readonly step?: number;
}

/** Heads of a weight [rows, m] to [h, m, d], or of a bias [rows] to [h, d]. */
export function heads(name: string, { heads, dHead, first = 0, step = dHead }: HeadRows): Become {
  return (tensor) => [[name, headsFromRows(tensor, { heads, dHead, first, step })]];
}

/** The rules of embedding and unembedding: two tensors, or one where they are tied. */
export function embeddingRules(
  { cfg: { dVocab, dVocabOut, dModel }, isTied }: CheckpointShape,
  embedding: string,
  unembedding: string,
  embed: Become = as("embed.W_E"),
): TensorRule[] {
  const unembed = turnedTo("unembed.W_U");
  const to = isTied ? each(embed, unembed) : embed;
  const tied = { from: embedding, shape: [dVocab, dModel], to };
  return isTied ? [tied] : [tied, { from: unembedding, shape: [dVocabOut, dModel], to: unembed }];
}

/** The rules of a layer norm: its weight and its bias, each under one name or several. */
export function layerNormRules(from: string, to: readonly string[], length: number): TensorRule[] {
  return (["weight", "bias"] as const).map((part) => ({
    from: `${from}.${part}`,
    shape: [length],
    to: each(...to.map((name) => as(`${name}.${part[0]}`))),
  }));
}

/** Makes the rules of a block. */
export interface BlockRules {
  /** The block's parameters, `blocks.3`. */
  readonly block: string;
  /** The block's tensors, `h.3`. */
  readonly name: string;
  readonly rule: (from: string, shape: readonly number[], to: Become) => TensorRule;
}

/** The rules of all blocks. */
export function blockRules(
  { nLayers }: HookedTransformerConfig,
  nameOf: (layer: number) => string,
  rulesOf: (rules: BlockRules) => readonly TensorRule[],
): TensorRule[] {
  return Array.from({ length: nLayers }, (_, layer) => {
    const name = nameOf(layer);
    const rule = (from: string, shape: readonly number[], to: Become): TensorRule => ({
      from: `${name}.${from}`,
      shape,
      to,
    });
    const rules = rulesOf({ block: `blocks.${layer}`, name, rule });
    return rules.map((rule): TensorRule => ({ ...rule, layer }));
  }).flat();
}

/** The parameters of queries, or of keys and values, which have a mark where heads share them. */
function headParameters(
  { nHeads, nKeyValueHeads, dHead }: HookedTransformerConfig,
  attn: string,
  letter: string,
): { readonly count: number; readonly to: (kind: "W" | "b") => Become } {
  const isShared = letter !== "q" && nKeyValueHeads !== null;
  const count = isShared ? nKeyValueHeads : nHeads;
  const name = (kind: string) => `${attn}.${isShared ? "_" : ""}${kind}_${letter.toUpperCase()}`;
  return { count, to: (kind) => heads(name(kind), { heads: count, dHead }) };
}

/**
 * The rules of queries, keys and values in linear layers of their own.
 *
 * @param nameOf The layer's name for "q", "k" or "v".
 * @param biases The letters of those that have biases.
 */
export function queryKeyValueRules(
  cfg: HookedTransformerConfig,
  { block, rule }: BlockRules,
  nameOf: (letter: string) => string,
  biases: readonly string[] = [],
): TensorRule[] {
  return ["q", "k", "v"].flatMap((letter) => {
    const { count, to } = headParameters(cfg, `${block}.attn`, letter);
    const width = count * cfg.dHead;
    const weight = rule(`${nameOf(letter)}.weight`, [width, cfg.dModel], to("W"));
    if (!biases.includes(letter)) return [weight];
    return [weight, rule(`${nameOf(letter)}.bias`, [width], to("b"))];
  });
}

/** The rules of attention's output, a linear layer with a bias or without. */
export function outputRules(
  { dModel, nHeads, dHead }: HookedTransformerConfig,
  { block, rule }: BlockRules,
  name: string,
  hasBias: boolean,
): TensorRule[] {
  const to = turnedTo(`${block}.attn.W_O`, [nHeads, dHead, dModel]);
  const weight = rule(`${name}.weight`, [dModel, nHeads * dHead], to);
  return hasBias ? [weight, rule(`${name}.bias`, [dModel], as(`${block}.attn.b_O`))] : [weight];
}

/** The rules of an MLP of two linear layers with biases. */
export function mlpRules(
  { dModel, dMlp }: HookedTransformerConfig,
  { block, rule }: BlockRules,
  [inner, outer]: readonly [inner: string, outer: string],
): TensorRule[] {
  // A model with MLPs says how wide they are, or its configuration does.
  const width = dMlp ?? 4 * dModel;
  return [
    rule(`${inner}.weight`, [width, dModel], turnedTo(`${block}.mlp.W_in`)),
    rule(`${inner}.bias`, [width], as(`${block}.mlp.b_in`)),
    rule(`${outer}.weight`, [dModel, width], turnedTo(`${block}.mlp.W_out`)),
    rule(`${outer}.bias`, [dModel], as(`${block}.mlp.b_out`)),
  ];
}
