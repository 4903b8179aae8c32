/**
 * A repository of a hub, through a cache on disk in the layout of Python's huggingface_hub: `models--owner--name/` with `refs/`
 * (commits by revision), `blobs/` (contents by tag) and `snapshots/<commit>/` (links to them by name). What Python has downloaded
 * is found here, and the other way round.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { createHash } from "node:crypto";
import {
  copyFile,
  mkdir,
  open,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { WeightFileError } from "../core/errors.ts";
import {
  download,
  type FileMetadata,
  fileMetadata,
  hubError,
  type HubRequest,
} from "./transfer.ts";

/** A file that is on disk. */
export interface CachedFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
}

/** How far a download has come. */
export type DownloadProgress = (name: string, loaded: number, total: number) => void;

/** How a repository is read through a cache. */
export interface CachedRepositoryOptions extends HubRequest {
  /** The folder of the cache, `…/huggingface/hub`. */
  readonly cache: string;
  /** Takes what is in the cache and asks nothing of the hub. */
  readonly isOffline: boolean;
  readonly onProgress: DownloadProgress;
}

/** A full commit: what it names never changes, so that a cached snapshot of it needs no asking. */
const COMMIT = /^[0-9a-f]{40}$/;

const SHA256 = /^[0-9a-f]{64}$/;

/** A download that wasn't touched for this long was given up by whoever began it. */
const ABANDONED_MS = 60_000;

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path);
    return found.isFile() ? found.size : undefined;
  } catch {
    return undefined;
  }
}

/** The files of one revision of a repository. */
export class CachedRepository {
  readonly #options: CachedRepositoryOptions;
  readonly #folder: string;
  readonly #metadata = new Map<string, Promise<FileMetadata | undefined>>();
  readonly #downloads = new Map<string, Promise<void>>();
  #isUnreachable = false;

  constructor(options: CachedRepositoryOptions) {
    this.#options = options;
    this.#folder = join(options.cache, `models--${options.repo.replaceAll("/", "--")}`);
  }

