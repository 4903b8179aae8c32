/**
 * Parameters as they lie in the tensors of a file: another shape or order of axes is another way to walk the same elements.
 *
 * @module
 */

import { core, isStarted } from "../core/engine.ts";
import type { WeightArray } from "./state_dict.ts";
import { asFloat16, widenBf16, widenF16 } from "./tensor_data.ts";

/** The number formats that parameters come in. */
export type WeightDtype = "float32" | "float16" | "bfloat16";

/** The number formats that matrices are held in: as parameters come, or in eight bits with a scale for each column. */
export type HeldDtype = WeightDtype | "int8";

/** A tensor's elements as a file stores them. */
export type StoredElements =
  | { readonly dtype: "float32"; readonly elements: Float32Array }
  | { readonly dtype: "float16" | "bfloat16"; readonly elements: Uint16Array };

/** The elements of a tensor that hasn't been read. */
export interface UnreadElements {
  readonly dtype: WeightDtype;
  readonly elements?: undefined;
}

/** Thrown by whoever wants values of a tensor that hasn't been read. */
export class UnreadError extends Error {}

/** One axis: its length, and how many elements a step along it is. */
export interface ViewAxis {
  readonly length: number;
  readonly stride: number;
}

function contiguous(shape: readonly number[]): ViewAxis[] {
  let stride = 1;
  return shape.map((_, i) => shape.length - 1 - i).map((axis) => {
    const at = { length: shape[axis], stride };
    stride *= shape[axis];
    return at;
  }).reverse();
}

/** Joins axes that are walked as one: [2, 3] with strides [3, 1] is [6] with stride 1. */
function joined(axes: readonly ViewAxis[]): ViewAxis[] {
  const out: ViewAxis[] = [];
  for (const axis of axes) {
    if (axis.length === 1) continue;
    const last = out.at(-1);
    if (last && last.stride === axis.stride * axis.length) {
      out[out.length - 1] = { length: last.length * axis.length, stride: axis.stride };
    } else out.push(axis);
  }
  return out;
}

/** The axes of another shape over the same walk; `undefined` where that isn't one walk. */
function split(axes: readonly ViewAxis[], shape: readonly number[]): ViewAxis[] | undefined {
  const walks = joined(axes);
  const out: ViewAxis[] = [];
  for (const length of shape.toReversed()) {
    if (length === 1) {
      out.push({ length, stride: 0 });
      continue;
    }
    const walk = walks.at(-1);
    if (!walk || walk.length % length !== 0) return undefined;
    out.push({ length, stride: walk.stride });
    if (walk.length === length) walks.pop();
    else {
      walks[walks.length - 1] = { length: walk.length / length, stride: walk.stride * length };
    }
  }
  return out.reverse();
}

/** Where windows of an axis lie. */
export interface Windows {
  readonly first: number;
  readonly count: number;
  readonly step: number;
  readonly length: number;
}

/**
 * Elements that the core widens in one call, at least and at most. It does so at full speed from the first one on, where JavaScript would
 * be interpreted; of more it would keep the memory, and of less the memory would be in holes between weights.
 */
const [LEAST, MOST] = [2 ** 12, 2 ** 18];

/** A parameter that is some of a stored tensor's elements in some order. Nothing is copied or widened before somebody asks. */
export class WeightView implements WeightArray {
  readonly shape: readonly number[];
  /** The elements that it is among. */
  readonly stored: StoredElements | UnreadElements;
  /** Where its first element is. */
  readonly offset: number;
  /** How its axes are walked. */
  readonly axes: readonly ViewAxis[];
  #data: Float32Array | undefined;

  private constructor(
    stored: StoredElements | UnreadElements,
    offset: number,
    axes: readonly ViewAxis[],
  ) {
    this.stored = stored;
    this.offset = offset;
    this.axes = axes;
    this.shape = axes.map(({ length }) => length);
  }

  /** A stored tensor, row-major. */
  static stored(stored: StoredElements | UnreadElements, shape: readonly number[]): WeightView {
    return new WeightView(stored, 0, contiguous(shape));
  }

  /** A parameter as a view of itself. */
  static of(array: WeightArray): WeightView {
    if (array instanceof WeightView) return array;
    return WeightView.stored({ dtype: "float32", elements: array.data }, array.shape);
  }

  /** The values, row-major and widened. Throws an {@linkcode UnreadError} where they haven't been read. */
  get data(): Float32Array {
    return this.#data ??= this.#inCore() ??
      (this.#isWhole() ? widened(this.#read()) : this.#widened());
  }

  /** One more than the place of its last element. */
  get end(): number {
    return this.axes.reduce(
      (last, { length, stride }) => last + (length - 1) * stride,
      this.offset + 1,
    );
  }

  /** The same view of elements that have been read. */
  over(stored: StoredElements): WeightView {
    return new WeightView(stored, this.offset, this.axes);
  }

  /** The axes in another order. */
  permuted(order: readonly number[]): WeightView {
    return new WeightView(this.stored, this.offset, order.map((axis) => this.axes[axis]));
  }

  /** Some of the entries along an axis. */
  narrowed(axis: number, start: number, length: number): WeightView {
    const axes = this.axes.map((at, i) => (i === axis ? { ...at, length } : at));
    return new WeightView(this.stored, this.offset + start * this.axes[axis].stride, axes);
  }

  /** Windows of an axis: in its place stand `count` of them, which begin `step` apart, and the `length` of each. */
  windows(axis: number, { first, count, step, length }: Windows): WeightView {
    const { stride } = this.axes[axis];
    const windows = [{ length: count, stride: stride * step }, { length, stride }];
    const axes = this.axes.toSpliced(axis, 1, ...windows);
    return new WeightView(this.stored, this.offset + first * stride, axes);
  }

  /** The same elements in the same order under another shape. */
  reshaped(shape: readonly number[]): WeightView {
    const axes = split(this.axes, shape);
    if (axes) return new WeightView(this.stored, this.offset, axes);
    return WeightView.stored(this.#ordered(), shape);
  }

  /** Whether it is all of its tensor as it lies there. */
  #isWhole(): boolean {
    const [walk, ...others] = joined(this.axes);
    return others.length === 0 && this.offset === 0 &&
      (walk?.length ?? 1) === this.#read().elements.length && (walk?.stride ?? 1) === 1;
  }

  #read(): StoredElements {
    if (this.stored.elements === undefined) throw new UnreadError("The tensor hasn't been read.");
    return this.stored;
  }

