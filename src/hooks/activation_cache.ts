/**
 * The activations that a run kept.
 *
 * @module
 */

import { nearestNames, requireOneOf, ShapeError, UnknownPointError } from "../core/errors.ts";
import { explainPythonNames } from "../core/python_names.ts";
import { Slice, type SliceInput } from "../core/slice.ts";
import { Tensor } from "../core/tensor.ts";
import { getActName } from "./act_name.ts";
import type { CachedModel } from "./cached_model.ts";
import type {
  AccumulatedResidOptions,
  DecomposeResidOptions,
  FullDecompositionOptions,
  HeadResultsOptions,
  LnOptions,
  LogitAttrsOptions,
  NeuronResultsOptions,
  Stacked,
  StackNeuronOptions,
  StackOptions,
} from "./cache_options.ts";
import { isJoined } from "./points.ts";
import {
  accumulatedStack,
  decomposedStack,
  fullStack,
  headResults,
  headStack,
  type LabelledStack,
  layerNeurons,
  neuronStack,
  normedStack,
  normScale,
  type StackNorm,
  type StackRequest,
} from "./residual_stacks.ts";

/** How many activations a description names. */
const SHOWN = 8;

/**
 * A snapshot of activations by name. Nothing that happens later changes it.
 *
 * @example
 * ```ts
 * import { HookedSAETransformer } from "@splicer/splicer";
 * import { assertEquals } from "@std/assert";
 *
 * const model = await HookedSAETransformer.fromPretrained("ioi-tiny");
 * const [, cache] = model.runWithCache("When John and Mary");
 * assertEquals(cache.get("pattern", 0).shape, [1, 4, 5, 5]);
 * ```
 */
export class ActivationCache implements Iterable<[string, Tensor]> {
  /** The model that filled the cache. */
  readonly model: CachedModel | undefined;
  /** Whether values have a batch axis in front. */
  readonly hasBatchDim: boolean;
  readonly #values: Map<string, Tensor>;

  /**
   * Makes a cache of values that hooks kept.
   *
   * @param values Activations by name.
   * @param model The model they come from.
   */
  constructor(
    values: ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>,
    model?: CachedModel,
    { hasBatchDim = true }: { hasBatchDim?: boolean } = {},
  ) {
    this.#values = new Map(values instanceof Map ? values : Object.entries(values));
    this.model = model;
    this.hasBatchDim = hasBatchDim;
  }

  /** How many activations are cached. */
  get size(): number {
    return this.#values.size;
  }

  /**
   * Gives an activation by its full name, or by TransformerLens' short one: `get("z", 5)`, `get("k6")`, `get("scale", -1, "ln1")`.
   *
   * @throws {UnknownPointError} If it isn't cached; the message names the nearest that is.
   */
  get(name: string, layer?: number, layerType?: string): Tensor {
    const value = this.#find(name, layer, layerType);
    if (value) return value;
    const full = this.#fullName(name, layer, layerType);
    const isPoint = this.size > 0 && this.model?.hookDict?.has(full);
    if (isPoint) {
      throw new UnknownPointError(
        `The cache has no "${full}": the run didn't keep it, by its \`namesFilter\`, or didn't pass it. It holds ${this.#listed()}.`,
      );
    }
    const near = nearestNames(full, this.#values.keys()).map((candidate) => `"${candidate}"`);
    const hint = near.length > 0 ? ` Did you mean ${near.join(", ")}?` : " The cache is empty.";
    throw new UnknownPointError(`The cache has no "${full}".${hint}`);
  }

  /** The first of the names, for messages. */
  #listed(): string {
    const [first, second, third, ...others] = this.keys();
    const shown = [first, second, third].filter((name) => name !== undefined);
    const more = others.length === 0 ? "" : ` and ${others.length} more`;
    return `${shown.map((name) => `"${name}"`).join(", ")}${more}`;
  }

  /** Whether an activation is cached, by its full or short name. */
  has(name: string, layer?: number, layerType?: string): boolean {
    return this.#find(name, layer, layerType) !== undefined;
  }