  /**
   * Gives a file's size in bytes without downloading it, or `undefined` where the repository has none of this name.
   *
   * @throws {WeightFileError} If the hub refuses or can't be reached and the cache doesn't have the file.
   */
  async size(name: string): Promise<number | undefined> {
    const cached = await this.#cached(name);
    if (cached) return cached.size;
    return (await this.#ask(name) ?? await this.#cached(name))?.size;
  }

  /**
   * Gives a file on disk, downloaded if it isn't there.
   *
   * @throws {WeightFileError} If it can't be had; what has arrived stays for the next attempt.
   */
  async file(name: string): Promise<CachedFile> {
    const known = await this.#cached(name);
    if (known) return known;
    const metadata = await this.#ask(name);
    if (!metadata) {
      const cached = await this.#cached(name);
      if (cached) return cached;
      throw hubError(this.#options, name, "the repository has no such file");
    }
    let running = this.#downloads.get(metadata.etag);
    if (!running) {
      running = this.#fetched(name, metadata);
      this.#downloads.set(metadata.etag, running);
      const forget = () => this.#downloads.delete(metadata.etag);
      running.then(forget, forget);
    }
    await running;
    return await this.#linked(name, metadata);
  }

  /** A file of the snapshot that the revision stands for, where nothing needs to be asked. */
  async #cached(name: string): Promise<CachedFile | undefined> {
    const { revision, isOffline } = this.#options;
    const isFixed = COMMIT.test(revision);
    if (!isFixed && !isOffline && !this.#isUnreachable) return undefined;
    const commit = isFixed ? revision : await this.#knownCommit();
    if (commit === undefined) return undefined;
    const path = join(this.#folder, "snapshots", commit, name);
    const size = await sizeOf(path);
    return size === undefined ? undefined : { path, size };
  }

  async #knownCommit(): Promise<string | undefined> {
    try {
      return (await readFile(join(this.#folder, "refs", this.#options.revision), "utf8")).trim();
    } catch {
      return undefined;
    }
  }

  /** Asks the hub what a file is, once; without a connection, what was downloaded before serves. */
  #ask(name: string): Promise<FileMetadata | undefined> {
    let asked = this.#metadata.get(name);
    if (!asked) this.#metadata.set(name, asked = this.#asked(name));
    return asked;
  }

  /** `undefined` for what the repository doesn't have, and where only the cache can tell. */
  async #asked(name: string): Promise<FileMetadata | undefined> {
    const { isOffline, repo, cache } = this.#options;
    // Of a snapshot that is there, a file that isn't may just not exist.
    const isDownloaded = async () => await this.#knownCommit() !== undefined;
    if (isOffline || this.#isUnreachable) {
      if (await isDownloaded()) return undefined;
      const why = isOffline ? "HF_HUB_OFFLINE is set" : "the hub can't be reached";
      throw new WeightFileError(
        `Cannot load "${name}" of ${repo}: ${why}, and ${cache} doesn't have it.`,
      );
    }
    try {
      return await fileMetadata(this.#options, name);
    } catch (error) {
      const isNetwork = error instanceof WeightFileError && error.cause instanceof TypeError;
      if (isNetwork) this.#isUnreachable = true;
      if (isNetwork && await isDownloaded()) return undefined;
      throw error;
    }
  }

  /** Downloads the content of a file, or finds it in the cache under its tag. */
  async #fetched(name: string, metadata: FileMetadata): Promise<void> {
    const blob = join(this.#folder, "blobs", metadata.etag);
    if (await sizeOf(blob) === metadata.size) return;
    await mkdir(dirname(blob), { recursive: true });
    await this.#download(name, metadata, blob);
  }

  async #download(name: string, metadata: FileMetadata, blob: string): Promise<void> {
    const { onProgress } = this.#options;
    const { etag, size } = metadata;
    const shared = `${blob}.incomplete`;
    // Another process may be writing it just now: then this one downloads for itself.
    const isOwn = await claimed(shared);
    const path = isOwn ? shared : `${blob}.${crypto.randomUUID()}.incomplete`;
    const target = await PartialFile.open(path, SHA256.test(etag));
    try {
      await download(this.#options, name, metadata, target, (n) => onProgress(name, n, size));
      if (target.digest() !== undefined && target.digest() !== etag) {
        await target.restart();
        throw hubError(
          this.#options,
          name,
          `what came has the SHA-256 ${target.digest()}, wanted ${etag}`,
        );
      }
    } catch (error) {
      await target.close();
      if (!isOwn) await rm(path, { force: true });
      throw error;
    } finally {
      if (isOwn) await rm(ownerOf(shared), { force: true });
    }
    await target.close();
    await rename(path, blob);
  }

  /** Puts a content into the snapshot under its name, and notes what the revision stands for. */
  async #linked(name: string, { commit, etag, size }: FileMetadata): Promise<CachedFile> {
    const path = join(this.#folder, "snapshots", commit, name);
    if (await sizeOf(path) !== size) {
      await mkdir(dirname(path), { recursive: true });
      await rm(path, { force: true });
      const up = "../".repeat(name.split("/").length + 1);
      try {
        await symlink(`${up}blobs/${etag}`, path);
      } catch {
        // Links need a right that not everybody has everywhere.
        await copyFile(join(this.#folder, "blobs", etag), path);
      }
    }
    const { revision } = this.#options;
    if (revision !== commit && await this.#knownCommit() !== commit) {
      const ref = join(this.#folder, "refs", revision);
      await mkdir(dirname(ref), { recursive: true });
      await writeFile(ref, commit);
    }
    return { path, size };
  }
}

/** The file that says that somebody is writing another. */
function ownerOf(path: string): string {
  return `${path}.owner`;
}

/** Claims a file for writing; false when another process has it and wrote to it not long ago. */
async function claimed(path: string): Promise<boolean> {
  try {
    await (await open(ownerOf(path), "wx")).close();
    return true;
  } catch {
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: 0 }));
    return Date.now() - mtimeMs > ABANDONED_MS;
  }
}

/** A file that grows, and its digest. */
class PartialFile {
  readonly #handle: Awaited<ReturnType<typeof open>>;
  readonly #hashes: boolean;
  #hash = createHash("sha256");
  #length = 0;

  private constructor(handle: Awaited<ReturnType<typeof open>>, hashes: boolean) {
    this.#handle = handle;
    this.#hashes = hashes;
  }

  /** Opens a file to go on writing it. */
  static async open(path: string, hashes: boolean): Promise<PartialFile> {
    const file = new PartialFile(await open(path, "a+"), hashes);
    const chunk = new Uint8Array(2 ** 20);
    for (;;) {
      const { bytesRead } = await file.#handle.read(chunk, 0, chunk.length, file.#length);
      if (bytesRead === 0) return file;
      file.#take(chunk.subarray(0, bytesRead));
    }
  }

  length(): number {
    return this.#length;
  }

  async append(bytes: Uint8Array): Promise<void> {
    await this.#handle.appendFile(bytes);
    this.#take(bytes);
  }

  async restart(): Promise<void> {
    await this.#handle.truncate(0);
    this.#length = 0;
    this.#hash = createHash("sha256");
  }

  /** The SHA-256 of what is there, where the content goes by it. */
  digest(): string | undefined {
    return this.#hashes ? this.#hash.copy().digest("hex") : undefined;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  #take(bytes: Uint8Array): void {
    if (this.#hashes) this.#hash.update(bytes);
    this.#length += bytes.byteLength;
  }
}
