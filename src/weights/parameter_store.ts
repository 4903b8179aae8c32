/**
 * Parameters in the core's memory: packed for products or plain, and back again as tensors.
 *
 * @module
 */

import { disownWeight, ownWeight } from "../core/decoded_gradient.ts";
import { core, type Handle, type WeightHandle } from "../core/engine.ts";
import { MemoryBudgetError, WeightFileError } from "../core/errors.ts";
import { freeOwned, ownValue } from "../core/memory.ts";
import { copyIn, overwrite, scoped, shapeOf, sizeOf } from "../core/scope.ts";
import { lazyTensor, type Tensor, tensorOf } from "../core/tensor.ts";
import { ParameterGradients } from "./parameter_gradients.ts";
import {
  type Filling,
  headsByColumns,
  type MatrixLayout,
  Packing,
  rowAfterRow,
  rowsByLastAxis,
  transposedMatrix,
  VectorFilling,
} from "./packing.ts";
import type { TensorPart } from "./safetensors.ts";
import type { WeightArray } from "./state_dict.ts";
import { areTransposes, type HeldDtype, WeightView } from "./weight_view.ts";

/** A table whose rows are looked up: a packed matrix' rows, its columns, or stretches of its one row. */
export interface Table {
  readonly weight: WeightHandle;
  readonly byColumn: boolean;
  /** How wide stretches are; 0 where the rows are the matrix' own. */
  readonly width: number;
}

/** How a parameter is held. */
type Held =
  & { readonly shape: readonly number[] }
  & (
    | { readonly kind: "plain"; readonly handle: Handle }
    | {
      readonly kind: "packed";
      readonly weight: WeightHandle;
      readonly order: AxisOrder;
      /** False where the matrix is another parameter's. */
      readonly isOwner: boolean;
    }
  );

/**
 * How a parameter's own layout is one of a matrix [row, col]: as it lies, as [head, row, dHead], as [col, row], or of one row with
 * all rows in it.
 */
type AxisOrder = "rows" | "heads" | "transposed" | "table";

const LAYOUTS = {
  rows: rowsByLastAxis,
  heads: headsByColumns,
  transposed: transposedMatrix,
  table: rowAfterRow,
} as const satisfies Record<AxisOrder, (shape: readonly number[]) => MatrixLayout>;

/** How {@linkcode Placing.packed} reads a parameter's own layout. */
export interface PackOptions {
  /** As [head, row, dHead]; the product's columns are [head, dHead]. */
  headsFirst?: boolean;
  /** As [col, row], which is how torch's `Linear` has it. */
  transposed?: boolean;
}

/** Who takes parameters where they belong. */
export interface Placing {
  /** Takes a parameter as it is, float32. */
  plain(name: string): Handle;
  /** Takes a matrix [row, col] for products from the right. Leading axes join to rows unless options say how they stand. */
  packed(name: string, options?: PackOptions): WeightHandle;
  /** Zeros in the shape of a vector, shared by all of its length; they aren't a parameter. */
  zerosLike(vector: Handle): Handle;
  /** Takes a matrix [row, col] whose rows are looked up; where it is the transpose of another one, that one serves both. */
  table(name: string, options?: { tiedTo?: string }): Table;
}

/** Parameters that belong to one tensor of a file. */
export interface ParameterBatch {
  readonly parameters: readonly (readonly [name: string, value: WeightArray])[];
  /** The tensor's elements, where it hasn't been read and the parameters are views of it. */
  readonly parts?: AsyncIterable<TensorPart>;
}

/** Finds out how a layout places each parameter, without any being there. */
function placements(fill: (placing: Placing) => unknown): Map<string, (to: Placing) => void> {
  const found = new Map<string, (to: Placing) => void>();
  fill({
    plain(name) {
      found.set(name, (to) => to.plain(name));
      return 0;
    },
    packed(name, options) {
      found.set(name, (to) => to.packed(name, options));
      return 0;
    },
    zerosLike: () => 0,
    table(name, options) {
      found.set(name, (to) => to.table(name, options));
      return { weight: 0, byColumn: false, width: 0 };
    },
  });
  return found;
}

