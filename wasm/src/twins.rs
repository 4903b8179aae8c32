//! Exports for the tests and benchmarks of the kernels: each kernel by its SIMD version and by its portable twin.
//!
//! `simd` chooses the version; matrices come row-major and are packed here, in the format that their sizes say.

#![allow(clippy::too_many_arguments, reason = "flat argument lists are what crosses the binding")]

use crate::kernels::elementary::Lane;
use crate::kernels::screen::{Candidates, Screen, ScreenedRows, code};
use crate::kernels::{
    Activation, Attend, Axis, Elements, Kernels, Layout, Packed, Rows, RowsMut, SparseRows, Storage, portable, simd,
};
use core::arch::wasm32::*;
use wasm_bindgen::prelude::*;

/// Packs a row-major matrix; storage 0 is float32, 1 float16, 2 bfloat16, 3 int8.
fn held(b: &[f32], rows: usize, cols: usize, storage: u32) -> Packed<f32> {
    let storage = [Storage::Full, Storage::Float16, Storage::Bfloat16, Storage::Int8][storage as usize];
    let axis = |len, stride, row, col| Axis { len, stride, row, col };
    let layout = Layout::new(0, vec![axis(rows, cols, 1, 0), axis(cols, 1, 0, 1)]);
    let mut packed = Packed::zeroed(rows, cols, storage).expect("the tests' matrices fit into memory");
    assert!(packed.fill(&layout, Elements::Float32(b), 0));
    let sealed = if storage == Storage::Int8 { packed.seal_int8() } else { packed.seal() };
    sealed.expect("the tests' matrices fit into memory");
    packed
}

fn packed(b: &[f32], size: &Product) -> Packed<f32> {
    held(b, size.k, size.n, size.storage)
}

fn activation(index: u32) -> Activation {
    use Activation::*;
    [Identity, Relu, GeluNew, Gelu, Silu, Tanh, Sigmoid, Exp][index as usize]
}

/// True when multiply-add rounds once on this engine: 1 + 2⁻¹² squared loses its last bit otherwise.
#[wasm_bindgen]
pub fn fused_multiply_add() -> bool {
    let x = std::hint::black_box(1.0f32 + 1.0 / 4096.0);
    Lane::madd(x, x, -(x * x)) != 0.0
}

/// How often a SIMD kernel has been called.
#[wasm_bindgen]
pub fn simd_calls() -> u32 {
    simd::CALLS.load(std::sync::atomic::Ordering::Relaxed)
}

/// The operands of a product: `a` has `count` rows `a_stride` apart, `out` as many `out_stride` apart.
#[wasm_bindgen]
#[derive(Clone, Copy)]
pub struct Product {
    pub count: usize,
    pub k: usize,
    pub n: usize,
    pub a_stride: usize,
    pub out_stride: usize,
    /// How the packed matrix is held: 0 as float32, 1 as float16, 2 as bfloat16, 3 as int8.
    pub storage: u32,
}

#[wasm_bindgen]
impl Product {
    #[wasm_bindgen(constructor)]
    pub fn new(count: usize, k: usize, n: usize, a_stride: usize, out_stride: usize) -> Self {
        Self { count, k, n, a_stride, out_stride, storage: 0 }
    }
}

/// The packed matrix' cells as the products see them, row-major.
#[wasm_bindgen]
pub fn widened(size: &Product, b: &[f32]) -> Vec<f32> {
    let packed = packed(b, size);
    (0..size.k * size.n).map(|i| packed.cell(i / size.n, i % size.n)).collect()
}

#[wasm_bindgen]
pub fn gemm(
    simd: bool,
    size: &Product,
    a: &[f32],
    b: &[f32],
    col_start: usize,
    col_end: usize,
    bias: Option<Vec<f32>>,
    act: u32,
    out: &mut [f32],
) {
    let kernel = if simd { <f32 as Kernels>::gemm } else { portable::gemm };
    let rows = Rows { data: a, stride: size.a_stride, count: size.count };
    let out = RowsMut { data: out, stride: size.out_stride };
    kernel(rows, &packed(b, size), col_start..col_end, bias.as_deref(), activation(act), out);
}

