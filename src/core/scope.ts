/**
 * Scopes of the core's memory, and what crosses between it and JavaScript.
 *
 * @module
 */

import { copyOf, type Dtype, DTYPES, emptyArray, type TypedArray, viewOf } from "./dtype.ts";
import { core, coreMemory, type Handle } from "./engine.ts";

/** The life of values in the core: what is made inside is freed at the end. */
export interface Scope {
  /** False once the scope has ended: its handles mean nothing then. */
  readonly alive: boolean;
  /** Gives a constant that was made in a scope within this one a handle for as long as this one lives. */
  adopt(handle: Handle): Handle;
}

/** A scope that is open. */
class OpenScope implements Scope {
  alive = true;
  readonly #adopted: Handle[] = [];

  adopt(handle: Handle): Handle {
    if (currentScope() === this) return handle;
    const own = core().own(handle);
    this.#adopted.push(own);
    return own;
  }

  end(): void {
    this.alive = false;
    this.#adopted.forEach((handle) => core().free(handle));
  }
}

const open: OpenScope[] = [];

/** The innermost open scope. */
export function currentScope(): Scope | undefined {
  return open.at(-1);
}

/**
 * Runs a function inside a scope of its own. Values that it made are freed at the end, on exceptions too.
 *
 * @param body What to run.
 * @param survivors The values of its result that pass to the scope outside; none unless said.
 */
export function scoped<R>(
  body: (scope: Scope) => R,
  survivors: (result: R) => readonly Handle[] = () => [],
): R {
  const depth = core().begin_scope();
  const scope = new OpenScope();
  open.push(scope);
  let kept: readonly Handle[] = [];
  try {
    const result = body(scope);
    kept = survivors(result);
    return result;
  } finally {
    scope.end();
    open.pop();
    core().end_scope(depth, Uint32Array.from(kept));
  }
}

/** The number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** Copies elements into the core. */
export function copyIn(data: TypedArray, shape: readonly number[], dtype: Dtype): Handle {
  const handle = core().allocate(new Uint32Array(shape), DTYPES.indexOf(dtype));
  viewOf(coreMemory(), dtype, core().data_pointer(handle) >>> 0, data.length).set(data);
  return handle;
}

/** Writes the elements of a value that nobody shares. */
export function overwrite(handle: Handle, data: Float32Array): void {
  viewOf(coreMemory(), "float32", core().data_pointer(handle) >>> 0, data.length).set(data);
}

/** From this many elements on it pays to ask for those alone that aren't zero. */
const SPARSE = 256;

/** Copies a value's elements out of the core. */
export function copyOut(handle: Handle, dtype: Dtype, length: number): TypedArray {
  const cells = length < SPARSE ? undefined : core().sparse_cells(handle);
  if (!cells) {
    return copyOf(viewOf(coreMemory(), dtype, core().data_pointer(handle) >>> 0, length));
  }
  const out = emptyArray(dtype, length);
  const words = new Uint32Array(out.buffer);
  for (let i = 0; i < cells.length; i += 2) words[cells[i]] = cells[i + 1];
  return out;
}

/** The shape of a value in the core. */
export function shapeOf(handle: Handle): number[] {
  return Array.from(core().shape_of(handle));
}
