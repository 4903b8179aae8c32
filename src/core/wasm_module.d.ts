/** The compiled arithmetic core, ready for `initSync({ module: wasmModule })`. */
export const wasmModule: WebAssembly.Module;
