//! The kernels in shares: each is cut into ranges of rows, columns or heads that threads take on.

use super::{activation, attention, decode, gemm, norm, screen, softmax, sparse};
use crate::kernels::parallel::{Cells, ELEMENT, EXPONENTIAL, ranges, rows};
use crate::kernels::screen::{Candidates, Screen, ScreenedRows};
use crate::kernels::{Activation, Attend, PANEL, Packed, Rows, RowsMut, SparseRows};
use std::ops::Range;

/// Rows of a share of a product: whole tiles.
const ROWS: usize = 5;

/// Groups of columns from which on a product is cut by them rather than by its rows, which would have every thread read all of B.
const MANY_GROUPS: usize = 8;

/// Elements of a share of element-wise work: whole vectors, eight at a time.
const ELEMENTS: usize = 64;

/// Where a share of a product writes: rows `stride` apart.
pub struct Out<'a> {
    cells: &'a Cells<'a, f32>,
    first: usize,
    pub stride: usize,
}

impl<'a> Out<'a> {
    /// Begins at cell `first`.
    ///
    /// # Safety
    /// Whatever the share writes must be cells that no other share touches.
    pub unsafe fn new(cells: &'a Cells<'a, f32>, first: usize, stride: usize) -> Self {
        Self { cells, first, stride }
    }

    /// The cells from the first one on.
    pub fn len(&self) -> usize {
        self.cells.len() - self.first
    }

    /// The address of a cell.
    pub fn at(&self, index: usize) -> *mut f32 {
        self.cells.at(self.first + index)
    }

    /// The same share from a row and a column on.
    pub fn part(&mut self, row: usize, column: usize) -> Out<'_> {
        Out { cells: self.cells, first: self.first + row * self.stride + column, stride: self.stride }
    }

    /// Columns of a row.
    pub fn row(&mut self, i: usize, columns: Range<usize>) -> &mut [f32] {
        let row = self.first + i * self.stride;
        // SAFETY: the share's own cells by the promise of `new`, one slice of them at a time by the borrow of `self`.
        unsafe { self.cells.slice(row + columns.start..row + columns.end) }
    }
}

/// Cuts a product of `count` rows with `cols`, `k` multiply-adds a cell, and calls `f(rows, columns)`.
fn product(count: usize, cols: Range<usize>, k: usize, f: impl Fn(Range<usize>, Range<usize>) + Sync) {
    // The columns that the kernels take together.
    let group = if count == 1 { 2 * PANEL } else { PANEL };
    let (first, groups) = (cols.start / group, cols.end.div_ceil(group) - cols.start / group);
    if groups >= MANY_GROUPS || count < 2 * ROWS {
        ranges(groups, count * k * group, |share| {
            let part = (first + share.start) * group..(first + share.end) * group;
            f(0..count, part.start.max(cols.start)..part.end.min(cols.end));
        });
    } else {
        ranges(count.div_ceil(ROWS), ROWS * k * cols.len(), |share| {
            f(share.start * ROWS..(share.end * ROWS).min(count), cols.clone());
        });
    }
}

/// Some rows of an operand.
fn rows_of<'a>(a: &Rows<'a, f32>, rows: &Range<usize>) -> Rows<'a, f32> {
    Rows { data: &a.data[(rows.start * a.stride).min(a.data.len())..], stride: a.stride, count: rows.len() }
}

pub fn gemm(
    a: Rows<f32>,
    b: &Packed<f32>,
    cols: Range<usize>,
    bias: Option<&[f32]>,
    act: Activation,
    out: RowsMut<f32>,
) {
    let (cells, stride, start) = (Cells::new(out.data), out.stride, cols.start);
    product(a.count, cols, b.rows, |rows, part| {
        // SAFETY: shares differ in their rows or in their columns.
        let out = unsafe { Out::new(&cells, rows.start * stride + part.start - start, stride) };
        gemm::gemm(rows_of(&a, &rows), b, part, bias, act, out);
    });
}

pub fn gemm_blocks(a: Rows<f32>, b: &Packed<f32>, block: usize, bias: Option<&[f32]>, out: RowsMut<f32>) {
    let (cells, stride) = (Cells::new(out.data), out.stride);
    product(a.count, 0..b.cols, b.rows, |rows, part| {
        // SAFETY: shares differ in their rows or in their columns.
        let out = unsafe { Out::new(&cells, rows.start * stride + part.start, stride) };
        gemm::gemm_blocks(rows_of(&a, &rows), b, part, block, bias, out);
    });
}