#[wasm_bindgen]
pub fn gemm_blocks(
    simd: bool,
    size: &Product,
    a: &[f32],
    b: &[f32],
    block: usize,
    bias: Option<Vec<f32>>,
    out: &mut [f32],
) {
    let kernel = if simd { <f32 as Kernels>::gemm_blocks } else { portable::gemm_blocks };
    let rows = Rows { data: a, stride: size.a_stride, count: size.count };
    let out = RowsMut { data: out, stride: size.out_stride };
    kernel(rows, &packed(b, size), block, bias.as_deref(), out);
}

/// `a` is dy here, with a row of `col_end - col_start`; `ranges` are col_start, col_end, k_start, k_end.
#[wasm_bindgen]
pub fn gemm_bt(simd: bool, size: &Product, a: &[f32], b: &[f32], ranges: &[u32], out: &mut [f32]) {
    let kernel = if simd { <f32 as Kernels>::gemm_bt } else { portable::gemm_bt };
    let rows = Rows { data: a, stride: size.a_stride, count: size.count };
    let out = RowsMut { data: out, stride: size.out_stride };
    let at = |i: usize| ranges[i] as usize;
    kernel(rows, &packed(b, size), at(0)..at(1), at(2)..at(3), out);
}

#[wasm_bindgen]
pub fn decode(simd: bool, size: &Product, codes: &[f32], w: &[f32], bias: Option<Vec<f32>>, out: &mut [f32]) {
    let kernel = if simd { <f32 as Kernels>::decode } else { portable::decode };
    let rows = Rows { data: codes, stride: size.a_stride, count: size.count };
    let out = RowsMut { data: out, stride: size.out_stride };
    kernel(rows, &packed(w, size), bias.as_deref(), out);
}

/// As [`decode`], of the codes that aren't zero.
#[wasm_bindgen]
pub fn decode_sparse(simd: bool, size: &Product, codes: &[f32], w: &[f32], bias: Option<Vec<f32>>, out: &mut [f32]) {
    let kernel = if simd { <f32 as Kernels>::decode_sparse } else { portable::decode_sparse };
    let (mut starts, mut columns, mut values) = (vec![0], vec![], vec![]);
    for row in codes.chunks(size.a_stride).take(size.count) {
        for (f, &code) in row[..size.k].iter().enumerate().filter(|(_, code)| **code != 0.0) {
            columns.push(f as u32);
            values.push(code);
        }
        starts.push(columns.len() as u32);
    }
    let rows = SparseRows { starts: &starts, columns: &columns, values: &values };
    kernel(rows, &packed(w, size), bias.as_deref(), RowsMut { data: out, stride: size.out_stride });
}

/// An encoder and its screen.
#[wasm_bindgen]
pub struct Encoder {
    weight: Packed<f32>,
    bias: Vec<f32>,
    thresholds: Option<Vec<f32>>,
    screen: Option<Screen>,
}

#[wasm_bindgen]
impl Encoder {
    #[wasm_bindgen(constructor)]
    pub fn new(size: &Product, w: &[f32], bias: &[f32], thresholds: Option<Vec<f32>>) -> Self {
        let weight = packed(w, size);
        let screen = Screen::new(&weight, Some(bias), thresholds.as_deref()).expect("the tests' matrices fit");
        Self { weight, bias: bias.to_vec(), thresholds, screen }
    }

