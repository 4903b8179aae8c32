use crate::kernels::Kernels;
use crate::kernels::elementary::Lane;
use crate::real::Real;

/// The largest element; NaN is passed over, and comes back through the sum.
fn maximum<T: Real>(row: &[T]) -> T {
    row.iter().fold(T::NEG_INFINITY, |max, &x| if max < x { x } else { max })
}

/// One row: subtract the maximum, exponentiate, sum in order, divide. Nothing but -inf gives zeros.
pub fn softmax_row<T: Kernels>(x: &[T], out: &mut [T]) {
    let max = maximum(x);
    let max = if max == T::NEG_INFINITY { T::ZERO } else { max };
    let mut sum = T::ZERO;
    for (out, &x) in out.iter_mut().zip(x) {
        *out = Lane::exp_fast(x - max);
        sum += *out;
    }
    // The largest element alone contributes 1: a zero means that all were -inf.
    if sum != T::ZERO {
        out.iter_mut().for_each(|e| *e = *e / sum);
    }
}

/// Softmax over rows of `n`.
pub fn softmax<T: Kernels>(x: &[T], n: usize, out: &mut [T]) {
    x.chunks_exact(n.max(1)).zip(out.chunks_exact_mut(n.max(1))).for_each(|(x, out)| softmax_row(x, out));
}

/// `x - max - ln(Σ exp(x - max))` over rows of `n`; the sum in order. Nothing but -inf gives NaN.
pub fn log_softmax<T: Kernels>(x: &[T], n: usize, out: &mut [T]) {
    for (x, out) in x.chunks_exact(n.max(1)).zip(out.chunks_exact_mut(n.max(1))) {
        let max = maximum(x);
        let mut sum = T::ZERO;
        x.iter().for_each(|&x| sum += Lane::exp_fast(x - max));
        let log = Real::ln(sum);
        out.iter_mut().zip(x).for_each(|(out, &x)| *out = x - max - log);
    }
}
