/**
 * What the residual stream is made of: stacks of the stream itself, and of what components add to it.
 *
 * A stack is [component, ...lead, dModel], where `lead` is what the cached values have in front of `dModel`: batch and position,
 * position alone without a batch axis, or neither when a single position was taken.
 *
 * @module
 */

import { MemoryBudgetError } from "../core/errors.ts";
import { Slice } from "../core/slice.ts";
import { Tensor } from "../core/tensor.ts";
import type { CachedModel } from "./cached_model.ts";

/** Cached values, by TransformerLens' short names. */
export interface CachedValues {
  /** Gives an activation. */
  get(name: string, layer?: number, layerType?: string): Tensor;
  /** Whether an activation is there. */
  has(name: string, layer?: number, layerType?: string): boolean;
}

/** A stack, and what each of its components is. */
export interface LabelledStack {
  /** [component, ...lead, dModel], or another last axis after a projection. */
  readonly stack: Tensor;
  readonly labels: string[];
}

/** What a decomposition goes up to, and what of it is wanted. */
export interface StackRequest {
  /** The layer whose input is decomposed; the number of layers stands for the end of the stream. */
  readonly layer: number;
  readonly mlpInput: boolean;
  readonly positions: Slice;
}

/** Puts a stack through a norm. */
export interface StackNorm {
  /** What it divides by, [...lead, 1]. */
  readonly scale: Tensor;
  apply(stack: Tensor): Tensor;
}

/** Stacks of more elements than this (1 GiB) are refused: the core holds one twice while it is joined. */
const MAX_STACK_ELEMENTS = 2 ** 28;

const RESID_POSITION = -2;
const HEAD_POSITION = -3;

/** What went on from a point: the output of what is spliced in there, where there is such a thing. */
function passedOn(values: CachedValues, name: string, layer: number): Tensor {
  const suffix = `${name}.hook_sae_output`;
  const isOfAttention = name === "z";
  const spliced = name === "post"
    ? `blocks.${layer}.mlp.hook_${suffix}`
    : `blocks.${layer}.${isOfAttention ? "attn." : ""}hook_${suffix}`;
  return values.has(spliced) ? values.get(spliced) : values.get(name, layer);
}

function joined(parts: readonly LabelledStack[]): LabelledStack {
  const labels = parts.flatMap(({ labels }) => labels);
  const stacks = parts.map(({ stack }) => stack).filter(({ shape }) => shape[0] > 0);
  return { stack: stacks.length > 0 ? Tensor.cat(stacks) : parts[0].stack, labels };
}

function stackOf(parts: readonly (readonly [label: string, value: Tensor])[]): LabelledStack {
  return {
    stack: Tensor.stack(parts.map(([, value]) => value)),
    labels: parts.map(([label]) => label),
  };
}

/** A stack of no components, of the shape that others have. */
function emptyStack(values: CachedValues, positions: Slice, projection?: Tensor): LabelledStack {
  const { shape } = positions.apply(passedOn(values, "resid_pre", 0), RESID_POSITION);
  const last = projection ? projection.shape[1] : shape[shape.length - 1];
  return { stack: Tensor.zeros([0, ...shape.slice(0, -1), last]), labels: [] };
}

/** The stream after the layers before `layer`. */
function streamBefore(values: CachedValues, layer: number, positions: Slice): Tensor {
  const stream = layer === 0
    ? passedOn(values, "resid_pre", 0)
    : passedOn(values, "resid_post", layer - 1);
  return positions.apply(stream, RESID_POSITION);
}

/** Appends what the components leave of the stream. */
function withRemainder(components: LabelledStack, whole: Tensor): LabelledStack {
  const isEmpty = components.stack.shape[0] === 0;
  const rest = isEmpty ? whole : whole.sub(components.stack.sum(0));
  return joined([components, stackOf([["remainder", rest]])]);
}

/**
 * What the norm before a layer, or before its MLP, divided by: [...lead, 1].
 *
 * @param nLayers How many layers there are; the final norm comes after that many.
 */
