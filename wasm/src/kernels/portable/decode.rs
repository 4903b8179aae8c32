use crate::kernels::{Kernels, Packed, Rows, RowsMut, SparseRows};
use crate::real::Real;

/// `out[i, :] = bias + Σ_{f: codes[i, f] ≠ 0} codes[i, f] w[f, :]`, `f` in order, -0 made +0 as in [`super::gemm`].
/// For finite weights a code of zero would have left the sum as it was, up to the sign of a zero.
pub fn decode<T: Kernels>(codes: Rows<T>, w: &Packed<T>, bias: Option<&[T]>, out: RowsMut<T>) {
    for i in 0..codes.count {
        let codes = &codes.data[i * codes.stride..i * codes.stride + w.rows];
        for j in 0..w.cols {
            let mut sum = bias.map_or(T::ZERO, |bias| bias[j]);
            for (f, &code) in codes.iter().enumerate().filter(|(_, code)| **code != T::ZERO) {
                sum = Real::mul_add(code, w.cell(f, j), sum);
            }
            out.data[i * out.stride + j] = sum + T::ZERO;
        }
    }
}

/// The same for codes of which those that aren't zero are given.
pub fn decode_sparse<T: Kernels>(codes: SparseRows<T>, w: &Packed<T>, bias: Option<&[T]>, out: RowsMut<T>) {
    for i in 0..codes.count() {
        for j in 0..w.cols {
            let mut sum = bias.map_or(T::ZERO, |bias| bias[j]);
            for e in codes.row(i) {
                sum = Real::mul_add(codes.values[e], w.cell(codes.columns[e] as usize, j), sum);
            }
            out.data[i * out.stride + j] = sum + T::ZERO;
        }
    }
}
