/**
 * Requests to a hub, repeated where that helps, and what its answers mean.
 *
 * @module
 */

import { WeightFileError } from "../core/errors.ts";

/** What every request of a repository shares. */
export interface HubRequest {
  readonly repo: string;
  readonly revision: string;
  /** The hub's address without a slash at its end. */
  readonly endpoint: string;
  readonly token: string | undefined;
  readonly signal: AbortSignal | undefined;
}

/** What a hub tells of a file before it is read. */
export interface FileMetadata {
  /** The commit of the repository that the revision stands for. */
  readonly commit: string;
  /** What its content goes by: a SHA-256 in hexadecimal for large files. */
  readonly etag: string;
  /** Bytes. */
  readonly size: number;
}

/** How often a request is made, at most. */
const ATTEMPTS = 5;

/** The first wait between two attempts; each further one is twice as long. */
const FIRST_WAIT_MS = 200;

/** A server that asks for a longer wait than this is not waited for. */
const LONGEST_WAIT_MS = 60_000;

/** Gives the URL of a file. */
function fileUrl({ repo, revision, endpoint }: HubRequest, name: string): URL {
  const path = name.split("/").map(encodeURIComponent).join("/");
  return new URL(`${endpoint}/${repo}/resolve/${encodeURIComponent(revision)}/${path}`);
}

/** Makes the error for a file that a hub doesn't give. */
export function hubError(
  { repo, revision, endpoint }: HubRequest,
  name: string,
  reason: string,
  cause?: unknown,
): WeightFileError {
  const at = revision === "main" ? "" : ` at ${revision}`;
  return new WeightFileError(
    `Cannot load "${name}" of ${repo}${at} from ${endpoint}: ${reason}`,
    { cause },
  );
}

/** Waits, unless the signal aborts meanwhile. */
function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** Milliseconds that a server asks to wait (RFC 9110, section 10.2.3), or `undefined` where it says nothing of it. */
function askedWait(response: Response): number | undefined {
  const header = response.headers.get("retry-after");
  if (header === null) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

/** Something that another attempt may mend. */
class Passing extends Error {
  /** How long to wait before, in milliseconds, where the server says so. */
  readonly after: number | undefined;

  constructor(message: string, after?: number, cause?: unknown) {
    super(message, { cause });
    this.after = after;
  }
}

/**
 * Does something that talks to the hub, again where its connection broke or the server is busy.
 *
 * @param attempt What is tried; it may go on from where the last attempt stopped.
 * @throws {WeightFileError} If no attempt succeeds, with the last one's reason.
 */
async function withRetries<R>(
  request: HubRequest,
  name: string,
  attempt: () => Promise<R>,
): Promise<R> {
  for (let tried = 1;; tried++) {
    request.signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (request.signal?.aborted) throw request.signal.reason;
      // A WeightFileError is an answer; anything else than a passing failure of the network is a mistake of ours.
      const isPassing = error instanceof Passing || error instanceof TypeError;
      if (!isPassing) throw error;
      const after = error instanceof Passing ? error.after : undefined;
      if (tried === ATTEMPTS || (after ?? 0) > LONGEST_WAIT_MS) {
        const asked = after === undefined ? "" : `; it asks to wait ${Math.ceil(after / 1000)} s`;
        throw hubError(request, name, `${error.message} (${tried} attempts${asked})`, error);
      }
      await wait(after ?? FIRST_WAIT_MS * 2 ** (tried - 1), request.signal);
    }
  }
}

/** What an answer means that is no success; `undefined` when the repository has no such file. */
async function refusal(
  request: HubRequest,
  name: string,
  response: Response,
): Promise<Error | undefined> {
  await response.body?.cancel();
  const { status, headers } = response;
  const code = headers.get("x-error-code");
  const { repo, revision, token } = request;
  const answered = `the hub answered ${status} ${response.statusText}`.trim();
  if (status === 404 && (code === null || code === "EntryNotFound")) return undefined;
  if (code === "RevisionNotFound") {
    return hubError(request, name, `the repository has no revision "${revision}"`);
  }
  if (code === "GatedRepo") {
    return hubError(
      request,
      name,
      `access to ${repo} is restricted: accept its terms on its page, and give a token of that account (\`token\` or HF_TOKEN)`,
    );
  }
  if (status === 401 || status === 403 || status === 404) {
    const how = token === undefined
      ? "it doesn't exist or is private; for a private one give a token (`token` or HF_TOKEN)"
      : "it doesn't exist, or the token given has no access to it";
    return hubError(request, name, `${answered}: ${how}`);
  }
  if (status === 429 || status >= 500) return new Passing(answered, askedWait(response));
  return hubError(request, name, answered);
}

