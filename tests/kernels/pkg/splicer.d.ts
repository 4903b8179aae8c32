/* tslint:disable */
/* eslint-disable */

/**
 * A product's operands, resident and packed, for timing.
 */
export class Bench {
    free(): void;
    [Symbol.dispose](): void;
    gemm(act: number): void;
    gemm_blocks(block: number): void;
    gemm_bt(): void;
    /**
     * `a`: `[count, k]` for a product, `[count, n]` for one with the transpose; `b`: `[k, n]`.
     */
    constructor(a: Float32Array | number[], count: number, b: Float32Array | number[], k: number, n: number, storage: number);
    /**
     * The results of the last product, row-major.
     */
    result(): Float32Array;
}

/**
 * An encoder and its screen.
 */
export class Encoder {
    free(): void;
    [Symbol.dispose](): void;
    /**
     * The same by the product and the activation.
     */
    dense(x: Float32Array | number[], count: number, stride: number, out: Float32Array): void;
    constructor(size: Product, w: Float32Array | number[], bias: Float32Array | number[], thresholds?: Float32Array | number[] | null);
    /**
     * Screened codes of `count` rows `stride` apart into `out`, which holds zeros; false where they can't be screened.
     */
    screened(simd: boolean, x: Float32Array | number[], count: number, stride: number, out: Float32Array): boolean;
}

/**
 * An encoder and its inputs, resident, for timing.
 */
export class EncoderBench {
    free(): void;
    [Symbol.dispose](): void;
    /**
     * Compares both, and gives how many codes are alive.
     */
    check(): number;
    dense(): void;
    constructor(w: Float32Array | number[], bias: Float32Array | number[], k: number, n: number);
    /**
     * The rows are quantised each time, as they are in earnest.
     */
    screened(): void;
    set_rows(x: Float32Array | number[], count: number): void;
}

/**
 * Rows as (batch, key) pairs, the sizes, and what becomes of scores.
 */
export class Geometry {
    free(): void;
    [Symbol.dispose](): void;
    constructor(rows: Uint32Array | number[], key_mask: Uint8Array | number[], batch: number, n_keys: number, n_heads: number, d_head: number);
    /**
     * The same with fewer heads of keys, a window (0 for none), a cap (0 for none) and slopes (empty for none).
     */
    shaped(n_key_heads: number, window: number, soft_cap: number, slopes: Float64Array | number[]): Geometry;
}

/**
 * The operands of a product: `a` has `count` rows `a_stride` apart, `out` as many `out_stride` apart.
 */
export class Product {
    free(): void;
    [Symbol.dispose](): void;
    constructor(count: number, k: number, n: number, a_stride: number, out_stride: number);
    a_stride: number;
    count: number;
    k: number;
    n: number;
    out_stride: number;
    /**
     * How the packed matrix is held: 0 as float32, 1 as float16, 2 as bfloat16, 3 as int8.
     */
    storage: number;
}

export function activate(simd: boolean, act: number, x: Float32Array | number[], out: Float32Array): void;

/**
 * The float64 forms, as a truth for the float32 ones.
 */
export function activate_exact(act: number, grad: boolean, x: Float64Array | number[], out: Float64Array): void;

export function activate_grad(simd: boolean, act: number, x: Float32Array | number[], dy: Float32Array | number[], out: Float32Array): void;

/**
 * All in one pass; `scores` and `pattern` are written unless they are empty.
 */
export function attend(simd: boolean, at: Geometry, q: Float32Array | number[], k: Float32Array | number[], v: Float32Array | number[], z: Float32Array, scores: Float32Array, pattern: Float32Array): void;

export function attend_mix(simd: boolean, at: Geometry, pattern: Float32Array | number[], v: Float32Array | number[], z: Float32Array): void;

export function attend_scores(simd: boolean, at: Geometry, q: Float32Array | number[], k: Float32Array | number[], scores: Float32Array): void;

export function decode(simd: boolean, size: Product, codes: Float32Array | number[], w: Float32Array | number[], bias: Float32Array | number[] | null | undefined, out: Float32Array): void;

/**
 * As [`decode`], of the codes that aren't zero.
 */
export function decode_sparse(simd: boolean, size: Product, codes: Float32Array | number[], w: Float32Array | number[], bias: Float32Array | number[] | null | undefined, out: Float32Array): void;

/**
 * True when multiply-add rounds once on this engine: 1 + 2⁻¹² squared loses its last bit otherwise.
 */
export function fused_multiply_add(): boolean;

export function gemm(simd: boolean, size: Product, a: Float32Array | number[], b: Float32Array | number[], col_start: number, col_end: number, bias: Float32Array | number[] | null | undefined, act: number, out: Float32Array): void;

export function gemm_blocks(simd: boolean, size: Product, a: Float32Array | number[], b: Float32Array | number[], block: number, bias: Float32Array | number[] | null | undefined, out: Float32Array): void;

/**
 * `a` is dy here, with a row of `col_end - col_start`; `ranges` are col_start, col_end, k_start, k_end.
 */
export function gemm_bt(simd: boolean, size: Product, a: Float32Array | number[], b: Float32Array | number[], ranges: Uint32Array | number[], out: Float32Array): void;

/**
 * Floating-point operations of one round of [`multiply_adds`].
 */
export function multiply_add_operations(): number;

/**
 * The machine's rate: `rounds` rounds of independent 128-bit multiply-adds.
 */
export function multiply_adds(rounds: number): number;

