/** What stands in the npm package beside the code. */
import { join } from "node:path";
import { packageFolder } from "../npm/package_folder.ts";
import type { Packages } from "./plugin.ts";

/** What of `deno.json` the package repeats. */
export interface ProjectConfig {
  name: string;
  version: string;
  license: string;
}

const TYPES = "./types/mod.d.ts";

/** Which bundle a runtime or a bundler gets, by the conditions that it sets; the first that fits is taken. */
const EXPORTS = {
  ".": {
    types: TYPES,
    workerd: "./workerd.js",
    node: "./node.js",
    bun: "./node.js",
    deno: "./node.js",
    default: "./browser.js",
  },
  "./inline": { types: TYPES, default: "./inline.js" },
  "./models/*": "./models/*",
  "./package.json": "./package.json",
};

/** Draws the pictures that `Figure.save` writes, in a Chromium that is there. */
const PICTURES = { "playwright-core": "1.65.1" };

/**
 * Makes the package's `package.json`.
 *
 * @param project The project's name, version and licence.
 * @param packages The npm packages that bundles came to need.
 */
export function packageManifest(
  { name, version, license }: ProjectConfig,
  { imported, read }: Packages,
): Record<string, unknown> {
  const optional = { ...PICTURES, ...Object.fromEntries(read) };
  return {
    name,
    version,
    description: "Mechanistic interpretability without Python: hooked transformers with sparse " +
      "autoencoders spliced into them, in Rust, WebAssembly and TypeScript",
    keywords: ["interpretability", "transformer", "sparse-autoencoder", "wasm", "simd"],
    license,
    type: "module",
    exports: EXPORTS,
    types: TYPES,
    engines: { node: ">=20" },
    dependencies: Object.fromEntries([...imported].sort()),
    peerDependencies: optional,
    peerDependenciesMeta: Object.fromEntries(
      Object.keys(optional).map((name) => [name, { optional: true }]),
    ),
  };
}

/** Gives the licences of the packages that stand in bundles. */
export async function thirdPartyLicenses(bundled: ReadonlyMap<string, string>): Promise<string> {
  const parts: string[] = [];
  for (const [name, version] of [...bundled].sort()) {
    const folder = await packageFolder(name, version);
    const license = await Deno.readTextFile(join(folder, "LICENSE"));
    parts.push(`browser.js, inline.js and workerd.js hold ${name} ${version}:\n\n${license}`);
  }
  return parts.join(`\n${"-".repeat(80)}\n\n`);
}
