/** What bundling has to know about this project: its platform modules, `npm:` specifiers and embedded files. */
import { join } from "node:path";
import type { OnResolveArgs, OnResolveResult, Plugin } from "npm:esbuild@0.28.2";
import { packageFolder } from "../npm/package_folder.ts";
import { filesBelow } from "./files.ts";
import { type Embedding, type Target, WASM_FILES } from "./targets.ts";

/** A specifier in pieces: `npm:@scope/name@1.2.3/path`. */
const NPM = /^npm:((?:@[\w.-]+\/)?[\w.-]+)@(\d+\.\d+\.\d+)(\/.*)?$/;

/** The entry of a package for browsers, by its `package.json`. */
async function entryOf(name: string, version: string): Promise<string> {
  const folder = await packageFolder(name, version);
  const { exports, module, main } = JSON.parse(
    await Deno.readTextFile(join(folder, "package.json")),
  );
  const entry = exports?.["."] ?? exports;
  const path = entry?.import?.default ?? entry?.import ?? entry?.default ?? module ?? main;
  if (typeof path !== "string") throw new Error(`Cannot find the entry of npm:${name}@${version}`);
  return join(folder, path);
}

/** The source of a module that reads a file of an npm package as text, in Node. */
function textOfPackage(specifier: string): string {
  return `import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
const path = createRequire(import.meta.url).resolve(${JSON.stringify(specifier)});
export default readFileSync(path, "utf8");`;
}

/** Files worth a module of their own; the others are small enough to stand in the bundle. */
const isWeights = (file: string) => file.endsWith(".safetensors");

/** One file of an embedded folder as a JavaScript expression, and the import that it needs. */
function embeddedFile(root: string, path: string, id: string, embedding: Embedding) {
  if (embedding === "modules" && isWeights(path)) {
    return { value: id, imported: `import ${id} from "./models/${path}";` };
  }
  const base64 = Deno.readFileSync(join(root, "models", path)).toBase64();
  return { value: JSON.stringify(base64), imported: "" };
}

/** The source of a module with `embeddedFolder` over files that come with the bundle. */
function embeddedModule(root: string, embedding: Embedding): string {
  const folders = ["ioi-tiny/model", "ioi-tiny/saes"];
  const imports: string[] = [];
  const entries = folders.map((folder) => {
    const files = filesBelow(join(root, "models", folder)).map((file) => {
      const path = `${folder}/${file}`;
      const { value, imported } = embeddedFile(root, path, `file${imports.length}`, embedding);
      imports.push(imported);
      return `[${JSON.stringify(file)}, ${value}]`;
    });
    return `${JSON.stringify(folder)}: [${files.join(",\n")}]`;
  });
  return `${imports.filter(Boolean).join("\n")}
const folders = { ${entries.join(",\n")} };
function bytesOf(file) {
  if (typeof file === "string") return Uint8Array.from(atob(file), (unit) => unit.charCodeAt(0));
  return new Uint8Array(file);
}
/** Turns a file into bytes when it is first asked for. */
class Files extends Map {
  get(name) {
    const file = super.get(name);
    if (file === undefined || file instanceof Uint8Array) return file;
    const bytes = bytesOf(file);
    this.set(name, bytes);
    return bytes;
  }
}
export const embeddedFolder = (folder) => new Files(folders[folder]);`;
}

/** The npm packages that bundles came to need, with their exact versions. */
export interface Packages {
  /** Those that are imported. */
  readonly imported: Map<string, string>;
  /** Those whose text is read if they are there. */
  readonly read: Map<string, string>;
  /** Those that stand in a bundle. */
  readonly bundled: Map<string, string>;
}

/**
 * Makes the plugin for one target.
 *
 * @param root The project's folder.
 * @param target The target.
 * @param packages Where npm packages are noted.
 */
export function splicerPlugin(root: string, target: Target, packages: Packages): Plugin {
  const { isNode, importsPackages, embedding, wasmModule, threadsModule } = target;
  const file = (path: string): OnResolveResult => ({ path: join(root, path) });
  /** A module without a file; what it imports from beside it stays beside the bundle. */
  const made = (path: string, contents: string): OnResolveResult => ({
    path,
    namespace: "made",
    pluginData: contents,
  });
  /** What imports names from it is never run there; as CommonJS, its names needn't be known. */
  const missing = (path: string) => {
    const error = JSON.stringify(`${path} is not there in this runtime`);
    return made(path, `module.exports = {}; throw new Error(${error});`);
  };

  async function resolvePackage({ path, with: attributes }: OnResolveArgs) {
    const [, name, version, inner = ""] = NPM.exec(path) ?? [];
    if (name === undefined) throw new Error(`Cannot bundle "${path}": expected npm:name@1.2.3`);
    const isText = attributes.type === "text";
    if (!importsPackages) {
      if (isText) return missing(path);
      packages.bundled.set(name, version);
      // A bundle tells where its parts came from; a path of this machine would be no help.
      return made(path, await Deno.readTextFile(await entryOf(name, version)));
    }
    (isText ? packages.read : packages.imported).set(name, version);
    return isText ? made(path, textOfPackage(name + inner)) : { path: name, external: true };
  }

  return {
    name: "splicer",
    setup(build) {
      build.onResolve(
        { filter: /\/wasm_module\.js$/ },
        ({ path }) => "file" in wasmModule ? file(wasmModule.file) : made(path, wasmModule.source),
      );
      build.onResolve(
        { filter: /\/threads_module\.js$/ },
        ({ path }) => threadsModule === undefined ? missing(path) : file(threadsModule),
      );
      build.onResolve(
        { filter: /^bytes:/ },
        ({ path }) => file(WASM_FILES[path.slice("bytes:".length)]),
      );
      build.onResolve({ filter: /^npm:/ }, resolvePackage);
      if (!isNode) build.onResolve({ filter: /^node:/ }, ({ path }) => missing(path));
      if (embedding === "beside") {
        build.onResolve(
          { filter: /\/embedded_root\.ts$/ },
          () => file("runtimes/beside/embedded_root.ts"),
        );
      } else {
        build.onResolve(
          { filter: /\/embedded\.ts$/ },
          ({ path }) => made(path, embeddedModule(root, embedding)),
        );
      }
      build.onResolve(
        { filter: /^\.\//, namespace: "made" },
        ({ path }) => ({ path, external: true }),
      );
      build.onLoad({ filter: /.*/, namespace: "made" }, ({ pluginData }) => ({
        contents: pluginData,
      }));
    },
  };
}
