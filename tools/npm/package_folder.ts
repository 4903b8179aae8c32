/** Where Deno keeps the npm packages that it has fetched. */
import { join } from "node:path";

let cache: Promise<string> | undefined;

async function npmCache(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).npmCache;
}

/**
 * Finds a package that a script of the project imports, so that Deno has fetched it.
 *
 * @param name The package's name.
 * @param version Its exact version.
 * @returns The folder with the package's files.
 * @throws {Error} If Deno hasn't fetched it.
 */
export async function packageFolder(name: string, version: string): Promise<string> {
  const root = await (cache ??= npmCache());
  // A folder for each registry that packages came from.
  for await (const registry of Deno.readDir(root)) {
    const folder = join(root, registry.name, name, version);
    const isThere = await Deno.stat(folder).then(() => true, () => false);
    if (isThere) return folder;
  }
  throw new Error(
    `Cannot find npm:${name}@${version} in Deno's cache: wanted a module of the project to import it`,
  );
}
