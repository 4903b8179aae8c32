/* tslint:disable */
/* eslint-disable */

export function abandon_backward(): void;

export function activate(act: number, a: number): number;

/**
 * Adds vector times matrix `[x.len(), columns]` to biases `[.., columns]`, one for each matrix.
 */
export function add_product(bias: Float32Array, x: Float32Array | number[], matrices: Float32Array | number[], columns: number): void;

export function all(a: number, axes: Uint32Array | number[], keepdim: boolean): number;

/**
 * A new tensor of zeros; dtype 0 float, 1 int, 2 bool. The caller fills it through [`data_pointer`].
 */
export function allocate(shape: Uint32Array | number[], dtype: number): number;

export function any(a: number, axes: Uint32Array | number[], keepdim: boolean): number;

/**
 * The index of the extreme along `dim`, or in the flattened tensor when `dim` is negative.
 */
export function arg_extreme(a: number, dim: number, keepdim: boolean, largest: boolean): number;

/**
 * Lets `target` hold `source`'s value from now on: an edit in place, as the tape sees it.
 */
export function assign(target: number, source: number): void;

/**
 * Gives a value that was copied in its place on the tape back.
 */
export function attach(handle: number, node: number): void;

/**
 * The mix of values under a pattern: `[rows, n_heads, d_head]`.
 */
export function attend_mix(geometry: number, pattern: number, v: number): number;

/**
 * `[rows, n_heads, n_keys]`, -inf where masked.
 */
export function attend_scores(geometry: number, q: number, k: number): number;

/**
 * Scores, softmax and mix: `[rows, n_heads, d_head]`.
 */
export function attention(geometry: number, q: number, k: number, v: number): number;

/**
 * The same with what lies inside: `[z, scores, pattern]`.
 */
export function attention_parts(geometry: number, q: number, k: number, v: number): Uint32Array;

/**
 * `Σ_h z W_O[h] + b_O`.
 */
export function attn_out(z: number, weight: number, bias: number, n_heads: number): number;

/**
 * Starts a walk back from `node` with the gradient `seed`.
 */
export function begin_backward(node: number, seed: number): void;

/**
 * Opens a run and returns its group.
 */
export function begin_run(): number;

export function begin_scope(): number;

export function binary(kind: number, a: number, b: number): number;

/**
 * Where a value's buffer is, which tells it from those that others have.
 */
export function buffer_address(handle: number): number;

/**
 * The bytes of a value's buffer.
 */
export function buffer_size(handle: number): number;

export function cast(a: number, dtype: number): number;

export function cat(tensors: Uint32Array | number[], axis: number): number;

/**
 * `x - mean(x)` over the last axis.
 */
export function center(x: number): number;

/**
 * Takes the mean from each row of `columns`.
 */
export function center_rows(rows: Float32Array, columns: number): void;

/**
 * The rows in which two values differ in some bit.
 */
export function changed_rows(a: number, b: number): Uint32Array;

export function clamp(a: number, min: number, max: number): number;

export function compare(kind: number, a: number, b: number): number;

/**
 * The address of a tensor's elements, valid until the next call into the module.
 */
export function data_pointer(handle: number): number;

/**
 * `codes W_dec + b_dec`.
 */
export function decode(codes: number, weight: number, bias: number): number;

/**
 * What a gradient of codes comes from, `dy` and the decoder's weight, as `[dy, weight]`; empty for any other value, and where the
 * weight is gone.
 */
export function decoded_parts(handle: number): Uint32Array;

/**
 * The same value without its place on the tape.
 */
export function detach(handle: number): number;

export function dtype_of(handle: number): number;

/**
 * `relu(x W + b)`, zero also where it doesn't exceed a threshold; screened unless `screen` is 0.
 */
export function encode(x: number, weight: number, bias: number, thresholds: number, screen: number): number;

export function end_run(): void;

export function end_scope(depth: number, keep: Uint32Array | number[]): void;

export function expand(a: number, shape: Uint32Array | number[]): number;

