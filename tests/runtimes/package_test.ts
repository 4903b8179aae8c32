// The packages as they would be published.

import { assert, assertEquals } from "@std/assert";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { copyFiles, filesBelow } from "../../tools/dist/files.ts";
import { nodeMajor } from "../../tools/npm/programs.ts";
import { type InstalledPackage, installPackage, runDeno, runProgram } from "./_package.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

let installed: InstalledPackage;
/** The package's own folder. */
let out: string;

Deno.test.beforeAll(async () => {
  installed = await installPackage();
  out = installed.package;
  const project = JSON.stringify({ type: "module" });
  await Deno.writeTextFile(join(installed.folder, "package.json"), project);
});

Deno.test.afterAll(async () => {
  await installed[Symbol.asyncDispose]();
});

/** Every path that a `package.json` exports; patterns are left out. */
function exportedPaths(entry: unknown): string[] {
  if (typeof entry === "string") return entry.includes("*") ? [] : [entry];
  return Object.values(entry as Record<string, unknown>).flatMap(exportedPaths);
}

Deno.test("the npm package exports files that are there, and depends on exact versions", async () => {
  const manifest = JSON.parse(await Deno.readTextFile(join(out, "package.json")));
  const files = filesBelow(out).map((file) => `./${file}`);
  assertEquals(exportedPaths(manifest.exports).filter((path) => !files.includes(path)), []);
  const { version } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  assertEquals(manifest.version, version);
  const { dependencies, peerDependencies } = manifest;
  const lock = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.lock"))).specifiers;
  const locked = (name: string) =>
    lock[`npm:${name}@${{ ...dependencies, ...peerDependencies }[name]}`];
  assertEquals(Object.keys(dependencies), ["@huggingface/tokenizers"]);
  for (const name of Object.keys({ ...dependencies, ...peerDependencies })) {
    assert(locked(name) !== undefined, `${name} is not the locked one`);
  }
});

Deno.test("the npm package tells nothing of the machine that made it", async () => {
  for (const file of filesBelow(out).filter((file) => !file.endsWith(".safetensors"))) {
    // The documentation may name a cache below anyone's home.
    const text = (await Deno.readTextFile(join(out, file))).replaceAll("~/.cache/", "");
    for (const path of [ROOT, "/.cache/", "file:///"]) {
      assert(!text.includes(path), `${file} has "${path}" in it`);
    }
  }
});

Deno.test({
  name: "npm pack takes all of it, and nothing else",
  ignore: await nodeMajor() === undefined,
  fn: async () => {
    const said = await runProgram("npm", ["pack", "--dry-run", "--json"], { cwd: out });
    const [{ files }] = JSON.parse(said);
    assertEquals(files.map(({ path }: { path: string }) => path).sort(), filesBelow(out));
  },
});

Deno.test("the npm package's types are those of the library", async () => {
  await Deno.writeTextFile(
    join(installed.folder, "types.ts"),
    `import { HookedSAETransformer, SAE, type Tensor } from "@splicer/splicer";
const model: HookedSAETransformer = await HookedSAETransformer.fromPretrained("ioi-tiny");
const sae: SAE = await SAE.fromPretrained("ioi-tiny-hook-z", "blocks.1.hook_z");
const logits: Tensor = model.runWithSaes("Hello", { saes: sae });
const layers: number = model.cfg.nLayers;
// @ts-expect-error There is no such option.
model.forward("Hello", { returnTypo: "logits" });
// @ts-expect-error A shape is made of numbers.
const wrong: string = logits.shape[layers];
`,
  );
  await runDeno(["check", "--quiet", "types.ts"], { cwd: installed.folder });
});

/** The files that JSR would get, by their paths in the project. */
async function publishedFiles(): Promise<string[]> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["publish", "--dry-run", "--allow-dirty"],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const said = new TextDecoder().decode(stderr);
  assert(success, said);
  const listed = said.matchAll(/^ +(file:\/\/\S+) \([\d.]+\w*B\)$/gm);
  return [...listed].map(([, url]) => relative(ROOT, fileURLToPath(url)));
}

Deno.test("JSR's package is ready to publish, and runs from the files that it has", async () => {
  const files = await publishedFiles();
  assert(files.includes("mod.ts") && files.length > 100, `${files.length} files`);
  const folder = join(installed.folder, "jsr");
  await copyFiles(ROOT, folder, files);
  await copyFiles(join(ROOT, "tests/runtimes"), folder, ["_smoke.js", "_smoke.d.ts"]);
  await Deno.writeTextFile(
    join(folder, "program.ts"),
    `import * as splicer from "./mod.ts";
import { smoke } from "./_smoke.js";
console.log((await smoke(splicer)).next);
`,
  );
  const flags = ["--quiet", "--no-prompt", "--no-lock", "--allow-read=models"];
  const said = await runDeno(["run", ...flags, "program.ts"], { cwd: folder });
  assertEquals(said.trim(), "Mary");
});

Deno.test("the library uses nothing that Node 20 or a browser of its age lacks", async () => {
  await runDeno(["check", "--quiet", "--config", "runtimes/es2023.json", "mod.ts"]);
});
