//! Kernels: slices in, slices out, no handles, no allocation the caller doesn't see.
//!
//! Every kernel exists twice: a portable twin (`portable/`), generic over the scalar, which says in plain loops what is
//! computed and in which order; and for float32 with 128-bit SIMD a fast version (`simd/`) with the same bits.
//! [`Kernels`] picks: its provided methods are the twins, and `f32` overrides them where SIMD is compiled in.
//!
//! The order of every sum is part of a kernel's contract, and no row's bits depend on the rows beside it:
//! - a cell of a matrix product is one accumulator that starts from the bias (or zero) and takes `k` in order with `mul_add`;
//!   at the end zero is added, which makes -0 into +0, so that a term of zero may be passed over;
//! - sums along a row's own axis of fixed length (layer norm) go over 16 partial sums, element `i` into sum `i % 16`
//!   (as if padded with zeros), then folded as stated at [`portable::fold16`];
//! - sums over keys go key by key in order, never in lanes: pads and later keys leave the bits as they are.

pub mod activation;
pub mod elementary;
pub mod folding;
pub mod half;
pub mod packed;
pub mod parallel;
pub mod portable;
pub mod screen;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub mod simd;

pub use packed::{Axis, Elements, HeldCells, Layout, PANEL, Packed, Storage, gather_widened};

use crate::real::Real;
use elementary::Lane;
use screen::{Candidates, Screen, ScreenedRows};
use std::ops::Range;

/// Element-wise functions with a derivative of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Activation {
    Identity = 0,
    Relu = 1,
    /// 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))), computed as x / (1 + exp(-2u)).
    GeluNew = 2,
    /// x Φ(x) with the exact normal distribution function.
    Gelu = 3,
    Silu = 4,
    Tanh = 5,
    Sigmoid = 6,
    Exp = 7,
}

/// The rows that an attention kernel computes, and the keys they see.
///
/// Queries are compact: row `r` is the query of batch `rows[r].0` at key index `rows[r].1`, and it sees the last `window` keys up to
/// and including that one, less those that `key_mask` hides. Keys and values are `[batch, key_room, n_key_heads, d_head]`, of which the
/// first `n_keys` of each batch entry are there: a cache has room for more.
#[derive(Clone, Copy, Debug)]
pub struct Attend<'a> {
    pub rows: &'a [(u32, u32)],
    /// One flag per (batch, key): 0 hides a key. Empty when every key is real.
    pub key_mask: &'a [u8],
    pub batch: usize,
    pub n_keys: usize,
    pub key_room: usize,
    pub n_heads: usize,
    /// Divides `n_heads`: as many neighbouring query heads share a head of keys and values.
    pub n_key_heads: usize,
    pub d_head: usize,
    /// Scores are `(q·k) / scale`.
    pub scale: f64,
    /// Keys that a row sees, its own included.
    pub window: usize,
    /// Bounds scores by `c·tanh(score / c)`; 0 for none.
    pub soft_cap: f64,
    /// What is added to scores for each key of distance, by head: `slope·(key - query)`. Empty for none.
    pub slopes: &'a [f64],
}

impl Attend<'_> {
    /// The keys from the first that row `r` may see to the last; `key_mask` may hide some of them.
    pub fn span(&self, r: usize) -> Range<usize> {
        let end = self.rows[r].1 as usize + 1;
        end.saturating_sub(self.window)..end
    }

    /// True when row `r` sees key `key`.
    pub fn sees(&self, r: usize, key: usize) -> bool {
        let mask = self.key_mask.get(self.rows[r].0 as usize * self.n_keys + key);
        self.span(r).contains(&key) && mask.is_none_or(|&flag| flag != 0)
    }

    /// Elements from one key to the next.
    pub fn key_width(&self) -> usize {
        self.n_key_heads * self.d_head
    }

    /// Where the keys and values of query head `h` begin: those of `batch` at `key`.
    pub fn key_start(&self, batch: u32, h: usize, key: usize) -> usize {
        let shared_by = self.n_heads / self.n_key_heads;
        (batch as usize * self.key_room + key) * self.key_width() + h / shared_by * self.d_head
    }
}

