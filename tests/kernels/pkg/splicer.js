/* @ts-self-types="./splicer.d.ts" */

/**
 * A product's operands, resident and packed, for timing.
 */
export class Bench {
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        BenchFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_bench_free(ptr, 0);
    }
    /**
     * @param {number} act
     */
    gemm(act) {
        wasm.bench_gemm(this.__wbg_ptr, act);
    }
    /**
     * @param {number} block
     */
    gemm_blocks(block) {
        wasm.bench_gemm_blocks(this.__wbg_ptr, block);
    }
    gemm_bt() {
        wasm.bench_gemm_bt(this.__wbg_ptr);
    }
    /**
     * `a`: `[count, k]` for a product, `[count, n]` for one with the transpose; `b`: `[k, n]`.
     * @param {Float32Array | number[]} a
     * @param {number} count
     * @param {Float32Array | number[]} b
     * @param {number} k
     * @param {number} n
     * @param {number} storage
     */
    constructor(a, count, b, k, n, storage) {
        const val3 = +count;
        const val4 = +k;
        const val5 = +n;
        const val6 = +storage;
        let ptr0, len0, ptr1, len1;
        try {
            ptr0 = passArrayF32ToWasm0(a, wasm.__wbindgen_malloc);
            len0 = WASM_VECTOR_LEN;
            ptr1 = passArrayF32ToWasm0(b, wasm.__wbindgen_malloc);
            len1 = WASM_VECTOR_LEN;
        } catch (e) {
            if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 4, 4); }
            if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 4, 4); }
            throw e;
        }
        const ret = wasm.bench_new(ptr0, len0, val3, ptr1, len1, val4, val5, val6);
        this.__wbg_ptr = ret;
        BenchFinalization.register(this, this.__wbg_ptr, this);
        return this;
    }
    /**
     * The results of the last product, row-major.
     * @returns {Float32Array}
     */
    result() {
        const ret = wasm.bench_result(this.__wbg_ptr);
        var v1 = getArrayF32FromWasm0(ret[0], ret[1]).slice();
        wasm.__wbindgen_free(ret[0], ret[1] * 4, 4);
        return v1;
    }
}
if (Symbol.dispose) Bench.prototype[Symbol.dispose] = Bench.prototype.free;

/**
 * An encoder and its screen.
 */
export class Encoder {
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        EncoderFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_encoder_free(ptr, 0);
    }
    /**
     * The same by the product and the activation.
     * @param {Float32Array | number[]} x
     * @param {number} count
     * @param {number} stride
     * @param {Float32Array} out
     */
    dense(x, count, stride, out) {
        const val3 = +count;
        const val4 = +stride;
        let ptr0, len0, ptr1, len1;
        try {
            ptr0 = passArrayF32ToWasm0(x, wasm.__wbindgen_malloc);
            len0 = WASM_VECTOR_LEN;
            ptr1 = passArrayF32ToWasm0(out, wasm.__wbindgen_malloc);
            len1 = WASM_VECTOR_LEN;
        } catch (e) {
            if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 4, 4); }
            if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 4, 4); }
            throw e;
        }
        wasm.encoder_dense(this.__wbg_ptr, ptr0, len0, val3, val4, ptr1, len1, out);
    }
    /**
     * @param {Product} size
     * @param {Float32Array | number[]} w
     * @param {Float32Array | number[]} bias
     * @param {Float32Array | number[] | null} [thresholds]
     */
    constructor(size, w, bias, thresholds) {
        _assertClass(size, Product);
        let ptr0, len0, ptr1, len1, ptr2, len2;
        try {
            ptr0 = passArrayF32ToWasm0(w, wasm.__wbindgen_malloc);
            len0 = WASM_VECTOR_LEN;
            ptr1 = passArrayF32ToWasm0(bias, wasm.__wbindgen_malloc);
            len1 = WASM_VECTOR_LEN;
            ptr2 = isLikeNone(thresholds) ? 0 : passArrayF32ToWasm0(thresholds, wasm.__wbindgen_malloc);
            len2 = WASM_VECTOR_LEN;
        } catch (e) {
            if (ptr2) { wasm.__wbindgen_free(ptr2, len2 * 4, 4); }
            if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 4, 4); }
            if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 4, 4); }
            throw e;
        }
        const ret = wasm.encoder_new(size.__wbg_ptr, ptr0, len0, ptr1, len1, ptr2, len2);
        this.__wbg_ptr = ret;
        EncoderFinalization.register(this, this.__wbg_ptr, this);
        return this;
    }
    /**
     * Screened codes of `count` rows `stride` apart into `out`, which holds zeros; false where they can't be screened.
     * @param {boolean} simd
     * @param {Float32Array | number[]} x
     * @param {number} count
     * @param {number} stride
     * @param {Float32Array} out
     * @returns {boolean}
     */
    screened(simd, x, count, stride, out) {
        const val3 = +simd;
        const val4 = +count;
        const val5 = +stride;
        let ptr0, len0, ptr1, len1;
        try {
            ptr0 = passArrayF32ToWasm0(x, wasm.__wbindgen_malloc);
            len0 = WASM_VECTOR_LEN;
            ptr1 = passArrayF32ToWasm0(out, wasm.__wbindgen_malloc);
            len1 = WASM_VECTOR_LEN;
        } catch (e) {
            if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 4, 4); }
            if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 4, 4); }
            throw e;
        }
        const ret = wasm.encoder_screened(this.__wbg_ptr, val3, ptr0, len0, val4, val5, ptr1, len1, out);
        return ret !== 0;
    }
}
if (Symbol.dispose) Encoder.prototype[Symbol.dispose] = Encoder.prototype.free;

