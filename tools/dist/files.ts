/** Files of what is made for other runtimes. */
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { WASM_FILES } from "./targets.ts";

/** The project's folder. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The files below a folder, with `/` between folders, sorted. */
export function filesBelow(folder: string): string[] {
  const files: string[] = [];
  const visit = (path: string) => {
    for (const entry of Deno.readDirSync(path)) {
      const inner = join(path, entry.name);
      if (entry.isDirectory) visit(inner);
      else files.push(relative(folder, inner).replaceAll("\\", "/"));
    }
  };
  visit(folder);
  return files.sort();
}

/** Empties a folder, or makes it. */
export async function emptyFolder(folder: string): Promise<void> {
  await Deno.remove(folder, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.mkdir(folder, { recursive: true });
}

/** Copies files under their own paths. */
export async function copyFiles(from: string, to: string, files: readonly string[]): Promise<void> {
  for (const file of files) {
    await Deno.mkdir(dirname(join(to, file)), { recursive: true });
    await Deno.copyFile(join(from, file), join(to, file));
  }
}

/** Copies what a bundle looks for beside itself: the modules, and files of the embedded models. */
export async function copyAssets(to: string, isWanted = (_file: string) => true): Promise<void> {
  const models = filesBelow(join(ROOT, "models")).map((file) => `models/${file}`);
  await copyFiles(ROOT, to, models.filter(isWanted));
  for (const [name, file] of Object.entries(WASM_FILES)) {
    if (isWanted(name)) await Deno.copyFile(join(ROOT, file), join(to, name));
  }
}
