import relaxed from "bytes:splicer_bg.wasm";
import plain from "bytes:splicer_plain_bg.wasm";
import { hasRelaxedSimd } from "../../src/core/relaxed_simd.ts";

export const wasmModule = await WebAssembly.compile(hasRelaxedSimd() ? relaxed : plain);
