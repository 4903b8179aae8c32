// A source-phase import compiles the module without an instance and asks for no permission, from
// disk and by URL alike. It is JavaScript because the type check refuses it in a TypeScript file.
// @ts-self-types="./wasm_module.d.ts"
import source wasmModule from "../../wasm/pkg/splicer_bg.wasm";

export { wasmModule };
