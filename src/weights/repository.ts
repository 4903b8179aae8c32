/**
 * Repositories of a model hub, as sources of files.
 *
 * @module
 */

import { ConfigError } from "../core/errors.ts";
import type { CachedRepository } from "../hub/cached_repository.ts";
import { DirectorySource } from "./directory_source.ts";
import { HttpSource } from "./http_source.ts";
import { Source, type SourceOptions } from "./source.ts";

/** How a repository is opened. */
export interface RepositoryOptions extends SourceOptions {
  /** A branch, tag or commit; `main` unless said. */
  revision?: string;
  /** The hub's address; `HF_ENDPOINT` or Hugging Face's unless said. */
  endpoint?: string;
  /** Sent to the hub as a bearer token: private and gated repositories want one. `HF_TOKEN` or a login's unless said. */
  token?: string;
  /**
   * The folder in which downloads are kept, in the layout of Python's huggingface_hub; `HF_HUB_CACHE`, `HF_HOME` or
   * `~/.cache/huggingface/hub` unless said. `null` keeps nothing and reads by ranges, as it is where there are no files.
   */
  cacheDir?: string | null;
}

const HUB = "https://huggingface.co";

/** Whether this runtime has a file system that can be written. */
function hasFiles(): boolean {
  return "process" in globalThis &&
    !("WorkerGlobalScope" in globalThis && "importScripts" in globalThis) &&
    !("document" in globalThis);
}

/**
 * Opens a repository of a hub in Hugging Face's layout. Nothing is read yet. Files are downloaded when they are first read, resumed
 * where a download broke off, and kept.
 *
 * @param repo Its id, `owner/name`, or `name` alone for the oldest ones.
 * @throws {ConfigError} If the id isn't of that form.
 */
export async function openRepository(
  repo: string,
  { revision = "main", endpoint, token, cacheDir, ...options }: RepositoryOptions = {},
): Promise<Source> {
  if (!/^[\w.-]+(\/[\w.-]+)?$/.test(repo)) {
    throw new ConfigError(`Cannot open the repository "${repo}": expected an id "owner/name".`);
  }
  if (!hasFiles()) return ranged(repo, revision, endpoint ?? HUB, token, options);
  const [{ hubEnvironment }, hub] = await Promise.all([
    import("../hub/environment.ts"),
    import("../hub/cached_repository.ts"),
  ]);
  const environment = await hubEnvironment();
  const base = endpoint ?? environment.endpoint ?? HUB;
  const bearer = token ?? environment.token;
  const cache = cacheDir === null ? undefined : cacheDir ?? environment.cache;
  if (cache === undefined) return ranged(repo, revision, base, bearer, options);
  return new RepositorySource(repo, options, (onProgress) =>
    new hub.CachedRepository({
      repo,
      revision,
      endpoint: withoutSlash(base),
      token: bearer,
      cache,
      isOffline: environment.isOffline,
      signal: options.signal,
      onProgress,
    }));
}

/** A repository read by ranges, of which nothing is kept. */
function ranged(
  repo: string,
  revision: string,
  endpoint: string,
  token: string | undefined,
  options: SourceOptions,
): Source {
  const root = `${withoutSlash(endpoint)}/${repo}/resolve/${encodeURIComponent(revision)}/`;
  const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
  return new HttpSource(new URL(root), { ...options, headers });
}

function withoutSlash(address: string): string {
  return address.replace(/\/+$/, "");
}

/** A repository whose files are downloaded before they are read. */
class RepositorySource extends Source {
  readonly #repository: CachedRepository;
  /** Bytes of each file that progress was told of. */
  readonly #reported = new Map<string, number>();

  constructor(
    repo: string,
    options: SourceOptions,
    open: (onProgress: (name: string, loaded: number, total: number) => void) => CachedRepository,
  ) {
    super(repo, options);
    this.#repository = open((name, loaded, total) => {
      const before = this.#reported.get(name) ?? 0;
      this.#reported.set(name, loaded);
      if (loaded > before) this.report(name, loaded - before, total);
    });
  }

  protected override findSize(name: string): Promise<number | undefined> {
    return this.#repository.size(name);
  }

  protected override async readPart(
    name: string,
    offset: number,
    length: number,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { path } = await this.#repository.file(name);
    // A snapshot has its files under their names, whatever separates folders in paths here.
    const snapshot = new DirectorySource(path.slice(0, -name.length), { signal: this.signal });
    return await snapshot.read(name, offset, length);
  }
}