    /// Screened codes of `count` rows `stride` apart into `out`, which holds zeros; false where they can't be screened.
    pub fn screened(&self, simd: bool, x: &[f32], count: usize, stride: usize, out: &mut [f32]) -> bool {
        let find = if simd { <f32 as Kernels>::screen } else { portable::screen };
        let encode = if simd { <f32 as Kernels>::encode_at } else { portable::encode_at };
        let rows = Rows { data: x, stride, count };
        let Some(screen) = &self.screen else { return false };
        let Some(screened) = ScreenedRows::new(Rows { ..rows }, screen).expect("the tests' rows fit") else {
            return false;
        };
        let n = self.weight.cols;
        let mut candidates = Candidates::new(count, n).expect("the tests' rows fit");
        find(&screened, &self.weight, screen, &mut candidates);
        let mut codes = vec![f32::NAN; candidates.place()];
        encode(rows, &self.weight, Some(&self.bias), self.thresholds.as_deref(), &candidates, &mut codes);
        let (starts, columns, values) = candidates.alive(&codes).expect("the tests' rows fit");
        for (i, out) in out.chunks_exact_mut(n).enumerate().take(count) {
            for e in starts[i] as usize..starts[i + 1] as usize {
                out[columns[e] as usize] = values[e];
            }
        }
        true
    }

    /// The same by the product and the activation.
    pub fn dense(&self, x: &[f32], count: usize, stride: usize, out: &mut [f32]) {
        let n = self.weight.cols;
        let rows = Rows { data: x, stride, count };
        let product = RowsMut { data: &mut *out, stride: n };
        f32::gemm(rows, &self.weight, 0..n, Some(&self.bias), Activation::Identity, product);
        for (at, pre) in out.iter_mut().enumerate().take(count * n) {
            *pre = code(*pre, self.thresholds.as_ref().map(|thresholds| thresholds[at % n]));
        }
    }
}

#[wasm_bindgen]
pub fn norm_scale(simd: bool, x: &[f32], d: usize, eps: f32, center: bool, centered: &mut [f32], scale: &mut [f32]) {
    let kernel = if simd { <f32 as Kernels>::norm_scale } else { portable::norm_scale };
    kernel(x, d, eps, center, centered, scale);
}

#[wasm_bindgen]
pub fn norm(
    simd: bool,
    x: &[f32],
    d: usize,
    eps: f32,
    center: bool,
    weight: &[f32],
    bias: &[f32],
    out: &mut [f32],
    scale: &mut [f32],
    normalized: &mut [f32],
) {
    let kernel = if simd { <f32 as Kernels>::norm } else { portable::norm };
    let affine = (!weight.is_empty()).then_some((weight, bias));
    kernel(x, d, eps, center, affine, out, Some(scale), Some(normalized));
}

#[wasm_bindgen]
pub fn softmax(simd: bool, log: bool, x: &[f32], n: usize, out: &mut [f32]) {
    let kernel = match (simd, log) {
        (true, false) => <f32 as Kernels>::softmax,
        (true, true) => <f32 as Kernels>::log_softmax,
        (false, false) => portable::softmax,
        (false, true) => portable::log_softmax,
    };
    kernel(x, n, out);
}

/// Rows as (batch, key) pairs, the sizes, and what becomes of scores.
#[wasm_bindgen]
pub struct Geometry {
    rows: Vec<(u32, u32)>,
    key_mask: Vec<u8>,
    batch: usize,
    n_keys: usize,
    n_heads: usize,
    n_key_heads: usize,
    d_head: usize,
    window: usize,
    soft_cap: f64,
    slopes: Vec<f64>,
}

#[wasm_bindgen]
impl Geometry {
    #[wasm_bindgen(constructor)]
    pub fn new(rows: &[u32], key_mask: &[u8], batch: usize, n_keys: usize, n_heads: usize, d_head: usize) -> Self {
        let rows = rows.as_chunks::<2>().0.iter().map(|pair| (pair[0], pair[1])).collect();
        let (key_mask, slopes) = (key_mask.to_vec(), Vec::new());
        let (n_key_heads, window, soft_cap) = (n_heads, usize::MAX, 0.0);
        Self { rows, key_mask, batch, n_keys, n_heads, n_key_heads, d_head, window, soft_cap, slopes }
    }

