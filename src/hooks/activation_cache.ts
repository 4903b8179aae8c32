/**
 * The activations that a run kept.
 *
 * @module
 */

import { nearestNames, ShapeError, UnknownPointError } from "../core/errors.ts";
import { type Index, Tensor } from "../core/tensor.ts";
import { getActName } from "./act_name.ts";

/** What a cache asks of the model that filled it. */
export interface CachedModel {
  /** Its configuration. */
  readonly cfg: {
    readonly nLayers: number;
    readonly nHeads: number;
    readonly attnOnly: boolean;
    readonly normalizationType: string | null;
    readonly positionalEmbeddingType: string;
  };
}

/** Options of {@linkcode ActivationCache.accumulatedResid}. */
export interface AccumulatedResidOptions {
  /** Includes the stream between attention and MLP. */
  inclMid?: boolean;
  /** For `layer`, stops at the input of its MLP instead of its attention. */
  mlpInput?: boolean;
  /** Takes only these positions. */
  posSlice?: Index;
  /** Gives `[stack, labels]` instead of the stack. */
  returnLabels?: boolean;
}

/** Options of {@linkcode ActivationCache.applyLnToStack}. */
export interface LnOptions {
  /** Uses the scale before the layer's MLP instead of its attention. */
  mlpInput?: boolean;
  /** The positions that the stack holds. */
  posSlice?: Index;
}

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
    const near = nearestNames(full, this.#values.keys()).map((candidate) => `"${candidate}"`);
    const hint = near.length > 0 ? ` Did you mean ${near.join(", ")}?` : " The cache is empty.";
    throw new UnknownPointError(`The cache has no "${full}".${hint}`);
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
   * Stacks the residual stream before each layer up to `layer`, and after the last when `layer` is the number of layers or -1.
   *
   * @param layer The layer whose input is the last entry.
   * @returns [component, batch, pos, dModel]; with `returnLabels` also labels such as `0_pre`, `0_mid`, `final_post`.
   */
  accumulatedResid(
    layer: number | undefined,
    options: AccumulatedResidOptions & { returnLabels: true },
  ): [Tensor, string[]];
  /** Stacks the residual stream before each layer up to `layer`: [component, batch, pos, dModel]. */
  accumulatedResid(layer?: number, options?: AccumulatedResidOptions): Tensor;
  accumulatedResid(
    layer?: number,
    { inclMid = false, mlpInput = false, posSlice, returnLabels = false }: AccumulatedResidOptions =
      {},
  ): Tensor | [Tensor, string[]] {
    const { nLayers, attnOnly } = this.#requireModel("accumulatedResid").cfg;
    const last = layer === undefined || layer === -1 ? nLayers : layer;
    const labels: string[] = [];
    const parts: Tensor[] = [];
    const take = (label: string, value: Tensor) => {
      labels.push(label);
      parts.push(this.#atPositions(value, posSlice));
    };
    for (let l = 0; l <= last; l++) {
      if (l === nLayers) {
        take("final_post", this.get("resid_post", nLayers - 1));
        continue;
      }
      take(`${l}_pre`, this.get("resid_pre", l));
      const wantsMid = (inclMid && l < last) || (mlpInput && l === last);
      if (wantsMid && !attnOnly) take(`${l}_mid`, this.get("resid_mid", l));
    }
    const stack = Tensor.stack(parts);
    return returnLabels ? [stack, labels] : stack;
  }

  /**
   * Applies a layer's norm to a stack of components of the residual stream, with the scale that the whole stream had: centres them
   * and divides. Weight and bias aren't applied; they are folded into the weights that follow.
   *
   * @param stack Components [component, batch, pos, dModel].
   * @param layer The layer whose norm it is; the final one when it is the number of layers or -1.
   */
  applyLnToStack(
    stack: Tensor,
    layer?: number,
    { mlpInput = false, posSlice }: LnOptions = {},
  ): Tensor {
    const { nLayers, normalizationType } = this.#requireModel("applyLnToStack").cfg;
    if (normalizationType === null) return stack;
    const last = layer === undefined || layer === -1 ? nLayers : layer;
    const name = last === nLayers
      ? "ln_final.hook_scale"
      : `blocks.${last}.${mlpInput ? "ln2" : "ln1"}.hook_scale`;
    const scale = this.#atPositions(this.get(name), posSlice);
    const centered = normalizationType.startsWith("LN")
      ? stack.sub(stack.mean(-1, { keepdim: true }))
      : stack;
    return centered.div(scale);
  }

  #atPositions(value: Tensor, posSlice: Index | undefined): Tensor {
    if (posSlice === undefined) return value;
    return this.hasBatchDim ? value.at(":", posSlice) : value.at(posSlice);
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
}
