/**
 * Files on a web server.
 *
 * @module
 */

import { encodeName, messageOf, Source, type SourceOptions } from "./source.ts";

/** How a source on a web server reads. */
export interface HttpSourceOptions extends SourceOptions {
  /** Sent with every request, such as an `Authorization`. */
  headers?: Readonly<Record<string, string>>;
  /** The files that are there, where that is known: each is fetched whole, and no other is asked for. */
  files?: readonly string[];
}

/** What a `Content-Range` header says (RFC 9110, section 14.4); `*` gives `undefined`. */
interface ContentRange {
  readonly first: number | undefined;
  readonly last: number | undefined;
  readonly total: number | undefined;
}

/**
 * The files under an `http:` or `https:` URL, read by range requests. Where the server ignores ranges, the whole file is
 * fetched once and kept for as long as the source.
 */
export class HttpSource extends Source {
  readonly #root: URL;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #files: readonly string[] | undefined;
  readonly #sizes = new Map<string, number>();
  readonly #bodies = new Map<string, Uint8Array<ArrayBuffer>>();

  /**
   * Creates a source over a URL; nothing is requested yet.
   *
   * @param root The URL of the folder; its query is kept for every file.
   * @param options Abort signal, progress callback, headers and the names of the files.
   */
  constructor(root: URL, { headers = {}, files, ...options }: HttpSourceOptions = {}) {
    // The query may hold a signature: it stays out of messages.
    super(`${root.origin}${root.pathname}`, options);
    this.#root = new URL(root);
    if (!this.#root.pathname.endsWith("/")) this.#root.pathname += "/";
    this.#headers = headers;
    this.#files = files;
  }

  /** Gives a file's size in bytes, or `undefined` where there is no such file. */
  protected override async findSize(name: string): Promise<number | undefined> {
    const known = this.#sizes.get(name);
    if (known !== undefined) return known;
    if (this.#files?.includes(name) === false) return undefined;
    const response = await this.#request(name, 0, 0);
    if (response.status === 404 || response.status === 410) {
      await response.body?.cancel();
      return undefined;
    }
    let size: number | undefined;
    if (response.status === 206 || response.status === 416) {
      await response.body?.cancel();
      size = contentRange(response).total;
      if (size === undefined) throw this.error(name, "the server doesn't tell its size");
    } else {
      size = (await this.#keepBody(name, response)).byteLength;
    }
    this.#sizes.set(name, size);
    return size;
  }

  /** Reads bytes that lie within the file. */
  protected override async readPart(
    name: string,
    offset: number,
    length: number,
  ): Promise<Uint8Array<ArrayBuffer>> {
    if (length === 0) return new Uint8Array(0);
    let body = this.#bodies.get(name);
    if (body === undefined) {
      const response = await this.#request(name, offset, offset + length - 1);
      if (response.status === 206) return await this.#readRange(name, response, offset, length);
      body = await this.#keepBody(name, response);
    }
    if (body.byteLength < offset + length) {
      throw this.error(
        name,
        `the server sent ${body.byteLength} bytes, wanted at least ${offset + length}`,
      );
    }
    return body.slice(offset, offset + length);
  }

  /** Asks for bytes `first` to `last`, both included; for the whole where the folder is listed. */
  async #request(name: string, first: number, last: number): Promise<Response> {
    const url = new URL(encodeName(name), this.#root);
    url.search = this.#root.search;
    const isWhole = this.#files !== undefined;
    // A range of a compressed body would count compressed bytes.
    const range = { "accept-encoding": "identity", range: `bytes=${first}-${last}` };
    try {
      return await fetch(url, {
        headers: { ...this.#headers, ...(isWhole ? {} : range) },
        signal: this.signal,
      });
    } catch (cause) {
      throw this.#failure(name, cause);
    }
  }

  /** Reads the body of an answer to a range request. */
  async #readRange(
    name: string,
    response: Response,
    offset: number,
    length: number,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { first, last } = contentRange(response);
    if (first !== offset || last !== offset + length - 1) {
      await response.body?.cancel();
      throw this.error(
        name,
        `the server sent bytes ${first} to ${last}, wanted ${offset} to ${offset + length - 1}`,
      );
    }
    const bytes = await this.#readBody(name, response, this.#sizes.get(name), length);
    if (bytes.byteLength !== length) {
      throw this.error(name, `the server sent ${bytes.byteLength} bytes, wanted ${length}`);
    }
    return bytes;
  }

  /** Reads and keeps the whole body of an answer that ignores ranges; other answers are errors. */
  async #keepBody(name: string, response: Response): Promise<Uint8Array<ArrayBuffer>> {
    if (response.status !== 200) {
      await response.body?.cancel();
      const status = `${response.status} ${response.statusText}`.trim();
      throw this.error(name, `the server answered ${status}`);
    }
    const encoded = response.headers.has("content-encoding");
    const length = response.headers.get("content-length");
    const total = encoded || length === null ? undefined : Number(length);
    const body = await this.#readBody(name, response, total, Infinity);
    if (total !== undefined && body.byteLength !== total) {
      throw this.error(name, `the server sent ${body.byteLength} bytes, wanted ${total}`);
    }
    this.#bodies.set(name, body);
    return body;
  }

  /**
   * Reads a body of at most `limit` bytes. Memory is taken as bytes arrive, never on the word of a header, and the reading of
   * a longer body is given up just past the limit.
   */
  async #readBody(
    name: string,
    response: Response,
    total: number | undefined,
    limit: number,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const parts: Uint8Array[] = [];
    let length = 0;
    // Not every browser iterates over a stream by itself.
    const reader = response.body?.getReader();
    try {
      while (length <= limit) {
        const part = await reader?.read();
        if (part?.value === undefined) break;
        parts.push(part.value);
        length += part.value.byteLength;
        this.report(name, part.value.byteLength, total);
      }
      await reader?.cancel();
    } catch (cause) {
      throw this.#failure(name, cause);
    }
    const bytes = new Uint8Array(length);
    let offset = 0;
    for (const part of parts) {
      bytes.set(part, offset);
      offset += part.byteLength;
    }
    return bytes;
  }

  /** What to throw when a request fails: the signal's reason if it was aborted, else a typed error. */
  #failure(name: string, cause: unknown): unknown {
    if (this.signal?.aborted) return this.signal.reason;
    return this.error(name, `the request failed (${messageOf(cause)})`, cause);
  }
}

function contentRange(response: Response): ContentRange {
  const header = response.headers.get("content-range") ?? "";
  const match = /^bytes (?:(\d+)-(\d+)|\*)\/(\d+|\*)$/.exec(header);
  const number = (text: string | undefined) =>
    text === undefined || text === "*" ? undefined : Number(text);
  return { first: number(match?.[1]), last: number(match?.[2]), total: number(match?.[3]) };
}
