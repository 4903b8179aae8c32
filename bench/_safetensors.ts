/** Writing safetensors files, for random weights that both sides of a benchmark read. */

/** A float32 tensor. */
export interface Weights {
  shape: number[];
  data: Float32Array<ArrayBuffer>;
}

/** A tensor, float16 where its numbers are. */
export interface HalfWeights {
  shape: number[];
  data: Float16Array<ArrayBuffer>;
}

/** Writes tensors to a file, in the order of their names in the record. */
export function writeSafetensors(
  path: string,
  tensors: Record<string, Weights | HalfWeights>,
): void {
  let end = 0;
  const header: Record<string, unknown> = {};
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    const size = shape.reduce((product, n) => product * n, 1);
    if (data.length !== size) {
      throw new Error(`Cannot write "${name}": ${data.length} numbers, its shape wants ${size}.`);
    }
    const dtype = data instanceof Float32Array ? "F32" : "F16";
    header[name] = { dtype, shape, data_offsets: [end, end + data.byteLength] };
    end += data.byteLength;
  }
  const text = JSON.stringify(header);
  // The format wants the data to begin at a multiple of eight bytes.
  const json = new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = new BigUint64Array([BigInt(json.length)]);
  using file = Deno.openSync(path, { write: true, create: true, truncate: true });
  const write = (bytes: Uint8Array) => {
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  };
  write(new Uint8Array(length.buffer));
  write(json);
  for (const { data } of Object.values(tensors)) {
    write(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
}