/**
 * An encoder and its inputs, resident, for timing.
 */
export class EncoderBench {
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        EncoderBenchFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_encoderbench_free(ptr, 0);
    }
    /**
     * Compares both, and gives how many codes are alive.
     * @returns {number}
     */
    check() {
        const ret = wasm.encoderbench_check(this.__wbg_ptr);
        return ret >>> 0;
    }
    dense() {
        wasm.encoderbench_dense(this.__wbg_ptr);
    }
    /**
     * @param {Float32Array | number[]} w
     * @param {Float32Array | number[]} bias
     * @param {number} k
     * @param {number} n
     */
    constructor(w, bias, k, n) {
        const val3 = +k;
        const val4 = +n;
        let ptr0, len0, ptr1, len1;
        try {
            ptr0 = passArrayF32ToWasm0(w, wasm.__wbindgen_malloc);
            len0 = WASM_VECTOR_LEN;
            ptr1 = passArrayF32ToWasm0(bias, wasm.__wbindgen_malloc);
            len1 = WASM_VECTOR_LEN;
        } catch (e) {
            if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 4, 4); }
            if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 4, 4); }
            throw e;
        }
        const ret = wasm.encoderbench_new(ptr0, len0, ptr1, len1, val3, val4);
        this.__wbg_ptr = ret;
        EncoderBenchFinalization.register(this, this.__wbg_ptr, this);
        return this;
    }
    /**
     * The rows are quantised each time, as they are in earnest.
     */
    screened() {
        wasm.encoderbench_screened(this.__wbg_ptr);
    }
    /**
     * @param {Float32Array | number[]} x
     * @param {number} count
     */
    set_rows(x, count) {
        const val2 = +count;
        const ptr0 = passArrayF32ToWasm0(x, wasm.__wbindgen_malloc);
        const len0 = WASM_VECTOR_LEN;
        wasm.encoderbench_set_rows(this.__wbg_ptr, ptr0, len0, val2);
    }
}
if (Symbol.dispose) EncoderBench.prototype[Symbol.dispose] = EncoderBench.prototype.free;

/**
 * Rows as (batch, key) pairs, the sizes, and what becomes of scores.
 */
export class Geometry {
    static __wrap(ptr) {
        const obj = Object.create(Geometry.prototype);
        obj.__wbg_ptr = ptr;
        GeometryFinalization.register(obj, obj.__wbg_ptr, obj);
        return obj;
    }
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        GeometryFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_geometry_free(ptr, 0);
    }
    /**
     * @param {Uint32Array | number[]} rows
     * @param {Uint8Array | number[]} key_mask
     * @param {number} batch
     * @param {number} n_keys
     * @param {number} n_heads
     * @param {number} d_head
     */
    constructor(rows, key_mask, batch, n_keys, n_heads, d_head) {
        const val3 = +batch;
        const val4 = +n_keys;
        const val5 = +n_heads;
        const val6 = +d_head;
        let ptr0, len0, ptr1, len1;
        try {
            ptr0 = passArray32ToWasm0(rows, wasm.__wbindgen_malloc);
            len0 = WASM_VECTOR_LEN;
            ptr1 = passArray8ToWasm0(key_mask, wasm.__wbindgen_malloc);
            len1 = WASM_VECTOR_LEN;
        } catch (e) {
            if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 1, 1); }
            if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 4, 4); }
            throw e;
        }
        const ret = wasm.geometry_new(ptr0, len0, ptr1, len1, val3, val4, val5, val6);
        this.__wbg_ptr = ret;
        GeometryFinalization.register(this, this.__wbg_ptr, this);
        return this;
    }
    /**
     * The same with fewer heads of keys, a window (0 for none), a cap (0 for none) and slopes (empty for none).
     * @param {number} n_key_heads
     * @param {number} window
     * @param {number} soft_cap
     * @param {Float64Array | number[]} slopes
     * @returns {Geometry}
     */
    shaped(n_key_heads, window, soft_cap, slopes) {
        const val2 = +n_key_heads;
        const val3 = +window;
        const val4 = +soft_cap;
        let ptr, ptr0, len0;
        try {
            ptr = this.__destroy_into_raw();
            ptr0 = passArrayF64ToWasm0(slopes, wasm.__wbindgen_malloc);
            len0 = WASM_VECTOR_LEN;
        } catch (e) {
            if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 8, 8); }
            if (ptr) wasm.__wbg_geometry_free(ptr, 1);
            throw e;
        }
        const ret = wasm.geometry_shaped(ptr, val2, val3, val4, ptr0, len0);
        return Geometry.__wrap(ret);
    }
}
if (Symbol.dispose) Geometry.prototype[Symbol.dispose] = Geometry.prototype.free;

/**
 * The operands of a product: `a` has `count` rows `a_stride` apart, `out` as many `out_stride` apart.
 */
