import { compile } from "./compile.js";

export const wasmModule = await compile("splicer_threads_bg.wasm");
