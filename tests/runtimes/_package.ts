import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { packageFolder } from "../../tools/npm/package_folder.ts";
import { runToEnd } from "../_run.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The npm package where programs in a folder find it, as if it were installed there. */
export interface InstalledPackage extends AsyncDisposable {
  /** The folder of those programs. */
  readonly folder: string;
  /** The package's own folder in it. */
  readonly package: string;
}

/**
 * Makes the package and installs it.
 *
 * @param options More for the task `dist`.
 */
export async function installPackage(options: readonly string[] = []): Promise<InstalledPackage> {
  const folder = await Deno.makeTempDir({ prefix: "splicer_package_" });
  await runDeno(["run", "--quiet", "-A", "tools/dist.ts", "npm", "--out", folder, ...options]);
  const modules = join(folder, "node_modules");
  await Deno.mkdir(join(modules, "@splicer"), { recursive: true });
  const out = join(modules, "@splicer/splicer");
  await Deno.rename(join(folder, "npm"), out);
  const { dependencies } = JSON.parse(await Deno.readTextFile(join(out, "package.json")));
  for (const [name, version] of Object.entries(dependencies)) {
    await Deno.mkdir(dirname(join(modules, name)), { recursive: true });
    await Deno.symlink(await packageFolder(name, String(version)), join(modules, name));
  }
  return {
    folder,
    package: out,
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

/**
 * Runs a program to its end.
 *
 * @returns What it printed.
 * @throws {Error} If it fails, with what it said.
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: { cwd?: string; input?: string } = {},
): Promise<string> {
  const { code, out, err } = await runToEnd(program, args, options);
  if (code !== 0) throw new Error(`"${program} ${args.join(" ")}" failed:\n${out}${err}`);
  return out;
}

/** Runs Deno to its end, in the project's folder unless said. */
export async function runDeno(
  args: readonly string[],
  options: { cwd?: string; input?: string } = {},
): Promise<string> {
  return await runProgram(Deno.execPath(), args, { cwd: ROOT, ...options });
}