/**
 * The same for float16, or bfloat16.
 */
export function fill_weight_halves(weight: number, elements: Uint16Array | number[], is_bfloat16: boolean, start: number, layout: Uint32Array | number[]): void;

/**
 * Takes over what lies among a tensor's elements from `start` on.
 */
export function fill_weight_singles(weight: number, elements: Float32Array | number[], start: number, layout: Uint32Array | number[]): void;

export function free(handle: number): void;

export function free_geometry(geometry: number): void;

export function free_screen(screen: number): void;

export function free_weight(weight: number): void;

export function gather(a: number, dim: number, index: number): number;

/**
 * The rows and keys of a run's attention; lives until [`free_geometry`]. `rows` holds (batch, key index) pairs, `key_mask` is
 * empty or one flag per (batch, key), `slopes` is empty or one number a head; a `window` or `soft_cap` of 0 is none.
 */
export function geometry(rows: Uint32Array | number[], key_mask: Uint8Array | number[], batch: number, n_keys: number, n_heads: number, n_key_heads: number, d_head: number, scale: number, window: number, soft_cap: number, slopes: Float64Array | number[]): number;

/**
 * The group that a node belongs to, 0 when the node is gone.
 */
export function group_of(node: number): number;

/**
 * What each head writes to the residual stream: `[.., n_heads, d_model]`.
 */
export function head_results(z: number, weight: number, n_heads: number): number;

export function index(a: number, codes: Int32Array | number[]): number;

/**
 * Lets `target` hold its value with a region replaced. Without a recording the buffer is written in place, unless shared.
 */
export function index_put(target: number, value: number, codes: Int32Array | number[]): void;

export function index_select(a: number, dim: number, index: number): number;

/**
 * Whether a value's elements haven't been computed.
 */
export function is_deferred(handle: number): boolean;

export function is_pending(group: number): boolean;

export function is_recorded(node: number): boolean;

/**
 * `h` where it exceeds both its threshold and zero.
 */
export function jumprelu(h: number, threshold: number): number;

/**
 * `act(x W + b)` over the trailing `in_axes` axes of `x`, replaced by `out_dims`.
 */
export function linear(x: number, weight: number, bias: number, in_axes: number, out_dims: Uint32Array | number[], act: number): number;

/**
 * Single cells of `x W + b`, `[n]`: that of column `columns[i]` in row `rows[i]` of `x`.
 */
export function linear_at(x: number, weight: number, bias: number, rows: Uint32Array | number[], columns: Uint32Array | number[]): number;

/**
 * One input row per head: `[.., n_heads, d_in]` to `[.., n_heads, d_head]`, `shared_by` neighbouring heads for each of the weight's.
 */
export function linear_heads(x: number, weight: number, bias: number, n_heads: number, shared_by: number): number;

/**
 * Bytes held by values, weights and the tape.
 */
export function live_bytes(): number;

export function log_softmax(a: number, dim: number): number;

export function logical(kind: number, a: number, b: number): number;

export function logical_not(a: number): number;

/**
 * Rows of a packed weight, or of its transpose: `[indices.len(), ..]`.
 */
export function lookup(weight: number, indices: number, by_column: boolean): number;

/**
 * Stretches of the one row of a packed weight: `[indices.len(), width]`.
 */
export function lookup_stretches(weight: number, indices: number, width: number): number;

export function matmul(a: number, b: number): number;

export function mean(a: number, axes: Uint32Array | number[], keepdim: boolean): number;

/**
 * `recons + error`, or `x` itself in the rows where neither differs from its clean value.
 */
export function merge_error(x: number, clean_recons: number, clean_error: number, recons: number, error: number, row: number): number;

/**
 * The first `used` positions of a room in one of `positions`.
 */
export function moved_room(room: number, positions: number, used: number): number;

/**
 * Quantises an encoder, for [`encode`]; lives until [`free_screen`]. 0 when it can't be screened, or this engine can't screen.
 */