export function normScale(values: CachedValues, nLayers: number, request: StackRequest): Tensor {
  const { layer, mlpInput, positions } = request;
  const name = layer === nLayers
    ? "ln_final.hook_scale"
    : `blocks.${layer}.${mlpInput ? "ln2" : "ln1"}.hook_scale`;
  return positions.apply(values.get(name), RESID_POSITION);
}

/** Puts a stack through a norm with a known scale; weight and bias aren't applied. */
export function normedStack(
  stack: Tensor,
  scale: Tensor,
  normalizationType: string | null,
): Tensor {
  const isCentered = normalizationType?.startsWith("LN");
  const centered = isCentered ? stack.sub(stack.mean(-1, { keepdim: true })) : stack;
  return centered.div(scale);
}

/** The stream before each layer up to one, between the halves of layers too where asked. */
export function accumulatedStack(
  values: CachedValues,
  { nLayers, attnOnly }: CachedModel["cfg"],
  { layer, mlpInput, positions }: StackRequest,
  inclMid: boolean,
): LabelledStack {
  const parts: [string, Tensor][] = [];
  const take = (label: string, name: string, at: number) =>
    parts.push([label, positions.apply(passedOn(values, name, at), RESID_POSITION)]);
  for (let l = 0; l <= layer; l++) {
    if (l === nLayers) {
      take("final_post", "resid_post", nLayers - 1);
      continue;
    }
    take(`${l}_pre`, "resid_pre", l);
    const wantsMid = (inclMid && l < layer) || (mlpInput && l === layer);
    if (wantsMid && !attnOnly) take(`${l}_mid`, "resid_mid", l);
  }
  return stackOf(parts);
}

/** What attention and MLPs add to the stream, and the embeddings. */
export function decomposedStack(
  values: CachedValues,
  { attnOnly, positionalEmbeddingType }: CachedModel["cfg"],
  { layer, mlpInput, positions }: StackRequest,
  { mode, inclEmbeds }: { mode: "all" | "mlp" | "attn"; inclEmbeds: boolean },
): LabelledStack {
  const inclAttn = mode !== "mlp";
  const inclMlp = mode !== "attn" && !attnOnly;
  const parts: [string, Tensor][] = [];
  const add = (label: string, value: Tensor) =>
    parts.push([label, positions.apply(value, RESID_POSITION)]);
  if (inclEmbeds) {
    // A shortformer's positions go into queries and keys, not into the stream (TransformerLens counts them in all the same).
    const isInStream = positionalEmbeddingType !== "shortformer";
    for (const name of isInStream ? ["embed", "pos_embed"] : ["embed"]) {
      if (values.has(`hook_${name}`)) add(name, values.get(`hook_${name}`));
    }
  }
  for (let l = 0; l < layer; l++) {
    if (inclAttn) add(`${l}_attn_out`, passedOn(values, "attn_out", l));
    if (inclMlp) add(`${l}_mlp_out`, passedOn(values, "mlp_out", l));
  }
  if (mlpInput && inclAttn) add(`${layer}_attn_out`, passedOn(values, "attn_out", layer));
  return parts.length > 0 ? stackOf(parts) : emptyStack(values, positions);
}

/** What each head of a layer adds to the stream, without `b_O`: [head, ...lead, dModel]. */
export function headResults(
  values: CachedValues,
  model: CachedModel,
  layer: number,
  positions: Slice,
): Tensor {
  if (values.has("result", layer)) {
    const result = positions.apply(values.get("result", layer), HEAD_POSITION);
    const { rank } = result;
    const lead = Array.from({ length: rank - 2 }, (_, axis) => axis);
    return result.permute(rank - 2, ...lead, rank - 1);
  }
  const z = positions.apply(passedOn(values, "z", layer), HEAD_POSITION);
  const [nHeads, dHead] = z.shape.slice(-2);
  const byHead = z.reshape(-1, nHeads, dHead).permute(1, 0, 2);
  const results = byHead.matmul(model.blocks[layer].attn.W_O);
  return results.reshape(nHeads, ...z.shape.slice(0, -2), results.shape[2]);
}

