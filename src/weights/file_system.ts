/**
 * The file system, as far as a source needs it. Deno has functions of its own for it, which are there at once; its stand-ins for
 * Node's modules take longer to load than a small model.
 *
 * @module
 */

/** Where a file or folder is: a path, or a `file:` URL. */
export type Place = string | URL;

/** A file that is open. */
export interface OpenFile {
  /** Reads bytes from a place in the file on; gives how many have come, 0 at the file's end. */
  read(room: Uint8Array<ArrayBuffer>, from: number): Promise<number> | number;
  /** Closes it. */
  close(): Promise<void> | void;
}

/** An entry of a folder. */
export interface FolderEntry {
  /** Its name in the folder. */
  readonly name: string;
  /** Whether it is a folder. */
  readonly isFolder: boolean;
}

/** What can be done with files. Each fails with the runtime's own error; {@linkcode isAbsence} tells the most usual one. */
export interface FileSystem {
  /** Gives a file's size in bytes; `undefined` for what isn't a file. */
  size(place: Place): Promise<number | undefined>;
  /** Opens a file to read it. */
  open(place: Place): Promise<OpenFile>;
  /** Opens one whose reads wait for the disk, where there are such: for few bytes that takes less than to go on with something else. */
  openAtOnce?(place: Place): OpenFile;
  /** Lists a folder. */
  entries(place: Place): Promise<FolderEntry[]>;
}

/** What is used of a file that Deno has opened. */
interface DenoFile {
  /** Moves to a place, counted from the start where `whence` is 0. */
  seekSync(offset: number, whence: number): number;
  /** Reads on from where it is; `null` at the end. */
  read(room: Uint8Array<ArrayBuffer>): Promise<number | null>;
  readSync(room: Uint8Array<ArrayBuffer>): number | null;
  close(): void;
}

/** What is used of Deno's own file system. */
interface DenoFiles {
  stat(place: Place): Promise<{ isFile: boolean; size: number }>;
  open(place: Place): Promise<DenoFile>;
  openSync(place: Place): DenoFile;
  readDir(place: Place): AsyncIterable<{ name: string; isDirectory: boolean }>;
}

function filesOfDeno(deno: DenoFiles): FileSystem {
  return {
    async size(place) {
      const { isFile, size } = await deno.stat(place);
      return isFile ? size : undefined;
    },
    async open(place) {
      const file = await deno.open(place);
      return {
        async read(room, from) {
          file.seekSync(from, 0);
          return await file.read(room) ?? 0;
        },
        close: () => file.close(),
      };
    },
    openAtOnce(place) {
      const file = deno.openSync(place);
      return {
        read(room, from) {
          file.seekSync(from, 0);
          return file.readSync(room) ?? 0;
        },
        close: () => file.close(),
      };
    },
    async entries(place) {
      const found: FolderEntry[] = [];
      for await (const { name, isDirectory } of deno.readDir(place)) {
        found.push({ name, isFolder: isDirectory });
      }
      return found;
    },
  };
}

async function filesOfNode(): Promise<FileSystem> {
  const { open, readdir, stat } = await import("node:fs/promises");
  return {
    async size(place) {
      const info = await stat(place);
      return info.isFile() ? info.size : undefined;
    },
    async open(place) {
      const handle = await open(place, "r");
      return {
        read: async (room, from) => (await handle.read(room, 0, room.length, from)).bytesRead,
        close: () => handle.close(),
      };
    },
    async entries(place) {
      const found = await readdir(place, { withFileTypes: true });
      return found.map((entry) => ({ name: entry.name, isFolder: entry.isDirectory() }));
    },
  };
}

let files: FileSystem | undefined;

/** Gives the file system of this runtime. Rejects where there is none. */
export async function fileSystem(): Promise<FileSystem> {
  const { Deno: deno } = globalThis as { Deno?: DenoFiles };
  return files ??= deno ? filesOfDeno(deno) : await filesOfNode();
}

/** Whether an error of the file system says that there is nothing at a place. */
export function isAbsence(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ENOENT" || code === "ENOTDIR";
}