export function new_screen(weight: number, bias: number, thresholds: number): number;

/**
 * A `[rows, cols]` matrix of zeros for products, which lives until [`free_weight`].
 */
export function new_weight(rows: number, cols: number, storage: number): number;

/**
 * The next stop as `[node, gradient handle]`; empty when the walk is over.
 */
export function next_stop(): Uint32Array;

/**
 * The value's place on the tape, 0 when it isn't recorded.
 */
export function node_of(handle: number): number;

/**
 * The indices of the non-zero cells: `[n, rank]`.
 */
export function nonzero(a: number): number;

/**
 * Layer norm (or RMS norm unless `center`), with weight and bias where they are given.
 */
export function norm(x: number, eps: number, center: boolean, weight: number, bias: number): number;

/**
 * The same with what lies inside: `[out, scale, normalized]`.
 */
export function norm_parts(x: number, eps: number, center: boolean, weight: number, bias: number): Uint32Array;

/**
 * A second handle to the same value, owned by the caller (no scope frees it). It isn't recorded.
 */
export function own(handle: number): number;

/**
 * Bytes held by packed weights.
 */
export function packed_bytes(): number;

export function pause_recording(): void;

export function permute(a: number, order: Uint32Array | number[]): number;

/**
 * Lets every worker go.
 */
export function pool_close(): void;

/**
 * The shares that workers have done since the module started.
 */
export function pool_helped(): number;

/**
 * Takes the calling worker into the pool; [`pool_work`] must follow.
 */
export function pool_join(index: number): void;

/**
 * Takes a worker off the pool: one that trapped, or that is gone.
 */
export function pool_mourn(index: number): void;

/**
 * Opens the pool. `main_may_wait` is false in a browser's main thread; `grain` is what a share has to cost at least in
 * multiply-adds, 0 for what pays.
 */
export function pool_open(main_may_wait: boolean, grain: number): void;

/**
 * The calling worker's life. It returns when its place is closed.
 */
export function pool_work(index: number): void;

/**
 * The workers that have joined.
 */
export function pool_workers(): number;

/**
 * Forgets what the group recorded.
 */
export function release_group(group: number): void;

/**
 * Replaces the gradient that goes on from the current stop.
 */
export function replace_gradient(gradient: number): void;

export function reshape(a: number, shape: Uint32Array | number[]): number;

export function resume_recording(): void;

/**
 * `sqrt(mean(c²) + eps)` over the last axis, kept with length 1.
 */
export function rms_scale(c: number, eps: number): number;

/**
 * Turns pairs of each head's dimensions by the row's angles, whose cosines and sines are `[rows, pairs]`.
 */
export function rotary(x: number, cos: number, sin: number, adjacent: boolean): number;

/**
 * Whether two handles share one buffer.
 */
export function same_buffer(a: number, b: number): boolean;

/**
 * Multiplies the rows of matrices `[.., w.len(), columns]` by `w`, and takes the mean from their columns if it `centers`.
 */
export function scale_rows(matrices: Float32Array, w: Float32Array | number[], columns: number, centers: boolean): void;

/**
 * Bytes held by screens.
 */
export function screen_bytes(): number;

/**
 * Ends the filling; of a matrix that is to be held in eight bits `as_int8`.
 */
export function seal_weight(weight: number, as_int8: boolean): void;

export function select_where(condition: number, a: number, b: number): number;

/**
 * Sets the budget for [`live_bytes`].
 */
export function set_memory_limit(bytes: number): void;

export function shape_of(handle: number): Uint32Array;

/**
 * A second handle to the same value in the innermost scope: later edits of one don't reach the other.
 */
export function share(handle: number): number;

export function softmax(a: number, dim: number): number;

export function sort_indices(a: number, dim: number, descending: boolean): number;

/**
 * The cells of a value that aren't zero, where those are all that is held and they are few: place and bits in turn.
 */
export function sparse_cells(handle: number): Uint32Array | undefined;