export class Product {
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        ProductFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_product_free(ptr, 0);
    }
    /**
     * @returns {number}
     */
    get a_stride() {
        const ret = wasm.__wbg_get_product_a_stride(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    get count() {
        const ret = wasm.__wbg_get_product_count(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    get k() {
        const ret = wasm.__wbg_get_product_k(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    get n() {
        const ret = wasm.__wbg_get_product_n(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    get out_stride() {
        const ret = wasm.__wbg_get_product_out_stride(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * How the packed matrix is held: 0 as float32, 1 as float16, 2 as bfloat16, 3 as int8.
     * @returns {number}
     */
    get storage() {
        const ret = wasm.__wbg_get_product_storage(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @param {number} count
     * @param {number} k
     * @param {number} n
     * @param {number} a_stride
     * @param {number} out_stride
     */
    constructor(count, k, n, a_stride, out_stride) {
        const ret = wasm.product_new(count, k, n, a_stride, out_stride);
        this.__wbg_ptr = ret;
        ProductFinalization.register(this, this.__wbg_ptr, this);
        return this;
    }
    /**
     * @param {number} arg0
     */
    set a_stride(arg0) {
        wasm.__wbg_set_product_a_stride(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set count(arg0) {
        wasm.__wbg_set_product_count(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set k(arg0) {
        wasm.__wbg_set_product_k(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set n(arg0) {
        wasm.__wbg_set_product_n(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set out_stride(arg0) {
        wasm.__wbg_set_product_out_stride(this.__wbg_ptr, arg0);
    }
    /**
     * How the packed matrix is held: 0 as float32, 1 as float16, 2 as bfloat16, 3 as int8.
     * @param {number} arg0
     */
    set storage(arg0) {
        wasm.__wbg_set_product_storage(this.__wbg_ptr, arg0);
    }
}
if (Symbol.dispose) Product.prototype[Symbol.dispose] = Product.prototype.free;

/**
 * @param {boolean} simd
 * @param {number} act
 * @param {Float32Array | number[]} x
 * @param {Float32Array} out
 */
export function activate(simd, act, x, out) {
    const val3 = +simd;
    const val4 = +act;
    let ptr0, len0, ptr1, len1;
    try {
        ptr0 = passArrayF32ToWasm0(x, wasm.__wbindgen_malloc);
        len0 = WASM_VECTOR_LEN;
        ptr1 = passArrayF32ToWasm0(out, wasm.__wbindgen_malloc);
        len1 = WASM_VECTOR_LEN;
    } catch (e) {
        if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 4, 4); }
        if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 4, 4); }
        throw e;
    }
    wasm.activate(val3, val4, ptr0, len0, ptr1, len1, out);
}

/**
 * The float64 forms, as a truth for the float32 ones.
 * @param {number} act
 * @param {boolean} grad
 * @param {Float64Array | number[]} x
 * @param {Float64Array} out
 */
export function activate_exact(act, grad, x, out) {
    const val3 = +act;
    const val4 = +grad;
    let ptr0, len0, ptr1, len1;
    try {
        ptr0 = passArrayF64ToWasm0(x, wasm.__wbindgen_malloc);
        len0 = WASM_VECTOR_LEN;
        ptr1 = passArrayF64ToWasm0(out, wasm.__wbindgen_malloc);
        len1 = WASM_VECTOR_LEN;
    } catch (e) {
        if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 8, 8); }
        if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 8, 8); }
        throw e;
    }
    wasm.activate_exact(val3, val4, ptr0, len0, ptr1, len1, out);
}

/**
 * @param {boolean} simd
 * @param {number} act
 * @param {Float32Array | number[]} x
 * @param {Float32Array | number[]} dy
 * @param {Float32Array} out
 */
export function activate_grad(simd, act, x, dy, out) {
    const val4 = +simd;
    const val5 = +act;
    let ptr0, len0, ptr1, len1, ptr2, len2;
    try {
        ptr0 = passArrayF32ToWasm0(x, wasm.__wbindgen_malloc);
        len0 = WASM_VECTOR_LEN;
        ptr1 = passArrayF32ToWasm0(dy, wasm.__wbindgen_malloc);
        len1 = WASM_VECTOR_LEN;
        ptr2 = passArrayF32ToWasm0(out, wasm.__wbindgen_malloc);
        len2 = WASM_VECTOR_LEN;
    } catch (e) {
        if (ptr2) { wasm.__wbindgen_free(ptr2, len2 * 4, 4); }
        if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 4, 4); }
        if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 4, 4); }
        throw e;
    }
    wasm.activate_grad(val4, val5, ptr0, len0, ptr1, len1, ptr2, len2, out);
}

/**
 * All in one pass; `scores` and `pattern` are written unless they are empty.
 * @param {boolean} simd
 * @param {Geometry} at
 * @param {Float32Array | number[]} q
 * @param {Float32Array | number[]} k
 * @param {Float32Array | number[]} v
 * @param {Float32Array} z
 * @param {Float32Array} scores
 * @param {Float32Array} pattern
 */
export function attend(simd, at, q, k, v, z, scores, pattern) {
    _assertClass(at, Geometry);
    const val7 = +simd;
    let ptr0, len0, ptr1, len1, ptr2, len2, ptr3, len3, ptr4, len4, ptr5, len5;
    try {
        ptr0 = passArrayF32ToWasm0(q, wasm.__wbindgen_malloc);
        len0 = WASM_VECTOR_LEN;
        ptr1 = passArrayF32ToWasm0(k, wasm.__wbindgen_malloc);
        len1 = WASM_VECTOR_LEN;
        ptr2 = passArrayF32ToWasm0(v, wasm.__wbindgen_malloc);
        len2 = WASM_VECTOR_LEN;
        ptr3 = passArrayF32ToWasm0(z, wasm.__wbindgen_malloc);
        len3 = WASM_VECTOR_LEN;
        ptr4 = passArrayF32ToWasm0(scores, wasm.__wbindgen_malloc);
        len4 = WASM_VECTOR_LEN;
        ptr5 = passArrayF32ToWasm0(pattern, wasm.__wbindgen_malloc);
        len5 = WASM_VECTOR_LEN;
    } catch (e) {
        if (ptr5) { wasm.__wbindgen_free(ptr5, len5 * 4, 4); }
        if (ptr4) { wasm.__wbindgen_free(ptr4, len4 * 4, 4); }
        if (ptr3) { wasm.__wbindgen_free(ptr3, len3 * 4, 4); }
        if (ptr2) { wasm.__wbindgen_free(ptr2, len2 * 4, 4); }
        if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 4, 4); }
        if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 4, 4); }
        throw e;
    }
    wasm.attend(val7, at.__wbg_ptr, ptr0, len0, ptr1, len1, ptr2, len2, ptr3, len3, z, ptr4, len4, scores, ptr5, len5, pattern);
}

/**
 * @param {boolean} simd
 * @param {Geometry} at
 * @param {Float32Array | number[]} pattern
 * @param {Float32Array | number[]} v
 * @param {Float32Array} z
 */
export function attend_mix(simd, at, pattern, v, z) {
    _assertClass(at, Geometry);
    const val4 = +simd;
    let ptr0, len0, ptr1, len1, ptr2, len2;
    try {
        ptr0 = passArrayF32ToWasm0(pattern, wasm.__wbindgen_malloc);
        len0 = WASM_VECTOR_LEN;
        ptr1 = passArrayF32ToWasm0(v, wasm.__wbindgen_malloc);
        len1 = WASM_VECTOR_LEN;
        ptr2 = passArrayF32ToWasm0(z, wasm.__wbindgen_malloc);
        len2 = WASM_VECTOR_LEN;
    } catch (e) {
        if (ptr2) { wasm.__wbindgen_free(ptr2, len2 * 4, 4); }
        if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 4, 4); }
        if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 4, 4); }
        throw e;
    }
    wasm.attend_mix(val4, at.__wbg_ptr, ptr0, len0, ptr1, len1, ptr2, len2, z);
}