/// A row-major matrix operand: row `i` begins at `data[i * stride]`.
#[derive(Clone, Copy)]
pub struct Rows<'a, T> {
    pub data: &'a [T],
    pub stride: usize,
    pub count: usize,
}

/// The same for a result; only the columns written are touched.
pub struct RowsMut<'a, T> {
    pub data: &'a mut [T],
    pub stride: usize,
}

/// Rows of which few elements are there: row `i` has `values[e]` in column `columns[e]` for `e` from `starts[i]` up to
/// `starts[i + 1]`, columns ascending.
#[derive(Clone, Copy)]
pub struct SparseRows<'a, T> {
    pub starts: &'a [u32],
    pub columns: &'a [u32],
    pub values: &'a [T],
}

impl<T> SparseRows<'_, T> {
    pub fn count(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Where row `i`'s elements lie.
    pub fn row(&self, i: usize) -> Range<usize> {
        self.starts[i] as usize..self.starts[i + 1] as usize
    }
}

pub trait Kernels: Real + Lane {
    /// `out[i, j] = act(bias[j] + Σ_k a[i, k] b[k, cols.start + j])` for `j < cols.len()`.
    ///
    /// `bias` is indexed by the column of `b` (its full width) and starts the accumulator; `k` runs over the whole of `b.rows`.
    fn gemm(
        a: Rows<Self>,
        b: &Packed<Self>,
        cols: Range<usize>,
        bias: Option<&[Self]>,
        act: Activation,
        out: RowsMut<Self>,
    ) {
        portable::gemm(a, b, cols, bias, act, out);
    }

    /// `out[i, j] = (Σ_blocks (Σ_{k in block} a[i, k] b[k, j])) + bias[j]`: each block of `block` k's is summed from zero,
    /// the block sums are added in order to a total that starts as the first block's sum, the bias is added last.
    fn gemm_blocks(a: Rows<Self>, b: &Packed<Self>, block: usize, bias: Option<&[Self]>, out: RowsMut<Self>) {
        portable::gemm_blocks(a, b, block, bias, out);
    }

    /// `out[i, k] = Σ_j dy[i, j] b[k, cols.start + j]`, `j` in order over `cols`: the product with the transpose, from
    /// the same packed matrix, for the rows `ks` of `b` (out has `ks.len()` columns).
    fn gemm_bt(dy: Rows<Self>, b: &Packed<Self>, cols: Range<usize>, ks: Range<usize>, out: RowsMut<Self>) {
        portable::gemm_bt(dy, b, cols, ks, out);
    }

    /// Some cells of [`Kernels::gemm_bt`] over all columns, with its bits: `out[e] = Σ_j dy[i, j] b[ks[e], j]` for `e` from
    /// `starts[i]` up to `starts[i + 1]`.
    fn gemm_bt_at(dy: Rows<Self>, b: &Packed<Self>, starts: &[u32], ks: &[u32], out: &mut [Self]) {
        portable::gemm_bt_at(dy, b, starts, ks, out);
    }

    /// [`Kernels::gemm_bt`] over all columns and rows of `b` for a `dy` of which few elements aren't zero: `out[i, k] =
    /// Σ_e values[e] b[k, columns[e]]`, in order, its bits for finite `b`.
    fn gemm_bt_sparse(dy: SparseRows<Self>, b: &Packed<Self>, out: RowsMut<Self>) {
        portable::gemm_bt_sparse(dy, b, out);
    }

    /// Layer norm's first half: `centered = x - mean(x)` (or `x` unless `center`), `scale = sqrt(mean(centered²) + eps)`.
    /// `x`, `centered`: `[rows, d]`; `scale`: `[rows]`.
    fn norm_scale(x: &[Self], d: usize, eps: Self, center: bool, centered: &mut [Self], scale: &mut [Self]) {
        portable::norm_scale(x, d, eps, center, centered, scale);
    }

    /// The whole norm: `normalized = centered / scale`, `out = normalized * weight + bias` (a multiplication, then an addition,
    /// each rounded). Without weight and bias `out` is `normalized`. Same bits as the halves. `scale`/`normalized` are
    /// written when given.
    #[allow(clippy::too_many_arguments)]
    fn norm(
        x: &[Self],
        d: usize,
        eps: Self,
        center: bool,
        affine: Option<(&[Self], &[Self])>,
        out: &mut [Self],
        scale: Option<&mut [Self]>,
        normalized: Option<&mut [Self]>,
    ) {
        portable::norm(x, d, eps, center, affine, out, scale, normalized);
    }