/// Cut by panels of features. Four products in eight bits cost as much as one in float32.
pub fn screen(rows: &ScreenedRows, w: &Packed<f32>, with: &Screen, candidates: &mut Candidates) {
    let count = candidates.count;
    assert!(rows.count() == count && candidates.flags.len() == w.cols.div_ceil(PANEL) * count);
    let flags = Cells::new(&mut candidates.flags);
    ranges(w.cols.div_ceil(PANEL), count * w.rows * PANEL / 4, |panels| {
        // SAFETY: shares differ in their panels.
        let flags = unsafe { flags.slice(panels.start * count..panels.end * count) };
        screen::screen(rows, w, with, panels, flags);
    });
}

/// Cut by panels of features, whose cost is taken to be that of an even share of the candidates, each a row of a panel.
pub fn encode_at(
    x: Rows<f32>,
    w: &Packed<f32>,
    bias: Option<&[f32]>,
    thresholds: Option<&[f32]>,
    candidates: &Candidates,
    out: &mut [f32],
) {
    let panels = w.cols.div_ceil(PANEL);
    let each = 1 + out.len() / panels.max(1);
    let out = Cells::new(out);
    ranges(panels, each * w.rows * PANEL, |panels| {
        screen::encode_at(Rows { ..x }, w, panels, bias, thresholds, candidates, &out);
    });
}

/// Cut by the rows of `b`, which are the columns of the result.
pub fn gemm_bt(dy: Rows<f32>, b: &Packed<f32>, cols: Range<usize>, ks: Range<usize>, out: RowsMut<f32>) {
    let (cells, stride) = (Cells::new(out.data), out.stride);
    ranges(ks.len().div_ceil(PANEL), dy.count * PANEL * cols.len(), |share| {
        let part = ks.start + share.start * PANEL..(ks.start + share.end * PANEL).min(ks.end);
        // SAFETY: shares differ in their columns.
        let out = unsafe { Out::new(&cells, part.start - ks.start, stride) };
        gemm::gemm_bt(Rows { ..dy }, b, cols.clone(), part, out);
    });
}

/// Cut by rows, whose cost is taken to be that of an even share of the cells.
pub fn gemm_bt_at(dy: Rows<f32>, b: &Packed<f32>, starts: &[u32], ks: &[u32], out: &mut [f32]) {
    assert!(starts.len() == dy.count + 1 && out.len() == ks.len());
    let cells = Cells::new(out);
    ranges(dy.count, b.cols * (1 + ks.len() / dy.count.max(1)), |rows| {
        let elements = starts[rows.start] as usize..starts[rows.end] as usize;
        // SAFETY: shares differ in their rows.
        let out = unsafe { cells.slice(elements) };
        sparse::gemm_bt_at(Rows { ..dy }, b, starts, ks, rows, out);
    });
}

/// Cut by rows, as [`gemm_bt_at`].
pub fn gemm_bt_sparse(dy: SparseRows<f32>, b: &Packed<f32>, out: RowsMut<f32>) {
    let (cells, stride) = (Cells::new(out.data), out.stride);
    ranges(dy.count(), b.rows * (1 + dy.columns.len() / dy.count().max(1)), |rows| {
        // SAFETY: shares differ in their rows.
        let out = unsafe { cells.slice(rows.start * stride..(rows.end - 1) * stride + b.rows) };
        sparse::gemm_bt_sparse(dy, b, rows, out, stride);
    });
}

/// Cut by rows of `d`.
pub fn norm_scale(x: &[f32], d: usize, eps: f32, center: bool, centered: &mut [f32], scale: &mut [f32]) {
    let (centered, scale) = (Cells::new(centered), Cells::new(scale));
    ranges(x.len() / d.max(1), d * ELEMENT, |rows| {
        let cells = rows.start * d..rows.end * d;
        // SAFETY: shares differ in their rows.
        let (centered, scale) = unsafe { (centered.slice(cells.clone()), scale.slice(rows)) };
        norm::norm_scale(&x[cells], d, eps, center, centered, scale);
    });
}