/**
 * @param {boolean} simd
 * @param {Geometry} at
 * @param {Float32Array | number[]} q
 * @param {Float32Array | number[]} k
 * @param {Float32Array} scores
 */
export function attend_scores(simd, at, q, k, scores) {
    _assertClass(at, Geometry);
    const val4 = +simd;
    let ptr0, len0, ptr1, len1, ptr2, len2;
    try {
        ptr0 = passArrayF32ToWasm0(q, wasm.__wbindgen_malloc);
        len0 = WASM_VECTOR_LEN;
        ptr1 = passArrayF32ToWasm0(k, wasm.__wbindgen_malloc);
        len1 = WASM_VECTOR_LEN;
        ptr2 = passArrayF32ToWasm0(scores, wasm.__wbindgen_malloc);
        len2 = WASM_VECTOR_LEN;
    } catch (e) {
        if (ptr2) { wasm.__wbindgen_free(ptr2, len2 * 4, 4); }
        if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 4, 4); }
        if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 4, 4); }
        throw e;
    }
    wasm.attend_scores(val4, at.__wbg_ptr, ptr0, len0, ptr1, len1, ptr2, len2, scores);
}

/**
 * @param {boolean} simd
 * @param {Product} size
 * @param {Float32Array | number[]} codes
 * @param {Float32Array | number[]} w
 * @param {Float32Array | number[] | null | undefined} bias
 * @param {Float32Array} out
 */
export function decode(simd, size, codes, w, bias, out) {
    _assertClass(size, Product);
    const val5 = +simd;
    let ptr0, len0, ptr1, len1, ptr2, len2, ptr3, len3;
    try {
        ptr0 = passArrayF32ToWasm0(codes, wasm.__wbindgen_malloc);
        len0 = WASM_VECTOR_LEN;
        ptr1 = passArrayF32ToWasm0(w, wasm.__wbindgen_malloc);
        len1 = WASM_VECTOR_LEN;
        ptr2 = isLikeNone(bias) ? 0 : passArrayF32ToWasm0(bias, wasm.__wbindgen_malloc);
        len2 = WASM_VECTOR_LEN;
        ptr3 = passArrayF32ToWasm0(out, wasm.__wbindgen_malloc);
        len3 = WASM_VECTOR_LEN;
    } catch (e) {
        if (ptr3) { wasm.__wbindgen_free(ptr3, len3 * 4, 4); }
        if (ptr2) { wasm.__wbindgen_free(ptr2, len2 * 4, 4); }
        if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 4, 4); }
        if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 4, 4); }
        throw e;
    }
    wasm.decode(val5, size.__wbg_ptr, ptr0, len0, ptr1, len1, ptr2, len2, ptr3, len3, out);
}

