import { hasRelaxedSimd } from "../../src/core/relaxed_simd.ts";
import { compile } from "./compile.js";

export const wasmModule = compile(hasRelaxedSimd() ? "splicer_bg.wasm" : "splicer_plain_bg.wasm");
