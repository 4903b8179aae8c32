import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { packageFolder } from "../../tools/npm/package_folder.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The npm package where programs in a folder find it, as if it were installed there. */
export interface InstalledPackage extends AsyncDisposable {
  /** The folder of those programs. */
  readonly folder: string;
  /** The package's own folder in it. */
  readonly package: string;
}

/** Makes the package without its types, and puts the smoke suite beside it. */
export async function installPackage(): Promise<InstalledPackage> {
  const folder = await Deno.makeTempDir({ prefix: "splicer_package_" });
  const modules = join(folder, "node_modules");
  const out = join(modules, "@splicer/splicer");
  await runDeno(["run", "--quiet", "-A", join(ROOT, "tools/dist.ts"), "--bundles", "--out", out]);
  await Deno.mkdir(join(modules, "@huggingface"));
  const { dependencies } = JSON.parse(await Deno.readTextFile(join(out, "package.json")));
  for (const [name, version] of Object.entries(dependencies)) {
    await Deno.symlink(await packageFolder(name, String(version)), join(modules, name));
  }
  for (const place of [folder, out]) {
    await Deno.copyFile(join(ROOT, "tests/runtimes/_smoke.js"), join(place, "smoke.js"));
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
  const child = new Deno.Command(program, {
    args: [...args],
    cwd: options.cwd,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(options.input ?? ""));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  if (!success) {
    throw new Error(
      `"${program} ${args.join(" ")}" failed:\n${decoder.decode(stdout)}${decoder.decode(stderr)}`,
    );
  }
  return decoder.decode(stdout);
}

/** Runs Deno to its end, in the project's folder unless said. */
export async function runDeno(
  args: readonly string[],
  options: { cwd?: string; input?: string } = {},
): Promise<string> {
  return await runProgram(Deno.execPath(), args, { cwd: ROOT, ...options });
}
