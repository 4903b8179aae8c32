/**
 * Makes the npm package: a bundle for each runtime, the module, the embedded models, types, and a `package.json`.
 *
 * `--out` names the folder, `dist/npm` unless said; `--bundles` leaves the types out, which take longer than all the rest.
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import * as esbuild from "npm:esbuild@0.28.2";
import { packageManifest, thirdPartyLicenses } from "./dist/manifest.ts";
import { type Collected, filesBelow, splicerPlugin } from "./dist/plugin.ts";
import { type Target, TARGETS, WASM_FILE } from "./dist/targets.ts";
import { writeTypes } from "./dist/types.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Node 20, and browsers of about the same age. */
const LANGUAGE = "es2022";

/** Files that stand beside the bundles as they are. */
const COPIED = ["README.md", "LICENSE", "CHANGELOG.md"];

async function bundle(target: Target, out: string, collected: Collected): Promise<void> {
  await esbuild.build({
    absWorkingDir: ROOT,
    entryPoints: ["mod.ts"],
    outfile: join(out, target.file),
    bundle: true,
    format: "esm",
    target: LANGUAGE,
    platform: target.isNode ? "node" : "neutral",
    loader: { ".wasm": "binary" },
    legalComments: "eof",
    logLevel: "warning",
    plugins: [splicerPlugin(ROOT, target, collected)],
  });
}

async function copyAll(out: string): Promise<void> {
  const models = filesBelow(join(ROOT, "models")).map((file) => `models/${file}`);
  for (const file of [...COPIED, ...models]) {
    await Deno.mkdir(dirname(join(out, file)), { recursive: true });
    await Deno.copyFile(join(ROOT, file), join(out, file));
  }
  await Deno.copyFile(join(ROOT, "wasm/pkg", WASM_FILE), join(out, WASM_FILE));
}

async function makePackage(out: string, { hasTypes }: { hasTypes: boolean }): Promise<void> {
  await Deno.remove(out, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.mkdir(out, { recursive: true });
  const collected: Collected = { imported: new Map(), read: new Map(), bundled: new Map() };
  for (const target of TARGETS) await bundle(target, out, collected);
  await copyAll(out);
  if (hasTypes) await writeTypes(ROOT, join(out, "types"));
  const manifest = packageManifest(
    JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json"))),
    collected,
  );
  await Deno.writeTextFile(join(out, "package.json"), JSON.stringify(manifest, null, 2) + "\n");
  await Deno.writeTextFile(
    join(out, "THIRD_PARTY_LICENSES"),
    await thirdPartyLicenses(collected.bundled),
  );
}

const { values } = parseArgs({
  args: Deno.args,
  options: {
    out: { type: "string", default: join(ROOT, "dist/npm") },
    bundles: { type: "boolean", default: false },
  },
});
try {
  await makePackage(values.out, { hasTypes: !values.bundles });
} finally {
  await esbuild.stop();
}