export function sum(a: number, axes: Uint32Array | number[], keepdim: boolean): number;

/**
 * Rows of a value, `[rows.len(), ..]`.
 */
export function take_rows(x: number, indices: Uint32Array | number[]): number;

export function tape_bytes(): number;

/**
 * `dy Wᵀ`: `[rows, w.rows]`.
 */
export function times_transpose(dy: number, weight: number): number;

/**
 * Cells of the same: of row `i` the columns `columns[starts[i]..starts[i + 1]]`, all in one list.
 */
export function times_transpose_at(dy: number, weight: number, starts: Uint32Array | number[], columns: Uint32Array | number[]): number;

export function topk_indices(a: number, k: number, dim: number, largest: boolean): number;

/**
 * The `k` largest of each row, then relu.
 */
export function topk_relu(h: number, k: number): number;

export function unary(kind: number, a: number): number;

/**
 * A packed weight as a `[rows, cols]` tensor.
 */
export function unpack(weight: number): number;

/**
 * The number of live values, for tests that look for leaks.
 */
export function value_count(): number;

/**
 * The value as a stop of later walks; a leaf when nothing before it is recorded.
 */
export function watch(handle: number): number;

/**
 * The numbers of `len` elements of float16, or bfloat16, in the order that a layout's columns are.
 */
export function widened_halves(elements: Uint16Array | number[], is_bfloat16: boolean, codes: Uint32Array | number[], len: number): Float32Array;

/**
 * A copy of `x` with rows replaced by those of `values`.
 */
export function with_rows(x: number, indices: Uint32Array | number[], values: number): number;

export function with_scalar(kind: number, a: number, scalar: number): number;

/**
 * Writes `[batch * n, ..]` into a room `[batch, room, ..]` from position `at` on. Who shares the room's buffer keeps what was there.
 */
export function write_positions(room: number, at: number, values: number): void;

export type InitInput = RequestInfo | URL | Response | BufferSource | WebAssembly.Module;

