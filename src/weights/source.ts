/**
 * Where files of weights come from: named files under a base, read in parts.
 *
 * @module
 */

import { MemoryBudgetError, WeightFileError } from "../core/errors.ts";

/** How far the reading of a file has come. */
export interface ReadProgress {
  /** The file's name under its base. */
  readonly file: string;
  /** Bytes read so far. */
  readonly loaded: number;
  /** The file's size in bytes, `undefined` while a server hasn't told it. */
  readonly total: number | undefined;
}

/** How a source reads. */
export interface SourceOptions {
  /** Stops reading: the promise of the read under way rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Is told after every part that was read. */
  onProgress?: (progress: ReadProgress) => void;
}

/** Text files (configurations, tokenizers) beyond this are not believed: the largest tokenizers are below 40 MiB. */
const MAX_TEXT_BYTES = 256 * 2 ** 20;

/** More than any folder of weights has. */
export const MAX_FILES = 10_000;

/** What a 32-bit WebAssembly memory can hold; no single read may ask for more. */
const MAX_READ_BYTES = 2 ** 32;

/** Read-only named files under a base: a directory, a URL or memory. */
export abstract class Source {
  /** The base as it is named in error messages. */
  readonly base: string;
  /** Stops reading when it aborts. */
  protected readonly signal: AbortSignal | undefined;
  readonly #onProgress: SourceOptions["onProgress"];
  readonly #loaded = new Map<string, number>();

  /**
   * Creates a source; see {@linkcode openSource}.
   *
   * @param base The base as it is named in error messages.
   * @param options Abort signal and progress callback.
   */
  constructor(base: string, { signal, onProgress }: SourceOptions = {}) {
    this.base = base;
    this.signal = signal;
    this.#onProgress = onProgress;
  }

  /** Gives a file's size in bytes, or `undefined` where there is no such file. */
  protected abstract findSize(name: string): Promise<number | undefined>;

  /** Reads bytes that lie within the file into memory of the caller's own; tells `report` about each part. */
  protected abstract readPart(
    name: string,
    offset: number,
    length: number,
  ): Promise<Uint8Array<ArrayBuffer>>;

  /**
   * Tells whether a file exists.
   *
   * @param name The file's name under the base, with `/` between folders.
   * @throws {WeightFileError} If the name leaves the base, or the base can't be asked.
   */
  async has(name: string): Promise<boolean> {
    return await this.#findSize(name) !== undefined;
  }

  /**
   * Gives a file's size.
   *
   * @param name The file's name under the base.
   * @returns The size in bytes.
   * @throws {WeightFileError} If there is no such file.
   */
  async size(name: string): Promise<number> {
    const size = await this.#findSize(name);
    if (size === undefined) throw this.error(name, "there is no such file");
    return size;
  }

  /**
   * Reads a part of a file, the whole of it by default.
   *
   * @param name The file's name under the base.
   * @param offset Where to begin, in bytes; at the start by default.
   * @param length How many bytes to read; to the end by default.
   * @returns The bytes, in a buffer of their own.
   * @throws {WeightFileError} If there is no such file, or the part isn't within it.
   * @throws {MemoryBudgetError} If the part is larger than WebAssembly's address space.
   */
  async read(name: string, offset?: number, length?: number): Promise<Uint8Array<ArrayBuffer>> {
    const start = offset ?? 0;
    const count = length ?? await this.size(name) - start;
    await this.#checkRange(name, start, count);
    const bytes = await this.readPart(name, start, count);
    this.signal?.throwIfAborted();
    return bytes;
  }

  /**
   * Reads a part of a file piece by piece: what is read in pieces is never there as a whole, where the source can do without.
   *
   * @param name The file's name under the base.
   * @param offset Where to begin, in bytes.
   * @param length How many bytes to read.
   * @returns The bytes in order, in pieces of whole multiples of eight but for the last. The next piece may overwrite one.
   * @throws {WeightFileError} If there is no such file, or the part isn't within it.
   */
  async *readPieces(
    name: string,
    offset: number,
    length: number,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    await this.#checkRange(name, offset, length);
    yield* this.pieces(name, offset, length);
  }