/** What each head of the layers before one adds to the stream. */
export function headStack(
  values: CachedValues,
  model: CachedModel,
  layer: number,
  positions: Slice,
  inclRemainder = false,
): LabelledStack {
  const layers = Array.from({ length: layer }, (_, l) => {
    const stack = headResults(values, model, l, positions);
    return { stack, labels: Array.from({ length: stack.shape[0] }, (_, h) => `L${l}H${h}`) };
  });
  const heads = layers.length > 0 ? joined(layers) : emptyStack(values, positions);
  if (!inclRemainder) return heads;
  return withRemainder(heads, streamBefore(values, layer, positions));
}

/** Which neurons, where, and onto what their output is projected. */
export interface NeuronRequest {
  readonly positions: Slice;
  readonly neurons: Slice;
  /** [dModel, n]. */
  readonly projection: Tensor | undefined;
}

/** [neuron, 1, …, 1, n] of [neuron, n], to multiply activations of this rank. */
function alongFirst(matrix: Tensor, rank: number): Tensor {
  const [neurons, n] = matrix.shape;
  return matrix.reshape(neurons, ...Array<number>(rank - 1).fill(1), n);
}

/**
 * What neurons of a layer add to the stream, or the projection of that: [neuron, ...lead, n]. Where a norm's scale is given, each is
 * put through that norm before the projection; that takes no more memory, because the norm with a known scale is linear.
 */
function neuronResults(
  values: CachedValues,
  model: CachedModel,
  layer: number,
  { positions, neurons, projection }: NeuronRequest,
  scale?: Tensor,
): Tensor {
  const post = positions.apply(passedOn(values, "post", layer), RESID_POSITION);
  const W_out = model.blocks[layer].mlp.W_out;
  const chosen = neurons.isWhole ? undefined : neurons.indices(W_out.shape[0]);
  const acts = chosen ? post.at("...", chosen) : post;
  const outputs = chosen ? W_out.at(chosen) : W_out.clone();
  // LN(a w) p = a (w - mean(w)) p / s
  const isCentered = scale !== undefined && model.cfg.normalizationType?.startsWith("LN");
  const directions = isCentered ? outputs.sub(outputs.mean(-1, { keepdim: true })) : outputs;
  const written = projection ? directions.matmul(projection) : directions;
  const scaled = scale ? acts.div(scale) : acts;
  const { rank } = scaled;
  const lead = Array.from({ length: rank - 1 }, (_, axis) => axis);
  return scaled.permute(rank - 1, ...lead).unsqueeze(-1).mul(alongFirst(written, rank));
}

/** @throws {MemoryBudgetError} If a stack would hold more numbers than it may. */
function requireRoom(elements: number, neurons: number): void {
  if (elements <= MAX_STACK_ELEMENTS) return;
  throw new MemoryBudgetError(
    `Cannot stack the results of ${neurons} neurons: they are ${elements} numbers, more than ${MAX_STACK_ELEMENTS}. ` +
      "Take fewer with neuronSlice or posSlice, or pass projectOutputOnto.",
  );
}

/** What neurons of a layer add to the stream, the neurons' axis where it was in `hook_post`. */
export function layerNeurons(
  values: CachedValues,
  model: CachedModel,
  layer: number,
  request: NeuronRequest,
): Tensor {
  const { size } = request.positions.apply(values.get("post", layer), RESID_POSITION);
  const { shape } = model.blocks[layer].mlp.W_out;
  const neurons = request.neurons.indices(shape[0]).length;
  requireRoom(size / shape[0] * neurons * (request.projection?.shape[1] ?? shape[1]), neurons);
  const results = neuronResults(values, model, layer, request);
  if (request.neurons.isSingle) return results.squeeze(0);
  const { rank } = results;
  const lead = Array.from({ length: rank - 2 }, (_, axis) => axis + 1);
  return results.permute(...lead, 0, rank - 1);
}