    /// Softmax over rows of `n`: subtract the maximum, exponentiate, sum in order, divide. A row of nothing but -inf gives zeros.
    fn softmax(x: &[Self], n: usize, out: &mut [Self]) {
        portable::softmax(x, n, out);
    }

    /// `x - max - ln(Σ exp(x - max))` over rows of `n`.
    fn log_softmax(x: &[Self], n: usize, out: &mut [Self]) {
        portable::log_softmax(x, n, out);
    }

    /// Attention scores: `scores[r, h, j] = cap((Σ_d q[r, h, d] k[b, j, g, d]) / scale) + slope[h] (j - query)`, `d` in order, where head
    /// `g` of the keys serves `h`, and cap and slope may be missing; -inf for keys that the row doesn't see.
    fn attend_scores(at: &Attend, q: &[Self], k: &[Self], scores: &mut [Self]) {
        portable::attend_scores(at, q, k, scores);
    }

    /// The mix of values: `z[r, h, d] = Σ_j pattern[r, h, j] v[b, j, g, d]`, `j` in order over all keys that have weight: a weight
    /// of zero hides a value even where that isn't finite.
    fn attend_mix(at: &Attend, pattern: &[Self], v: &[Self], z: &mut [Self]) {
        portable::attend_mix(at, pattern, v, z);
    }

    /// Scores, softmax and mix in one pass, with room for the scores of at most 32 rows of one head; same bits as the three in turn.
    /// `scores` and `pattern`, `[r, h, n_keys]`, are written when given.
    fn attend(
        at: &Attend,
        q: &[Self],
        k: &[Self],
        v: &[Self],
        z: &mut [Self],
        scores: Option<&mut [Self]>,
        pattern: Option<&mut [Self]>,
    ) {
        portable::attend(at, q, k, v, z, scores, pattern);
    }

    /// `out = f(x)`.
    fn activate(f: Activation, x: &[Self], out: &mut [Self]) {
        portable::activate(f, x, out);
    }

    /// `out = dy * f'(x)`.
    fn activate_grad(f: Activation, x: &[Self], dy: &[Self], out: &mut [Self]) {
        portable::activate_grad(f, x, dy, out);
    }

    /// `out[i, :] = bias + Σ_{f: codes[i, f] ≠ 0} codes[i, f] w[f, :]`, `f` in order, accumulators starting from `bias`:
    /// the bits of [`Kernels::gemm`] at the cost of the active codes, for finite `w`.
    fn decode(codes: Rows<Self>, w: &Packed<Self>, bias: Option<&[Self]>, out: RowsMut<Self>) {
        portable::decode(codes, w, bias, out);
    }

    /// [`Kernels::decode`] for codes of which those that aren't zero are given.
    fn decode_sparse(codes: SparseRows<Self>, w: &Packed<Self>, bias: Option<&[Self]>, out: RowsMut<Self>) {
        portable::decode_sparse(codes, w, bias, out);
    }

    /// Flags the features that may be alive in rows of inputs: those that the screen of `w` can't rule out.
    fn screen(rows: &ScreenedRows, w: &Packed<Self>, screen: &Screen, candidates: &mut Candidates) {
        portable::screen(rows, w, screen, candidates);
    }

    /// Codes of an autoencoder, `code(bias[j] + Σ_k x[i, k] w[k, j])` with the bits of [`Kernels::gemm`] and the activation of
    /// [`screen::code`], for the candidates among them, by row, in the order of their features.
    fn encode_at(
        x: Rows<Self>,
        w: &Packed<Self>,
        bias: Option<&[Self]>,
        thresholds: Option<&[Self]>,
        candidates: &Candidates,
        out: &mut [Self],
    ) {
        portable::encode_at(x, w, bias, thresholds, candidates, out);
    }

    /// Whether the engine's instructions are such that [`Kernels::screen`] rules out what is dead alone.
    fn can_screen() -> bool {
        true
    }
}

impl Kernels for f64 {}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
impl Kernels for f32 {}
