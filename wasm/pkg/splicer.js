/* @ts-self-types="./splicer.d.ts" */

export function abandon_backward() {
    const ret = wasm.abandon_backward();
    if (ret[1]) {
        throw takeFromExternrefTable0(ret[0]);
    }
}

/**
 * @param {number} act
 * @param {number} a
 * @returns {number}
 */
export function activate(act, a) {
    const ret = wasm.activate(act, a);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * Adds vector times matrix `[x.len(), columns]` to biases `[.., columns]`, one for each matrix.
 * @param {Float32Array} bias
 * @param {Float32Array | number[]} x
 * @param {Float32Array | number[]} matrices
 * @param {number} columns
 */
export function add_product(bias, x, matrices, columns) {
    const val4 = +columns;
    let ptr0, len0, ptr1, len1, ptr2, len2;
    try {
        ptr0 = passArrayF32ToWasm0(bias, wasm.__wbindgen_malloc);
        len0 = WASM_VECTOR_LEN;
        ptr1 = passArrayF32ToWasm0(x, wasm.__wbindgen_malloc);
        len1 = WASM_VECTOR_LEN;
        ptr2 = passArrayF32ToWasm0(matrices, wasm.__wbindgen_malloc);
        len2 = WASM_VECTOR_LEN;
    } catch (e) {
        if (ptr2) { wasm.__wbindgen_free(ptr2, len2 * 4, 4); }
        if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 4, 4); }
        if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 4, 4); }
        throw e;
    }
    const ret = wasm.add_product(ptr0, len0, bias, ptr1, len1, ptr2, len2, val4);
    if (ret[1]) {
        throw takeFromExternrefTable0(ret[0]);
    }
}

/**
 * @param {number} a
 * @param {Uint32Array | number[]} axes
 * @param {boolean} keepdim
 * @returns {number}
 */
