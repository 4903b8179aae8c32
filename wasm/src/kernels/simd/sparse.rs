//! Products with the transpose of a packed matrix where little of the result is wanted, or little of the other operand is there.

use super::held::{Held, PanelRows, Singles, with_cells};
use super::lanes::{F32x4, load, madd, store};
use super::tile::{Tile, ZEROS, few_rows};
use super::transpose::transpose4;
use crate::kernels::{PANEL, Packed, Rows, SparseRows};
use crate::real::Real;
use core::arch::wasm32::*;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Columns of B whose cells are transposed at a time: with sixteen rows 32 KB.
const DEPTH: usize = 512;

/// The cells of up to sixteen rows of B in columns `from..from + depth`, as `depth` rows of sixteen; rows that aren't there are
/// some other row again.
///
/// # Safety
/// The rows and columns must be ones of `cells`, `from` begin a panel, and `out` be valid for `depth`, rounded up to panels, times 16.
unsafe fn gather<H: Held>(
    held: H,
    cells: &[H::Cell],
    rows: usize,
    ks: &[u32],
    from: usize,
    depth: usize,
    out: *mut f32,
) {
    let row = |i: usize| ks[i.min(ks.len() - 1)] as usize;
    for p in 0..depth.div_ceil(PANEL) {
        let panel = cells[(from / PANEL + p) * rows * PANEL..][..rows * PANEL].as_ptr();
        // SAFETY: the panel is the matrix'.
        let held = unsafe { held.in_panel(panel) };
        for group in 0..4 {
            // SAFETY: the rows are within the panel; the caller answers for `out`.
            unsafe {
                let four = [0, 1, 2, 3].map(|i| held.row(panel.add(row(4 * group + i) * PANEL)));
                for v in 0..4 {
                    let columns = transpose4([four[0][v], four[1][v], four[2][v], four[3][v]]);
                    for (c, column) in columns.into_iter().enumerate() {
                        v128_store(out.add((p * PANEL + 4 * v + c) * PANEL + 4 * group).cast(), column);
                    }
                }
            }
        }
    }
}

/// Up to sixteen cells of row `a`'s product with the transpose.
fn cells_at(a: &[f32], b: &Packed<f32>, ks: &[u32], out: &mut [f32]) {
    let mut room = MaybeUninit::<[f32; DEPTH * PANEL]>::uninit();
    let transposed = room.as_mut_ptr().cast::<f32>();
    let mut sums = [0f32; PANEL];
    for from in (0..b.cols).step_by(DEPTH) {
        let depth = (b.cols - from).min(DEPTH);
        let tile = Tile {
            a: a[from..].as_ptr(),
            a_stride: 0,
            b: transposed.cast_const(),
            panel: 0,
            k: depth,
            start: if from == 0 { ZEROS.as_ptr() } else { sums.as_ptr() },
            start_stride: 0,
            c: sums.as_mut_ptr(),
            c_stride: 0,
        };
        // SAFETY: the callers checked the rows, DEPTH is made of whole panels, and the room and the sums are large enough.
        unsafe {
            with_cells!(b, |held, cells| gather(held, cells, b.rows, ks, from, depth, transposed));
            few_rows(Singles, tile, 1, 1);
        }
    }
    out.copy_from_slice(&sums[..out.len()]);
}

/// Cells of some rows.
pub fn gemm_bt_at(dy: Rows<f32>, b: &Packed<f32>, starts: &[u32], ks: &[u32], rows: Range<usize>, out: &mut [f32]) {
    let first = starts[rows.start] as usize;
    for i in rows {
        let a = &dy.data[i * dy.stride..][..b.cols];
        let elements = starts[i] as usize..starts[i + 1] as usize;
        let ks = &ks[elements.clone()];
        assert!(ks.iter().all(|&k| (k as usize) < b.rows));
        let out = &mut out[elements.start - first..elements.end - first];
        for (ks, out) in ks.chunks(PANEL).zip(out.chunks_mut(PANEL)) {
            if b.cols > 0 {
                cells_at(a, b, ks, out);
            } else {
                out.fill(0.0);
            }
        }
    }
}

/// `sums[k] += dy b[k, j]` for every row `k` of B.
#[inline(never)]
fn add_column<H: Held>(held: H, panel: &[H::Cell], c: usize, dy: f32, sums: &mut [f32]) {
    assert!(panel.len() == sums.len() * PANEL && c < PANEL);
    let x = f32x4_splat(dy);
    let (sums4, rest) = sums.as_chunks_mut::<4>();
    let mut at = panel.as_ptr();
    // SAFETY: the panel is the matrix'.
    let held = unsafe { held.in_panel(at) };
    for sums in sums4.iter_mut() {
        // SAFETY: the panel has a row of sixteen for each sum.
        let column = unsafe {
            let cell = |k: usize| held.cell(at.add(k * PANEL), c);
            f32x4(cell(0), cell(1), cell(2), cell(3))
        };
        let sum = madd(x, column, load(sums).0);
        store(sums, F32x4(sum));
        at = at.wrapping_add(4 * PANEL);
    }
    for sum in rest {
        // SAFETY: as above.
        *sum = Real::mul_add(dy, unsafe { held.cell(at, c) }, *sum);
        at = at.wrapping_add(PANEL);
    }
}

/// Some rows of the product of sparse rows with the transpose; `out` has those alone, `stride` apart.
pub fn gemm_bt_sparse(dy: SparseRows<f32>, b: &Packed<f32>, rows: Range<usize>, out: &mut [f32], stride: usize) {
    for (at, i) in rows.enumerate() {
        let sums = &mut out[at * stride..][..b.rows];
        sums.fill(0.0);
        for e in dy.row(i) {
            let j = dy.columns[e] as usize;
            assert!(j < b.cols);
            with_cells!(b, |held, cells| {
                let panel = &cells[j / PANEL * b.rows * PANEL..][..b.rows * PANEL];
                add_column(held, panel, j % PANEL, dy.values[e], sums);
            });
        }
        sums.iter_mut().for_each(|sum| *sum += 0.0);
    }
}
