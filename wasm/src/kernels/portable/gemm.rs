use crate::kernels::activation::value;
use crate::kernels::{Activation, Kernels, Packed, Rows, RowsMut, SparseRows};
use crate::real::Real;
use std::ops::Range;

/// `out[i, j] = act(bias[j] + Σ_k a[i, k] b[k, j])`. As in every product here, adding zero at the end makes a sum of -0 into
/// +0, so that passing over a term and adding its zero are the same: [`super::decode`] skips codes of zero.
pub fn gemm<T: Kernels>(
    a: Rows<T>,
    b: &Packed<T>,
    cols: Range<usize>,
    bias: Option<&[T]>,
    act: Activation,
    out: RowsMut<T>,
) {
    for i in 0..a.count {
        for (at, j) in cols.clone().enumerate() {
            let mut sum = bias.map_or(T::ZERO, |bias| bias[j]);
            for k in 0..b.rows {
                sum = Real::mul_add(a.data[i * a.stride + k], b.cell(k, j), sum);
            }
            out.data[i * out.stride + at] = value(act, sum + T::ZERO);
        }
    }
}

/// `out[i, j] = (Σ_blocks Σ_{k in block} a[i, k] b[k, j]) + bias[j]`, each block from zero, blocks in order.
pub fn gemm_blocks<T: Kernels>(a: Rows<T>, b: &Packed<T>, block: usize, bias: Option<&[T]>, out: RowsMut<T>) {
    for i in 0..a.count {
        for j in 0..b.cols {
            let mut total = T::ZERO;
            for start in (0..b.rows).step_by(block.max(1)) {
                let mut sum = T::ZERO;
                for k in start..(start + block).min(b.rows) {
                    sum = Real::mul_add(a.data[i * a.stride + k], b.cell(k, j), sum);
                }
                let sum = sum + T::ZERO;
                total = if start == 0 { sum } else { total + sum };
            }
            out.data[i * out.stride + j] = bias.map_or(total, |bias| total + bias[j]);
        }
    }
}

/// `out[i, k] = Σ_j dy[i, j] b[k, cols.start + j]`, `j` in order.
pub fn gemm_bt<T: Kernels>(dy: Rows<T>, b: &Packed<T>, cols: Range<usize>, ks: Range<usize>, out: RowsMut<T>) {
    for i in 0..dy.count {
        for (at, k) in ks.clone().enumerate() {
            let mut sum = T::ZERO;
            for (from, j) in cols.clone().enumerate() {
                sum = Real::mul_add(dy.data[i * dy.stride + from], b.cell(k, j), sum);
            }
            out.data[i * out.stride + at] = sum + T::ZERO;
        }
    }
}

/// Cells of [`gemm_bt`]: of row `i` those of `b`'s rows `ks[starts[i]..starts[i + 1]]`.
pub fn gemm_bt_at<T: Kernels>(dy: Rows<T>, b: &Packed<T>, starts: &[u32], ks: &[u32], out: &mut [T]) {
    for i in 0..dy.count {
        for e in starts[i] as usize..starts[i + 1] as usize {
            let k = ks[e] as usize;
            let mut sum = T::ZERO;
            for j in 0..b.cols {
                sum = Real::mul_add(dy.data[i * dy.stride + j], b.cell(k, j), sum);
            }
            out[e] = sum + T::ZERO;
        }
    }
}

/// [`gemm_bt`] without the terms of zero: for finite `b` one would have left a sum as it was, up to the sign of a zero.
pub fn gemm_bt_sparse<T: Kernels>(dy: SparseRows<T>, b: &Packed<T>, out: RowsMut<T>) {
    for i in 0..dy.count() {
        for (k, out) in out.data[i * out.stride..][..b.rows].iter_mut().enumerate() {
            let elements = dy.row(i).map(|e| (dy.values[e], dy.columns[e] as usize));
            *out = elements.fold(T::ZERO, |sum, (dy, j)| Real::mul_add(dy, b.cell(k, j), sum)) + T::ZERO;
        }
    }
}
