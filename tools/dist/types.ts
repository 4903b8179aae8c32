/** The package's type declarations. */
import { dirname, join } from "node:path";
import { filesBelow } from "./files.ts";

async function run(command: string, args: string[], cwd: string): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args, cwd }).output();
  if (!success) {
    throw new Error(
      `"${command} ${args.join(" ")}" failed:\n${new TextDecoder().decode(stderr)}`,
    );
  }
}

/**
 * Writes declarations for everything public, as `deno pack` derives them from the sources.
 *
 * @param root The project's folder.
 * @param out Where `mod.d.ts` and what it refers to go.
 */
export async function writeTypes(root: string, out: string): Promise<void> {
  const scratch = await Deno.makeTempDir({ prefix: "splicer_types_" });
  try {
    const tarball = join(scratch, "package.tgz");
    await run(Deno.execPath(), ["pack", "--allow-dirty", "-o", tarball], root);
    await run("tar", ["-xzf", tarball], scratch);
    const packed = join(scratch, "package");
    const isPublic = (file: string) => /^(mod|src\/.*)\.d\.ts$/.test(file);
    for (const file of filesBelow(packed).filter(isPublic)) {
      await Deno.mkdir(dirname(join(out, file)), { recursive: true });
      await Deno.copyFile(join(packed, file), join(out, file));
    }
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}