/** The packed matrix as a table. */
function tableOf({ weight, order, shape }: Held & { kind: "packed" }): Table {
  return { weight, byColumn: order === "transposed", width: order === "table" ? shape[1] : 0 };
}

/** Rows of a table: [indices.length, width]. */
export function lookUp({ weight, byColumn, width }: Table, indices: Handle): Handle {
  return width > 0
    ? core().lookup_stretches(weight, indices, width)
    : core().lookup(weight, indices, byColumn);
}

function freeWeight(weight: WeightHandle): void {
  disownWeight(weight);
  core().free_weight(weight);
}

/** Gives memory back when nobody holds its store any more. */
const collected = new FinalizationRegistry<() => void>((release) => release());

/**
 * Named parameters in the core's memory, until they are disposed or collected. Whoever computes with them later holds the store,
 * so that replacing a model's weights doesn't reach values that were begun with the old ones.
 *
 * Matrices are held in the format that they come in, or in the store's own where that is another; vectors are float32, and tables
 * have 16 bits at least.
 */
export class ParameterStore implements Disposable, Placing {
  #source: ReadonlyMap<string, WeightArray>;
  readonly #dtype: HeldDtype | undefined;
  /** Parameters whose elements haven't been read. */
  #unfilled: Filling[] = [];
  readonly #held = new Map<string, Held>();
  readonly #derived = new Map<string, Handle>();
  readonly #derivedWeights: WeightHandle[] = [];
  readonly #screens: (() => void)[] = [];
  readonly #release: () => void;
  /** What backward passes gave the parameters. */
  readonly gradients: ParameterGradients = new ParameterGradients();
  #disposed = false;
  #beforeDisposal: (() => void)[] = [];

