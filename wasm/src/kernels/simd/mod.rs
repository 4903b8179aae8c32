//! The float32 kernels in 128-bit SIMD, with the bits of their twins.
//!
//! Pointers stay inside slices whose lengths each kernel checks on entry; the checks cost nothing beside the work.

mod activation;
mod attention;
mod decode;
mod gemm;
mod held;
mod lanes;
mod norm;
mod screen;
mod shares;
mod softmax;
mod sparse;
mod strips;
mod tile;
mod transpose;

use super::screen::{Candidates, Screen, ScreenedRows};
use super::{Activation, Attend, Kernels, Packed, Rows, RowsMut, SparseRows};
use std::ops::Range;

/// Calls of SIMD kernels, for the test that proves that they ran.
#[cfg(feature = "twins")]
pub static CALLS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

#[inline(always)]
fn count_call() {
    #[cfg(feature = "twins")]
    CALLS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
}

impl Kernels for f32 {
    fn gemm(
        a: Rows<f32>,
        b: &Packed<f32>,
        cols: Range<usize>,
        bias: Option<&[f32]>,
        act: Activation,
        out: RowsMut<f32>,
    ) {
        count_call();
        shares::gemm(a, b, cols, bias, act, out);
    }

    fn gemm_blocks(a: Rows<f32>, b: &Packed<f32>, block: usize, bias: Option<&[f32]>, out: RowsMut<f32>) {
        count_call();
        shares::gemm_blocks(a, b, block, bias, out);
    }

    fn gemm_bt(dy: Rows<f32>, b: &Packed<f32>, cols: Range<usize>, ks: Range<usize>, out: RowsMut<f32>) {
        count_call();
        shares::gemm_bt(dy, b, cols, ks, out);
    }

    fn gemm_bt_at(dy: Rows<f32>, b: &Packed<f32>, starts: &[u32], ks: &[u32], out: &mut [f32]) {
        count_call();
        shares::gemm_bt_at(dy, b, starts, ks, out);
    }

    fn gemm_bt_sparse(dy: SparseRows<f32>, b: &Packed<f32>, out: RowsMut<f32>) {
        count_call();
        shares::gemm_bt_sparse(dy, b, out);
    }

    fn norm_scale(x: &[f32], d: usize, eps: f32, center: bool, centered: &mut [f32], scale: &mut [f32]) {
        count_call();
        shares::norm_scale(x, d, eps, center, centered, scale);
    }

    fn norm(
        x: &[f32],
        d: usize,
        eps: f32,
        center: bool,
        affine: Option<(&[f32], &[f32])>,
        out: &mut [f32],
        scale: Option<&mut [f32]>,
        normalized: Option<&mut [f32]>,
    ) {
        count_call();
        shares::norm(x, d, eps, center, affine, out, scale, normalized);
    }

    fn softmax(x: &[f32], n: usize, out: &mut [f32]) {
        count_call();
        shares::softmax(x, n, out);
    }

    fn log_softmax(x: &[f32], n: usize, out: &mut [f32]) {
        count_call();
        shares::log_softmax(x, n, out);
    }

    fn attend_scores(at: &Attend, q: &[f32], k: &[f32], scores: &mut [f32]) {
        count_call();
        shares::attend_scores(at, q, k, scores);
    }

    fn attend_mix(at: &Attend, pattern: &[f32], v: &[f32], z: &mut [f32]) {
        count_call();
        shares::attend_mix(at, pattern, v, z);
    }

    fn attend(
        at: &Attend,
        q: &[f32],
        k: &[f32],
        v: &[f32],
        z: &mut [f32],
        scores: Option<&mut [f32]>,
        pattern: Option<&mut [f32]>,
    ) {
        count_call();
        shares::attend(at, q, k, v, z, scores, pattern);
    }

    fn activate(f: Activation, x: &[f32], out: &mut [f32]) {
        count_call();
        shares::activate(f, x, out);
    }

    fn activate_grad(f: Activation, x: &[f32], dy: &[f32], out: &mut [f32]) {
        count_call();
        shares::activate_grad(f, x, dy, out);
    }

    fn decode(codes: Rows<f32>, w: &Packed<f32>, bias: Option<&[f32]>, out: RowsMut<f32>) {
        count_call();
        shares::decode(codes, w, bias, out);
    }

    fn can_screen() -> bool {
        screen::is_exact()
    }

    fn decode_sparse(codes: SparseRows<f32>, w: &Packed<f32>, bias: Option<&[f32]>, out: RowsMut<f32>) {
        count_call();
        shares::decode_sparse(codes, w, bias, out);
    }

    fn screen(rows: &ScreenedRows, w: &Packed<f32>, screen: &Screen, candidates: &mut Candidates) {
        count_call();
        shares::screen(rows, w, screen, candidates);
    }

    fn encode_at(
        x: Rows<f32>,
        w: &Packed<f32>,
        bias: Option<&[f32]>,
        thresholds: Option<&[f32]>,
        candidates: &Candidates,
        out: &mut [f32],
    ) {
        count_call();
        shares::encode_at(x, w, bias, thresholds, candidates, out);
    }
}
