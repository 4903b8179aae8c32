use crate::kernels::{Kernels, Packed, Rows, RowsMut, SparseRows};
use crate::real::Real;

/// `out = bias + Σ_f codes[f] w[f, :]`, `f` in order, -0 made +0 as in [`super::gemm`].
fn decode_row<T: Kernels>(
    codes: impl Iterator<Item = (usize, T)> + Clone,
    w: &Packed<T>,
    bias: Option<&[T]>,
    out: &mut [T],
) {
    for (j, out) in out[..w.cols].iter_mut().enumerate() {
        let bias = bias.map_or(T::ZERO, |bias| bias[j]);
        *out = codes.clone().fold(bias, |sum, (f, code)| Real::mul_add(code, w.cell(f, j), sum)) + T::ZERO;
    }
}

/// `out[i, :] = bias + Σ_{f: codes[i, f] ≠ 0} codes[i, f] w[f, :]`, `f` in order.
/// For finite weights a code of zero would have left the sum as it was, up to the sign of a zero.
pub fn decode<T: Kernels>(codes: Rows<T>, w: &Packed<T>, bias: Option<&[T]>, out: RowsMut<T>) {
    for i in 0..codes.count {
        let row = codes.data[i * codes.stride..][..w.rows].iter().copied().enumerate();
        decode_row(row.filter(|(_, code)| *code != T::ZERO), w, bias, &mut out.data[i * out.stride..]);
    }
}

/// The same for codes of which those that aren't zero are given.
pub fn decode_sparse<T: Kernels>(codes: SparseRows<T>, w: &Packed<T>, bias: Option<&[T]>, out: RowsMut<T>) {
    for i in 0..codes.count() {
        let row = codes.row(i).map(|e| (codes.columns[e] as usize, codes.values[e]));
        decode_row(row, w, bias, &mut out.data[i * out.stride..]);
    }
}