  /**
   * Fills a store; if that fails, nothing stays allocated.
   *
   * @param source Parameters by name.
   * @param fill Takes the parameters that are wanted.
   * @param dtype How matrices are held; each as it comes, unless said. 16 bits round what isn't in that format already.
   */
  static filled<R>(
    source: ReadonlyMap<string, WeightArray>,
    fill: (store: ParameterStore) => R,
    dtype?: HeldDtype,
  ): { store: ParameterStore; layout: R } {
    const store = new ParameterStore(source, dtype);
    try {
      return { store, layout: store.#finished(fill) };
    } catch (error) {
      store.#release();
      throw error;
    }
  }

  /**
   * Fills a store with parameters as they come, so that no two copies of all of them are ever there; if that fails, nothing stays
   * allocated.
   *
   * @param batches The parameters, those together that come from one tensor.
   * @param fill Takes the parameters that are wanted; it is called twice.
   * @param dtype As for {@linkcode ParameterStore.filled}.
   */
  static async streamed<R>(
    batches: AsyncIterable<ParameterBatch>,
    fill: (placing: Placing) => R,
    dtype?: HeldDtype,
  ): Promise<{ store: ParameterStore; layout: R }> {
    const places = placements(fill);
    const store = new ParameterStore(new Map(), dtype);
    try {
      for await (const batch of batches) {
        store.#source = new Map(batch.parameters);
        for (const [name] of batch.parameters) places.get(name)?.(store);
        store.#source = new Map();
        const unfilled = store.#unfilled.splice(0);
        for await (const { start, stored } of batch.parts ?? []) {
          unfilled.forEach((filling) => filling.fill(stored, start));
        }
        unfilled.forEach((filling) => filling.seal());
      }
      return { store, layout: store.#finished(fill) };
    } catch (error) {
      store.#release();
      throw error;
    }
  }

  private constructor(source: ReadonlyMap<string, WeightArray>, dtype: HeldDtype | undefined) {
    this.#source = source;
    this.#dtype = dtype;
    const held = this.#held;
    const derived = this.#derived;
    const derivedWeights = this.#derivedWeights;
    const screens = this.#screens;
    this.#release = () => {
      for (const value of held.values()) {
        if (value.kind === "plain") freeOwned(value.handle);
        else if (value.isOwner) freeWeight(value.weight);
      }
      for (const handle of derived.values()) freeOwned(handle);
      for (const weight of derivedWeights.splice(0)) freeWeight(weight);
      for (const free of screens.splice(0)) free();
      held.clear();
      derived.clear();
    };
  }

  #finished<R>(fill: (store: ParameterStore) => R): R {
    const layout = fill(this);
    this.#source = new Map();
    collected.register(this, this.#release, this);
    return layout;
  }

  /** Whether the memory was given back. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /** Whether there is a parameter of this name. */
  has(name: string): boolean {
    return this.#held.has(name);
  }

  /** The names of the parameters. */
  names(): string[] {
    return [...this.#held.keys()];
  }

  plain(name: string): Handle {
    const held = this.#again(name);
    if (held?.kind === "plain") return held.handle;
    const view = WeightView.of(this.#entry(name));
    const { shape } = view;
    const isRead = view.stored.elements !== undefined;
    const data = isRead ? view.data : new Float32Array(sizeOf(shape));
    const handle = scoped(() =>
      ownValue(copyIn(data as Float32Array<ArrayBuffer>, shape, "float32"), "weight")
    );
    if (!isRead) {
      this.#unfilled.push(new VectorFilling(view, (data) => overwrite(handle, data)));
    }
    this.#held.set(name, { shape, kind: "plain", handle });
    return handle;
  }

  packed(
    name: string,
    { headsFirst = false, transposed = false }: PackOptions = {},
  ): WeightHandle {
    const held = this.#again(name);
    if (held?.kind === "packed") return held.weight;
    const view = WeightView.of(this.#entry(name));
    const order = headsFirst ? "heads" : transposed ? "transposed" : "rows";
    const weight = this.#pack(view, order);
    this.#held.set(name, { shape: view.shape, kind: "packed", weight, order, isOwner: true });
    return weight;
  }

  table(name: string, { tiedTo = "" }: { tiedTo?: string } = {}): Table {
    const held = this.#again(name);
    if (held?.kind === "packed") return tableOf(held);
    const twin = this.#source.get(tiedTo);
    const view = WeightView.of(this.#entry(name));
    const { shape } = view;
    const isTied = twin !== undefined && areTransposes(view, WeightView.of(twin));
    const order = isTied ? "transposed" : "table";
    const weight = isTied ? this.packed(tiedTo) : this.#pack(view, order);
    const table = { shape, kind: "packed", weight, order, isOwner: !isTied } as const;
    this.#held.set(name, table);
    return tableOf(table);
  }

  /** The transpose of a matrix that is a parameter already; it goes when the parameters go, and isn't one of them. */
  packedTranspose(name: string): WeightHandle {
    const weight = this.#pack(WeightView.of(this.#entry(name)), "transposed");
    this.#derivedWeights.push(weight);
    return weight;
  }

  #pack(view: WeightView, order: AxisOrder): WeightHandle {
    const { stored } = view;
    // A table in one row has no columns that could have scales.
    const isTable = order === "table" && this.#dtype === "int8";
    const held = isTable ? stored.dtype : this.#dtype ?? stored.dtype;
    const packing = new Packing(view, LAYOUTS[order](view.shape), held);
    ownWeight(packing.weight, this);
    if (stored.elements === undefined) {
      this.#unfilled.push(packing);
      return packing.weight;
    }
    try {
      packing.fill(stored, 0);
      packing.seal();
    } catch (error) {
      freeWeight(packing.weight);
      throw error;
    }
    return packing.weight;
  }

  zerosLike(vector: Handle): Handle {
    const shape = shapeOf(vector);
    const name = `zeros ${shape}`;
    const known = this.#derived.get(name);
    if (known !== undefined) return known;
    const zeros = new Float32Array(sizeOf(shape));
    return this.derived(name, scoped(() => ownValue(copyIn(zeros, shape, "float32"), "weight")));
  }

  /** Takes over an owned value that was computed from parameters; it goes when they go, and isn't one of them. */
  derived(name: string, handle: Handle): Handle {
    this.#derived.set(name, handle);
    return handle;
  }

  /** A screen of an encoder, made when it is first wanted; it goes when the parameters go. 0 where there is none. */
  screen(weight: WeightHandle, bias: Handle, thresholds: Handle): () => number {
    let screen = 0;
    this.#screens.push(() => core().free_screen(screen));
    let isPossible = true;
    return () => {
      if (screen !== 0 || !isPossible) return screen;
      try {
        screen = core().new_screen(weight, bias, thresholds);
        isPossible = screen !== 0;
      } catch (error) {
        // Without the memory for it the dense product does the same.
        if (!(error instanceof MemoryBudgetError)) throw error;
      }
      return screen;
    };
  }

  /**
   * Reads a parameter in its own layout, as a copy.
   *
   * @throws {WeightFileError} If there is none of this name, or the memory was given back.
   */
  read(name: string): Tensor {
    const found = this.#held.get(name);
    if (!found) {
      const why = this.#disposed
        ? "its memory was given back (disposed)"
        : "there is none of this name";
      throw new WeightFileError(`Cannot read the parameter "${name}": ${why}.`);
    }
    return scoped(() => {
      if (found.kind === "plain") return tensorOf(core().share(found.handle));
      const matrix = core().unpack(found.weight);
      const { shape, order } = found;
      if (order === "transposed") return tensorOf(core().permute(matrix, Uint32Array.of(1, 0)));
      if (order !== "heads") return tensorOf(core().reshape(matrix, new Uint32Array(shape)));
      const [heads, rows, dHead] = shape;
      const split = core().reshape(matrix, new Uint32Array([rows, heads, dHead]));
      return tensorOf(core().permute(split, new Uint32Array([1, 0, 2])));
    });
  }

  /**
   * A view of a parameter that is read when somebody looks: a row of a matrix costs a row. Its `grad` is the parameter's.
   *
   * @throws {WeightFileError} If there is none of this name.
   */
  view(name: string): Tensor {
    const found = this.#held.get(name);
    if (!found) return this.read(name);
    const { shape } = found;
    const view = lazyTensor(shape, {
      all: () => this.read(name),
      at: ([row, ...rest]) => {
        if (found.kind === "plain" || shape.length !== 2 || typeof row !== "number") {
          return undefined;
        }
        const at = row < 0 ? row + shape[0] : row;
        if (!Number.isInteger(at) || at < 0 || at >= shape[0] || this.#disposed) return undefined;
        const vector = scoped(() => {
          const index = copyIn(Int32Array.of(at), [1], "int32");
          return tensorOf(lookUp(tableOf(found), index));
        }).reshape(shape[1]);
        return rest.length > 0 ? vector.at(...rest) : vector;
      },
    });
    return this.gradients.show(view, name);
  }

  /** Has something done before the memory is given back by {@linkcode ParameterStore[Symbol.dispose]}. */
  beforeDisposal(task: () => void): void {
    this.#beforeDisposal.push(task);
  }

  /** Gives the memory back. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#beforeDisposal.splice(0).forEach((task) => task());
    this.#disposed = true;
    collected.unregister(this);
    this.#release();
  }

  /** What is held already; it goes to the end, so that names come in the layout's order. */
  #again(name: string): Held | undefined {
    const held = this.#held.get(name);
    if (held && this.#held.delete(name)) this.#held.set(name, held);
    return held;
  }

  #entry(name: string): WeightArray {
    const entry = this.#source.get(name);
    if (!entry) throw new WeightFileError(`The weights lack the parameter "${name}".`);
    return entry;
  }
}