  /** Reads bytes that lie within the file, as {@linkcode Source.readPieces} gives them. */
  protected async *pieces(
    name: string,
    offset: number,
    length: number,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    yield await this.readPart(name, offset, length);
    this.signal?.throwIfAborted();
  }

  async #checkRange(name: string, offset: number, length: number): Promise<void> {
    const size = await this.size(name);
    if (!isCount(offset) || !isCount(length) || offset + length > size) {
      throw this.error(name, `it has ${size} bytes, wanted ${length} bytes from byte ${offset} on`);
    }
    if (length > MAX_READ_BYTES) {
      throw new MemoryBudgetError(
        `Cannot read ${length} bytes of "${name}" at once: the limit is ${MAX_READ_BYTES} bytes`,
      );
    }
  }

  /**
   * Reads a text file.
   *
   * @param name The file's name under the base.
   * @throws {WeightFileError} If there is no such file, or it isn't UTF-8 text of a believable size.
   */
  async readText(name: string): Promise<string> {
    const size = await this.size(name);
    if (size > MAX_TEXT_BYTES) {
      throw this.error(name, `it has ${size} bytes, wanted a text of at most ${MAX_TEXT_BYTES}`);
    }
    const bytes = await this.read(name, 0, size);
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch (cause) {
      throw this.error(name, "it isn't UTF-8 text", cause);
    }
  }

  /**
   * Reads a JSON file.
   *
   * @param name The file's name under the base.
   * @throws {WeightFileError} If there is no such file, or it isn't JSON.
   */
  async readJson(name: string): Promise<unknown> {
    const text = await this.readText(name);
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw this.error(name, `it isn't JSON (${messageOf(cause)})`, cause);
    }
  }

  /**
   * Names the files under a folder, where that can be told: on a server it can't.
   *
   * @param folder The folder's name under the base, `""` for the base itself.
   * @returns The files' names under the base, sorted; `undefined` where they can't be told.
   * @throws {WeightFileError} If there are more than any folder of weights has.
   */
  async list(folder: string): Promise<string[] | undefined> {
    const names = await this.listNames(folder);
    if (names !== undefined && names.length > MAX_FILES) {
      throw this.error(folder, `it has more than ${MAX_FILES} files`);
    }
    return names?.sort();
  }

  /** Names the files under a folder, by their names under the base; no more than are believed need be named. */
  protected listNames(_folder: string): Promise<string[] | undefined> {
    return Promise.resolve(undefined);
  }

  /** Counts bytes of a file as read, and tells the progress callback. */
  protected report(name: string, bytes: number, total: number | undefined): void {
    const loaded = (this.#loaded.get(name) ?? 0) + bytes;
    this.#loaded.set(name, loaded);
    this.#onProgress?.({
      file: name,
      loaded: total === undefined ? loaded : Math.min(loaded, total),
      total,
    });
  }

  /** Makes the error for a file that can't be read. */
  protected error(name: string, reason: string, cause?: unknown): WeightFileError {
    return new WeightFileError(`Cannot read "${name}" in ${this.base}: ${reason}`, { cause });
  }

  /** Looks a file up after checking that its name stays under the base: shard names come from files. */
  async #findSize(name: string): Promise<number | undefined> {
    this.signal?.throwIfAborted();
    const parts = name.split("/");
    // A letter and a colon begin a path of their own on Windows.
    const isStray = (part: string) =>
      part === "" || part === "." || part === ".." || /^[a-z]:/i.test(part);
    const strays = /[\\\0]/.test(name) || parts.some(isStray);
    if (strays) throw this.error(name, "wanted a relative path that stays in its folder");
    return await this.findSize(name);
  }
}

/** Gives the text of whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** Escapes a file name for use in a URL, folder by folder. */
export function encodeName(name: string): string {
  return name.split("/").map(encodeURIComponent).join("/");
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
