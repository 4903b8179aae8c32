/** Checks that imports go one way, and that runtime-specific globals stay in their rooms. */
import { dirname, join, normalize, relative } from "node:path/posix";
import { fileURLToPath } from "node:url";
import { CRATE_MODULES, type Room, ROOMS, RUNTIME_ROOMS } from "./imports/rooms.ts";
import { crateModules, type Import, importsOf, runtimeGlobals } from "./imports/source_text.ts";

function roomOf(path: string): string | undefined {
  let best = { name: undefined as string | undefined, length: 0 };
  for (const [name, { paths }] of Object.entries(ROOMS)) {
    for (const prefix of paths) {
      const matches = prefix.endsWith("/") ? path.startsWith(prefix) : path === prefix;
      if (matches && prefix.length > best.length) best = { name, length: prefix.length };
    }
  }
  return best.name;
}

function checkRelative(path: string, name: string, { specifier, kind }: Import) {
  const target = normalize(join(dirname(path), specifier));
  const room = roomOf(target);
  if (room === undefined) return `${path} imports ${target}, which belongs to no room`;
  if (room === name || ROOMS[name].imports.includes(room)) return undefined;
  if (ROOMS[name].loads?.includes(room)) {
    if (kind !== "static") return undefined;
    return `${path} (${name}) imports ${target} (${room}) statically, expected "await import()"`;
  }
  return `${path} (${name}) imports ${target} (${room}), allowed: ` +
    ([name, ...ROOMS[name].imports].join(", "));
}

function checkPackage(path: string, name: string, room: Room, { specifier, kind }: Import) {
  if (!room.shipped) return undefined;
  if (specifier.startsWith("node:")) {
    if (RUNTIME_ROOMS.includes(name) || kind !== "static") return undefined;
    return `${path} (${name}) imports ${specifier} statically, which browsers don't have`;
  }
  if (!/^npm:(@[\w.-]+\/)?[\w.-]+@\d+\.\d+\.\d+(\/|$)/.test(specifier)) {
    return `${path} imports ${specifier}, expected a relative path, "node:…" or "npm:name@1.2.3"`;
  }
  if (kind !== "static" || name === "repl") return undefined;
  return `${path} imports ${specifier} statically, expected "await import()" in an async function`;
}

/**
 * Checks one TypeScript or JavaScript file against the table of rooms.
 *
 * @param path Its path from the root of the project, with forward slashes.
 * @param text Its content.
 * @returns Every violation as a sentence that names the file.
 */
export function checkScript(path: string, text: string): string[] {
  const name = roomOf(path);
  if (name === undefined) return [`${path} belongs to no room of tools/imports/rooms.ts`];
  const room = ROOMS[name];
  const wrong = importsOf(text).map((one) =>
    /^\.\.?\//.test(one.specifier)
      ? checkRelative(path, name, one)
      : checkPackage(path, name, room, one)
  ).filter((line) => line !== undefined);
  if (room.shipped && !RUNTIME_ROOMS.includes(name)) {
    for (const global of runtimeGlobals(text)) {
      wrong.push(`${path} (${name}) uses ${global}, allowed in: ${RUNTIME_ROOMS.join(", ")}`);
    }
  }
  return wrong;
}

/**
 * Checks one file of the crate against the order of its modules.
 *
 * @param path Its path below the crate's `src/`, with forward slashes.
 * @param text Its content.
 * @returns Every violation as a sentence that names the file.
 */
export function checkRust(path: string, text: string): string[] {
  const parts = path.replace(/(\/mod)?\.rs$/, "").split("/");
  const [module] = parts;
  if (module === "lib") return [];
  const allowed = CRATE_MODULES[module];
  if (allowed === undefined) return [`wasm/src/${path} is in no known module of the crate`];
  return crateModules(text, parts.length)
    .filter((name) => name in CRATE_MODULES && name !== module && !allowed.includes(name))
    .map((name) =>
      `wasm/src/${path} (${module}) uses ${name}, allowed: ${[module, ...allowed].join(", ")}`
    );
}

function* filesUnder(folder: string, suffix: RegExp): Generator<string> {
  for (const entry of Deno.readDirSync(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) yield* filesUnder(path, suffix);
    else if (suffix.test(entry.name)) yield path;
  }
}

/** Folders with scripts of ours; generated modules and data are left out. */
const SCRIPT_FOLDERS = ["src", "repl", "runtimes", "examples", "bench", "tests", "tools"];
const NOT_OURS = /^tests\/(kernels\/pkg|fixtures)\//;

/**
 * Checks the whole project.
 *
 * @param root Its folder.
 * @returns Every violation, sorted.
 */
function checkProject(root: string): string[] {
  const wrong: string[] = [];
  const present = new Set([...Deno.readDirSync(root)].map((entry) => entry.name));
  const scripts = SCRIPT_FOLDERS.filter((folder) => present.has(folder))
    .flatMap((folder) => [...filesUnder(`${root}/${folder}`, /\.(ts|js)$/)]);
  for (const file of [...scripts, ...present.has("mod.ts") ? [`${root}/mod.ts`] : []]) {
    const path = relative(root, file);
    if (!NOT_OURS.test(path)) wrong.push(...checkScript(path, Deno.readTextFileSync(file)));
  }
  for (const file of filesUnder(`${root}/wasm/src`, /\.rs$/)) {
    wrong.push(...checkRust(relative(`${root}/wasm/src`, file), Deno.readTextFileSync(file)));
  }
  return wrong.sort();
}

if (import.meta.main) {
  const root = fileURLToPath(new URL("..", import.meta.url)).replaceAll("\\", "/");
  const wrong = checkProject(root.replace(/\/$/, ""));
  for (const line of wrong) console.error(line);
  console.log(
    wrong.length === 0 ? "Imports go one way" : `${wrong.length} imports go the wrong way`,
  );
  if (wrong.length > 0) Deno.exit(1);
}