/**
 * As [`decode`], of the codes that aren't zero.
 * @param {boolean} simd
 * @param {Product} size
 * @param {Float32Array | number[]} codes
 * @param {Float32Array | number[]} w
 * @param {Float32Array | number[] | null | undefined} bias
 * @param {Float32Array} out
 */
export function decode_sparse(simd, size, codes, w, bias, out) {
    _assertClass(size, Product);
    const val5 = +simd;
    let ptr0, len0, ptr1, len1, ptr2, len2, ptr3, len3;
    try {
        ptr0 = passArrayF32ToWasm0(codes, wasm.__wbindgen_malloc);
        len0 = WASM_VECTOR_LEN;
        ptr1 = passArrayF32ToWasm0(w, wasm.__wbindgen_malloc);
        len1 = WASM_VECTOR_LEN;
        ptr2 = isLikeNone(bias) ? 0 : passArrayF32ToWasm0(bias, wasm.__wbindgen_malloc);
        len2 = WASM_VECTOR_LEN;
        ptr3 = passArrayF32ToWasm0(out, wasm.__wbindgen_malloc);
        len3 = WASM_VECTOR_LEN;
    } catch (e) {
        if (ptr3) { wasm.__wbindgen_free(ptr3, len3 * 4, 4); }
        if (ptr2) { wasm.__wbindgen_free(ptr2, len2 * 4, 4); }
        if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 4, 4); }
        if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 4, 4); }
        throw e;
    }
    wasm.decode_sparse(val5, size.__wbg_ptr, ptr0, len0, ptr1, len1, ptr2, len2, ptr3, len3, out);
}

/**
 * True when multiply-add rounds once on this engine: 1 + 2⁻¹² squared loses its last bit otherwise.
 * @returns {boolean}
 */
export function fused_multiply_add() {
    const ret = wasm.fused_multiply_add();
    return ret !== 0;
}

/**
 * @param {boolean} simd
 * @param {Product} size
 * @param {Float32Array | number[]} a
 * @param {Float32Array | number[]} b
 * @param {number} col_start
 * @param {number} col_end
 * @param {Float32Array | number[] | null | undefined} bias
 * @param {number} act
 * @param {Float32Array} out
 */
export function gemm(simd, size, a, b, col_start, col_end, bias, act, out) {
    _assertClass(size, Product);
    const val5 = +simd;
    const val6 = +col_start;
    const val7 = +col_end;
    const val8 = +act;
    let ptr0, len0, ptr1, len1, ptr2, len2, ptr3, len3;
    try {
        ptr0 = passArrayF32ToWasm0(a, wasm.__wbindgen_malloc);
        len0 = WASM_VECTOR_LEN;
        ptr1 = passArrayF32ToWasm0(b, wasm.__wbindgen_malloc);
        len1 = WASM_VECTOR_LEN;
        ptr2 = isLikeNone(bias) ? 0 : passArrayF32ToWasm0(bias, wasm.__wbindgen_malloc);
        len2 = WASM_VECTOR_LEN;
        ptr3 = passArrayF32ToWasm0(out, wasm.__wbindgen_malloc);
        len3 = WASM_VECTOR_LEN;
    } catch (e) {
        if (ptr3) { wasm.__wbindgen_free(ptr3, len3 * 4, 4); }
        if (ptr2) { wasm.__wbindgen_free(ptr2, len2 * 4, 4); }
        if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 4, 4); }
        if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 4, 4); }
        throw e;
    }
    wasm.gemm(val5, size.__wbg_ptr, ptr0, len0, ptr1, len1, val6, val7, ptr2, len2, val8, ptr3, len3, out);
}

/**
 * @param {boolean} simd
 * @param {Product} size
 * @param {Float32Array | number[]} a
 * @param {Float32Array | number[]} b
 * @param {number} block
 * @param {Float32Array | number[] | null | undefined} bias
 * @param {Float32Array} out
 */
export function gemm_blocks(simd, size, a, b, block, bias, out) {
    _assertClass(size, Product);
    const val5 = +simd;
    const val6 = +block;
    let ptr0, len0, ptr1, len1, ptr2, len2, ptr3, len3;
    try {
        ptr0 = passArrayF32ToWasm0(a, wasm.__wbindgen_malloc);
        len0 = WASM_VECTOR_LEN;
        ptr1 = passArrayF32ToWasm0(b, wasm.__wbindgen_malloc);
        len1 = WASM_VECTOR_LEN;
        ptr2 = isLikeNone(bias) ? 0 : passArrayF32ToWasm0(bias, wasm.__wbindgen_malloc);
        len2 = WASM_VECTOR_LEN;
        ptr3 = passArrayF32ToWasm0(out, wasm.__wbindgen_malloc);
        len3 = WASM_VECTOR_LEN;
    } catch (e) {
        if (ptr3) { wasm.__wbindgen_free(ptr3, len3 * 4, 4); }
        if (ptr2) { wasm.__wbindgen_free(ptr2, len2 * 4, 4); }
        if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 4, 4); }
        if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 4, 4); }
        throw e;
    }
    wasm.gemm_blocks(val5, size.__wbg_ptr, ptr0, len0, ptr1, len1, val6, ptr2, len2, ptr3, len3, out);
}

