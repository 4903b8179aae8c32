use super::held::{Held, PanelRows, add_row, with_cells};
use super::lanes::{F32x4, load, store};
use crate::kernels::{PANEL, Packed, Rows, RowsMut, SparseRows};
use core::arch::wasm32::*;
use std::ops::Range;

/// Active codes collected before they are summed; a row with more takes several turns, which the sums in `out` carry over.
const COLLECTED: usize = 256;

/// The next active codes of `row` from `at` on, at most [`COLLECTED`], and where to go on.
fn collect(row: &[f32], mut at: usize, active: &mut [(u32, f32); COLLECTED]) -> (usize, usize) {
    let mut n = 0;
    while at < row.len() && n < COLLECTED {
        if at + 4 <= row.len() {
            let codes = load(&row[at..]).0;
            if !v128_any_true(f32x4_ne(codes, f32x4_splat(0.0))) {
                at += 4;
                continue;
            }
        }
        if row[at] != 0.0 {
            active[n] = (at as u32, row[at]);
            n += 1;
        }
        at += 1;
    }
    (n, at)
}

/// `sums += Σ codes w[f, 16 columns]` over the active codes of a panel.
#[inline(never)]
fn add_codes<H: Held>(held: H, panel: &[H::Cell], active: &[(u32, f32)], sums: &mut [f32; PANEL]) {
    let mut acc = [0, 4, 8, 12].map(|at| load(&sums[at..]).0);
    // SAFETY: the panel is the matrix'.
    let held = unsafe { held.in_panel(panel.as_ptr()) };
    for &(f, code) in active {
        let row = &panel[f as usize * PANEL..][..PANEL];
        // SAFETY: the row has sixteen cells.
        add_row(f32x4_splat(code), unsafe { held.row(row.as_ptr()) }, &mut acc);
    }
    acc.iter().enumerate().for_each(|(v, &acc)| store(&mut sums[4 * v..], F32x4(acc) + F32x4::ZERO));
}

/// A row of active codes decoded. `collect` gives the next of them and says whether there are more.
fn decode_row(
    w: &Packed<f32>,
    bias: Option<&[f32]>,
    out: &mut [f32],
    mut collect: impl FnMut(&mut [(u32, f32); COLLECTED]) -> (usize, bool),
) {
    match bias {
        Some(bias) => out.copy_from_slice(bias),
        None => out.fill(0.0),
    }
    let mut active = [(0u32, 0f32); COLLECTED];
    // One turn at least, for the bias of a row without codes may be -0.
    loop {
        let (n, has_more) = collect(&mut active);
        with_cells!(w, |held, cells| {
            for (p, out) in out.chunks_mut(PANEL).enumerate() {
                let mut sums = [0f32; PANEL];
                sums[..out.len()].copy_from_slice(out);
                add_codes(held, &cells[p * w.rows * PANEL..][..w.rows * PANEL], &active[..n], &mut sums);
                out.copy_from_slice(&sums[..out.len()]);
            }
        });
        if !has_more {
            break;
        }
    }
}

pub fn decode(codes: Rows<f32>, w: &Packed<f32>, bias: Option<&[f32]>, out: RowsMut<f32>) {
    for i in 0..codes.count {
        let row = &codes.data[i * codes.stride..][..w.rows];
        let mut at = 0;
        decode_row(w, bias, &mut out.data[i * out.stride..][..w.cols], |active| {
            let (n, next) = collect(row, at, active);
            at = next;
            (n, at < row.len())
        });
    }
}

/// Some of the rows; `out` begins with the first of them.
pub fn decode_sparse(
    codes: SparseRows<f32>,
    rows: Range<usize>,
    w: &Packed<f32>,
    bias: Option<&[f32]>,
    out: RowsMut<f32>,
) {
    for (at, i) in rows.enumerate() {
        let mut left = codes.row(i);
        decode_row(w, bias, &mut out.data[at * out.stride..][..w.cols], |active| {
            let n = left.len().min(COLLECTED);
            for (active, e) in active.iter_mut().zip(left.by_ref()) {
                *active = (codes.columns[e], codes.values[e]);
            }
            (n, !left.is_empty())
        });
    }
}
