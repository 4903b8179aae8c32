/** The bundles of the npm package, as data: what stands in for the modules that only Deno has. */

/** How a bundle gets the files of the embedded models. */
export type Embedding =
  /** They lie beside the bundle and are read or fetched. */
  | "beside"
  /** The bundle imports them as data modules. */
  | "modules"
  /** The bundle holds them as text. */
  | "text";

/** The WASM modules under the names that bundles know them by, and where they are built. */
export const WASM_FILES: Readonly<Record<string, string>> = {
  "splicer_bg.wasm": "wasm/pkg/splicer_bg.wasm",
  "splicer_plain_bg.wasm": "wasm/pkg_plain/splicer_bg.wasm",
  "splicer_threads_bg.wasm": "wasm/pkg_threads/splicer_bg.wasm",
};

/** A kind of bundle. */
export interface Target {
  /** What stands in for `src/core/wasm_module.js`: a file, or a source that imports the module or its bytes. */
  wasmModule: { file: string } | { source: string };
  /** What stands in for `src/workers/threads_module.js`; without it there are no threads. */
  threadsModule?: string;
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
    threadsModule: "runtimes/node/threads_module.js",
    embedding: "beside",
    isNode: true,
  },
  browser: {
    wasmModule: { file: "runtimes/browser/wasm_module.js" },
    threadsModule: "runtimes/browser/threads_module.js",
    embedding: "beside",
  },
  inline: { wasmModule: { file: "runtimes/inline/wasm_module.js" }, embedding: "text" },
  workerd: {
    // workerd compiles what is imported, and forbids compiling from bytes.
    wasmModule: { source: `export { default as wasmModule } from "./splicer_bg.wasm";` },
    embedding: "modules",
  },
} as const satisfies Record<string, Target>;
