/** Which compiler builds the WASM module, and what it needs to be told. */

/** Version of wasm-pack that the recorded bytes were made with. */
export const WASM_PACK_VERSION = "0.15.0";
/** Version of wasm-bindgen: the crate's exact dependency and the command-line tool must agree. */
export const WASM_BINDGEN_VERSION = "0.2.130";

const TARGET = "wasm32-unknown-unknown";

/** One way to compile the crate. */
export interface Toolchain {
  /** Everything that decides the bytes of the output, as one line. */
  compiler: string;
  /** Environment of the build. */
  env: Record<string, string>;
  /** Arguments that cargo gets beside the crate's own configuration. */
  cargoArgs: string[];
  /** Folder of the standard library's sources, which must not leak into the module. */
  sysroot: string;
  /** The standard library is compiled along, with the module's own target features. */
  buildsStd: boolean;
}

async function output(command: string, args: string[], env: Record<string, string>) {
  try {
    const { success, stdout } = await new Deno.Command(command, { args, env, stderr: "null" })
      .output();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Describes a compiler by what decides its output: release, commit, LLVM and host. */
function describe(verbose: string): string {
  const field = (name: string) => verbose.match(new RegExp(`^${name}: (.*)$`, "m"))?.[1] ?? "?";
  return `rustc ${field("release")} (${field("commit-hash").slice(0, 9)}, LLVM ` +
    `${field("LLVM version")}, ${field("host")})`;
}

/** A compiler that carries the target's standard library: rustup's, after `rustup target add`. */
async function withTarget(env: Record<string, string>): Promise<Toolchain | undefined> {
  const sysroot = await output("rustc", ["--print", "sysroot"], env);
  const verbose = await output("rustc", ["-vV"], env);
  if (!sysroot || !verbose || !exists(`${sysroot}/lib/rustlib/${TARGET}/lib`)) return undefined;
  return {
    compiler: `${describe(verbose)}, std as shipped`,
    env,
    cargoArgs: [],
    sysroot,
    buildsStd: false,
  };
}

/** A compiler with std's sources, from which the target's std is built: Debian's rustc-web. */
async function withStdSources(env: Record<string, string>): Promise<Toolchain | undefined> {
  const sysroot = await output("/usr/bin/rustc", ["--print", "sysroot"], env);
  const verbose = await output("/usr/bin/rustc", ["-vV"], env);
  if (!sysroot || !verbose) return undefined;
  if (!exists(`${sysroot}/lib/rustlib/src/rust/library/std/Cargo.toml`)) return undefined;
  if (!await output("wasm-ld", ["--version"], env)) return undefined;
  return {
    compiler: `${describe(verbose)}, std built from source`,
    // Building std needs an unstable cargo flag, which a stable compiler refuses without this.
    env: { ...env, PATH: `/usr/bin:${env.PATH}`, RUSTC_BOOTSTRAP: "1" },
    cargoArgs: [
      "-Z",
      "build-std=std,panic_abort",
      "--config",
      `target.${TARGET}.linker="wasm-ld"`,
    ],
    sysroot,
    buildsStd: true,
  };
}

/** Where `.ci/run` keeps the tools that it had to install. */
function toolFolders(): string[] {
  const home = Deno.env.get("HOME") ?? "";
  const cache = Deno.env.get("XDG_CACHE_HOME") ?? `${home}/.cache`;
  return [`${cache}/splicer/bin`, `${Deno.env.get("CARGO_HOME") ?? `${home}/.cargo`}/bin`];
}

async function requireTool(name: string, crate: string, version: string, env: Toolchain["env"]) {
  const found = await output(name, ["--version"], env);
  if (found?.split(" ")[1] === version) return;
  throw new Error(
    `Cannot build the module: ${name} is ${found ?? "not installed"}, expected ${version} ` +
      `(cargo install --locked ${crate} --version ${version})`,
  );
}

/**
 * Finds a compiler for the module and the tools around it.
 *
 * @returns Debian's compiler with std's sources where it is installed, else the one on PATH if it
 * has the target.
 * @throws {Error} If neither is there, or wasm-pack or wasm-bindgen has another version.
 */
export async function findToolchain(): Promise<Toolchain> {
  const separator = Deno.build.os === "windows" ? ";" : ":";
  const env = { PATH: [Deno.env.get("PATH") ?? "", ...toolFolders()].join(separator) };
  const toolchain = await withStdSources(env) ?? await withTarget(env);
  if (!toolchain) {
    throw new Error(
      `Cannot build the module: no Rust compiler for ${TARGET} was found, expected one of ` +
        `"rustup target add ${TARGET}" or Debian's "apt-get install rustc-web cargo-web ` +
        `rust-web-src lld"`,
    );
  }
  await requireTool("wasm-pack", "wasm-pack", WASM_PACK_VERSION, env);
  await requireTool("wasm-bindgen", "wasm-bindgen-cli", WASM_BINDGEN_VERSION, env);
  return toolchain;
}