  /** The full names. */
  keys(): IterableIterator<string> {
    return this.#values.keys();
  }

  /** The activations. */
  values(): IterableIterator<Tensor> {
    return this.#values.values();
  }

  /** The names with their activations. */
  entries(): IterableIterator<[string, Tensor]> {
    return this.#values.entries();
  }

  /** Iterates over names and activations. */
  [Symbol.iterator](): Iterator<[string, Tensor]> {
    return this.entries();
  }

  /** Describes the cache by what it holds. */
  toString(): string {
    const shown = [...this.#values].slice(0, SHOWN).map(([name, { shape }]) =>
      `${name} [${shape.join(", ")}]`
    );
    const more = this.size > SHOWN ? ["…"] : [];
    return `ActivationCache(${this.size} activations: ${[...shown, ...more].join(", ")})`;
  }

  /** Shows the same where a value is inspected, not the model. */
  [Symbol.for("Deno.customInspect")](): string {
    return this.toString();
  }

  /** Lets a run add what it keeps. */
  add(name: string, value: Tensor): void {
    this.#values.set(name, value);
  }

  /**
   * The same activations without the batch axis.
   *
   * @throws {ShapeError} If the batch isn't one text.
   */
  toBatchless(): ActivationCache {
    if (!this.hasBatchDim) return this;
    const squeezed = new Map<string, Tensor>();
    for (const [name, value] of this.#values) {
      if (isJoined(name)) {
        // Texts have no axis of their own there.
        squeezed.set(name, value);
        continue;
      }
      if (value.shape[0] !== 1) {
        throw new ShapeError(
          `Cannot remove the batch axis of "${name}": it has ${value.shape[0]} texts, expected 1.`,
        );
      }
      squeezed.set(name, value.squeeze(0));
    }
    return new ActivationCache(squeezed, this.model, { hasBatchDim: false });
  }

  /** The same as {@linkcode ActivationCache.toBatchless}, by TransformerLens' name. */
  removeBatchDim(): ActivationCache {
    return this.toBatchless();
  }