export function norm(simd: boolean, x: Float32Array | number[], d: number, eps: number, center: boolean, weight: Float32Array | number[], bias: Float32Array | number[], out: Float32Array, scale: Float32Array, normalized: Float32Array): void;

export function norm_scale(simd: boolean, x: Float32Array | number[], d: number, eps: number, center: boolean, centered: Float32Array, scale: Float32Array): void;

/**
 * How often a SIMD kernel has been called.
 */
export function simd_calls(): number;

export function softmax(simd: boolean, log: boolean, x: Float32Array | number[], n: number, out: Float32Array): void;

/**
 * The packed matrix' cells as the products see them, row-major.
 */
export function widened(size: Product, b: Float32Array | number[]): Float32Array;

export type InitInput = RequestInfo | URL | Response | BufferSource | WebAssembly.Module;

export interface InitOutput {
    readonly memory: WebAssembly.Memory;
    readonly __wbg_bench_free: (a: number, b: number) => void;
    readonly __wbg_encoder_free: (a: number, b: number) => void;
    readonly __wbg_encoderbench_free: (a: number, b: number) => void;
    readonly __wbg_geometry_free: (a: number, b: number) => void;
    readonly __wbg_get_product_a_stride: (a: number) => number;
    readonly __wbg_get_product_count: (a: number) => number;
    readonly __wbg_get_product_k: (a: number) => number;
    readonly __wbg_get_product_n: (a: number) => number;
    readonly __wbg_get_product_out_stride: (a: number) => number;
    readonly __wbg_get_product_storage: (a: number) => number;
    readonly __wbg_product_free: (a: number, b: number) => void;
    readonly __wbg_set_product_a_stride: (a: number, b: number) => void;
    readonly __wbg_set_product_count: (a: number, b: number) => void;
    readonly __wbg_set_product_k: (a: number, b: number) => void;
    readonly __wbg_set_product_n: (a: number, b: number) => void;
    readonly __wbg_set_product_out_stride: (a: number, b: number) => void;
    readonly __wbg_set_product_storage: (a: number, b: number) => void;
    readonly activate: (a: number, b: number, c: number, d: number, e: number, f: number, g: any) => void;
    readonly activate_exact: (a: number, b: number, c: number, d: number, e: number, f: number, g: any) => void;
    readonly activate_grad: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: any) => void;
    readonly attend: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number, k: any, l: number, m: number, n: any, o: number, p: number, q: any) => void;
    readonly attend_mix: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: any) => void;
    readonly attend_scores: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: any) => void;
    readonly bench_gemm: (a: number, b: number) => void;
    readonly bench_gemm_blocks: (a: number, b: number) => void;
    readonly bench_gemm_bt: (a: number) => void;
    readonly bench_new: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number) => number;
    readonly bench_result: (a: number) => [number, number];
    readonly decode: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number, k: any) => void;
    readonly decode_sparse: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number, k: any) => void;
    readonly encoder_dense: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: any) => void;
    readonly encoder_new: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => number;
    readonly encoder_screened: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: any) => number;
    readonly encoderbench_check: (a: number) => number;
    readonly encoderbench_dense: (a: number) => void;
    readonly encoderbench_new: (a: number, b: number, c: number, d: number, e: number, f: number) => number;
    readonly encoderbench_screened: (a: number) => void;
    readonly encoderbench_set_rows: (a: number, b: number, c: number, d: number) => void;
    readonly fused_multiply_add: () => number;
    readonly gemm: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number, k: number, l: number, m: number, n: any) => void;
    readonly gemm_blocks: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number, k: number, l: any) => void;
    readonly gemm_bt: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number, k: any) => void;
    readonly geometry_new: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number) => number;
    readonly geometry_shaped: (a: number, b: number, c: number, d: number, e: number, f: number) => number;
    readonly multiply_add_operations: () => number;
    readonly multiply_adds: (a: number) => number;
    readonly norm: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number, k: number, l: number, m: any, n: number, o: number, p: any, q: number, r: number, s: any) => void;
    readonly norm_scale: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: any, j: number, k: number, l: any) => void;
    readonly product_new: (a: number, b: number, c: number, d: number, e: number) => number;
    readonly simd_calls: () => number;
    readonly softmax: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: any) => void;
    readonly widened: (a: number, b: number, c: number) => [number, number];
    readonly __wbindgen_externrefs: WebAssembly.Table;
    readonly __wbindgen_malloc: (a: number, b: number) => number;
    readonly __wbindgen_free: (a: number, b: number, c: number) => void;
    readonly __wbindgen_start: () => void;
}

export type SyncInitInput = BufferSource | WebAssembly.Module;

/**
 * Instantiates the given `module`, which can either be bytes or
 * a precompiled `WebAssembly.Module`.
 *
 * @param {{ module: SyncInitInput }} module - Passing `SyncInitInput` directly is deprecated.
 *
 * @returns {InitOutput}
 */
export function initSync(module: { module: SyncInitInput } | SyncInitInput): InitOutput;

/**
 * If `module_or_path` is {RequestInfo} or {URL}, makes a request and
 * for everything else, calls `WebAssembly.instantiate` directly.
 *
 * @param {{ module_or_path: InitInput | Promise<InitInput> }} module_or_path - Passing `InitInput` directly is deprecated.
 *
 * @returns {Promise<InitOutput>}
 */
export default function __wbg_init (module_or_path?: { module_or_path: InitInput | Promise<InitInput> } | InitInput | Promise<InitInput>): Promise<InitOutput>;
