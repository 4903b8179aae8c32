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

/** One bundle. */
export interface Target {
  /** The name of its file. */
  file: string;
  /** What stands in for `src/core/wasm_module.js`: a file, or a source that imports the module or its bytes. */
  wasmModule: { file: string } | { source: string };
  embedding: Embedding;
  /** Whether npm packages and `node:` modules are imported; elsewhere packages are bundled, and the modules stubs that throw. */
  isNode?: boolean;
}

/** Every bundle. */
export const TARGETS: readonly Target[] = [
  {
    file: "node.js",
    wasmModule: { file: "runtimes/node/wasm_module.js" },
    embedding: "beside",
    isNode: true,
  },
  {
    file: "browser.js",
    wasmModule: { file: "runtimes/browser/wasm_module.js" },
    embedding: "beside",
  },
  {
    file: "inline.js",
    wasmModule: {
      source: `import bytes from "bytes:${WASM_FILE}";
export const wasmModule = await WebAssembly.compile(bytes);`,
    },
    embedding: "text",
  },
  {
    file: "workerd.js",
    // workerd compiles what is imported, and forbids compiling from bytes.
    wasmModule: { source: `export { default as wasmModule } from "./${WASM_FILE}";` },
    embedding: "modules",
  },
];