export interface InitOutput {
    readonly abandon_backward: () => [number, number];
    readonly activate: (a: number, b: number) => [number, number, number];
    readonly add_product: (a: number, b: number, c: any, d: number, e: number, f: number, g: number, h: number) => [number, number];
    readonly all: (a: number, b: number, c: number, d: number) => [number, number, number];
    readonly allocate: (a: number, b: number, c: number) => [number, number, number];
    readonly any: (a: number, b: number, c: number, d: number) => [number, number, number];
    readonly arg_extreme: (a: number, b: number, c: number, d: number) => [number, number, number];
    readonly assign: (a: number, b: number) => [number, number];
    readonly attach: (a: number, b: number) => [number, number];
    readonly attend_mix: (a: number, b: number, c: number) => [number, number, number];
    readonly attend_scores: (a: number, b: number, c: number) => [number, number, number];
    readonly attention: (a: number, b: number, c: number, d: number) => [number, number, number];
    readonly attention_parts: (a: number, b: number, c: number, d: number) => [number, number, number, number];
    readonly attn_out: (a: number, b: number, c: number, d: number) => [number, number, number];
    readonly begin_backward: (a: number, b: number) => [number, number];
    readonly begin_run: () => [number, number, number];
    readonly begin_scope: () => [number, number, number];
    readonly binary: (a: number, b: number, c: number) => [number, number, number];
    readonly buffer_address: (a: number) => [number, number, number];
    readonly buffer_size: (a: number) => [number, number, number];
    readonly cast: (a: number, b: number) => [number, number, number];
    readonly cat: (a: number, b: number, c: number) => [number, number, number];
    readonly center: (a: number) => [number, number, number];
    readonly center_rows: (a: number, b: number, c: any, d: number) => [number, number];
    readonly changed_rows: (a: number, b: number) => [number, number, number, number];
    readonly clamp: (a: number, b: number, c: number) => [number, number, number];
    readonly compare: (a: number, b: number, c: number) => [number, number, number];
    readonly data_pointer: (a: number) => [number, number, number];
    readonly decode: (a: number, b: number, c: number) => [number, number, number];
    readonly decoded_parts: (a: number) => [number, number, number, number];
    readonly detach: (a: number) => [number, number, number];
    readonly dtype_of: (a: number) => [number, number, number];
    readonly encode: (a: number, b: number, c: number, d: number, e: number) => [number, number, number];
    readonly end_run: () => [number, number];
    readonly end_scope: (a: number, b: number, c: number) => [number, number];
    readonly expand: (a: number, b: number, c: number) => [number, number, number];
    readonly fill_weight_halves: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => [number, number];
    readonly fill_weight_singles: (a: number, b: number, c: number, d: number, e: number, f: number) => [number, number];
    readonly free: (a: number) => [number, number];
    readonly free_geometry: (a: number) => [number, number];
    readonly free_screen: (a: number) => [number, number];
    readonly free_weight: (a: number) => [number, number];
    readonly gather: (a: number, b: number, c: number) => [number, number, number];
    readonly geometry: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number, k: number, l: number, m: number, n: number) => [number, number, number];
    readonly group_of: (a: number) => [number, number, number];
    readonly head_results: (a: number, b: number, c: number) => [number, number, number];
    readonly index: (a: number, b: number, c: number) => [number, number, number];
    readonly index_put: (a: number, b: number, c: number, d: number) => [number, number];
    readonly index_select: (a: number, b: number, c: number) => [number, number, number];
    readonly is_deferred: (a: number) => [number, number, number];
    readonly is_pending: (a: number) => [number, number, number];
    readonly is_recorded: (a: number) => [number, number, number];
    readonly jumprelu: (a: number, b: number) => [number, number, number];
    readonly linear: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => [number, number, number];
    readonly linear_at: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => [number, number, number];
    readonly linear_heads: (a: number, b: number, c: number, d: number, e: number) => [number, number, number];
    readonly live_bytes: () => number;
    readonly log_softmax: (a: number, b: number) => [number, number, number];
    readonly logical: (a: number, b: number, c: number) => [number, number, number];
    readonly logical_not: (a: number) => [number, number, number];
    readonly lookup: (a: number, b: number, c: number) => [number, number, number];
    readonly lookup_stretches: (a: number, b: number, c: number) => [number, number, number];
    readonly matmul: (a: number, b: number) => [number, number, number];
    readonly mean: (a: number, b: number, c: number, d: number) => [number, number, number];
    readonly merge_error: (a: number, b: number, c: number, d: number, e: number, f: number) => [number, number, number];
    readonly moved_room: (a: number, b: number, c: number) => [number, number, number];
    readonly new_screen: (a: number, b: number, c: number) => [number, number, number];
    readonly new_weight: (a: number, b: number, c: number) => [number, number, number];
    readonly next_stop: () => [number, number, number, number];
    readonly node_of: (a: number) => [number, number, number];
    readonly nonzero: (a: number) => [number, number, number];
    readonly norm: (a: number, b: number, c: number, d: number, e: number) => [number, number, number];
    readonly norm_parts: (a: number, b: number, c: number, d: number, e: number) => [number, number, number, number];
    readonly own: (a: number) => [number, number, number];
    readonly packed_bytes: () => [number, number, number];
    readonly pause_recording: () => [number, number];
    readonly permute: (a: number, b: number, c: number) => [number, number, number];
    readonly pool_close: () => void;
    readonly pool_helped: () => number;
    readonly pool_join: (a: number) => void;
    readonly pool_mourn: (a: number) => void;
    readonly pool_open: (a: number, b: number) => void;
    readonly pool_work: (a: number) => void;
    readonly pool_workers: () => number;
    readonly release_group: (a: number) => [number, number];
    readonly replace_gradient: (a: number) => [number, number];
    readonly reshape: (a: number, b: number, c: number) => [number, number, number];
    readonly resume_recording: () => [number, number];
    readonly rms_scale: (a: number, b: number) => [number, number, number];
    readonly rotary: (a: number, b: number, c: number, d: number) => [number, number, number];
    readonly same_buffer: (a: number, b: number) => [number, number, number];
    readonly scale_rows: (a: number, b: number, c: any, d: number, e: number, f: number, g: number) => [number, number];
    readonly screen_bytes: () => [number, number, number];
    readonly seal_weight: (a: number, b: number) => [number, number];
    readonly select_where: (a: number, b: number, c: number) => [number, number, number];
    readonly set_memory_limit: (a: number) => void;
    readonly shape_of: (a: number) => [number, number, number, number];
    readonly share: (a: number) => [number, number, number];
    readonly softmax: (a: number, b: number) => [number, number, number];
    readonly sort_indices: (a: number, b: number, c: number) => [number, number, number];
    readonly sparse_cells: (a: number) => [number, number, number, number];
    readonly sum: (a: number, b: number, c: number, d: number) => [number, number, number];
    readonly take_rows: (a: number, b: number, c: number) => [number, number, number];
    readonly tape_bytes: () => [number, number, number];
    readonly times_transpose: (a: number, b: number) => [number, number, number];
    readonly times_transpose_at: (a: number, b: number, c: number, d: number, e: number, f: number) => [number, number, number];
    readonly topk_indices: (a: number, b: number, c: number, d: number) => [number, number, number];
    readonly topk_relu: (a: number, b: number) => [number, number, number];
    readonly unary: (a: number, b: number) => [number, number, number];
    readonly unpack: (a: number) => [number, number, number];
    readonly value_count: () => [number, number, number];
    readonly watch: (a: number) => [number, number, number];
    readonly widened_halves: (a: number, b: number, c: number, d: number, e: number, f: number) => [number, number, number, number];
    readonly with_rows: (a: number, b: number, c: number, d: number) => [number, number, number];
    readonly with_scalar: (a: number, b: number, c: number) => [number, number, number];
    readonly write_positions: (a: number, b: number, c: number) => [number, number];
    readonly memory: WebAssembly.Memory;
    readonly __wbindgen_externrefs: WebAssembly.Table;
    readonly __externref_table_dealloc: (a: number) => void;
    readonly __wbindgen_malloc: (a: number, b: number) => number;
    readonly __wbindgen_free: (a: number, b: number, c: number) => void;
    readonly __wbindgen_thread_destroy: (a?: number, b?: number, c?: number) => void;
    readonly __wbindgen_start: (a: number) => void;
}

