use super::lanes::{F32x4, load, map, map_in_place};
use super::transpose::transpose4;
use crate::kernels::elementary::Lane;
use core::arch::wasm32::f32x4_pmax;

/// The largest element, NaN passed over. Its order doesn't matter: no rounding, and a zero's sign is lost in the subtraction.
pub fn maximum(x: &[f32]) -> f32 {
    let (x4, rest) = x.as_chunks::<4>();
    let larger = |max: F32x4, x: &[f32; 4]| F32x4(f32x4_pmax(max.0, load(x).0));
    let max = x4.iter().fold(F32x4::all(f32::NEG_INFINITY), larger).to_array();
    max.iter().chain(rest).fold(f32::NEG_INFINITY, |max, &x| if max < x { x } else { max })
}

/// The sums of four rows of `n`, `stride` apart, each in order: a row is a lane.
fn sums4(x: &[f32], stride: usize, n: usize) -> [f32; 4] {
    let rows = [0, 1, 2, 3].map(|r| &x[r * stride..][..n]);
    let mut sums = F32x4::ZERO;
    for j in (0..n - n % 4).step_by(4) {
        for column in transpose4(rows.map(|row| load(&row[j..]).0)) {
            sums = sums + F32x4(column);
        }
    }
    for j in n - n % 4..n {
        sums = sums + F32x4::from_array(rows.map(|row| row[j]));
    }
    sums.to_array()
}

/// What a row is shifted by before it is exponentiated: a row of nothing but -inf by nothing.
fn shift(max: f32) -> f32 {
    if max == f32::NEG_INFINITY { 0.0 } else { max }
}

/// `row = exp(row - max)`.
fn exponentiate(row: &mut [f32], max: f32) {
    map_in_place(row, |x| (x - F32x4::all(max)).exp_fast());
}

fn divide(row: &mut [f32], sum: f32) {
    if sum != 0.0 {
        map_in_place(row, |e| e / F32x4::all(sum));
    }
}

/// Calls `f(row, sum)` for `count` rows of `n`, `stride` apart, with each row's sum taken in order.
fn with_sums(x: &mut [f32], stride: usize, n: usize, count: usize, mut f: impl FnMut(usize, &mut [f32], f32)) {
    let mut r = 0;
    while r < count {
        let rows = if r + 4 <= count { 4 } else { 1 };
        let first = &x[r * stride..];
        let sums = if rows == 4 { sums4(first, stride, n) } else { [first[..n].iter().fold(0.0, |sum, e| sum + e); 4] };
        for (at, &sum) in sums[..rows].iter().enumerate() {
            f(r + at, &mut x[(r + at) * stride..][..n], sum);
        }
        r += rows;
    }
}

/// Softmax of `count` rows of `n`, `stride` apart, in place.
pub fn softmax_in_place(x: &mut [f32], stride: usize, n: usize, count: usize) {
    for r in 0..count {
        let row = &mut x[r * stride..][..n];
        exponentiate(row, shift(maximum(row)));
    }
    with_sums(x, stride, n, count, |_, row, sum| divide(row, sum));
}

pub fn softmax(x: &[f32], n: usize, out: &mut [f32]) {
    out.copy_from_slice(x);
    softmax_in_place(out, n, n, x.len() / n.max(1));
}

pub fn log_softmax(x: &[f32], n: usize, out: &mut [f32]) {
    out.copy_from_slice(x);
    for row in out.chunks_exact_mut(n.max(1)) {
        exponentiate(row, maximum(row));
    }
    with_sums(out, n, n, x.len() / n.max(1), |r, row, sum| {
        let x = &x[r * n..][..n];
        let (max, log) = (maximum(x), sum.ln());
        map(x, row, |x| x - F32x4::all(max) - F32x4::all(log));
    });
}
