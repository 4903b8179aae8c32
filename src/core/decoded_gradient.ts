/**
 * Gradients of sparse codes. What a decoder passes back is wanted where codes are alive, or where somebody looks, out of tens of
 * thousands of features: it is kept as the gradient of what was decoded until somebody reads it.
 *
 * @module
 */

import { core, type Handle, type WeightHandle } from "./engine.ts";
import { ConfigError } from "./errors.ts";
import { flatIndices, type IndexPart, resolveIndex } from "./index_spec.ts";
import { copyIn, copyOut, scoped, shapeOf, sizeOf } from "./scope.ts";

/** Elements with their shape. */
export interface Elements {
  readonly data: Float32Array<ArrayBuffer>;
  readonly shape: readonly number[];
}

/** When more than this share of the elements is wanted, all are computed. */
const FEW = 1 / 16;

/** Who keeps weights alive: a gradient may outlive the SAE's last user. */
const owners = new Map<WeightHandle, WeakRef<object>>();

/** Tells who a weight lives with, until it is freed. */
export function ownWeight(weight: WeightHandle, owner: object): void {
  owners.set(weight, new WeakRef(owner));
}

/** Forgets a weight that is freed. */
export function disownWeight(weight: WeightHandle): void {
  owners.delete(weight);
}

/** Places by row: those of row `i` are `columns[starts[i]]` up to `columns[starts[i + 1] - 1]`. */
interface Places {
  readonly starts: Uint32Array<ArrayBuffer>;
  readonly columns: Uint32Array<ArrayBuffer>;
}

/** A gradient `dy Wᵀ` of codes [..., dSae]. */
export class DecodedGradient {
  /** The codes' shape. */
  readonly shape: readonly number[];
  readonly #dy: Float32Array<ArrayBuffer>;
  readonly #weight: WeightHandle;
  /** Keeps the weight from being collected; who disposes of it takes the gradient's values too. */
  readonly #owner: object | undefined;

  private constructor(shape: readonly number[], dy: Handle, weight: WeightHandle) {
    this.shape = shape;
    this.#dy = copyOut(dy, "float32", sizeOf(shapeOf(dy))) as Float32Array<ArrayBuffer>;
    this.#weight = weight;
    this.#owner = owners.get(weight)?.deref();
  }

  /** The gradient that a value is, if nobody has written it out. */
  static of(handle: Handle): DecodedGradient | undefined {
    const [dy, weight] = core().decoded_parts(handle);
    if (dy === undefined) return undefined;
    const shape = shapeOf(handle);
    const rows = sizeOf(shapeOf(dy).slice(0, -1));
    return sizeOf(shape.slice(0, -1)) === rows ? new DecodedGradient(shape, dy, weight) : undefined;
  }

  /** All of it. */
  all(): Float32Array<ArrayBuffer> {
    return this.#computed((dy) => core().times_transpose(dy, this.#weight), sizeOf(this.shape));
  }

  /** What an index selects; `undefined` where that is much, or rows and features don't stand apart in it. */
  at(parts: readonly IndexPart[]): Elements | undefined {
    const isPlain = (part: IndexPart) =>
      part !== "..." && !(typeof part === "object" && part.isMask);
    const lists = parts.filter((part) => typeof part === "object");
    if (parts.length !== this.shape.length || lists.length > 1 || !parts.every(isPlain)) {
      return undefined;
    }
    resolveIndex(parts, this.shape);
    const lead = flatIndices(parts.slice(0, -1), this.shape.slice(0, -1));
    const features = flatIndices(parts.slice(-1), this.shape.slice(-1));
    const count = lead.indices.length * features.indices.length;
    if (count > FEW * sizeOf(this.shape)) return undefined;
    const nRows = sizeOf(this.shape.slice(0, -1));
    const asked = Array.from({ length: nRows }, () => 0);
    for (const row of lead.indices) asked[row]++;
    const starts = new Uint32Array(nRows + 1);
    asked.forEach((n, row) =>
      starts[row + 1] = starts[row] + (n > 0 ? features.indices.length : 0)
    );
    const columns = new Uint32Array(starts[nRows]);
    for (let row = 0; row < nRows; row++) {
      if (asked[row] > 0) columns.set(features.indices, starts[row]);
    }
    const values = this.#at({ starts, columns });
    const data = new Float32Array(count);
    Array.from(lead.indices).forEach((row, i) => {
      const from = starts[row];
      data.set(values.subarray(from, from + features.indices.length), i * features.indices.length);
    });
    return { data, shape: [...lead.shape, ...features.shape] };
  }

  /** Its product with elements of which few aren't zero, element by element; `undefined` where they aren't few. */
  times(other: ArrayLike<number>): Float32Array<ArrayBuffer> | undefined {
    const width = this.shape[this.shape.length - 1];
    const nRows = width === 0 ? 0 : other.length / width;
    const most = FEW * other.length;
    const columns = new Uint32Array(Math.floor(most) + width);
    const starts = new Uint32Array(nRows + 1);
    let count = 0;
    for (let row = 0; row < nRows; row++) {
      for (let column = 0, at = row * width; column < width; column++, at++) {
        if (other[at] !== 0) columns[count++] = column;
      }
      if (count > most) return undefined;
      starts[row + 1] = count;
    }
    const values = this.#at({ starts, columns: columns.subarray(0, count) });
    const product = new Float32Array(other.length);
    for (let row = 0; row < nRows; row++) {
      for (let e = starts[row]; e < starts[row + 1]; e++) {
        const at = row * width + columns[e];
        product[at] = values[e] * other[at];
      }
    }
    return product;
  }

  #at({ starts, columns }: Places): Float32Array<ArrayBuffer> {
    return this.#computed(
      (dy) => core().times_transpose_at(dy, this.#weight, starts, columns),
      columns.length,
    );
  }

  #computed(compute: (dy: Handle) => Handle, length: number): Float32Array<ArrayBuffer> {
    if (owners.get(this.#weight)?.deref() !== this.#owner) {
      throw new ConfigError(
        "Cannot read a gradient of codes: the SAE was disposed before anybody did. Read what you need of it first.",
      );
    }
    const dOut = this.#dy.length / sizeOf(this.shape.slice(0, -1));
    return scoped(() => {
      const dy = copyIn(this.#dy, [this.#dy.length / dOut, dOut], "float32");
      return copyOut(compute(dy), "float32", length) as Float32Array<ArrayBuffer>;
    });
  }
}