export function all(a, axes, keepdim) {
    const val2 = +a;
    const val3 = +keepdim;
    const ptr0 = passArray32ToWasm0(axes, wasm.__wbindgen_malloc);
    const len0 = WASM_VECTOR_LEN;
    const ret = wasm.all(val2, ptr0, len0, val3);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * A new tensor of zeros; dtype 0 float, 1 int, 2 bool. The caller fills it through [`data_pointer`].
 * @param {Uint32Array | number[]} shape
 * @param {number} dtype
 * @returns {number}
 */
export function allocate(shape, dtype) {
    const val2 = +dtype;
    const ptr0 = passArray32ToWasm0(shape, wasm.__wbindgen_malloc);
    const len0 = WASM_VECTOR_LEN;
    const ret = wasm.allocate(ptr0, len0, val2);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * @param {number} a
 * @param {Uint32Array | number[]} axes
 * @param {boolean} keepdim
 * @returns {number}
 */
export function any(a, axes, keepdim) {
    const val2 = +a;
    const val3 = +keepdim;
    const ptr0 = passArray32ToWasm0(axes, wasm.__wbindgen_malloc);
    const len0 = WASM_VECTOR_LEN;
    const ret = wasm.any(val2, ptr0, len0, val3);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * The index of the extreme along `dim`, or in the flattened tensor when `dim` is negative.
 * @param {number} a
 * @param {number} dim
 * @param {boolean} keepdim
 * @param {boolean} largest
 * @returns {number}
 */
export function arg_extreme(a, dim, keepdim, largest) {
    const ret = wasm.arg_extreme(a, dim, keepdim, largest);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * Lets `target` hold `source`'s value from now on: an edit in place, as the tape sees it.
 * @param {number} target
 * @param {number} source
 */
export function assign(target, source) {
    const ret = wasm.assign(target, source);
    if (ret[1]) {
        throw takeFromExternrefTable0(ret[0]);
    }
}

/**
 * Gives a value that was copied in its place on the tape back.
 * @param {number} handle
 * @param {number} node
 */
export function attach(handle, node) {
    const ret = wasm.attach(handle, node);
    if (ret[1]) {
        throw takeFromExternrefTable0(ret[0]);
    }
}

/**
 * The mix of values under a pattern: `[rows, n_heads, d_head]`.
 * @param {number} geometry
 * @param {number} pattern
 * @param {number} v
 * @returns {number}
 */
export function attend_mix(geometry, pattern, v) {
    const ret = wasm.attend_mix(geometry, pattern, v);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * `[rows, n_heads, n_keys]`, -inf where masked.
 * @param {number} geometry
 * @param {number} q
 * @param {number} k
 * @returns {number}
 */
export function attend_scores(geometry, q, k) {
    const ret = wasm.attend_scores(geometry, q, k);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * Scores, softmax and mix: `[rows, n_heads, d_head]`.
 * @param {number} geometry
 * @param {number} q
 * @param {number} k
 * @param {number} v
 * @returns {number}
 */
export function attention(geometry, q, k, v) {
    const ret = wasm.attention(geometry, q, k, v);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * The same with what lies inside: `[z, scores, pattern]`.
 * @param {number} geometry
 * @param {number} q
 * @param {number} k
 * @param {number} v
 * @returns {Uint32Array}
 */
export function attention_parts(geometry, q, k, v) {
    const ret = wasm.attention_parts(geometry, q, k, v);
    if (ret[3]) {
        throw takeFromExternrefTable0(ret[2]);
    }
    var v1 = getArrayU32FromWasm0(ret[0], ret[1]).slice();
    wasm.__wbindgen_free(ret[0], ret[1] * 4, 4);
    return v1;
}

/**
 * `Σ_h z W_O[h] + b_O`.
 * @param {number} z
 * @param {number} weight
 * @param {number} bias
 * @param {number} n_heads
 * @returns {number}
 */
export function attn_out(z, weight, bias, n_heads) {
    const ret = wasm.attn_out(z, weight, bias, n_heads);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * Starts a walk back from `node` with the gradient `seed`.
 * @param {number} node
 * @param {number} seed
 */
export function begin_backward(node, seed) {
    const ret = wasm.begin_backward(node, seed);
    if (ret[1]) {
        throw takeFromExternrefTable0(ret[0]);
    }
}

/**
 * Opens a run and returns its group.
 * @returns {number}
 */
export function begin_run() {
    const ret = wasm.begin_run();
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * @returns {number}
 */
export function begin_scope() {
    const ret = wasm.begin_scope();
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * @param {number} kind
 * @param {number} a
 * @param {number} b
 * @returns {number}
 */
export function binary(kind, a, b) {
    const ret = wasm.binary(kind, a, b);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * Where a value's buffer is, which tells it from those that others have.
 * @param {number} handle
 * @returns {number}
 */
export function buffer_address(handle) {
    const ret = wasm.buffer_address(handle);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * The bytes of a value's buffer.
 * @param {number} handle
 * @returns {number}
 */
export function buffer_size(handle) {
    const ret = wasm.buffer_size(handle);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * @param {number} a
 * @param {number} dtype
 * @returns {number}
 */
export function cast(a, dtype) {
    const ret = wasm.cast(a, dtype);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * @param {Uint32Array | number[]} tensors
 * @param {number} axis
 * @returns {number}
 */
export function cat(tensors, axis) {
    const val2 = +axis;
    const ptr0 = passArray32ToWasm0(tensors, wasm.__wbindgen_malloc);
    const len0 = WASM_VECTOR_LEN;
    const ret = wasm.cat(ptr0, len0, val2);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * `x - mean(x)` over the last axis.
 * @param {number} x
 * @returns {number}
 */
export function center(x) {
    const ret = wasm.center(x);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * Takes the mean from each row of `columns`.
 * @param {Float32Array} rows
 * @param {number} columns
 */
export function center_rows(rows, columns) {
    const val2 = +columns;
    var ptr0 = passArrayF32ToWasm0(rows, wasm.__wbindgen_malloc);
    var len0 = WASM_VECTOR_LEN;
    const ret = wasm.center_rows(ptr0, len0, rows, val2);
    if (ret[1]) {
        throw takeFromExternrefTable0(ret[0]);
    }
}

/**
 * The rows in which two values differ in some bit.
 * @param {number} a
 * @param {number} b
 * @returns {Uint32Array}
 */
export function changed_rows(a, b) {
    const ret = wasm.changed_rows(a, b);
    if (ret[3]) {
        throw takeFromExternrefTable0(ret[2]);
    }
    var v1 = getArrayU32FromWasm0(ret[0], ret[1]).slice();
    wasm.__wbindgen_free(ret[0], ret[1] * 4, 4);
    return v1;
}

/**
 * @param {number} a
 * @param {number} min
 * @param {number} max
 * @returns {number}
 */
export function clamp(a, min, max) {
    const ret = wasm.clamp(a, min, max);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * @param {number} kind
 * @param {number} a
 * @param {number} b
 * @returns {number}
 */
export function compare(kind, a, b) {
    const ret = wasm.compare(kind, a, b);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * The address of a tensor's elements, valid until the next call into the module.
 * @param {number} handle
 * @returns {number}
 */
export function data_pointer(handle) {
    const ret = wasm.data_pointer(handle);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * `codes W_dec + b_dec`.
 * @param {number} codes
 * @param {number} weight
 * @param {number} bias
 * @returns {number}
 */
export function decode(codes, weight, bias) {
    const ret = wasm.decode(codes, weight, bias);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * What a gradient of codes comes from, `dy` and the decoder's weight, as `[dy, weight]`; empty for any other value, and where the
 * weight is gone.
 * @param {number} handle
 * @returns {Uint32Array}
 */
export function decoded_parts(handle) {
    const ret = wasm.decoded_parts(handle);
    if (ret[3]) {
        throw takeFromExternrefTable0(ret[2]);
    }
    var v1 = getArrayU32FromWasm0(ret[0], ret[1]).slice();
    wasm.__wbindgen_free(ret[0], ret[1] * 4, 4);
    return v1;
}

/**
 * The same value without its place on the tape.
 * @param {number} handle
 * @returns {number}
 */
export function detach(handle) {
    const ret = wasm.detach(handle);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * @param {number} handle
 * @returns {number}
 */
export function dtype_of(handle) {
    const ret = wasm.dtype_of(handle);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * `relu(x W + b)`, zero also where it doesn't exceed a threshold; screened unless `screen` is 0.
 * @param {number} x
 * @param {number} weight
 * @param {number} bias
 * @param {number} thresholds
 * @param {number} screen
 * @returns {number}
 */
export function encode(x, weight, bias, thresholds, screen) {
    const ret = wasm.encode(x, weight, bias, thresholds, screen);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

export function end_run() {
    const ret = wasm.end_run();
    if (ret[1]) {
        throw takeFromExternrefTable0(ret[0]);
    }
}

/**
 * @param {number} depth
 * @param {Uint32Array | number[]} keep
 */
export function end_scope(depth, keep) {
    const val2 = +depth;
    const ptr0 = passArray32ToWasm0(keep, wasm.__wbindgen_malloc);
    const len0 = WASM_VECTOR_LEN;
    const ret = wasm.end_scope(val2, ptr0, len0);
    if (ret[1]) {
        throw takeFromExternrefTable0(ret[0]);
    }
}

/**
 * @param {number} a
 * @param {Uint32Array | number[]} shape
 * @returns {number}
 */
export function expand(a, shape) {
    const val2 = +a;
    const ptr0 = passArray32ToWasm0(shape, wasm.__wbindgen_malloc);
    const len0 = WASM_VECTOR_LEN;
    const ret = wasm.expand(val2, ptr0, len0);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * The same for float16, or bfloat16.
 * @param {number} weight
 * @param {Uint16Array | number[]} elements
 * @param {boolean} is_bfloat16
 * @param {number} start
 * @param {Uint32Array | number[]} layout
 */
export function fill_weight_halves(weight, elements, is_bfloat16, start, layout) {
    const val3 = +weight;
    const val4 = +is_bfloat16;
    const val5 = +start;
    let ptr0, len0, ptr1, len1;
    try {
        ptr0 = passArray16ToWasm0(elements, wasm.__wbindgen_malloc);
        len0 = WASM_VECTOR_LEN;
        ptr1 = passArray32ToWasm0(layout, wasm.__wbindgen_malloc);
        len1 = WASM_VECTOR_LEN;
    } catch (e) {
        if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 4, 4); }
        if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 2, 2); }
        throw e;
    }
    const ret = wasm.fill_weight_halves(val3, ptr0, len0, val4, val5, ptr1, len1);
    if (ret[1]) {
        throw takeFromExternrefTable0(ret[0]);
    }
}

/**
 * Takes over what lies among a tensor's elements from `start` on.
 * @param {number} weight
 * @param {Float32Array | number[]} elements
 * @param {number} start
 * @param {Uint32Array | number[]} layout
 */
export function fill_weight_singles(weight, elements, start, layout) {
    const val3 = +weight;
    const val4 = +start;
    let ptr0, len0, ptr1, len1;
    try {
        ptr0 = passArrayF32ToWasm0(elements, wasm.__wbindgen_malloc);
        len0 = WASM_VECTOR_LEN;
        ptr1 = passArray32ToWasm0(layout, wasm.__wbindgen_malloc);
        len1 = WASM_VECTOR_LEN;
    } catch (e) {
        if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 4, 4); }
        if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 4, 4); }
        throw e;
    }
    const ret = wasm.fill_weight_singles(val3, ptr0, len0, val4, ptr1, len1);
    if (ret[1]) {
        throw takeFromExternrefTable0(ret[0]);
    }
}

/**
 * @param {number} handle
 */
export function free(handle) {
    const ret = wasm.free(handle);
    if (ret[1]) {
        throw takeFromExternrefTable0(ret[0]);
    }
}

/**
 * @param {number} geometry
 */
export function free_geometry(geometry) {
    const ret = wasm.free_geometry(geometry);
    if (ret[1]) {
        throw takeFromExternrefTable0(ret[0]);
    }
}

/**
 * @param {number} screen
 */
export function free_screen(screen) {
    const ret = wasm.free_screen(screen);
    if (ret[1]) {
        throw takeFromExternrefTable0(ret[0]);
    }
}

/**
 * @param {number} weight
 */
export function free_weight(weight) {
    const ret = wasm.free_weight(weight);
    if (ret[1]) {
        throw takeFromExternrefTable0(ret[0]);
    }
}

/**
 * @param {number} a
 * @param {number} dim
 * @param {number} index
 * @returns {number}
 */
export function gather(a, dim, index) {
    const ret = wasm.gather(a, dim, index);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * The rows and keys of a run's attention; lives until [`free_geometry`]. `rows` holds (batch, key index) pairs, `key_mask` is
 * empty or one flag per (batch, key), `slopes` is empty or one number a head; a `window` or `soft_cap` of 0 is none.
 * @param {Uint32Array | number[]} rows
 * @param {Uint8Array | number[]} key_mask
 * @param {number} batch
 * @param {number} n_keys
 * @param {number} n_heads
 * @param {number} n_key_heads
 * @param {number} d_head
 * @param {number} scale
 * @param {number} window
 * @param {number} soft_cap
 * @param {Float64Array | number[]} slopes
 * @returns {number}
 */
export function geometry(rows, key_mask, batch, n_keys, n_heads, n_key_heads, d_head, scale, window, soft_cap, slopes) {
    const val4 = +batch;
    const val5 = +n_keys;
    const val6 = +n_heads;
    const val7 = +n_key_heads;
    const val8 = +d_head;
    const val9 = +scale;
    const val10 = +window;
    const val11 = +soft_cap;
    let ptr0, len0, ptr1, len1, ptr2, len2;
    try {
        ptr0 = passArray32ToWasm0(rows, wasm.__wbindgen_malloc);
        len0 = WASM_VECTOR_LEN;
        ptr1 = passArray8ToWasm0(key_mask, wasm.__wbindgen_malloc);
        len1 = WASM_VECTOR_LEN;
        ptr2 = passArrayF64ToWasm0(slopes, wasm.__wbindgen_malloc);
        len2 = WASM_VECTOR_LEN;
    } catch (e) {
        if (ptr2) { wasm.__wbindgen_free(ptr2, len2 * 8, 8); }
        if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 1, 1); }
        if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 4, 4); }
        throw e;
    }
    const ret = wasm.geometry(ptr0, len0, ptr1, len1, val4, val5, val6, val7, val8, val9, val10, val11, ptr2, len2);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * The group that a node belongs to, 0 when the node is gone.
 * @param {number} node
 * @returns {number}
 */
export function group_of(node) {
    const ret = wasm.group_of(node);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * What each head writes to the residual stream: `[.., n_heads, d_model]`.
 * @param {number} z
 * @param {number} weight
 * @param {number} n_heads
 * @returns {number}
 */
export function head_results(z, weight, n_heads) {
    const ret = wasm.head_results(z, weight, n_heads);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * @param {number} a
 * @param {Int32Array | number[]} codes
 * @returns {number}
 */
export function index(a, codes) {
    const val2 = +a;
    const ptr0 = passArray32ToWasm0(codes, wasm.__wbindgen_malloc);
    const len0 = WASM_VECTOR_LEN;
    const ret = wasm.index(val2, ptr0, len0);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * Lets `target` hold its value with a region replaced. Without a recording the buffer is written in place, unless shared.
 * @param {number} target
 * @param {number} value
 * @param {Int32Array | number[]} codes
 */
export function index_put(target, value, codes) {
    const val2 = +target;
    const val3 = +value;
    const ptr0 = passArray32ToWasm0(codes, wasm.__wbindgen_malloc);
    const len0 = WASM_VECTOR_LEN;
    const ret = wasm.index_put(val2, val3, ptr0, len0);
    if (ret[1]) {
        throw takeFromExternrefTable0(ret[0]);
    }
}

/**
 * @param {number} a
 * @param {number} dim
 * @param {number} index
 * @returns {number}
 */
export function index_select(a, dim, index) {
    const ret = wasm.index_select(a, dim, index);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * Whether a value's elements haven't been computed.
 * @param {number} handle
 * @returns {boolean}
 */
export function is_deferred(handle) {
    const ret = wasm.is_deferred(handle);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] !== 0;
}

/**
 * @param {number} group
 * @returns {boolean}
 */
export function is_pending(group) {
    const ret = wasm.is_pending(group);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] !== 0;
}

/**
 * @param {number} node
 * @returns {boolean}
 */
export function is_recorded(node) {
    const ret = wasm.is_recorded(node);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] !== 0;
}

/**
 * `h` where it exceeds both its threshold and zero.
 * @param {number} h
 * @param {number} threshold
 * @returns {number}
 */
export function jumprelu(h, threshold) {
    const ret = wasm.jumprelu(h, threshold);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * `act(x W + b)` over the trailing `in_axes` axes of `x`, replaced by `out_dims`.
 * @param {number} x
 * @param {number} weight
 * @param {number} bias
 * @param {number} in_axes
 * @param {Uint32Array | number[]} out_dims
 * @param {number} act
 * @returns {number}
 */
export function linear(x, weight, bias, in_axes, out_dims, act) {
    const val2 = +x;
    const val3 = +weight;
    const val4 = +bias;
    const val5 = +in_axes;
    const val6 = +act;
    const ptr0 = passArray32ToWasm0(out_dims, wasm.__wbindgen_malloc);
    const len0 = WASM_VECTOR_LEN;
    const ret = wasm.linear(val2, val3, val4, val5, ptr0, len0, val6);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * Single cells of `x W + b`, `[n]`: that of column `columns[i]` in row `rows[i]` of `x`.
 * @param {number} x
 * @param {number} weight
 * @param {number} bias
 * @param {Uint32Array | number[]} rows
 * @param {Uint32Array | number[]} columns
 * @returns {number}
 */
export function linear_at(x, weight, bias, rows, columns) {
    const val3 = +x;
    const val4 = +weight;
    const val5 = +bias;
    let ptr0, len0, ptr1, len1;
    try {
        ptr0 = passArray32ToWasm0(rows, wasm.__wbindgen_malloc);
        len0 = WASM_VECTOR_LEN;
        ptr1 = passArray32ToWasm0(columns, wasm.__wbindgen_malloc);
        len1 = WASM_VECTOR_LEN;
    } catch (e) {
        if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 4, 4); }
        if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 4, 4); }
        throw e;
    }
    const ret = wasm.linear_at(val3, val4, val5, ptr0, len0, ptr1, len1);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * One input row per head: `[.., n_heads, d_in]` to `[.., n_heads, d_head]`, `shared_by` neighbouring heads for each of the weight's.
 * @param {number} x
 * @param {number} weight
 * @param {number} bias
 * @param {number} n_heads
 * @param {number} shared_by
 * @returns {number}
 */
export function linear_heads(x, weight, bias, n_heads, shared_by) {
    const ret = wasm.linear_heads(x, weight, bias, n_heads, shared_by);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * Bytes held by values, weights and the tape.
 * @returns {number}
 */
export function live_bytes() {
    const ret = wasm.live_bytes();
    return ret;
}

/**
 * @param {number} a
 * @param {number} dim
 * @returns {number}
 */
export function log_softmax(a, dim) {
    const ret = wasm.log_softmax(a, dim);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * @param {number} kind
 * @param {number} a
 * @param {number} b
 * @returns {number}
 */
export function logical(kind, a, b) {
    const ret = wasm.logical(kind, a, b);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * @param {number} a
 * @returns {number}
 */
export function logical_not(a) {
    const ret = wasm.logical_not(a);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * Rows of a packed weight, or of its transpose: `[indices.len(), ..]`.
 * @param {number} weight
 * @param {number} indices
 * @param {boolean} by_column
 * @returns {number}
 */
export function lookup(weight, indices, by_column) {
    const ret = wasm.lookup(weight, indices, by_column);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * Stretches of the one row of a packed weight: `[indices.len(), width]`.
 * @param {number} weight
 * @param {number} indices
 * @param {number} width
 * @returns {number}
 */
export function lookup_stretches(weight, indices, width) {
    const ret = wasm.lookup_stretches(weight, indices, width);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * @param {number} a
 * @param {number} b
 * @returns {number}
 */
export function matmul(a, b) {
    const ret = wasm.matmul(a, b);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * @param {number} a
 * @param {Uint32Array | number[]} axes
 * @param {boolean} keepdim
 * @returns {number}
 */
export function mean(a, axes, keepdim) {
    const val2 = +a;
    const val3 = +keepdim;
    const ptr0 = passArray32ToWasm0(axes, wasm.__wbindgen_malloc);
    const len0 = WASM_VECTOR_LEN;
    const ret = wasm.mean(val2, ptr0, len0, val3);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * `recons + error`, or `x` itself in the rows where neither differs from its clean value.
 * @param {number} x
 * @param {number} clean_recons
 * @param {number} clean_error
 * @param {number} recons
 * @param {number} error
 * @param {number} row
 * @returns {number}
 */
export function merge_error(x, clean_recons, clean_error, recons, error, row) {
    const ret = wasm.merge_error(x, clean_recons, clean_error, recons, error, row);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * The first `used` positions of a room in one of `positions`.
 * @param {number} room
 * @param {number} positions
 * @param {number} used
 * @returns {number}
 */
export function moved_room(room, positions, used) {
    const ret = wasm.moved_room(room, positions, used);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * Quantises an encoder, for [`encode`]; lives until [`free_screen`]. 0 when it can't be screened, or this engine can't screen.
 * @param {number} weight
 * @param {number} bias
 * @param {number} thresholds
 * @returns {number}
 */
export function new_screen(weight, bias, thresholds) {
    const ret = wasm.new_screen(weight, bias, thresholds);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * A `[rows, cols]` matrix of zeros for products, which lives until [`free_weight`].
 * @param {number} rows
 * @param {number} cols
 * @param {number} storage
 * @returns {number}
 */
export function new_weight(rows, cols, storage) {
    const ret = wasm.new_weight(rows, cols, storage);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * The next stop as `[node, gradient handle]`; empty when the walk is over.
 * @returns {Uint32Array}
 */
export function next_stop() {
    const ret = wasm.next_stop();
    if (ret[3]) {
        throw takeFromExternrefTable0(ret[2]);
    }
    var v1 = getArrayU32FromWasm0(ret[0], ret[1]).slice();
    wasm.__wbindgen_free(ret[0], ret[1] * 4, 4);
    return v1;
}

/**
 * The value's place on the tape, 0 when it isn't recorded.
 * @param {number} handle
 * @returns {number}
 */
export function node_of(handle) {
    const ret = wasm.node_of(handle);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * The indices of the non-zero cells: `[n, rank]`.
 * @param {number} a
 * @returns {number}
 */
export function nonzero(a) {
    const ret = wasm.nonzero(a);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * Layer norm (or RMS norm unless `center`), with weight and bias where they are given.
 * @param {number} x
 * @param {number} eps
 * @param {boolean} center
 * @param {number} weight
 * @param {number} bias
 * @returns {number}
 */
export function norm(x, eps, center, weight, bias) {
    const ret = wasm.norm(x, eps, center, weight, bias);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * The same with what lies inside: `[out, scale, normalized]`.
 * @param {number} x
 * @param {number} eps
 * @param {boolean} center
 * @param {number} weight
 * @param {number} bias
 * @returns {Uint32Array}
 */
export function norm_parts(x, eps, center, weight, bias) {
    const ret = wasm.norm_parts(x, eps, center, weight, bias);
    if (ret[3]) {
        throw takeFromExternrefTable0(ret[2]);
    }
    var v1 = getArrayU32FromWasm0(ret[0], ret[1]).slice();
    wasm.__wbindgen_free(ret[0], ret[1] * 4, 4);
    return v1;
}

/**
 * A second handle to the same value, owned by the caller (no scope frees it). It isn't recorded.
 * @param {number} handle
 * @returns {number}
 */
export function own(handle) {
    const ret = wasm.own(handle);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * Bytes held by packed weights.
 * @returns {number}
 */
export function packed_bytes() {
    const ret = wasm.packed_bytes();
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0];
}

export function pause_recording() {
    const ret = wasm.pause_recording();
    if (ret[1]) {
        throw takeFromExternrefTable0(ret[0]);
    }
}

/**
 * @param {number} a
 * @param {Uint32Array | number[]} order
 * @returns {number}
 */
export function permute(a, order) {
    const val2 = +a;
    const ptr0 = passArray32ToWasm0(order, wasm.__wbindgen_malloc);
    const len0 = WASM_VECTOR_LEN;
    const ret = wasm.permute(val2, ptr0, len0);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * Forgets what the group recorded.
 * @param {number} group
 */
export function release_group(group) {
    const ret = wasm.release_group(group);
    if (ret[1]) {
        throw takeFromExternrefTable0(ret[0]);
    }
}

/**
 * Replaces the gradient that goes on from the current stop.
 * @param {number} gradient
 */
export function replace_gradient(gradient) {
    const ret = wasm.replace_gradient(gradient);
    if (ret[1]) {
        throw takeFromExternrefTable0(ret[0]);
    }
}

/**
 * @param {number} a
 * @param {Uint32Array | number[]} shape
 * @returns {number}
 */
export function reshape(a, shape) {
    const val2 = +a;
    const ptr0 = passArray32ToWasm0(shape, wasm.__wbindgen_malloc);
    const len0 = WASM_VECTOR_LEN;
    const ret = wasm.reshape(val2, ptr0, len0);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

export function resume_recording() {
    const ret = wasm.resume_recording();
    if (ret[1]) {
        throw takeFromExternrefTable0(ret[0]);
    }
}

/**
 * `sqrt(mean(c²) + eps)` over the last axis, kept with length 1.
 * @param {number} c
 * @param {number} eps
 * @returns {number}
 */
export function rms_scale(c, eps) {
    const ret = wasm.rms_scale(c, eps);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * Turns pairs of each head's dimensions by the row's angles, whose cosines and sines are `[rows, pairs]`.
 * @param {number} x
 * @param {number} cos
 * @param {number} sin
 * @param {boolean} adjacent
 * @returns {number}
 */
export function rotary(x, cos, sin, adjacent) {
    const ret = wasm.rotary(x, cos, sin, adjacent);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * Whether two handles share one buffer.
 * @param {number} a
 * @param {number} b
 * @returns {boolean}
 */
export function same_buffer(a, b) {
    const ret = wasm.same_buffer(a, b);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] !== 0;
}

/**
 * Multiplies the rows of matrices `[.., w.len(), columns]` by `w`, and takes the mean from their columns if it `centers`.
 * @param {Float32Array} matrices
 * @param {Float32Array | number[]} w
 * @param {number} columns
 * @param {boolean} centers
 */
export function scale_rows(matrices, w, columns, centers) {
    const val3 = +columns;
    const val4 = +centers;
    let ptr0, len0, ptr1, len1;
    try {
        ptr0 = passArrayF32ToWasm0(matrices, wasm.__wbindgen_malloc);
        len0 = WASM_VECTOR_LEN;
        ptr1 = passArrayF32ToWasm0(w, wasm.__wbindgen_malloc);
        len1 = WASM_VECTOR_LEN;
    } catch (e) {
        if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 4, 4); }
        if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 4, 4); }
        throw e;
    }
    const ret = wasm.scale_rows(ptr0, len0, matrices, ptr1, len1, val3, val4);
    if (ret[1]) {
        throw takeFromExternrefTable0(ret[0]);
    }
}

/**
 * Bytes held by screens.
 * @returns {number}
 */
export function screen_bytes() {
    const ret = wasm.screen_bytes();
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0];
}

/**
 * Ends the filling; of a matrix that is to be held in eight bits `as_int8`.
 * @param {number} weight
 * @param {boolean} as_int8
 */
export function seal_weight(weight, as_int8) {
    const ret = wasm.seal_weight(weight, as_int8);
    if (ret[1]) {
        throw takeFromExternrefTable0(ret[0]);
    }
}

/**
 * @param {number} condition
 * @param {number} a
 * @param {number} b
 * @returns {number}
 */
export function select_where(condition, a, b) {
    const ret = wasm.select_where(condition, a, b);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * Sets the budget for [`live_bytes`].
 * @param {number} bytes
 */
export function set_memory_limit(bytes) {
    wasm.set_memory_limit(bytes);
}

/**
 * @param {number} handle
 * @returns {Uint32Array}
 */
export function shape_of(handle) {
    const ret = wasm.shape_of(handle);
    if (ret[3]) {
        throw takeFromExternrefTable0(ret[2]);
    }
    var v1 = getArrayU32FromWasm0(ret[0], ret[1]).slice();
    wasm.__wbindgen_free(ret[0], ret[1] * 4, 4);
    return v1;
}

/**
 * A second handle to the same value in the innermost scope: later edits of one don't reach the other.
 * @param {number} handle
 * @returns {number}
 */
export function share(handle) {
    const ret = wasm.share(handle);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * @param {number} a
 * @param {number} dim
 * @returns {number}
 */
export function softmax(a, dim) {
    const ret = wasm.softmax(a, dim);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * @param {number} a
 * @param {number} dim
 * @param {boolean} descending
 * @returns {number}
 */
export function sort_indices(a, dim, descending) {
    const ret = wasm.sort_indices(a, dim, descending);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * The cells of a value that aren't zero, where those are all that is held and they are few: place and bits in turn.
 * @param {number} handle
 * @returns {Uint32Array | undefined}
 */
export function sparse_cells(handle) {
    const ret = wasm.sparse_cells(handle);
    if (ret[3]) {
        throw takeFromExternrefTable0(ret[2]);
    }
    let v1;
    if (ret[0] !== 0) {
        v1 = getArrayU32FromWasm0(ret[0], ret[1]).slice();
        wasm.__wbindgen_free(ret[0], ret[1] * 4, 4);
    }
    return v1;
}

/**
 * @param {number} a
 * @param {Uint32Array | number[]} axes
 * @param {boolean} keepdim
 * @returns {number}
 */
export function sum(a, axes, keepdim) {
    const val2 = +a;
    const val3 = +keepdim;
    const ptr0 = passArray32ToWasm0(axes, wasm.__wbindgen_malloc);
    const len0 = WASM_VECTOR_LEN;
    const ret = wasm.sum(val2, ptr0, len0, val3);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * Rows of a value, `[rows.len(), ..]`.
 * @param {number} x
 * @param {Uint32Array | number[]} indices
 * @returns {number}
 */
export function take_rows(x, indices) {
    const val2 = +x;
    const ptr0 = passArray32ToWasm0(indices, wasm.__wbindgen_malloc);
    const len0 = WASM_VECTOR_LEN;
    const ret = wasm.take_rows(val2, ptr0, len0);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * @returns {number}
 */
export function tape_bytes() {
    const ret = wasm.tape_bytes();
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0];
}

/**
 * `dy Wᵀ`: `[rows, w.rows]`.
 * @param {number} dy
 * @param {number} weight
 * @returns {number}
 */
export function times_transpose(dy, weight) {
    const ret = wasm.times_transpose(dy, weight);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * Cells of the same: of row `i` the columns `columns[starts[i]..starts[i + 1]]`, all in one list.
 * @param {number} dy
 * @param {number} weight
 * @param {Uint32Array | number[]} starts
 * @param {Uint32Array | number[]} columns
 * @returns {number}
 */
export function times_transpose_at(dy, weight, starts, columns) {
    const val3 = +dy;
    const val4 = +weight;
    let ptr0, len0, ptr1, len1;
    try {
        ptr0 = passArray32ToWasm0(starts, wasm.__wbindgen_malloc);
        len0 = WASM_VECTOR_LEN;
        ptr1 = passArray32ToWasm0(columns, wasm.__wbindgen_malloc);
        len1 = WASM_VECTOR_LEN;
    } catch (e) {
        if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 4, 4); }
        if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 4, 4); }
        throw e;
    }
    const ret = wasm.times_transpose_at(val3, val4, ptr0, len0, ptr1, len1);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * @param {number} a
 * @param {number} k
 * @param {number} dim
 * @param {boolean} largest
 * @returns {number}
 */
export function topk_indices(a, k, dim, largest) {
    const ret = wasm.topk_indices(a, k, dim, largest);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * The `k` largest of each row, then relu.
 * @param {number} h
 * @param {number} k
 * @returns {number}
 */
export function topk_relu(h, k) {
    const ret = wasm.topk_relu(h, k);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * @param {number} kind
 * @param {number} a
 * @returns {number}
 */
export function unary(kind, a) {
    const ret = wasm.unary(kind, a);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * A packed weight as a `[rows, cols]` tensor.
 * @param {number} weight
 * @returns {number}
 */
export function unpack(weight) {
    const ret = wasm.unpack(weight);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * The number of live values, for tests that look for leaks.
 * @returns {number}
 */
export function value_count() {
    const ret = wasm.value_count();
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * The value as a stop of later walks; a leaf when nothing before it is recorded.
 * @param {number} handle
 * @returns {number}
 */
export function watch(handle) {
    const ret = wasm.watch(handle);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * The numbers of `len` elements of float16, or bfloat16, in the order that a layout's columns are.
 * @param {Uint16Array | number[]} elements
 * @param {boolean} is_bfloat16
 * @param {Uint32Array | number[]} codes
 * @param {number} len
 * @returns {Float32Array}
 */
export function widened_halves(elements, is_bfloat16, codes, len) {
    const val3 = +is_bfloat16;
    const val4 = +len;
    let ptr0, len0, ptr1, len1;
    try {
        ptr0 = passArray16ToWasm0(elements, wasm.__wbindgen_malloc);
        len0 = WASM_VECTOR_LEN;
        ptr1 = passArray32ToWasm0(codes, wasm.__wbindgen_malloc);
        len1 = WASM_VECTOR_LEN;
    } catch (e) {
        if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 4, 4); }
        if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 2, 2); }
        throw e;
    }
    const ret = wasm.widened_halves(ptr0, len0, val3, ptr1, len1, val4);
    if (ret[3]) {
        throw takeFromExternrefTable0(ret[2]);
    }
    var v5 = getArrayF32FromWasm0(ret[0], ret[1]).slice();
    wasm.__wbindgen_free(ret[0], ret[1] * 4, 4);
    return v5;
}

/**
 * A copy of `x` with rows replaced by those of `values`.
 * @param {number} x
 * @param {Uint32Array | number[]} indices
 * @param {number} values
 * @returns {number}
 */
export function with_rows(x, indices, values) {
    const val2 = +x;
    const val3 = +values;
    const ptr0 = passArray32ToWasm0(indices, wasm.__wbindgen_malloc);
    const len0 = WASM_VECTOR_LEN;
    const ret = wasm.with_rows(val2, ptr0, len0, val3);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * @param {number} kind
 * @param {number} a
 * @param {number} scalar
 * @returns {number}
 */
export function with_scalar(kind, a, scalar) {
    const ret = wasm.with_scalar(kind, a, scalar);
    if (ret[2]) {
        throw takeFromExternrefTable0(ret[1]);
    }
    return ret[0] >>> 0;
}

/**
 * Writes `[batch * n, ..]` into a room `[batch, room, ..]` from position `at` on. Who shares the room's buffer keeps what was there.
 * @param {number} room
 * @param {number} at
 * @param {number} values
 */
export function write_positions(room, at, values) {
    const ret = wasm.write_positions(room, at, values);
    if (ret[1]) {
        throw takeFromExternrefTable0(ret[0]);
    }
}
function __wbg_get_imports() {
    const import0 = {
        __proto__: null,
        __wbg___wbindgen_copy_to_typed_array_680b191e71920dc1: function(arg0, arg1, arg2) {
            new Uint8Array(arg2.buffer, arg2.byteOffset, arg2.byteLength).set(getArrayU8FromWasm0(arg0, arg1));
        },
        __wbindgen_generic_0000000000000001: function(arg0, arg1) {
            // Cast intrinsic for `Ref(String) -> Externref`.
            const ret = getStringFromWasm0(arg0, arg1);
            return ret;
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

function getArrayF32FromWasm0(ptr, len) {
    ptr = ptr >>> 0;
    return getFloat32ArrayMemory0().subarray(ptr / 4, ptr / 4 + len);
}

function getArrayU32FromWasm0(ptr, len) {
    ptr = ptr >>> 0;
    return getUint32ArrayMemory0().subarray(ptr / 4, ptr / 4 + len);
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

let cachedUint16ArrayMemory0 = null;
function getUint16ArrayMemory0() {
    if (cachedUint16ArrayMemory0 === null || cachedUint16ArrayMemory0.byteLength === 0) {
        cachedUint16ArrayMemory0 = new Uint16Array(wasm.memory.buffer);
    }
    return cachedUint16ArrayMemory0;
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

function passArray16ToWasm0(arg, malloc) {
    const ptr = malloc(arg.length * 2, 2) >>> 0;
    getUint16ArrayMemory0().set(arg, ptr / 2);
    WASM_VECTOR_LEN = arg.length;
    return ptr;
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

function takeFromExternrefTable0(idx) {
    const value = wasm.__wbindgen_externrefs.get(idx);
    wasm.__externref_table_dealloc(idx);
    return value;
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
    cachedUint16ArrayMemory0 = null;
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
