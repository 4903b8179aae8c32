/**
 * NumPy's npz files: a zip archive of arrays in npy format.
 *
 * @module
 */

import { WeightFileError } from "../core/errors.ts";
import { reading } from "./format_error.ts";
import { NPY_HEADER_BYTES, type NpyHeader, readNpyHeader } from "./npy.ts";
import { requireTensor, type TensorFile, type TensorInfo } from "./safetensors.ts";
import { messageOf, type Source } from "./source.ts";
import { columnMajorStrides, gathered } from "./strided.ts";
import { convertTensor, type TensorData } from "./tensor_data.ts";
import { openZip, type ZipFile } from "./zip.ts";

const SUFFIX = ".npy";

/** An npz file whose headers have been read and checked. */
class NpzFile implements TensorFile {
  readonly label: string;
  readonly #zip: ZipFile;
  readonly #headers: ReadonlyMap<string, NpyHeader>;

  constructor(label: string, zip: ZipFile, headers: ReadonlyMap<string, NpyHeader>) {
    this.label = label;
    this.#zip = zip;
    this.#headers = headers;
  }

  get names(): readonly string[] {
    return [...this.#headers.keys()];
  }

  has(name: string): boolean {
    return this.#headers.has(name);
  }

  info(name: string): TensorInfo {
    const { dtype, shape, byteLength, isFortran } = this.#header(name);
    return { dtype, shape, byteLength, ...(isFortran ? { isReordered: true } : {}) };
  }

  async read(name: string): Promise<TensorData> {
    const { dtype, shape, isFortran } = this.#header(name);
    const bytes = await this.readRaw(name);
    try {
      const values = convertTensor(dtype, [...shape], bytes);
      return isFortran ? gathered(values, shape, columnMajorStrides(shape)) : values;
    } catch (cause) {
      throw new WeightFileError(`Cannot read "${name}" in "${this.label}": ${messageOf(cause)}`, {
        cause,
      });
    }
  }

  async readRaw(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const { dataStart, byteLength } = this.#header(name);
    return await reading(
      this.label,
      () => this.#zip.read(`${name}${SUFFIX}`, dataStart, byteLength),
    );
  }

  #header(name: string): NpyHeader {
    return requireTensor(this.#headers, this.label, name);
  }
}

/**
 * Opens an npz file: reads the archive's directory and each array's header, and checks them against the size of the file.
 *
 * @param source Where the file is.
 * @param name The file's name there.
 * @throws {WeightFileError} If there is no such file, it breaks the format, or an array isn't one of numbers.
 */
export async function openNpz(source: Source, name: string): Promise<TensorFile> {
  return await reading(name, async () => {
    const zip = await openZip(source, name);
    const headers = new Map<string, NpyHeader>();
    for (const member of zip.names) {
      if (!member.endsWith(SUFFIX)) continue;
      const size = zip.size(member) ?? 0;
      const start = await zip.read(member, 0, Math.min(size, NPY_HEADER_BYTES));
      const array = member.slice(0, -SUFFIX.length);
      headers.set(array, readNpyHeader(start, size, `its array "${array}"`));
    }
    return new NpzFile(name, zip, headers);
  });
}