/** How many numbers the results of neurons of the layers before one are, and of how many neurons. */
function neuronRoom(
  values: CachedValues,
  { blocks }: CachedModel,
  layer: number,
  { positions, neurons, projection }: NeuronRequest,
): [elements: number, neurons: number] {
  let [elements, count] = [0, 0];
  for (let l = 0; l < layer; l++) {
    const [dMlp, dModel] = blocks[l].mlp.W_out.shape;
    const { size } = positions.apply(values.get("post", l), RESID_POSITION);
    const chosen = neurons.indices(dMlp).length;
    elements += size / dMlp * chosen * (projection ? projection.shape[1] : dModel);
    count += chosen;
  }
  return [elements, count];
}

/**
 * What each neuron of the layers before one adds to the stream.
 *
 * @throws {MemoryBudgetError} If that is more than a stack may hold.
 */
export function neuronStack(
  values: CachedValues,
  model: CachedModel,
  layer: number,
  request: NeuronRequest,
  { norm, inclRemainder = false }: { norm?: StackNorm; inclRemainder?: boolean } = {},
): LabelledStack {
  const { positions, neurons, projection } = request;
  requireRoom(...neuronRoom(values, model, layer, request));
  const layers = Array.from({ length: layer }, (_, l) => ({
    stack: neuronResults(values, model, l, request, norm?.scale),
    labels: neurons.indices(model.blocks[l].mlp.W_out.shape[0]).map((n) => `L${l}N${n}`),
  }));
  const all = layers.length > 0 ? joined(layers) : emptyStack(values, positions, projection);
  if (!inclRemainder) return all;
  const whole = streamBefore(values, layer, positions).unsqueeze(0);
  return withRemainder(all, reduced(whole, norm, projection).squeeze(0));
}

/** A stack after a norm and a projection, where they are wanted. */
function reduced(
  stack: Tensor,
  norm: StackNorm | undefined,
  projection: Tensor | undefined,
): Tensor {
  const normed = norm ? norm.apply(stack) : stack;
  return projection ? normed.matmul(projection) : normed;
}

/**
 * All that the stream before a layer is the sum of: heads, neurons or MLPs, embeddings, biases, in this order.
 *
 * @throws {MemoryBudgetError} If that is more than a stack may hold.
 */
export function fullStack(
  values: CachedValues,
  model: CachedModel,
  { layer, mlpInput, positions }: StackRequest,
  { expandNeurons, projection, norm }: {
    expandNeurons: boolean;
    projection: Tensor | undefined;
    norm: StackNorm | undefined;
  },
): LabelledStack {
  const { cfg } = model;
  const parts: LabelledStack[] = [];
  const add = ({ stack, labels }: LabelledStack) => {
    if (labels.length > 0) parts.push({ stack: reduced(stack, norm, projection), labels });
  };
  const embeds = { layer: 0, mlpInput: false, positions };
  const bias = model.accumulatedBias(layer, { mlpInput, includeMlpBiases: expandNeurons });
  const lead = streamBefore(values, layer, positions).shape.slice(0, -1);
  add(headStack(values, model, layer + (mlpInput ? 1 : 0), positions));
  if (!cfg.attnOnly && layer > 0 && expandNeurons) {
    const neurons = { positions, neurons: new Slice(), projection };
    parts.push(neuronStack(values, model, layer, neurons, { norm }));
  } else if (!cfg.attnOnly && layer > 0) {
    const mlps = { mode: "mlp", inclEmbeds: false } as const;
    add(decomposedStack(values, cfg, { layer, mlpInput, positions }, mlps));
  }
  add(decomposedStack(values, cfg, embeds, { mode: "all", inclEmbeds: true }));
  add({ stack: bias.expand([1, ...lead, bias.shape[0]]), labels: ["bias"] });
  return joined(parts);
}