  /** Its elements in its own order. */
  #ordered(): StoredElements {
    const { dtype, elements } = this.#read();
    if (dtype !== "float32") {
      return { dtype, elements: copyWalk(this, elements, new Uint16Array(this.#size)) };
    }
    const ordered = new Float32Array(this.#size);
    copyWalk(this, bitsOf(elements), bitsOf(ordered));
    return { dtype, elements: ordered };
  }

  /** Its values in its own order, widened by the core, where they are few and the core is there. */
  #inCore(): Float32Array | undefined {
    const { dtype, elements } = this.#read();
    const { offset, end, axes } = this;
    const isFit = this.#size >= LEAST && Math.max(end - offset, this.#size) <= MOST;
    if (dtype === "float32" || !isFit || !isStarted()) return undefined;
    const steps = contiguous(this.shape);
    const layout = axes.flatMap(({ length, stride }, i) => [length, stride, 0, steps[i].stride]);
    const span = elements.subarray(offset, Math.max(offset, end));
    const isBfloat16 = dtype === "bfloat16";
    return core().widened_halves(span, isBfloat16, Uint32Array.of(0, ...layout), this.#size);
  }

  /** Its values in its own order, in memory of their own. */
  #widened(): Float32Array {
    const { dtype, elements } = this.#read();
    // One by one, numbers that aren't whole are slow while the code isn't compiled.
    const isInRuns = (joined(this.axes).at(-1)?.stride ?? 1) === 1;
    const halves = dtype === "float16" && isInRuns ? asFloat16(elements) : undefined;
    // Without a copy in between, which would wait for the collector while a model is loaded.
    const out = halves && copyWalk(this, halves, new Float32Array(this.#size));
    // What isn't a number may have lost its payload.
    return out && !out.includes(NaN) ? out : widened(this.#ordered());
  }

  get #size(): number {
    return this.shape.reduce((product, length) => product * length, 1);
  }
}

/** A tensor's values. */
function widened({ dtype, elements }: StoredElements): Float32Array {
  if (dtype === "float32") return elements;
  return dtype === "float16" ? widenF16(elements) : widenBf16(elements);
}

/** Numbers as bits: one that goes from array to array as a number isn't the same if it is a signalling NaN. */
function bitsOf({ buffer, byteOffset, length }: Float32Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length);
}

/** Numbers that can be read one by one and in runs. */
interface Elements extends ArrayLike<number> {
  subarray(from: number, end: number): ArrayLike<number>;
}

/** Copies a view's elements in its order, converted by the arrays' own rules. */
function copyWalk<A extends Uint32Array | Uint16Array | Float32Array>(
  { axes, offset }: WeightView,
  elements: Elements,
  out: A,
): A {
  const walks = joined(axes);
  const { length: inner, stride } = walks.pop() ?? { length: out.length, stride: 1 };
  let to = 0;
  const copy = (depth: number, from: number) => {
    if (depth < walks.length) {
      for (let i = 0; i < walks[depth].length; i++) {
        copy(depth + 1, from + i * walks[depth].stride);
      }
    } else if (stride === 1) {
      out.set(elements.subarray(from, from + inner), to);
      to += inner;
    } else {
      for (let i = 0; i < inner; i += PIECE) {
        const end = Math.min(inner, i + PIECE);
        gather(out, to, end - i, elements, from + i * stride, stride);
        to += end - i;
      }
    }
  };
  if (out.length > 0) copy(0, offset);
  return out;
}

/**
 * Elements that are gathered in a call: few, because the engine runs compiled code from the next call on, and most tensors are read
 * before a long loop would be compiled.
 */
const PIECE = 64;

/** Writes elements that lie a stride apart next to each other. */
function gather(
  out: Uint32Array | Uint16Array | Float32Array,
  to: number,
  count: number,
  elements: ArrayLike<number>,
  from: number,
  stride: number,
): void {
  for (let i = 0; i < count; i++) out[to + i] = elements[from + i * stride];
}

/** Whether two matrices are the same elements, each the other's transpose. */
export function areTransposes(a: WeightView, b: WeightView): boolean {
  const [x, y] = [a.axes, b.axes];
  return a.stored === b.stored && a.offset === b.offset &&
    x.length === 2 && y.length === 2 &&
    [0, 1].every((i) => x[i].length === y[1 - i].length && x[i].stride === y[1 - i].stride);
}
