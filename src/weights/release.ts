/**
 * Memory of values that nobody needs any more.
 *
 * @module
 */

/**
 * Gives the memory of values back at once, not only when the collector comes. Whoever looks at them later finds none. An engine that
 * can't do it leaves it to the collector, and so do values that share their memory.
 */
export function releaseValues({ buffer, byteLength }: Float32Array | Uint16Array): void {
  const isOnly = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
  // Those without bytes may have been released before.
  if (!isOnly || byteLength === 0) return;
  const { transfer } = buffer as { transfer?: (length: number) => ArrayBuffer };
  transfer?.call(buffer, 0);
}
