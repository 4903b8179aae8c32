import { hasRelaxedSimd } from "../../src/core/relaxed_simd.ts";
import { compile } from "./compile.js";

const name = hasRelaxedSimd() ? "splicer_bg.wasm" : "splicer_plain_bg.wasm";

export const wasmModule = await compile(name);
