use crate::kernels::Kernels;
use crate::real::Real;

/// Folds 16 partial sums: `t[i] = (s[i] + s[i+4]) + (s[i+8] + s[i+12])` for `i < 4`, then `(t[0] + t[2]) + (t[1] + t[3])`.
pub fn fold16<T: Real>(s: &[T; 16]) -> T {
    let t = |i: usize| (s[i] + s[i + 4]) + (s[i + 8] + s[i + 12]);
    (t(0) + t(2)) + (t(1) + t(3))
}

/// Σ over a row in 16 partial sums, element `i` into sum `i % 16`.
fn sum16<T: Real>(row: &[T], mut add: impl FnMut(T, T) -> T) -> T {
    let mut sums = [T::ZERO; 16];
    row.iter().enumerate().for_each(|(i, &x)| sums[i % 16] = add(x, sums[i % 16]));
    fold16(&sums)
}

/// Writes one row's centred values and returns its scale.
fn center<T: Kernels>(x: &[T], eps: T, center: bool, centered: &mut [T]) -> T {
    let n = T::from_f64(x.len() as f64);
    let mean = if center { sum16(x, |x, sum| sum + x) / n } else { T::ZERO };
    centered.iter_mut().zip(x).for_each(|(out, &x)| *out = if center { x - mean } else { x });
    (sum16(centered, |c, sum| Real::mul_add(c, c, sum)) / n + eps).sqrt()
}

/// `centered = x - mean(x)` (or `x`), `scale = sqrt(mean(centered²) + eps)`, row by row.
pub fn norm_scale<T: Kernels>(x: &[T], d: usize, eps: T, centering: bool, centered: &mut [T], scale: &mut [T]) {
    let rows = x.chunks_exact(d.max(1)).zip(centered.chunks_exact_mut(d.max(1)));
    rows.zip(scale).for_each(|((x, centered), scale)| *scale = center(x, eps, centering, centered));
}

/// The whole norm; `out` serves as the room for the centred values.
#[allow(clippy::too_many_arguments)] // The contract of `Kernels::norm`.
pub fn norm<T: Kernels>(
    x: &[T],
    d: usize,
    eps: T,
    centering: bool,
    affine: Option<(&[T], &[T])>,
    out: &mut [T],
    mut scales: Option<&mut [T]>,
    mut normalized: Option<&mut [T]>,
) {
    for (r, (x, out)) in x.chunks_exact(d.max(1)).zip(out.chunks_exact_mut(d.max(1))).enumerate() {
        let scale = center(x, eps, centering, out);
        out.iter_mut().for_each(|c| *c = *c / scale);
        if let Some(scales) = scales.as_deref_mut() {
            scales[r] = scale;
        }
        if let Some(normalized) = normalized.as_deref_mut() {
            normalized[r * d..(r + 1) * d].copy_from_slice(out);
        }
        if let Some((weight, bias)) = affine {
            out.iter_mut().zip(weight).zip(bias).for_each(|((c, &w), &b)| *c = *c * w + b);
        }
    }
}
