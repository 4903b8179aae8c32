/** The bundles of the npm package, as data: what stands in for the modules that only Deno has. */

/** How a bundle gets the files of the embedded models. */
export type Embedding =
  /** They lie beside the bundle and are read or fetched. */
  | "beside"
  /** The bundle imports them as data modules. */
  | "modules"
  /** The bundle holds them as text. */
  | "text";

/** The WASM module under the name that bundles know it by. */
export const WASM_FILE = "splicer_bg.wasm";

/** A kind of bundle. */
export interface Target {
  /** What stands in for `src/core/wasm_module.js`: a file, or a source that imports the module or its bytes. */
  wasmModule: { file: string } | { source: string };
  embedding: Embedding;
  /** Whether there are `node:` modules; elsewhere stubs that throw stand for them. */
  isNode?: boolean;
  /** Whether npm packages are imported, to be installed beside the bundle; else they stand in it. */
  importsPackages?: boolean;
}

/** The kinds of bundles by runtime. */
export const TARGETS = {
  node: {
    wasmModule: { file: "runtimes/node/wasm_module.js" },
    embedding: "beside",
    isNode: true,
  },
  browser: { wasmModule: { file: "runtimes/browser/wasm_module.js" }, embedding: "beside" },
  inline: {
    wasmModule: {
      source: `import bytes from "bytes:${WASM_FILE}";
export const wasmModule = await WebAssembly.compile(bytes);`,
    },
    embedding: "text",
  },
  workerd: {
    // workerd compiles what is imported, and forbids compiling from bytes.
    wasmModule: { source: `export { default as wasmModule } from "./${WASM_FILE}";` },
    embedding: "modules",
  },
} as const satisfies Record<string, Target>;