  /**
   * Takes texts of every activation.
   *
   * @param batchSlice Which; a single number drops the batch axis.
   * @throws {ShapeError} If there is no batch axis.
   */
  applySliceToBatchDim(batchSlice: SliceInput): ActivationCache {
    const texts = Slice.of(batchSlice);
    if (texts.isWhole) return this;
    if (!this.hasBatchDim) {
      throw new ShapeError("Cannot take texts of a cache that has no batch axis.");
    }
    const nTexts = [...this.#values].find(([name]) => !isJoined(name))?.[1].shape[0];
    const taken = [...this.#values].map(([name, value]) =>
      [name, isJoined(name) ? takenJoined(name, value, texts, nTexts) : texts.apply(value)] as const
    );
    return new ActivationCache(new Map(taken), this.model, { hasBatchDim: !texts.isSingle });
  }

  /**
   * Stacks the residual stream before each layer up to `layer`, and after the last when `layer` is the number of layers or -1. With
   * `applyLn` at the end of the stream each entry has the final norm with a scale of its own (the logit lens); before an inner layer,
   * the scale that the layer's norm had.
   *
   * @param layer The layer whose input is the last entry; the end of the stream unless said.
   * @returns [component, batch, pos, dModel]; with `returnLabels` also labels such as `0_pre`, `0_mid`, `final_post`.
   */
  accumulatedResid<O extends AccumulatedResidOptions = Record<never, never>>(
    layer?: number,
    options?: O,
  ): Stacked<O> {
    const { inclMid = false, ...common }: AccumulatedResidOptions = options ?? {};
    const { model, request } = this.#request("accumulatedResid", layer, common);
    const stacked = accumulatedStack(this, model.cfg, request, inclMid);
    return this.#result(stacked, layer, { ...common, recomputeLn: true });
  }

  /**
   * Stacks what each layer adds to the residual stream before `layer`; without a layer, up to the end.
   *
   * @returns [component, batch, pos, dModel]; with `returnLabels` also labels such as `embed`, `0_attn_out`, `0_mlp_out`.
   */
  decomposeResid<O extends DecomposeResidOptions = Record<never, never>>(
    layer?: number,
    options?: O,
  ): Stacked<O> {
    const { mode = "all", inclEmbeds = true, ...common }: DecomposeResidOptions = options ?? {};
    requireOneOf("Cannot decompose with the mode", mode, ["all", "mlp", "attn"]);
    const { model, request } = this.#request("decomposeResid", layer, common);
    const stacked = decomposedStack(this, model.cfg, request, { mode, inclEmbeds });
    return this.#result(stacked, layer, common);
  }

  /**
   * Computes what each head adds to the residual stream, without `b_O`, and keeps it as `hook_result` [batch, pos, head, dModel] of
   * every layer, as if the run had cached it.
   */
  computeHeadResults(): void {
    const model = this.#requireModel("computeHeadResults");
    for (let layer = 0; layer < model.cfg.nLayers; layer++) {
      if (this.has("result", layer)) continue;
      const byHead = headResults(this, model, layer, new Slice());
      const lead = Array.from({ length: byHead.rank - 2 }, (_, axis) => axis + 1);
      this.add(getActName("result", layer), byHead.permute(...lead, 0, byHead.rank - 1));
    }
  }

  /**
   * Stacks what each head of the layers before `layer` adds to the residual stream, without `b_O`.
   *
   * @returns [layer * head, batch, pos, dModel]; with `returnLabels` also labels such as `L0H3`, `remainder`.
   */
  stackHeadResults<O extends HeadResultsOptions = Record<never, never>>(
    layer?: number,
    options?: O,
  ): Stacked<O> {
    const { inclRemainder = false, ...common }: HeadResultsOptions = options ?? {};
    const { model, request } = this.#request("stackHeadResults", layer, common);
    const stacked = headStack(this, model, request.layer, request.positions, inclRemainder);
    return this.#result(stacked, layer, common);
  }

  /**
   * Stacks an activation of the layers before `layer`.
   *
   * @param activationName Its short name, such as `z`.
   * @param layer All layers unless said.
   * @param options `sublayerType` says of which part of the block, where the name doesn't: `ln1`.
   * @returns [layer, ...].
   */
  stackActivation(
    activationName: string,
    layer?: number,
    { sublayerType }: { sublayerType?: string } = {},
  ): Tensor {
    const { request } = this.#request("stackActivation", layer, {});
    const layers = Array.from(
      { length: request.layer },
      (_, l) => this.get(activationName, l, sublayerType),
    );
    return Tensor.stack(layers);
  }

  /**
   * What each neuron of a layer adds to the residual stream.
   *
   * @returns [batch, pos, neuron, dModel]; `n` in the place of `dModel` when projected onto [dModel, n], nothing when onto [dModel].
   * @throws {MemoryBudgetError} If that is more than a stack may hold.
   */
  getNeuronResults(
    layer: number,
    { neuronSlice, posSlice, projectOutputOnto }: NeuronResultsOptions = {},
  ): Tensor {
    const model = this.#requireModel("getNeuronResults");
    const results = layerNeurons(this, model, this.#layer(layer, model.cfg.nLayers - 1), {
      positions: Slice.of(posSlice),
      neurons: Slice.of(neuronSlice),
      projection: asMatrix(projectOutputOnto),
    });
    return projectOutputOnto?.rank === 1 ? results.squeeze(-1) : results;
  }

