// Node and Bun read the module from the file beside the bundle.
import { readFileSync } from "node:fs";

const bytes = readFileSync(new URL("./splicer_bg.wasm", import.meta.url));

export const wasmModule = new WebAssembly.Module(bytes);
