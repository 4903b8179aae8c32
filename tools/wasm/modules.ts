/** The modules that are built from the crate, as data. */

/** One module. */
export interface Module {
  /** Where it lies, from the root of the project. */
  folder: string;
  /** Cargo features beside the default ones. */
  features: string[];
  /** Target features beside those of the crate's own configuration. */
  targetFeatures: string[];
  /** Arguments of the linker. */
  linkArgs: string[];
  /** Its target features need a standard library that was built with them. */
  needsOwnStd?: boolean;
  /** The module whose script it shares: only the binary is kept. */
  scriptOf?: string;
}

const PLAIN = { features: [], targetFeatures: [], linkArgs: [] };

/** Every module. Neighbours with the same target features share what was compiled. */
export const MODULES: readonly Module[] = [
  { ...PLAIN, folder: "wasm/pkg" },
  { ...PLAIN, folder: "tests/kernels/pkg", features: ["twins"] },
  // For engines without relaxed SIMD: multiply-add in two roundings.
  {
    ...PLAIN,
    folder: "wasm/pkg_plain",
    targetFeatures: ["-relaxed-simd"],
    scriptOf: "wasm/pkg",
  },
  {
    ...PLAIN,
    folder: "wasm/pkg_threads",
    targetFeatures: ["+atomics", "+mutable-globals"],
    linkArgs: [
      "--shared-memory",
      "--import-memory",
      // All that 32 bits can address; the memory that is handed in may have no more.
      `--max-memory=${2 ** 32}`,
      // What the binding's tool needs to give a thread its stack and its thread-locals.
      ...["__wasm_init_tls", "__tls_size", "__tls_align", "__tls_base"].map((name) =>
        `--export=${name}`
      ),
    ],
    needsOwnStd: true,
  },
];
