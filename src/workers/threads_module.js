// The module over shared memory, as `../core/wasm_module.js` has the other one.
// @ts-self-types="../core/wasm_module.d.ts"
import source wasmModule from "../../wasm/pkg_threads/splicer_bg.wasm";

export { wasmModule };