    /// The same with fewer heads of keys, a window (0 for none), a cap (0 for none) and slopes (empty for none).
    pub fn shaped(mut self, n_key_heads: usize, window: usize, soft_cap: f64, slopes: &[f64]) -> Self {
        self.n_key_heads = n_key_heads;
        self.window = if window == 0 { usize::MAX } else { window };
        self.soft_cap = soft_cap;
        self.slopes = slopes.to_vec();
        self
    }
}

impl Geometry {
    /// The geometry over these keys or values, which may have room for more than are there.
    fn attend(&self, keys: &[f32]) -> Attend<'_> {
        Attend {
            rows: &self.rows,
            key_mask: &self.key_mask,
            batch: self.batch,
            n_keys: self.n_keys,
            key_room: keys.len() / (self.batch * self.n_key_heads * self.d_head),
            n_heads: self.n_heads,
            n_key_heads: self.n_key_heads,
            d_head: self.d_head,
            scale: (self.d_head as f64).sqrt(),
            window: self.window,
            soft_cap: self.soft_cap,
            slopes: &self.slopes,
        }
    }
}

/// All in one pass; `scores` and `pattern` are written unless they are empty.
#[wasm_bindgen]
pub fn attend(
    simd: bool,
    at: &Geometry,
    q: &[f32],
    k: &[f32],
    v: &[f32],
    z: &mut [f32],
    scores: &mut [f32],
    pattern: &mut [f32],
) {
    let kernel = if simd { <f32 as Kernels>::attend } else { portable::attend };
    let scores = (!scores.is_empty()).then_some(scores);
    let pattern = (!pattern.is_empty()).then_some(pattern);
    kernel(&at.attend(k), q, k, v, z, scores, pattern);
}

#[wasm_bindgen]
pub fn attend_scores(simd: bool, at: &Geometry, q: &[f32], k: &[f32], scores: &mut [f32]) {
    let kernel = if simd { <f32 as Kernels>::attend_scores } else { portable::attend_scores };
    kernel(&at.attend(k), q, k, scores);
}

#[wasm_bindgen]
pub fn attend_mix(simd: bool, at: &Geometry, pattern: &[f32], v: &[f32], z: &mut [f32]) {
    let kernel = if simd { <f32 as Kernels>::attend_mix } else { portable::attend_mix };
    kernel(&at.attend(v), pattern, v, z);
}

#[wasm_bindgen]
pub fn activate(simd: bool, act: u32, x: &[f32], out: &mut [f32]) {
    let kernel = if simd { <f32 as Kernels>::activate } else { portable::activate };
    kernel(activation(act), x, out);
}

#[wasm_bindgen]
pub fn activate_grad(simd: bool, act: u32, x: &[f32], dy: &[f32], out: &mut [f32]) {
    let kernel = if simd { <f32 as Kernels>::activate_grad } else { portable::activate_grad };
    kernel(activation(act), x, dy, out);
}

/// The float64 forms, as a truth for the float32 ones.
#[wasm_bindgen]
pub fn activate_exact(act: u32, grad: bool, x: &[f64], out: &mut [f64]) {
    let ones = vec![1.0; x.len()];
    if grad {
        portable::activate_grad(activation(act), x, &ones, out);
    } else {
        portable::activate(activation(act), x, out);
    }
}

/// A product's operands, resident and packed, for timing.
#[wasm_bindgen]
pub struct Bench {
    a: Vec<f32>,
    b: Packed<f32>,
    out: Vec<f32>,
    count: usize,
}