function withoutQuotes(etag: string): string {
  return etag.replace(/^W\//, "").replace(/^"|"$/g, "");
}

/** Headers of a request; a token goes to the hub alone, never to where it sends for the content. */
function headersOf({ token }: HubRequest): Record<string, string> {
  const identity = { "accept-encoding": "identity" };
  return token === undefined ? identity : { ...identity, authorization: `Bearer ${token}` };
}

/**
 * Asks what a file is.
 *
 * @returns `undefined` if the repository has no such file.
 * @throws {WeightFileError} If the hub refuses, can't be reached, or tells too little.
 */
export function fileMetadata(
  request: HubRequest,
  name: string,
): Promise<FileMetadata | undefined> {
  return withRetries(request, name, async () => {
    let url = fileUrl(request, name);
    // A repository that was renamed answers with its new address; content elsewhere comes with its metadata.
    for (let hops = 0; hops < 5; hops++) {
      const response = await fetch(url, {
        method: "HEAD",
        redirect: "manual",
        headers: headersOf(request),
        signal: request.signal,
      });
      const { headers, status } = response;
      const location = headers.get("location");
      const moved = status >= 300 && status < 400 && location !== null &&
        !headers.has("x-linked-size");
      if (moved && new URL(location, url).origin === url.origin) {
        await response.body?.cancel();
        url = new URL(location, url);
        continue;
      }
      if (status >= 400) {
        const error = await refusal(request, name, response);
        if (error) throw error;
        return undefined;
      }
      await response.body?.cancel();
      const commit = headers.get("x-repo-commit");
      const etag = headers.get("x-linked-etag") ?? headers.get("etag");
      const size = Number(headers.get("x-linked-size") ?? headers.get("content-length") ?? NaN);
      if (
        !commit || !etag || !Number.isSafeInteger(size) || !/^[\w-]+$/.test(withoutQuotes(etag))
      ) {
        throw hubError(
          request,
          name,
          "the answer has no commit, content tag or size: this isn't a hub in Hugging Face's layout, or a proxy drops its headers",
        );
      }
      return { commit, etag: withoutQuotes(etag), size };
    }
    throw hubError(request, name, "it is redirected in a circle");
  });
}

/** Where the bytes of a download go. */
export interface DownloadTarget {
  /** Bytes that are there already, from an attempt before. */
  length(): number;
  /** Takes further bytes. */
  append(bytes: Uint8Array): Promise<void>;
  /** Forgets what is there: the server sends all of it again. */
  restart(): Promise<void>;
}

/**
 * Downloads a file, going on from what the target holds, again where the connection breaks.
 *
 * @param onBytes Is told how many bytes are there.
 * @throws {WeightFileError} If it can't be had whole.
 */
export function download(
  request: HubRequest,
  name: string,
  { commit, size }: FileMetadata,
  target: DownloadTarget,
  onBytes: (loaded: number) => void,
): Promise<void> {
  const url = fileUrl({ ...request, revision: commit }, name);
  return withRetries(request, name, async () => {
    const from = target.length();
    if (from === size) return;
    const headers = headersOf(request);
    if (from > 0) headers.range = `bytes=${from}-`;
    const response = await fetch(url, { headers, signal: request.signal });
    if (response.status === 416) {
      await response.body?.cancel();
      await target.restart();
      throw new Passing("the hub has no such part of the file");
    }
    if (response.status >= 400) {
      throw await refusal(request, name, response) ??
        hubError(request, name, "it is gone since it was asked for");
    }
    const isRest = response.status === 206 &&
      response.headers.get("content-range")?.startsWith(`bytes ${from}-`);
    if (from > 0 && !isRest) await target.restart();
    for await (const part of response.body ?? []) {
      if (target.length() + part.byteLength > size) {
        await target.restart();
        throw new Passing(`the hub sent more than the ${size} bytes that it told`);
      }
      await target.append(part);
      onBytes(target.length());
    }
    if (target.length() < size) {
      throw new Passing(`the connection ended at byte ${target.length()} of ${size}`);
    }
  });
}