  /**
   * Stacks what each neuron of the layers before `layer` adds to the residual stream. For all neurons of a large model that is too
   * much: take a few, or project.
   *
   * @returns [layer * neuron, batch, pos, dModel]; with `returnLabels` also labels such as `L0N5`, `remainder`.
   * @throws {MemoryBudgetError} If that is more than a stack may hold.
   */
  stackNeuronResults<O extends StackNeuronOptions = Record<never, never>>(
    layer?: number,
    options?: O,
  ): Stacked<O> {
    const { neuronSlice, inclRemainder, projectOutputOnto, ...common }: StackNeuronOptions =
      options ?? {};
    const { model, request } = this.#request("stackNeuronResults", layer, common);
    const stacked = neuronStack(this, model, request.layer, {
      positions: request.positions,
      neurons: Slice.of(neuronSlice),
      projection: asMatrix(projectOutputOnto),
    }, { inclRemainder, norm: this.#norm(model, request, common.applyLn) });
    return this.#result(squeezed(stacked, projectOutputOnto), layer, {
      returnLabels: common.returnLabels,
    });
  }

  /**
   * Stacks all that the residual stream before `layer` is the sum of: heads, neurons (or MLPs), embeddings, and the biases together.
   *
   * @returns [component, batch, pos, dModel]; with `returnLabels` also labels, in this order: `L0H0` …, `L0N0` … (or `0_mlp_out` …),
   *   `embed`, `pos_embed`, `bias`.
   * @throws {MemoryBudgetError} If that is more than a stack may hold.
   */
  getFullResidDecomposition<O extends FullDecompositionOptions = Record<never, never>>(
    layer?: number,
    options?: O,
  ): Stacked<O> {
    const { expandNeurons = true, projectOutputOnto, ...common }: FullDecompositionOptions =
      options ?? {};
    const { model, request } = this.#request("getFullResidDecomposition", layer, common);
    const stacked = fullStack(this, model, request, {
      expandNeurons,
      projection: asMatrix(projectOutputOnto),
      norm: this.#norm(model, request, common.applyLn),
    });
    return this.#result(squeezed(stacked, projectOutputOnto), layer, {
      returnLabels: common.returnLabels,
    });
  }

  /**
   * Puts a stack of components of the residual stream through a layer's norm, with the scale that the whole stream had: centres them
   * (in models whose norm does) and divides. Weight and bias aren't applied; they are folded into the weights that follow.
   *
   * @param stack Components [component, batch, pos, dModel].
   * @param layer The layer whose norm it is; the final one when it is the number of layers, -1 or left out.
   */
  applyLnToStack(
    stack: Tensor,
    layer?: number,
    { mlpInput = false, posSlice, batchSlice, hasBatchDim = true, recomputeLn = false }: LnOptions =
      {},
  ): Tensor {
    const model = this.#requireModel("applyLnToStack");
    const { nLayers, normalizationType } = model.cfg;
    if (normalizationType === null) return stack;
    const texts = Slice.of(batchSlice);
    const taken = hasBatchDim ? texts.apply(stack, 1) : stack;
    const last = this.#layer(layer, nLayers);
    if (recomputeLn && last === nLayers) return model.lnFinal(taken);
    const request = { layer: last, mlpInput, positions: Slice.of(posSlice) };
    const scale = normScale(this, nLayers, request);
    return normedStack(
      taken,
      this.hasBatchDim ? texts.apply(scale) : scale,
      normalizationType,
    );
  }

  /**
   * How much each component of a stack adds to the logit of a token at its place, through the final norm with the scale that the whole
   * stream had.
   *
   * @param residualStack Components [component, batch, pos, dModel], not put through a norm yet.
   * @param tokens A token for all, one for each text [batch], or one for each place [batch, pos].
   * @returns [component, batch, pos], without the axes that the stack lacks.
   * @throws {ShapeError} If `incorrectTokens` has another shape than `tokens`.
   */
  logitAttrs(
    residualStack: Tensor,
    tokens: string | number | Tensor | readonly number[],
    { incorrectTokens, ...options }: LogitAttrsOptions = {},
  ): Tensor {
    const model = this.#requireModel("logitAttrs");
    let directions = model.tokensToResidualDirections(tokens);
    if (incorrectTokens !== undefined) {
      const wrong = model.tokensToResidualDirections(incorrectTokens);
      if (wrong.shape.join() !== directions.shape.join()) {
        const [right, other] = [directions, wrong].map(({ shape }) =>
          shape.slice(0, -1).join(", ")
        );
        throw new ShapeError(
          `Cannot compare tokens of shape [${right}] with incorrectTokens of shape [${other}]: expected the same shape.`,
        );
      }
      directions = directions.sub(wrong);
    }
    return this.applyLnToStack(residualStack, -1, options).mul(directions).sum(-1);
  }

  /** What a method that makes stacks works with. */
  #request(
    method: string,
    layer: number | undefined,
    { mlpInput = false, posSlice }: { mlpInput?: boolean; posSlice?: SliceInput },
  ) {
    const model = this.#requireModel(method);
    const { nLayers } = model.cfg;
    const last = this.#layer(layer, nLayers);
    if (mlpInput && last === nLayers) {
      throw new RangeError(
        `Cannot go up to the MLP of layer ${nLayers}: the last layer is ${nLayers - 1}.`,
      );
    }
    return { model, request: { layer: last, mlpInput, positions: Slice.of(posSlice) } };
  }

  /** A layer from 0 to the last one that makes sense, which -1 and nothing stand for. */
  #layer(layer: number | undefined | null, last: number): number {
    if (layer === undefined || layer === null || layer === -1) return last;
    if (Number.isInteger(layer) && layer >= 0 && layer <= last) return layer;
    throw new RangeError(
      `There is no layer ${layer}: expected a whole number from 0 to ${last}, or -1 for the last.`,
    );
  }

  /** The norm of a layer, for stacks; nothing where it isn't wanted, or where there is none. */
  #norm(
    { cfg: { nLayers, normalizationType } }: CachedModel,
    request: StackRequest,
    applyLn: boolean | undefined,
  ): StackNorm | undefined {
    if (!applyLn || normalizationType === null) return undefined;
    const scale = normScale(this, nLayers, request);
    return { scale, apply: (stack) => normedStack(stack, scale, normalizationType) };
  }

  #result<O>(
    { stack, labels }: LabelledStack,
    layer: number | undefined,
    { applyLn = false, returnLabels = false, ...ln }: StackOptions & LnOptions,
  ): Stacked<O> {
    const { hasBatchDim } = this;
    const result = applyLn ? this.applyLnToStack(stack, layer, { ...ln, hasBatchDim }) : stack;
    return (returnLabels ? [result, labels] : result) as Stacked<O>;
  }

  #requireModel(method: string): CachedModel {
    if (!this.model) {
      throw new UnknownPointError(`Cannot call ${method}(): the cache was made without its model.`);
    }
    return this.model;
  }

  #fullName(name: string, layer: number | undefined, layerType: string | undefined): string {
    if (this.#values.has(name)) return name;
    const nLayers = this.model?.cfg.nLayers ?? 0;
    const resolved = layer !== undefined && layer < 0 ? layer + nLayers : layer;
    return getActName(name, resolved, layerType);
  }

  #find(
    name: string,
    layer: number | undefined,
    layerType: string | undefined,
  ): Tensor | undefined {
    return this.#values.get(this.#fullName(name, layer, layerType));
  }

  static {
    explainPythonNames(ActivationCache);
  }
}

/** A direction, or several, as a matrix [dModel, n]. */
function asMatrix(projection: Tensor | undefined): Tensor | undefined {
  return projection?.rank === 1 ? projection.unsqueeze(-1) : projection;
}

/** A stack that was projected onto a single direction, without the axis. */
function squeezed(
  { stack, labels }: LabelledStack,
  projection: Tensor | undefined,
): LabelledStack {
  return { stack: projection?.rank === 1 ? stack.squeeze(-1) : stack, labels };
}

/** Texts of a value that shows texts, positions and heads on one axis. */
function takenJoined(
  name: string,
  value: Tensor,
  texts: Slice,
  nTexts: number | undefined,
): Tensor {
  if (nTexts === undefined) {
    throw new ShapeError(
      `Cannot take texts of "${name}" alone: nothing else in the cache says how many there are.`,
    );
  }
  const width = value.shape[1];
  return texts.apply(value.reshape(nTexts, -1, width)).reshape(-1, width);
}