/**
 * `a` is dy here, with a row of `col_end - col_start`; `ranges` are col_start, col_end, k_start, k_end.
 * @param {boolean} simd
 * @param {Product} size
 * @param {Float32Array | number[]} a
 * @param {Float32Array | number[]} b
 * @param {Uint32Array | number[]} ranges
 * @param {Float32Array} out
 */
export function gemm_bt(simd, size, a, b, ranges, out) {
    _assertClass(size, Product);
    const val5 = +simd;
    let ptr0, len0, ptr1, len1, ptr2, len2, ptr3, len3;
    try {
        ptr0 = passArrayF32ToWasm0(a, wasm.__wbindgen_malloc);
        len0 = WASM_VECTOR_LEN;
        ptr1 = passArrayF32ToWasm0(b, wasm.__wbindgen_malloc);
        len1 = WASM_VECTOR_LEN;
        ptr2 = passArray32ToWasm0(ranges, wasm.__wbindgen_malloc);
        len2 = WASM_VECTOR_LEN;
        ptr3 = passArrayF32ToWasm0(out, wasm.__wbindgen_malloc);
        len3 = WASM_VECTOR_LEN;
    } catch (e) {
        if (ptr3) { wasm.__wbindgen_free(ptr3, len3 * 4, 4); }
        if (ptr2) { wasm.__wbindgen_free(ptr2, len2 * 4, 4); }
        if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 4, 4); }
        if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 4, 4); }
        throw e;
    }
    wasm.gemm_bt(val5, size.__wbg_ptr, ptr0, len0, ptr1, len1, ptr2, len2, ptr3, len3, out);
}

/**
 * Floating-point operations of one round of [`multiply_adds`].
 * @returns {number}
 */
export function multiply_add_operations() {
    const ret = wasm.multiply_add_operations();
    return ret >>> 0;
}

/**
 * The machine's rate: `rounds` rounds of independent 128-bit multiply-adds.
 * @param {number} rounds
 * @returns {number}
 */
export function multiply_adds(rounds) {
    const ret = wasm.multiply_adds(rounds);
    return ret;
}

/**
 * @param {boolean} simd
 * @param {Float32Array | number[]} x
 * @param {number} d
 * @param {number} eps
 * @param {boolean} center
 * @param {Float32Array | number[]} weight
 * @param {Float32Array | number[]} bias
 * @param {Float32Array} out
 * @param {Float32Array} scale
 * @param {Float32Array} normalized
 */
export function norm(simd, x, d, eps, center, weight, bias, out, scale, normalized) {
    const val7 = +simd;
    const val8 = +d;
    const val9 = +eps;
    const val10 = +center;
    let ptr0, len0, ptr1, len1, ptr2, len2, ptr3, len3, ptr4, len4, ptr5, len5;
    try {
        ptr0 = passArrayF32ToWasm0(x, wasm.__wbindgen_malloc);
        len0 = WASM_VECTOR_LEN;
        ptr1 = passArrayF32ToWasm0(weight, wasm.__wbindgen_malloc);
        len1 = WASM_VECTOR_LEN;
        ptr2 = passArrayF32ToWasm0(bias, wasm.__wbindgen_malloc);
        len2 = WASM_VECTOR_LEN;
        ptr3 = passArrayF32ToWasm0(out, wasm.__wbindgen_malloc);
        len3 = WASM_VECTOR_LEN;
        ptr4 = passArrayF32ToWasm0(scale, wasm.__wbindgen_malloc);
        len4 = WASM_VECTOR_LEN;
        ptr5 = passArrayF32ToWasm0(normalized, wasm.__wbindgen_malloc);
        len5 = WASM_VECTOR_LEN;
    } catch (e) {
        if (ptr5) { wasm.__wbindgen_free(ptr5, len5 * 4, 4); }
        if (ptr4) { wasm.__wbindgen_free(ptr4, len4 * 4, 4); }
        if (ptr3) { wasm.__wbindgen_free(ptr3, len3 * 4, 4); }
        if (ptr2) { wasm.__wbindgen_free(ptr2, len2 * 4, 4); }
        if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 4, 4); }
        if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 4, 4); }
        throw e;
    }
    wasm.norm(val7, ptr0, len0, val8, val9, val10, ptr1, len1, ptr2, len2, ptr3, len3, out, ptr4, len4, scale, ptr5, len5, normalized);
}

/**
 * @param {boolean} simd
 * @param {Float32Array | number[]} x
 * @param {number} d
 * @param {number} eps
 * @param {boolean} center
 * @param {Float32Array} centered
 * @param {Float32Array} scale
 */
export function norm_scale(simd, x, d, eps, center, centered, scale) {
    const val4 = +simd;
    const val5 = +d;
    const val6 = +eps;
    const val7 = +center;
    let ptr0, len0, ptr1, len1, ptr2, len2;
    try {
        ptr0 = passArrayF32ToWasm0(x, wasm.__wbindgen_malloc);
        len0 = WASM_VECTOR_LEN;
        ptr1 = passArrayF32ToWasm0(centered, wasm.__wbindgen_malloc);
        len1 = WASM_VECTOR_LEN;
        ptr2 = passArrayF32ToWasm0(scale, wasm.__wbindgen_malloc);
        len2 = WASM_VECTOR_LEN;
    } catch (e) {
        if (ptr2) { wasm.__wbindgen_free(ptr2, len2 * 4, 4); }
        if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 4, 4); }
        if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 4, 4); }
        throw e;
    }
    wasm.norm_scale(val4, ptr0, len0, val5, val6, val7, ptr1, len1, centered, ptr2, len2, scale);
}

