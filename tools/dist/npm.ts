/** The npm package: a bundle for each runtime, the module, the embedded models, types, and a `package.json`. */
import { join } from "node:path";
import { bundle, noPackages } from "./bundle.ts";
import { copyAssets, copyFiles, emptyFolder, ROOT } from "./files.ts";
import { packageManifest, thirdPartyLicenses } from "./manifest.ts";
import { type Target, TARGETS } from "./targets.ts";
import { writeTypes } from "./types.ts";

/** Files that stand beside the bundles as they are. */
const COPIED = ["README.md", "LICENSE", "CHANGELOG.md"];

/**
 * Makes the npm package.
 *
 * @param out Its folder, which is emptied first.
 * @param options Whether types are made, which take longer than all the rest.
 */
export async function makePackage(out: string, { hasTypes }: { hasTypes: boolean }): Promise<void> {
  await emptyFolder(out);
  const packages = noPackages();
  for (const [name, kind] of Object.entries(TARGETS)) {
    const target: Target = name === "node" ? { ...kind, importsPackages: true } : kind;
    await bundle({ entry: "mod.ts", target, out: join(out, `${name}.js`), packages });
  }
  await copyAssets(out);
  await copyFiles(ROOT, out, COPIED);
  if (hasTypes) await writeTypes(ROOT, join(out, "types"));
  const project = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  const manifest = JSON.stringify(packageManifest(project, packages), null, 2);
  await Deno.writeTextFile(join(out, "package.json"), manifest + "\n");
  const licenses = await thirdPartyLicenses(packages.bundled);
  await Deno.writeTextFile(join(out, "THIRD_PARTY_LICENSES"), licenses);
}