export type SyncInitInput = BufferSource | WebAssembly.Module;

/**
 * Instantiates the given `module`, which can either be bytes or
 * a precompiled `WebAssembly.Module`.
 *
 * @param {{ module: SyncInitInput, memory?: WebAssembly.Memory, thread_stack_size?: number }} module - Passing `SyncInitInput` directly is deprecated.
 * @param {WebAssembly.Memory} memory - Deprecated.
 *
 * @returns {InitOutput}
 */
export function initSync(module: { module: SyncInitInput, memory?: WebAssembly.Memory, thread_stack_size?: number } | SyncInitInput, memory?: WebAssembly.Memory): InitOutput;

/**
 * If `module_or_path` is {RequestInfo} or {URL}, makes a request and
 * for everything else, calls `WebAssembly.instantiate` directly.
 *
 * @param {{ module_or_path: InitInput | Promise<InitInput>, memory?: WebAssembly.Memory, thread_stack_size?: number }} module_or_path - Passing `InitInput` directly is deprecated.
 * @param {WebAssembly.Memory} memory - Deprecated.
 *
 * @returns {Promise<InitOutput>}
 */
export default function __wbg_init (module_or_path?: { module_or_path: InitInput | Promise<InitInput>, memory?: WebAssembly.Memory, thread_stack_size?: number } | InitInput | Promise<InitInput>, memory?: WebAssembly.Memory): Promise<InitOutput>;