/**
 * How often a SIMD kernel has been called.
 * @returns {number}
 */
export function simd_calls() {
    const ret = wasm.simd_calls();
    return ret >>> 0;
}

/**
 * @param {boolean} simd
 * @param {boolean} log
 * @param {Float32Array | number[]} x
 * @param {number} n
 * @param {Float32Array} out
 */
export function softmax(simd, log, x, n, out) {
    const val3 = +simd;
    const val4 = +log;
    const val5 = +n;
    let ptr0, len0, ptr1, len1;
    try {
        ptr0 = passArrayF32ToWasm0(x, wasm.__wbindgen_malloc);
        len0 = WASM_VECTOR_LEN;
        ptr1 = passArrayF32ToWasm0(out, wasm.__wbindgen_malloc);
        len1 = WASM_VECTOR_LEN;
    } catch (e) {
        if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 4, 4); }
        if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 4, 4); }
        throw e;
    }
    wasm.softmax(val3, val4, ptr0, len0, val5, ptr1, len1, out);
}

/**
 * The packed matrix' cells as the products see them, row-major.
 * @param {Product} size
 * @param {Float32Array | number[]} b
 * @returns {Float32Array}
 */
export function widened(size, b) {
    _assertClass(size, Product);
    const ptr0 = passArrayF32ToWasm0(b, wasm.__wbindgen_malloc);
    const len0 = WASM_VECTOR_LEN;
    const ret = wasm.widened(size.__wbg_ptr, ptr0, len0);
    var v2 = getArrayF32FromWasm0(ret[0], ret[1]).slice();
    wasm.__wbindgen_free(ret[0], ret[1] * 4, 4);
    return v2;
}
function __wbg_get_imports() {
    const import0 = {
        __proto__: null,
        __wbg___wbindgen_copy_to_typed_array_680b191e71920dc1: function(arg0, arg1, arg2) {
            new Uint8Array(arg2.buffer, arg2.byteOffset, arg2.byteLength).set(getArrayU8FromWasm0(arg0, arg1));
        },
        __wbg___wbindgen_throw_4c88d8bf264fd984: function(arg0, arg1) {
            throw new Error(getStringFromWasm0(arg0, arg1));
        },
        __wbindgen_init_externref_table: function() {
            const table = wasm.__wbindgen_externrefs;
            table.set(0, undefined);
            table.set(1024, undefined);
            table.set(1025, null);
            table.set(1026, true);
            table.set(1027, false);
        },
    };
    return {
        __proto__: null,
        "./splicer_bg.js": import0,
    };
}

const BenchFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_bench_free(ptr, 1));
const EncoderFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_encoder_free(ptr, 1));
const EncoderBenchFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_encoderbench_free(ptr, 1));
const GeometryFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_geometry_free(ptr, 1));
const ProductFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_product_free(ptr, 1));

function _assertClass(instance, klass) {
    if (!(instance instanceof klass)) {
        throw new Error(`expected instance of ${klass.name}`);
    }
}

function getArrayF32FromWasm0(ptr, len) {
    ptr = ptr >>> 0;
    return getFloat32ArrayMemory0().subarray(ptr / 4, ptr / 4 + len);
}

function getArrayU8FromWasm0(ptr, len) {
    ptr = ptr >>> 0;
    return getUint8ArrayMemory0().subarray(ptr / 1, ptr / 1 + len);
}

let cachedFloat32ArrayMemory0 = null;
function getFloat32ArrayMemory0() {
    if (cachedFloat32ArrayMemory0 === null || cachedFloat32ArrayMemory0.byteLength === 0) {
        cachedFloat32ArrayMemory0 = new Float32Array(wasm.memory.buffer);
    }
    return cachedFloat32ArrayMemory0;
}

let cachedFloat64ArrayMemory0 = null;
function getFloat64ArrayMemory0() {
    if (cachedFloat64ArrayMemory0 === null || cachedFloat64ArrayMemory0.byteLength === 0) {
        cachedFloat64ArrayMemory0 = new Float64Array(wasm.memory.buffer);
    }
    return cachedFloat64ArrayMemory0;
}

function getStringFromWasm0(ptr, len) {
    ptr = ptr >>> 0;
    return decodeText(getUint8ArrayMemory0().subarray(ptr, ptr + len));
}

let cachedUint32ArrayMemory0 = null;
function getUint32ArrayMemory0() {
    if (cachedUint32ArrayMemory0 === null || cachedUint32ArrayMemory0.byteLength === 0) {
        cachedUint32ArrayMemory0 = new Uint32Array(wasm.memory.buffer);
    }
    return cachedUint32ArrayMemory0;
}

let cachedUint8ArrayMemory0 = null;
function getUint8ArrayMemory0() {
    if (cachedUint8ArrayMemory0 === null || cachedUint8ArrayMemory0.byteLength === 0) {
        cachedUint8ArrayMemory0 = new Uint8Array(wasm.memory.buffer);
    }
    return cachedUint8ArrayMemory0;
}