#[allow(clippy::too_many_arguments, reason = "the contract of `Kernels::norm`")]
pub fn norm(
    x: &[f32],
    d: usize,
    eps: f32,
    center: bool,
    affine: Option<(&[f32], &[f32])>,
    out: &mut [f32],
    scale: Option<&mut [f32]>,
    normalized: Option<&mut [f32]>,
) {
    let (out, scale, normalized) = (Cells::new(out), scale.map(Cells::new), normalized.map(Cells::new));
    ranges(x.len() / d.max(1), d * ELEMENT, |rows| {
        let cells = rows.start * d..rows.end * d;
        // SAFETY: shares differ in their rows.
        let (out, scale, normalized) = unsafe {
            let scale = scale.as_ref().map(|scale| scale.slice(rows));
            (out.slice(cells.clone()), scale, normalized.as_ref().map(|all| all.slice(cells.clone())))
        };
        norm::norm(&x[cells], d, eps, center, affine, out, scale, normalized);
    });
}

/// Cut by rows of `n`.
pub fn softmax(x: &[f32], n: usize, out: &mut [f32]) {
    rows(out, n, n * EXPONENTIAL, |first, out| softmax::softmax(&x[first * n..][..out.len()], n, out));
}

/// Cut by rows of `n`.
pub fn log_softmax(x: &[f32], n: usize, out: &mut [f32]) {
    rows(out, n, n * EXPONENTIAL, |first, out| softmax::log_softmax(&x[first * n..][..out.len()], n, out));
}

/// Calls `f` with shares of attention's pairs of a tile and a head, whose rows pass `times` over their keys, each time reading
/// them once.
fn attention(at: &Attend, times: usize, f: impl Fn(Range<usize>) + Sync) {
    let pairs = attention::pair_count(at);
    let rows = (at.rows.len() * at.n_heads).div_ceil(pairs.max(1));
    ranges(pairs, times * (rows + ELEMENT) * at.n_keys * at.d_head, f);
}

pub fn attend_scores(at: &Attend, q: &[f32], k: &[f32], scores: &mut [f32]) {
    let scores = Cells::new(scores);
    attention(at, 1, |share| attention::attend_scores(at, share, q, k, &scores));
}

pub fn attend_mix(at: &Attend, pattern: &[f32], v: &[f32], z: &mut [f32]) {
    let z = Cells::new(z);
    attention(at, 1, |share| attention::attend_mix(at, share, pattern, v, &z));
}

pub fn attend(
    at: &Attend,
    q: &[f32],
    k: &[f32],
    v: &[f32],
    z: &mut [f32],
    scores: Option<&mut [f32]>,
    pattern: Option<&mut [f32]>,
) {
    let out = attention::Written { z: Cells::new(z), scores: scores.map(Cells::new), pattern: pattern.map(Cells::new) };
    attention(at, 2, |share| attention::attend(at, share, q, k, v, &out));
}

pub fn activate(f: Activation, x: &[f32], out: &mut [f32]) {
    rows(out, ELEMENTS, ELEMENTS * EXPONENTIAL, |first, out| {
        activation::activate(f, &x[first * ELEMENTS..][..out.len()], out);
    });
}

pub fn activate_grad(f: Activation, x: &[f32], dy: &[f32], out: &mut [f32]) {
    rows(out, ELEMENTS, ELEMENTS * EXPONENTIAL, |first, out| {
        let cells = first * ELEMENTS..first * ELEMENTS + out.len();
        activation::activate_grad(f, &x[cells.clone()], &dy[cells], out);
    });
}

/// Cut by rows, whose cost is taken to be that of an even share of the codes.
pub fn decode_sparse(codes: SparseRows<f32>, w: &Packed<f32>, bias: Option<&[f32]>, out: RowsMut<f32>) {
    let (cells, stride) = (Cells::new(out.data), out.stride);
    let each = 1 + codes.columns.len() / codes.count().max(1);
    ranges(codes.count(), each * w.cols, |rows| {
        // SAFETY: shares differ in their rows.
        let out = unsafe { cells.slice(rows.start * stride..(rows.end - 1) * stride + w.cols) };
        decode::decode_sparse(codes, rows, w, bias, RowsMut { data: out, stride });
    });
}

/// Cut by rows, whose cost is taken to be that of looking at the codes and of adding a few.
pub fn decode(codes: Rows<f32>, w: &Packed<f32>, bias: Option<&[f32]>, out: RowsMut<f32>) {
    let (cells, stride) = (Cells::new(out.data), out.stride);
    ranges(codes.count, w.rows + 16 * w.cols, |rows| {
        // SAFETY: shares differ in their rows.
        let out = unsafe { cells.slice(rows.start * stride..(rows.end - 1) * stride + w.cols) };
        decode::decode(rows_of(&codes, &rows), w, bias, RowsMut { data: out, stride });
    });
}
