/** Bundling for another runtime. */
import * as esbuild from "npm:esbuild@0.28.2";
import { ROOT } from "./files.ts";
import { type Packages, splicerPlugin } from "./plugin.ts";
import type { Target } from "./targets.ts";

/** Node 20, and browsers of about the same age. */
const LANGUAGE = "es2022";

/** A bundle to make. */
export interface Bundle {
  /** The module to begin with, from the project's folder. */
  entry: string;
  target: Target;
  /** The file to write. */
  out: string;
  isMinified?: boolean;
  /** Where npm packages are noted. */
  packages?: Packages;
}

/** Makes lists of npm packages, empty as yet. */
export function noPackages(): Packages {
  return { imported: new Map(), read: new Map(), bundled: new Map() };
}

/**
 * Makes one bundle. {@linkcode endBundling} ends the program that does it.
 *
 * @throws {Error} If a module can't be bundled.
 */
export async function bundle(
  { entry, target, out, isMinified = false, packages = noPackages() }: Bundle,
): Promise<void> {
  await esbuild.build({
    absWorkingDir: ROOT,
    entryPoints: [entry],
    outfile: out,
    bundle: true,
    format: "esm",
    target: LANGUAGE,
    platform: target.isNode ? "node" : "neutral",
    loader: { ".wasm": "binary" },
    minify: isMinified,
    legalComments: "eof",
    logLevel: "warning",
    plugins: [splicerPlugin(ROOT, target, packages)],
  });
}

/** Ends the bundler, which stays ready meanwhile. */
export async function endBundling(): Promise<void> {
  await esbuild.stop();
}
