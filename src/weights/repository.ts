/**
 * Repositories of a model hub, as sources of files.
 *
 * @module
 */

import { ConfigError } from "../core/errors.ts";
import { HttpSource } from "./http_source.ts";
import type { Source, SourceOptions } from "./source.ts";

/** How a repository is opened. */
export interface RepositoryOptions extends SourceOptions {
  /** A branch, tag or commit; `main` unless said. */
  revision?: string;
  /** The hub's address. */
  endpoint?: string;
  /** Sent as a bearer token: private and gated repositories want one. */
  token?: string;
}

const HUB = "https://huggingface.co";

/**
 * Opens a repository of a hub in Hugging Face's layout. Nothing is read yet.
 *
 * @param repo Its id, `owner/name`.
 * @throws {ConfigError} If the id isn't of that form.
 */
export function openRepository(
  repo: string,
  { revision = "main", endpoint = HUB, token, ...options }: RepositoryOptions = {},
): Promise<Source> {
  if (!/^[\w.-]+\/[\w.-]+$/.test(repo)) {
    throw new ConfigError(`Cannot open the repository "${repo}": expected an id "owner/name".`);
  }
  const base = endpoint.replace(/\/+$/, "");
  const root = new URL(`${base}/${repo}/resolve/${encodeURIComponent(revision)}/`);
  const headers: Record<string, string> = token === undefined
    ? {}
    : { authorization: `Bearer ${token}` };
  return Promise.resolve(new HttpSource(root, { ...options, headers }));
}