function isLikeNone(x) {
    return x === undefined || x === null;
}

function passArray32ToWasm0(arg, malloc) {
    const ptr = malloc(arg.length * 4, 4) >>> 0;
    getUint32ArrayMemory0().set(arg, ptr / 4);
    WASM_VECTOR_LEN = arg.length;
    return ptr;
}

function passArray8ToWasm0(arg, malloc) {
    const ptr = malloc(arg.length * 1, 1) >>> 0;
    getUint8ArrayMemory0().set(arg, ptr / 1);
    WASM_VECTOR_LEN = arg.length;
    return ptr;
}

function passArrayF32ToWasm0(arg, malloc) {
    const ptr = malloc(arg.length * 4, 4) >>> 0;
    getFloat32ArrayMemory0().set(arg, ptr / 4);
    WASM_VECTOR_LEN = arg.length;
    return ptr;
}

function passArrayF64ToWasm0(arg, malloc) {
    const ptr = malloc(arg.length * 8, 8) >>> 0;
    getFloat64ArrayMemory0().set(arg, ptr / 8);
    WASM_VECTOR_LEN = arg.length;
    return ptr;
}

let cachedTextDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
cachedTextDecoder.decode();
const MAX_SAFARI_DECODE_BYTES = 2146435072;
let numBytesDecoded = 0;
function decodeText(bytes) {
    numBytesDecoded += bytes.length;
    if (numBytesDecoded >= MAX_SAFARI_DECODE_BYTES) {
        cachedTextDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
        cachedTextDecoder.decode();
        numBytesDecoded = bytes.length;
    }
    return cachedTextDecoder.decode(bytes);
}

let WASM_VECTOR_LEN = 0;

let wasmModule, wasmInstance, wasm;
function __wbg_finalize_init(instance, module) {
    wasmInstance = instance;
    wasm = instance.exports;
    wasmModule = module;
    cachedFloat32ArrayMemory0 = null;
    cachedFloat64ArrayMemory0 = null;
    cachedUint32ArrayMemory0 = null;
    cachedUint8ArrayMemory0 = null;
    wasm.__wbindgen_start();
    return wasm;
}

async function __wbg_load(module, imports) {
    if (typeof Response === 'function' && module instanceof Response) {
        if (!module.ok) {
            throw new Error(`failed to fetch Wasm: ${module.status} ${module.statusText} fetching '${module.url}'`);
        }

        if (typeof WebAssembly.instantiateStreaming === 'function') {
            try {
                return await WebAssembly.instantiateStreaming(module, imports);
            } catch (e) {
                const validResponse = expectedResponseType(module.type);

                if (validResponse && module.headers.get('Content-Type') !== 'application/wasm') {
                    console.warn("`WebAssembly.instantiateStreaming` failed because your server does not serve Wasm with `application/wasm` MIME type. Falling back to `WebAssembly.instantiate` which is slower. Original error:\n", e);

                } else { throw e; }
            }
        }

        const bytes = await module.arrayBuffer();
        return await WebAssembly.instantiate(bytes, imports);
    } else {
        const instance = await WebAssembly.instantiate(module, imports);

        if (instance instanceof WebAssembly.Instance) {
            return { instance, module };
        } else {
            return instance;
        }
    }

    function expectedResponseType(type) {
        switch (type) {
            case 'basic': case 'cors': case 'default': return true;
        }
        return false;
    }
}

function initSync(module) {
    if (wasm !== undefined) return wasm;


    if (module !== undefined) {
        if (Object.getPrototypeOf(module) === Object.prototype) {
            ({module} = module)
        } else {
            console.warn('using deprecated parameters for `initSync()`; pass a single object instead')
        }
    }

    const imports = __wbg_get_imports();
    if (!(module instanceof WebAssembly.Module)) {
        module = new WebAssembly.Module(module);
    }
    const instance = new WebAssembly.Instance(module, imports);
    return __wbg_finalize_init(instance, module);
}

let __wbg_init_promise;
async function __wbg_init(module_or_path) {
    if (wasm !== undefined) return wasm;
    if (__wbg_init_promise === undefined) {
        __wbg_init_promise = __wbg_init_once(module_or_path);
        __wbg_init_promise.catch(() => { __wbg_init_promise = undefined; });
    }
    return __wbg_init_promise;
}

async function __wbg_init_once(module_or_path) {

    if (module_or_path !== undefined) {
        if (Object.getPrototypeOf(module_or_path) === Object.prototype) {
            ({module_or_path} = module_or_path)
        } else {
            console.warn('using deprecated parameters for the initialization function; pass a single object instead')
        }
    }

    if (module_or_path === undefined) {
        module_or_path = new URL('splicer_bg.wasm', import.meta.url);
    }
    const imports = __wbg_get_imports();

    if (typeof module_or_path === 'string' || (typeof Request === 'function' && module_or_path instanceof Request) || (typeof URL === 'function' && module_or_path instanceof URL)) {
        module_or_path = fetch(module_or_path);
    }

    const { instance, module } = await __wbg_load(await module_or_path, imports);

    return __wbg_finalize_init(instance, module);
}

export { initSync, __wbg_init as default };
