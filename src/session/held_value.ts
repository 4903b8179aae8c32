/**
 * Values that base runs hold, and copies of them that are made when somebody reads them.
 *
 * @module
 */

import type { Handle } from "../core/engine.ts";
import { freeOwned, ownValue } from "../core/memory.ts";
import { copyIn, copyOut, scoped, shapeOf, sizeOf } from "../core/scope.ts";
import { lazyTensor, ownedTensor, type Tensor } from "../core/tensor.ts";

/** What a tensor shows of a value: under which shape, and how it is brought into it. */
export interface Shown {
  readonly shape: readonly number[];
  readonly from: (value: Handle) => Handle;
}

/** Fewer elements than this are copied at once. */
const FEW = 1024;

/** A copy of a value outside of the core. */
interface LeftElements {
  readonly data: Float32Array<ArrayBuffer>;
  readonly shape: readonly number[];
}

/** Elements that nobody has read yet. */
class UnreadElements {
  readonly #shown: Shown;
  #source: HeldValue | LeftElements | undefined;
  #elements = new Float32Array();

  constructor(source: HeldValue, shown: Shown) {
    this.#source = source;
    this.#shown = shown;
  }

  /** The elements, copied when they are first asked for. */
  read(): Float32Array<ArrayBuffer> {
    const { shape, from } = this.#shown;
    const source = this.#source;
    if (source) {
      this.#elements = scoped(() => {
        const value = source instanceof HeldValue
          ? source.handle
          : copyIn(source.data, source.shape, "float32");
        return copyOut(from(value), "float32", sizeOf(shape)) as Float32Array<ArrayBuffer>;
      });
      this.#source = undefined;
      if (source instanceof HeldValue) source.forget(this);
    }
    return this.#elements;
  }

  /** Goes on from a copy of the value, which is about to go. */
  leave(left: LeftElements): void {
    this.#source = left;
  }
}

/** Forgets what was never read once its tensor is gone. */
const collected = new FinalizationRegistry<{ source: HeldValue; unread: UnreadElements }>(
  ({ source, unread }) => source.forget(unread),
);

/** A value in the core's memory that several base runs may hold. */
export class HeldValue {
  readonly handle: Handle;
  readonly bytes: number;
  readonly #unread = new Set<UnreadElements>();
  #holders = 1;

  /** Takes a value, [batch * pos, ...], out of its run. */
  constructor(value: Handle) {
    this.bytes = sizeOf(shapeOf(value)) * Float32Array.BYTES_PER_ELEMENT;
    this.handle = ownValue(value, "base");
  }

  /** The same value for another holder. */
  share(): this {
    this.#holders++;
    return this;
  }

  /** Leaves the value to the other holders. After the last one its memory is given back, and what tensors show of it is copied first. */
  release(): void {
    if (--this.#holders > 0) return;
    try {
      if (this.#unread.size === 0) return;
      // As it lies: bringing it into another order takes memory, which may be scarce.
      const shape = shapeOf(this.handle);
      const data = copyOut(this.handle, "float32", sizeOf(shape)) as Float32Array<ArrayBuffer>;
      for (const unread of this.#unread) unread.leave({ data, shape });
      this.#unread.clear();
    } finally {
      freeOwned(this.handle);
    }
  }

  /** An ordinary tensor of the value, which is copied when somebody reads it, or when the value goes. */
  tensor(shown: Shown): Tensor {
    const unread = new UnreadElements(this, shown);
    const whole = () => ownedTensor(unread.read(), shown.shape);
    if (sizeOf(shown.shape) < FEW) return whole();
    this.#unread.add(unread);
    const tensor = lazyTensor(shown.shape, { all: whole, at: () => undefined });
    collected.register(tensor, { source: this, unread });
    return tensor;
  }

  /** Leaves elements alone that were read, or that nobody can read any more. */
  forget(unread: UnreadElements): void {
    this.#unread.delete(unread);
  }
}
