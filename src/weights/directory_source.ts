/**
 * Files in a local directory.
 *
 * @module
 */

import { encodeName, MAX_FILES, Source, type SourceOptions } from "./source.ts";

/**
 * Bytes between two looks at the abort signal and two reports of progress. Larger ones would cost memory: the runtime reads into
 * buffers of its own first.
 */
const STEP_BYTES = 2 ** 18;

/** The files of a local directory, read at random access. Works wherever `node:fs` does. */
export class DirectorySource extends Source {
  readonly #location: string | URL;
  #root: Promise<URL> | undefined;

  /**
   * Creates a source over a directory; nothing is opened yet.
   *
   * @param location A path or a `file:` URL.
   * @param options Abort signal and progress callback.
   */
  constructor(location: string | URL, options?: SourceOptions) {
    super(String(location), options);
    this.#location = location;
  }

  /** Gives a file's size in bytes, or `undefined` where there is no such file. */
  protected override async findSize(name: string): Promise<number | undefined> {
    const [{ stat }, url] = await Promise.all([import("node:fs/promises"), this.#urlOf(name)]);
    try {
      const info = await stat(url);
      return info.isFile() ? info.size : undefined;
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
    const [{ open }, url] = await Promise.all([import("node:fs/promises"), this.#urlOf(name)]);
    const handle = await open(url, "r");
    try {
      const { size } = await handle.stat();
      for (let start = 0; start < length; start += STEP_BYTES) {
        const step = Math.min(STEP_BYTES, length - start);
        const at = start % room.length;
        for (let done = 0; done < step;) {
          this.signal?.throwIfAborted();
          const from = offset + start + done;
          const { bytesRead } = await handle.read(room, at + done, step - done, from);
          if (bytesRead === 0) {
            throw this.error(name, `it ended at byte ${from} while it was read`);
          }
          done += bytesRead;
          this.report(name, bytesRead, size);
        }
        yield room.subarray(at, at + step);
      }
    } finally {
      await handle.close();
    }
  }

  /** Names the files under a folder. */
  protected override async listNames(folder: string): Promise<string[]> {
    const { readdir } = await import("node:fs/promises");
    const found: string[] = [];
    const walk = async (name: string): Promise<void> => {
      const url = name === "" ? await this.#rootUrl() : await this.#urlOf(name);
      for (const entry of await readdir(url, { withFileTypes: true })) {
        if (found.length > MAX_FILES) return;
        const path = name === "" ? entry.name : `${name}/${entry.name}`;
        if (entry.isDirectory()) await walk(path);
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

  /** The file's URL: paths become URLs once, so that both kinds of base resolve names alike. */
  async #urlOf(name: string): Promise<URL> {
    return new URL(encodeName(name), await this.#rootUrl());
  }

  #rootUrl(): Promise<URL> {
    return this.#root ??= toDirectoryUrl(this.#location);
  }
}

async function toDirectoryUrl(location: string | URL): Promise<URL> {
  const { pathToFileURL } = await import("node:url");
  const url = typeof location === "string" ? pathToFileURL(location) : new URL(location);
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}

/** Whether an error of the file system says that there is nothing at a path. */
function isAbsence(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ENOENT" || code === "ENOTDIR";
}
