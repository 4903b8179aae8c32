/**
 * From a path, a URL or bytes to a source of files.
 *
 * @module
 */

import { WeightFileError } from "../core/errors.ts";
import { DirectorySource } from "./directory_source.ts";
import { HttpSource, type HttpSourceOptions } from "./http_source.ts";
import { MemorySource } from "./memory_source.ts";
import type { Source } from "./source.ts";

/** A folder whose files are known. Over HTTP each is fetched whole, and no other is asked for. */
export interface ListedFolder {
  /** The folder: a `file:` or `http(s):` URL. */
  readonly root: string | URL;
  /** The names of its files, with `/` between folders. */
  readonly files: readonly string[];
}

/**
 * Where files are: a directory's path, a `file:` or `http(s):` URL of a folder, the same with the names of its files, or bytes
 * by name.
 */
export type SourceLocation = string | URL | ListedFolder | ReadonlyMap<string, Uint8Array>;

/**
 * Opens a folder of files. Nothing is read yet.
 *
 * A folder beside a module, whether it came from disk or from a server, is `new URL("./folder/", import.meta.url)`.
 *
 * @param location Where the files are.
 * @param options Abort signal and progress callback; `headers` go with requests to servers.
 * @throws {WeightFileError} If the URL is of another kind than `file:`, `http:` or `https:`.
 */
export function openSource(location: SourceLocation, options: HttpSourceOptions = {}): Source {
  if (typeof location === "object" && "files" in location) {
    return openSource(location.root, { ...options, files: location.files });
  }
  if (!(typeof location === "string" || location instanceof URL)) {
    return new MemorySource(location, options);
  }
  // "C:\models" is a path: only what has "//" or "file:" after its scheme counts as a URL.
  const isUrl = location instanceof URL || /^(file:|[a-z][a-z0-9+.-]+:\/\/)/i.test(location);
  if (!isUrl) return new DirectorySource(location, options);
  const url = new URL(location);
  switch (url.protocol) {
    case "file:":
      return new DirectorySource(url, options);
    case "http:":
    case "https:":
      return new HttpSource(url, options);
    default:
      throw new WeightFileError(
        `Cannot open "${url.href}": wanted a path, or a URL that begins with file:, http: or https:`,
      );
  }
}
