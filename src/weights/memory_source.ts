/**
 * Files that are in memory already.
 *
 * @module
 */

import { Source, type SourceOptions } from "./source.ts";

/** Named files in memory. */
export class MemorySource extends Source {
  readonly #files: ReadonlyMap<string, Uint8Array>;

  /**
   * Creates a source over bytes in memory.
   *
   * @param files The files' bytes by name; they are copied when read, never changed.
   * @param options Abort signal and progress callback.
   */
  constructor(files: ReadonlyMap<string, Uint8Array>, options?: SourceOptions) {
    super("memory", options);
    this.#files = files;
  }

  /** Gives a file's size in bytes, or `undefined` where there is no such file. */
  protected override findSize(name: string): Promise<number | undefined> {
    return Promise.resolve(this.#files.get(name)?.byteLength);
  }

  /** Names the files under a folder. */
  protected override listNames(folder: string): Promise<string[]> {
    const under = folder === "" ? "" : `${folder}/`;
    return Promise.resolve([...this.#files.keys()].filter((name) => name.startsWith(under)));
  }

  /** Reads bytes that lie within the file. */
  protected override readPart(
    name: string,
    offset: number,
    length: number,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = this.#files.get(name);
    if (bytes === undefined) throw this.error(name, "there is no such file");
    this.report(name, length, bytes.byteLength);
    return Promise.resolve(new Uint8Array(bytes.subarray(offset, offset + length)));
  }
}
