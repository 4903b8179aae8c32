import { compile } from "./compile.js";

export const wasmModule = compile("splicer_threads_bg.wasm");
