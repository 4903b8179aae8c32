/**
 * Memory of values that nobody needs any more.
 *
 * @module
 */

/**
 * Bytes from which on values are worth it: with the first buffer that is taken away, V8 drops all code that it has compiled for
 * arrays.
 */
const WORTH_RELEASING = 2 ** 21;

/**
 * Gives the memory of values back at once, not only when the collector comes. Whoever looks at them later finds none. An engine that
 * can't do it leaves it to the collector, and so do values that are few or share their memory.
 */
export function releaseValues({ buffer, byteLength }: Float32Array | Uint16Array): void {
  const isOnly = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
  if (!isOnly || byteLength < WORTH_RELEASING) return;
  const { transfer } = buffer as { transfer?: (length: number) => ArrayBuffer };
  transfer?.call(buffer, 0);
}
