/**
 * Parameters in the core's memory: packed for products or plain, and back again as tensors.
 *
 * @module
 */

import { core, type Handle, type WeightHandle } from "../core/engine.ts";
import { WeightFileError } from "../core/errors.ts";
import { freeOwned, ownValue } from "../core/memory.ts";
import { copyIn, scoped, shapeOf, sizeOf } from "../core/scope.ts";
import { lazyTensor, type Tensor, tensorOf } from "../core/tensor.ts";
import type { WeightArray } from "./state_dict.ts";
import { transposed } from "./strided.ts";

/** How a parameter is held. */
interface Held {
  readonly shape: readonly number[];
  readonly handle: Handle | WeightHandle;
  readonly isPacked: boolean;
  /** The parameter's own layout has the heads in front of the rows, [head, row, dHead]. */
  readonly headsFirst: boolean;
  /** The parameter's own layout is [col, row]. */
  readonly transposed: boolean;
}

/** How {@linkcode ParameterStore.packed} reads a parameter's own layout. */
export interface PackOptions {
  /** As [head, row, dHead]; the product's columns are [head, dHead]. */
  headsFirst?: boolean;
  /** As [col, row], which is how torch's `Linear` has it. */
  transposed?: boolean;
}

/** [head, row, dHead] to [row, head * dHead]. */
function headsLast(
  data: Float32Array,
  [heads, rows, dHead]: readonly number[],
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(data.length);
  for (let h = 0; h < heads; h++) {
    for (let row = 0; row < rows; row++) {
      const from = (h * rows + row) * dHead;
      out.set(data.subarray(from, from + dHead), (row * heads + h) * dHead);
    }
  }
  return out;
}

function packMatrix(matrix: Float32Array<ArrayBuffer>, cols: number): WeightHandle {
  return scoped(() => core().pack(copyIn(matrix, [matrix.length / cols, cols], "float32")));
}

/** Gives memory back when nobody holds its store any more. */
const collected = new FinalizationRegistry<() => void>((release) => release());

/**
 * Named parameters in the core's memory, until they are disposed or collected. Whoever computes with them later holds the store,
 * so that replacing a model's weights doesn't reach values that were begun with the old ones.
 */
export class ParameterStore implements Disposable {
  readonly #source: ReadonlyMap<string, WeightArray>;
  readonly #held = new Map<string, Held>();
  readonly #derived = new Map<string, Handle>();
  readonly #derivedWeights: WeightHandle[] = [];
  readonly #release: () => void;
  #disposed = false;

  /**
   * Fills a store; if that fails, nothing stays allocated.
   *
   * @param source Parameters by name, float32.
   * @param fill Takes the parameters that are wanted.
   */
  static filled<R>(
    source: ReadonlyMap<string, WeightArray>,
    fill: (store: ParameterStore) => R,
  ): { store: ParameterStore; layout: R } {
    const store = new ParameterStore(source);
    try {
      const layout = fill(store);
      collected.register(store, store.#release, store);
      return { store, layout };
    } catch (error) {
      store.#release();
      throw error;
    }
  }

  private constructor(source: ReadonlyMap<string, WeightArray>) {
    this.#source = source;
    const held = this.#held;
    const derived = this.#derived;
    const derivedWeights = this.#derivedWeights;
    this.#release = () => {
      for (const { handle, isPacked } of held.values()) {
        if (isPacked) core().free_weight(handle);
        else freeOwned(handle);
      }
      for (const handle of derived.values()) freeOwned(handle);
      for (const weight of derivedWeights.splice(0)) core().free_weight(weight);
      held.clear();
      derived.clear();
    };
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

  /** Takes a parameter as it is. */
  plain(name: string): Handle {
    const { shape, data } = this.#entry(name);
    const handle = scoped(() =>
      ownValue(copyIn(data as Float32Array<ArrayBuffer>, shape, "float32"), "weight")
    );
    this.#held.set(name, { shape, handle, isPacked: false, headsFirst: false, transposed: false });
    return handle;
  }

  /** Takes a matrix [row, col] for products from the right. Leading axes join to rows unless options say how they stand. */
  packed(
    name: string,
    { headsFirst = false, transposed: isTransposed = false }: PackOptions = {},
  ): WeightHandle {
    const { shape, data } = this.#entry(name);
    let matrix = data as Float32Array<ArrayBuffer>;
    let cols = shape[shape.length - 1];
    if (headsFirst) [matrix, cols] = [headsLast(data, shape), shape[0] * shape[2]];
    if (isTransposed) [matrix, cols] = [transposed(data, shape), shape[0]];
    const handle = packMatrix(matrix, cols);
    this.#held.set(name, { shape, handle, isPacked: true, headsFirst, transposed: isTransposed });
    return handle;
  }

  /** The transpose of a matrix that is a parameter already; it goes when the parameters go, and isn't one of them. */
  packedTranspose(name: string): WeightHandle {
    const { shape, data } = this.#entry(name);
    const handle = packMatrix(transposed(data, shape), shape[0]);
    this.#derivedWeights.push(handle);
    return handle;
  }

  /** Zeros in the shape of a vector, shared by all of its length; they aren't a parameter. */
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
      const { shape, handle, isPacked, headsFirst, transposed } = found;
      if (!isPacked) return tensorOf(core().share(handle));
      const matrix = core().unpack(handle, new Uint32Array());
      if (transposed) return tensorOf(core().permute(matrix, new Uint32Array([1, 0])));
      if (!headsFirst) return tensorOf(core().reshape(matrix, new Uint32Array(shape)));
      const [heads, rows, dHead] = shape;
      const split = core().reshape(matrix, new Uint32Array([rows, heads, dHead]));
      return tensorOf(core().permute(split, new Uint32Array([1, 0, 2])));
    });
  }

  /**
   * A view of a parameter that is read when somebody looks: a row of a matrix costs a row.
   *
   * @throws {WeightFileError} If there is none of this name.
   */
  view(name: string): Tensor {
    const found = this.#held.get(name);
    if (!found) return this.read(name);
    const { handle, isPacked, headsFirst, transposed, shape } = found;
    return lazyTensor(shape, {
      all: () => this.read(name),
      at: ([row, ...rest]) => {
        if (
          !isPacked || headsFirst || transposed || typeof row !== "number" || shape.length !== 2
        ) {
          return undefined;
        }
        const at = row < 0 ? row + shape[0] : row;
        if (!Number.isInteger(at) || at < 0 || at >= shape[0] || this.#disposed) return undefined;
        const vector = scoped(() => tensorOf(core().unpack(handle, Uint32Array.of(at)))).reshape(
          shape[1],
        );
        return rest.length > 0 ? vector.at(...rest) : vector;
      },
    });
  }

  /** Gives the memory back. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    collected.unregister(this);
    this.#release();
  }

  #entry(name: string): WeightArray {
    const entry = this.#source.get(name);
    if (!entry) throw new WeightFileError(`The weights lack the parameter "${name}".`);
    return entry;
  }
}
