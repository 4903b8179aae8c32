/** The record beside a built module: which sources, compiler and bytes belong together. */
import { join } from "node:path";

/** Name of the record inside the folder of a module. */
export const RECORD_NAME = "build.json";

/** What was built from what. */
export interface BuildRecord {
  /** SHA-256 of the crate's sources, see {@link hashSources}. */
  sources: string;
  /** Cargo features beside the default ones. */
  features: string[];
  /** Code generation of the module, as rustc's target features. */
  variant: string;
  /** The compiler and the tools, as far as they decide the bytes. */
  compiler: string;
  /** SHA-256 of each generated file, by name. */
  files: Record<string, string>;
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

function* filesUnder(folder: string, prefix = ""): Generator<string> {
  for (const entry of Deno.readDirSync(folder)) {
    const path = `${prefix}${entry.name}`;
    if (!entry.isDirectory) yield path;
    else if (path !== "target") {
      yield* filesUnder(join(folder, entry.name), `${path}/`);
    }
  }
}

const BUILD_FILES = ["Cargo.toml", "Cargo.lock", ".cargo/config.toml"];

function isSource(path: string): boolean {
  return (path.startsWith("src/") && path.endsWith(".rs")) || BUILD_FILES.includes(path);
}

/**
 * Hashes everything of a crate that decides its module: Rust files, manifest, lock and cargo
 * configuration, in order of their paths.
 *
 * @param crate Folder of the crate.
 * @returns SHA-256 over path, length and content of each file, in hexadecimal.
 */
export async function hashSources(crate: string): Promise<string> {
  const paths = [...filesUnder(crate)].filter(isSource).sort();
  const parts: BlobPart[] = [];
  for (const path of paths) {
    const content = await Deno.readFile(join(crate, path));
    // The length keeps two files from being told apart only by where one ends.
    parts.push(`${path}\0${content.length}\0`, content);
  }
  return sha256(new Uint8Array(await new Blob(parts).arrayBuffer()));
}

/**
 * Hashes the generated files of a module.
 *
 * @param folder Folder that wasm-pack wrote.
 * @returns SHA-256 by file name, in order of the names, without the record itself.
 */
export async function hashOutputs(folder: string): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const name of [...filesUnder(folder)].filter((name) => name !== RECORD_NAME).sort()) {
    hashes[name] = await sha256(await Deno.readFile(join(folder, name)));
  }
  return hashes;
}

/**
 * Reads the record of a built module.
 *
 * @param folder Folder of the module.
 * @returns The record, or undefined if the folder has none.
 */
export async function readRecord(folder: string): Promise<BuildRecord | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(join(folder, RECORD_NAME)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Compares a committed module with what its sources give.
 *
 * @param name What the module is called in the messages.
 * @param committed Record of the committed module, if it has one.
 * @param actual Hashes of the committed files as they are now.
 * @param fresh Record of what the sources give; without a build, the committed record with the hash
 * of the sources as they are.
 * @returns Every way in which the committed module is wrong; empty if it is right.
 */
export function compareRecords(
  name: string,
  committed: BuildRecord | undefined,
  actual: Record<string, string>,
  fresh: BuildRecord | undefined,
): string[] {
  if (!committed || !fresh) {
    return [`${name} has no ${RECORD_NAME}, expected one beside the module`];
  }
  const wrong: string[] = [];
  const differ = (field: "sources" | "variant", what: string) => {
    if (committed[field] === fresh[field]) return;
    wrong.push(`${name} was built from ${what} ${committed[field]}, expected ${fresh[field]}`);
  };
  differ("sources", "sources with the hash");
  differ("variant", "target features");
  const names = Object.keys({ ...committed.files, ...actual, ...fresh.files }).sort();
  for (const file of names) {
    if (actual[file] !== committed.files[file]) {
      wrong.push(`${name}/${file} is not the file that was recorded at its build`);
    } else if (committed.compiler === fresh.compiler && actual[file] !== fresh.files[file]) {
      wrong.push(`${name}/${file} is not what the sources give under ${fresh.compiler}`);
    }
  }
  return wrong;
}
