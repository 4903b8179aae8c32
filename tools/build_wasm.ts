/**
 * Builds the WASM modules from the crate. With `--check` it builds them aside and compares them with
 * the committed ones; with `--check-sources` it only compares hashes and needs no compiler.
 *
 * `--check` compares bytes when the compiler is the one that made the committed module; under any other
 * compiler only the hash of the sources can be, since another compiler gives other code.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type BuildRecord,
  compareRecords,
  hashOutputs,
  hashSources,
  readRecord,
  RECORD_NAME,
} from "./wasm/record.ts";
import { type Module, MODULES } from "./wasm/modules.ts";
import {
  findToolchain,
  type Toolchain,
  WASM_BINDGEN_VERSION,
  WASM_PACK_VERSION,
} from "./wasm/toolchain.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const CRATE = join(ROOT, "wasm");

/** The target features of a module: those of the crate's own configuration, and its own. */
async function variantOf({ targetFeatures }: Module): Promise<string> {
  const path = join(CRATE, ".cargo/config.toml");
  const features = (await Deno.readTextFile(path)).match(/target-feature=([^"]+)"/)?.[1];
  if (!features) throw new Error(`Cannot build the module: ${path} names no target-feature`);
  return [features, ...targetFeatures].join(",");
}

async function run(toolchain: Toolchain, command: string, args: string[], target: string) {
  const { success } = await new Deno.Command(command, {
    args,
    cwd: CRATE,
    env: { ...toolchain.env, CARGO_TARGET_DIR: target },
  }).spawn().status;
  if (!success) throw new Error(`Cannot build the module: ${command} failed, see above`);
}

/** Folders that crates were unpacked to; their names depend on the registry they came from. */
function registries(cargoHome: string): string[] {
  const sources = join(cargoHome, "registry/src");
  return [...Deno.readDirSync(sources)].map((entry) => join(sources, entry.name)).sort();
}

/** The flags of the compiler, which join those of the crate's own configuration. */
function flagsOf(module: Module, toolchain: Toolchain, target: string): string {
  const cargoHome = Deno.env.get("CARGO_HOME") ?? join(Deno.env.get("HOME") ?? "", ".cargo");
  // Paths of the building machine end up in panic messages unless they are replaced.
  const remapped = [
    [toolchain.sysroot, "/rust"],
    ...registries(cargoHome).map((folder) => [folder, "/crates"]),
    [ROOT.replace(/[\\/]$/, ""), "/splicer"],
    [target, "/target"],
  ].map(([from, to]) => `--remap-path-prefix=${from}=${to}`);
  const features = module.targetFeatures.length > 0
    ? [`-Ctarget-feature=${module.targetFeatures.join(",")}`]
    : [];
  const flags = [...remapped, ...features, ...module.linkArgs.map((arg) => `-Clink-arg=${arg}`)];
  return `target.wasm32-unknown-unknown.rustflags=${JSON.stringify(flags)}`;
}

/** Runs wasm-pack once, with `out` as the folder of the module. */
async function pack(
  module: Module,
  toolchain: Toolchain,
  out: string,
  target: string,
): Promise<void> {
  const { features } = module;
  await run(toolchain, "cargo", ["fetch", "--quiet", "--locked", ...toolchain.cargoArgs], target);
  const args = ["build", "--target", "web", "--release", "--no-pack"];
  // The other modes look for the target in the sysroot, where a std built from source isn't.
  args.push("--mode", "force", "--out-dir", out, "--out-name", "splicer");
  args.push("--", "--locked", ...toolchain.cargoArgs);
  args.push("--config", flagsOf(module, toolchain, target));
  if (features.length > 0) args.push("--features", features.join(","));
  await run(toolchain, "wasm-pack", args, target);
  // It keeps the folder out of git and out of a published package; the module belongs in both.
  await Deno.remove(join(out, ".gitignore"));
}

/** Keeps only the binary of a module whose script is that of the one it stands in for. */
async function keepBinary(out: string, scriptOf: string): Promise<void> {
  const [own, other] = await Promise.all(
    [out, scriptOf].map((folder) => Deno.readTextFile(join(folder, "splicer.js"))),
  );
  if (own !== other) throw new Error(`The script in ${out} isn't the one in ${scriptOf}`);
  for (const { name } of [...Deno.readDirSync(out)]) {
    if (!name.endsWith(".wasm")) await Deno.remove(join(out, name));
  }
}

async function build(module: Module, toolchain: Toolchain, scratch: string, target: string) {
  const out = outOf(scratch, module.folder);
  await pack(module, toolchain, out, target);
  if (module.scriptOf) await keepBinary(out, outOf(scratch, module.scriptOf));
  const record: BuildRecord = {
    sources: await hashSources(CRATE),
    features: module.features,
    variant: await variantOf(module),
    compiler: `${toolchain.compiler}, wasm-pack ${WASM_PACK_VERSION}, ` +
      `wasm-bindgen ${WASM_BINDGEN_VERSION}`,
    files: await hashOutputs(out),
  };
  await Deno.writeTextFile(join(out, RECORD_NAME), JSON.stringify(record, null, 2) + "\n");
  return record;
}

/** Puts a built module in the place of the committed one, which stays loadable meanwhile. */
async function install(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  const names = [...Deno.readDirSync(from)].map((entry) => entry.name);
  for (const name of names) await Deno.copyFile(join(from, name), join(to, name));
  for (const { name } of [...Deno.readDirSync(to)]) {
    if (!names.includes(name)) await Deno.remove(join(to, name));
  }
}

async function check(folder: string, fresh: BuildRecord): Promise<string[]> {
  const path = join(ROOT, folder);
  const committed = await readRecord(path);
  const actual = committed ? await hashOutputs(path) : {};
  const wrong = compareRecords(folder, committed, actual, fresh);
  if (wrong.length === 0) {
    const how = committed?.compiler === fresh.compiler
      ? `bytes under ${fresh.compiler}`
      : `hash of the sources only: it was built by ${committed?.compiler}, this is ${fresh.compiler}`;
    console.log(`${folder} is what its sources give (${how})`);
  }
  return wrong;
}

async function checkSourcesOf(module: Module, sources: string): Promise<string[]> {
  const path = join(ROOT, module.folder);
  const committed = await readRecord(path);
  const actual = committed ? await hashOutputs(path) : {};
  const fresh = committed && { ...committed, sources, variant: await variantOf(module) };
  return compareRecords(module.folder, committed, actual, fresh);
}

/** Compares hashes alone, which needs no compiler. */
async function checkSources(): Promise<string[]> {
  const sources = await hashSources(CRATE);
  const wrong: string[] = [];
  for (const module of MODULES) wrong.push(...await checkSourcesOf(module, sources));
  return wrong;
}

/** The folder that a module is built to. */
function outOf(scratch: string, folder: string): string {
  return join(scratch, folder.replaceAll("/", "_"));
}

/**
 * The folder of what is compiled. A check starts from nothing and compiles in turn; a build may reuse what an earlier one left, so
 * that standard libraries of different target features lie apart.
 */
function targetOf(checking: boolean, scratch: string, { targetFeatures }: Module): string {
  return checking
    ? join(scratch, "target")
    : join(CRATE, "target", ["target", ...targetFeatures].join(""));
}

/** Builds the modules, and puts them in their place or compares them with what is there. */
async function buildAll(checking: boolean): Promise<string[]> {
  const toolchain = await findToolchain();
  const scratch = await Deno.makeTempDir({ prefix: "splicer_build_" });
  try {
    const wrong: string[] = [];
    for (const module of MODULES) {
      const { folder } = module;
      if (module.needsOwnStd && !toolchain.buildsStd) {
        wrong.push(...await checkSourcesOf(module, await hashSources(CRATE)));
        console.log(`${folder} isn't built: it needs a compiler with the sources of std`);
        continue;
      }
      const target = targetOf(checking, scratch, module);
      const record = await build(module, toolchain, scratch, target);
      if (checking) wrong.push(...await check(folder, record));
      else await install(outOf(scratch, folder), join(ROOT, folder));
    }
    return wrong;
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

const USAGE = 'expected nothing, "--check" or "--check-sources"';

async function main(args: string[]): Promise<void> {
  const [mode, ...rest] = args;
  if (rest.length > 0 || ![undefined, "--check", "--check-sources"].includes(mode)) {
    throw new Error(`Cannot build the module with ${args.join(" ")}, ${USAGE}`);
  }
  const wrong = mode === "--check-sources"
    ? await checkSources()
    : await buildAll(mode !== undefined);
  if (wrong.length > 0) {
    throw new Error(
      'A committed module is not what its sources give (run the task "build"):\n' +
        wrong.map((line) => `  ${line}`).join("\n"),
    );
  }
}

try {
  await main(Deno.args);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  Deno.exit(1);
}
