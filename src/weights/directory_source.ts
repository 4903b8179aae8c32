/**
 * Files in a local directory.
 *
 * @module
 */

import { fileSystem, isAbsence, type OpenFile, type Place } from "./file_system.ts";
import { encodeName, MAX_FILES, Source, type SourceOptions } from "./source.ts";

/**
 * Bytes between two looks at the abort signal and two reports of progress. Larger ones would cost memory: the runtime reads into
 * buffers of its own first.
 */
const STEP_BYTES = 2 ** 18;

/** Bytes that are read at once, waiting for the disk, before timers and whoever may abort get a turn. */
const MOST_AT_ONCE = 2 ** 22;

/** The files of a local directory, read at random access. Works wherever there is a file system. */
export class DirectorySource extends Source {
  readonly #root: Place;
  /** The sizes that were asked for. */
  readonly #sizes = new Map<string, number>();
  /** Bytes that were read at once since others last had a turn. */
  #atOnce = 0;

  /**
   * Creates a source over a directory; nothing is opened yet.
   *
   * @param location A path or a `file:` URL.
   * @param options Abort signal and progress callback.
   */
  constructor(location: string | URL, options?: SourceOptions) {
    super(String(location), options);
    this.#root = typeof location === "string" ? location : asFolder(location);
  }

  /** Gives a file's size in bytes, or `undefined` where there is no such file. */
  protected override async findSize(name: string): Promise<number | undefined> {
    const known = this.#sizes.get(name);
    if (known !== undefined) return known;
    const files = await fileSystem();
    try {
      const size = await files.size(this.#placeOf(name));
      if (size !== undefined) this.#sizes.set(name, size);
      return size;
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw error;
    }
  }

  /** Reads bytes that lie within the file. */
  protected override async readPart(
    name: string,
    offset: number,
    length: number,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(length);
    for await (const _ of this.#readInto(name, offset, length, bytes));
    return bytes;
  }

  /** Reads bytes that lie within the file, into room that each piece shares with the next. */
  protected override pieces(
    name: string,
    offset: number,
    length: number,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const room = new Uint8Array(Math.min(length, STEP_BYTES));
    return this.#readInto(name, offset, length, room);
  }

  /** Reads bytes into room that takes all of them, or a step's, which it then yields. */
  async *#readInto(
    name: string,
    offset: number,
    length: number,
    room: Uint8Array<ArrayBuffer>,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const file = await this.#open(this.#placeOf(name), length);
    try {
      for (let start = 0; start < length; start += STEP_BYTES) {
        const step = Math.min(STEP_BYTES, length - start);
        const at = start % room.length;
        const part = room.subarray(at, at + step);
        for (let done = 0; done < step;) {
          this.signal?.throwIfAborted();
          const from = offset + start + done;
          const bytesRead = await file.read(part.subarray(done), from);
          if (bytesRead === 0) {
            throw this.error(name, `it ended at byte ${from} while it was read`);
          }
          done += bytesRead;
          this.report(name, bytesRead, this.#sizes.get(name));
        }
        yield part;
      }
    } finally {
      await file.close();
    }
  }

  /** Opens a file to read so many bytes: few of them at once. */
  async #open(place: Place, length: number): Promise<OpenFile> {
    const files = await fileSystem();
    if (length > STEP_BYTES || files.openAtOnce === undefined) return await files.open(place);
    this.#atOnce += length;
    if (this.#atOnce > MOST_AT_ONCE) {
      this.#atOnce = 0;
      // Timers of before go first, which a file opened asynchronously doesn't promise: it may be there before they are looked at.
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    return files.openAtOnce(place);
  }

  /** Names the files under a folder. */
  protected override async listNames(folder: string): Promise<string[]> {
    const files = await fileSystem();
    const found: string[] = [];
    const walk = async (name: string): Promise<void> => {
      for (const entry of await files.entries(this.#placeOf(name))) {
        if (found.length > MAX_FILES) return;
        const path = name === "" ? entry.name : `${name}/${entry.name}`;
        if (entry.isFolder) await walk(path);
        else found.push(path);
      }
    };
    try {
      await walk(folder);
    } catch (error) {
      if (!isAbsence(error)) throw error;
    }
    return found;
  }

  /** The place of a file or folder under the base; of the base itself, for `""`. */
  #placeOf(name: string): Place {
    const root = this.#root;
    if (root instanceof URL) return new URL(encodeName(name), root);
    return /[\\/]$/.test(root) || root === "" ? `${root}${name}` || "." : `${root}/${name}`;
  }
}

function asFolder(location: URL): URL {
  const url = new URL(location);
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}