#[wasm_bindgen]
impl Bench {
    /// `a`: `[count, k]` for a product, `[count, n]` for one with the transpose; `b`: `[k, n]`.
    #[wasm_bindgen(constructor)]
    pub fn new(a: &[f32], count: usize, b: &[f32], k: usize, n: usize, storage: u32) -> Self {
        Self { a: a.to_vec(), b: held(b, k, n, storage), out: vec![0.0; count * k.max(n)], count }
    }

    pub fn gemm(&mut self, act: u32) {
        let rows = Rows { data: &self.a, stride: self.b.rows, count: self.count };
        let out = RowsMut { data: &mut self.out, stride: self.b.cols };
        f32::gemm(rows, &self.b, 0..self.b.cols, None, activation(act), out);
    }

    pub fn gemm_blocks(&mut self, block: usize) {
        let rows = Rows { data: &self.a, stride: self.b.rows, count: self.count };
        f32::gemm_blocks(rows, &self.b, block, None, RowsMut { data: &mut self.out, stride: self.b.cols });
    }

    pub fn gemm_bt(&mut self) {
        let rows = Rows { data: &self.a, stride: self.b.cols, count: self.count };
        let out = RowsMut { data: &mut self.out, stride: self.b.rows };
        f32::gemm_bt(rows, &self.b, 0..self.b.cols, 0..self.b.rows, out);
    }

    /// The results of the last product, row-major.
    pub fn result(&self) -> Vec<f32> {
        self.out.clone()
    }
}

/// An encoder and its inputs, resident, for timing.
#[wasm_bindgen]
pub struct EncoderBench {
    encoder: Encoder,
    x: Vec<f32>,
    count: usize,
    out: Vec<f32>,
}

#[wasm_bindgen]
impl EncoderBench {
    #[wasm_bindgen(constructor)]
    pub fn new(w: &[f32], bias: &[f32], k: usize, n: usize) -> Self {
        let encoder = Encoder::new(&Product::new(0, k, n, k, n), w, bias, None);
        Self { encoder, x: Vec::new(), count: 0, out: Vec::new() }
    }

    pub fn set_rows(&mut self, x: &[f32], count: usize) {
        (self.x, self.count) = (x.to_vec(), count);
        self.out = vec![0.0; count * self.encoder.weight.cols];
    }

    pub fn dense(&mut self) {
        self.encoder.dense(&self.x, self.count, self.encoder.weight.rows, &mut self.out);
    }

    /// The rows are quantised each time, as they are in earnest.
    pub fn screened(&mut self) {
        self.out.fill(0.0);
        assert!(self.encoder.screened(true, &self.x, self.count, self.encoder.weight.rows, &mut self.out));
    }

    /// Compares both, and gives how many codes are alive.
    pub fn check(&mut self) -> usize {
        self.dense();
        let dense = self.out.clone();
        self.screened();
        assert!(dense.iter().zip(&self.out).all(|(a, b)| a.to_bits() == b.to_bits()), "screened codes differ");
        dense.iter().filter(|&&code| code > 0.0).count()
    }
}

/// Sums that [`multiply_adds`] keeps: enough to hide the instruction's latency, few enough to stay in registers.
const SUMS: usize = 10;

/// Floating-point operations of one round of [`multiply_adds`].
#[wasm_bindgen]
pub fn multiply_add_operations() -> usize {
    SUMS * 4 * 2
}

/// The machine's rate: `rounds` rounds of independent 128-bit multiply-adds.
#[wasm_bindgen]
pub fn multiply_adds(rounds: u32) -> f32 {
    let mut sums = [f32x4_splat(0.0); SUMS];
    let (x, y) = (std::hint::black_box(f32x4_splat(0.999)), std::hint::black_box(f32x4_splat(0.001)));
    let mut left = rounds;
    while left != 0 {
        left -= 1;
        for sum in &mut sums {
            *sum = f32x4_relaxed_madd(*sum, x, y);
        }
    }
    f32x4_extract_lane::<0>(sums.into_iter().fold(y, |a, b| f32x4_add(a, b)))
}
