use super::lanes::{F32x4, load, map, map_in_place, map3};
use crate::kernels::elementary::Lane;

/// Σ over a row in 16 partial sums, the end padded with zeros, folded as `portable::fold16` says.
#[inline(always)]
fn sum16(row: &[f32], add: impl Fn(F32x4, F32x4) -> F32x4) -> f32 {
    let (blocks, rest) = row.as_chunks::<16>();
    let mut padded = [0f32; 16];
    padded[..rest.len()].copy_from_slice(rest);
    let mut sums = [F32x4::ZERO; 4];
    for block in blocks.iter().chain((!rest.is_empty()).then_some(&padded)) {
        for (v, sum) in sums.iter_mut().enumerate() {
            *sum = add(load(&block[4 * v..]), *sum);
        }
    }
    let t = ((sums[0] + sums[1]) + (sums[2] + sums[3])).to_array();
    (t[0] + t[2]) + (t[1] + t[3])
}

/// Writes one row's centred values and returns its scale.
fn center(x: &[f32], eps: f32, centering: bool, centered: &mut [f32]) -> f32 {
    let n = x.len() as f32;
    if centering {
        let mean = F32x4::all(sum16(x, |x, sum| sum + x) / n);
        map(x, centered, |x| x - mean);
    } else {
        centered.copy_from_slice(x);
    }
    F32x4::all(sum16(centered, |c, sum| c.madd(c, sum)) / n + eps).sqrt().to_array()[0]
}

pub fn norm_scale(x: &[f32], d: usize, eps: f32, centering: bool, centered: &mut [f32], scale: &mut [f32]) {
    let rows = x.chunks_exact(d.max(1)).zip(centered.chunks_exact_mut(d.max(1)));
    rows.zip(scale).for_each(|((x, centered), scale)| *scale = center(x, eps, centering, centered));
}

#[allow(clippy::too_many_arguments)] // The contract of `Kernels::norm`.
pub fn norm(
    x: &[f32],
    d: usize,
    eps: f32,
    centering: bool,
    affine: Option<(&[f32], &[f32])>,
    out: &mut [f32],
    mut scales: Option<&mut [f32]>,
    mut normalized: Option<&mut [f32]>,
) {
    for (r, (x, out)) in x.chunks_exact(d.max(1)).zip(out.chunks_exact_mut(d.max(1))).enumerate() {
        let scale = center(x, eps, centering, out);
        map_in_place(out, |c| c / F32x4::all(scale));
        if let Some(scales) = scales.as_deref_mut() {
            scales[r] = scale;
        }
        if let Some(normalized) = normalized.as_deref_mut() {
            normalized[r * d..][..d].copy_from_slice(out);
        }
        if let Some((weight, bias)) = affine {
            map3(weight, bias, out, |w, b, c| {
                let product = c * w;
                product + b
            });
        }
    }
}
