//! The twins against naive float64 sums over the same numbers, and against their own contracts.

use super::*;
use crate::kernels::activation::{slope, value};
use crate::kernels::elementary::Lane;
use crate::kernels::{Activation, Attend, Packed, Rows, RowsMut};

const SIZES: [usize; 9] = [0, 1, 2, 3, 5, 12, 13, 31, 37];

/// Numbers in [-1, 1) from a fixed seed (Marsaglia's xorshift).
fn random(seed: u32, n: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).max(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / 2f32.powi(31) - 1.0
    };
    (0..n).map(|_| next()).collect()
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// Asserts `|got - wanted| ≤ bound` everywhere.
fn assert_near(got: &[f32], wanted: &[f64], bound: f64, what: &str) {
    assert_eq!(got.len(), wanted.len(), "{what}");
    for (i, (&got, &wanted)) in got.iter().zip(wanted).enumerate() {
        assert!(
            (f64::from(got) - wanted).abs() <= bound,
            "{what}: element {i} is {got}, wanted {wanted} within {bound:e}"
        );
    }
}

/// Rounding of a sum of n products below 1 in magnitude: n roundings of at most half an ulp of n.
fn sum_bound(n: usize) -> f64 {
    (n as f64 + 1.0).powi(2) * f64::from(f32::EPSILON) / 2.0
}

#[test]
fn gemm_is_the_matrix_product() {
    for (m, k, n) in [(3, 7, 5), (1, 37, 33), (4, 1, 16), (2, 0, 3), (0, 3, 3), (5, 12, 48)] {
        let (a, b, bias) = (random(1, m * k), random(2, k * n), random(3, n));
        let packed = Packed::pack(&b, k, n).unwrap();
        let mut out = vec![f32::NAN; m * n];
        let rows = Rows { data: &a, stride: k, count: m };
        gemm(rows, &packed, 0..n, Some(&bias), Activation::Identity, RowsMut { data: &mut out, stride: n });
        let mut wanted = vec![0.0; m * n];
        for (at, cell) in wanted.iter_mut().enumerate() {
            let (i, j) = (at / n, at % n);
            *cell =
                (0..k).map(|k_| f64::from(a[i * k + k_]) * f64::from(b[k_ * n + j])).sum::<f64>() + f64::from(bias[j]);
        }
        assert_near(&out, &wanted, sum_bound(k), "gemm");
    }
}

#[test]
fn gemm_writes_the_asked_columns_alone() {
    let (m, k, n, stride) = (2, 5, 40, 20);
    let (a, b) = (random(4, m * k), random(5, k * n));
    let packed = Packed::pack(&b, k, n).unwrap();
    let rows = Rows { data: &a, stride: k, count: m };
    let (mut whole, mut part) = (vec![0f32; m * n], vec![7f32; m * stride]);
    gemm(rows, &packed, 0..n, None, Activation::Relu, RowsMut { data: &mut whole, stride: n });
    gemm(rows, &packed, 13..29, None, Activation::Relu, RowsMut { data: &mut part, stride });
    for i in 0..m {
        assert_eq!(part[i * stride..i * stride + 16], whole[i * n + 13..i * n + 29]);
        assert_eq!(part[i * stride + 16..(i + 1) * stride], [7.0; 4]);
    }
}

#[test]
fn gemm_blocks_sums_the_blocks_and_adds_the_bias_last() {
    let (m, block, blocks, n) = (3, 4, 3, 18);
    let k = block * blocks;
    let (a, b, bias) = (random(6, m * k), random(7, k * n), random(8, n));
    let packed = Packed::pack(&b, k, n).unwrap();
    let mut out = vec![f32::NAN; m * n];
    let rows = Rows { data: &a, stride: k, count: m };
    gemm_blocks(rows, &packed, block, Some(&bias), RowsMut { data: &mut out, stride: n });
    let mut wanted = vec![0f32; m * n];
    for h in 0..blocks {
        let part = Packed::pack(&b[h * block * n..(h + 1) * block * n], block, n).unwrap();
        let mut result = vec![f32::NAN; m * n];
        let rows = Rows { data: &a[h * block..], stride: k, count: m };
        gemm(rows, &part, 0..n, None, Activation::Identity, RowsMut { data: &mut result, stride: n });
        wanted.iter_mut().zip(&result).for_each(|(sum, part)| *sum += part);
    }
    wanted.iter_mut().enumerate().for_each(|(at, sum)| *sum += bias[at % n]);
    assert_eq!(out, wanted);
}

#[test]
fn gemm_bt_is_the_product_with_the_transpose() {
    let (m, k, n) = (3, 21, 35);
    let (dy, b) = (random(9, m * n), random(10, k * n));
    let packed = Packed::pack(&b, k, n).unwrap();
    for (cols, ks) in [(0..n, 0..k), (5..33, 2..20), (16..17, 20..21)] {
        let mut out = vec![f32::NAN; m * ks.len()];
        let rows = Rows { data: &dy, stride: n, count: m };
        gemm_bt(rows, &packed, cols.clone(), ks.clone(), RowsMut { data: &mut out, stride: ks.len() });
        let mut wanted = Vec::new();
        for i in 0..m {
            for k_ in ks.clone() {
                let products =
                    cols.clone().enumerate().map(|(at, j)| f64::from(dy[i * n + at]) * f64::from(b[k_ * n + j]));
                wanted.push(products.sum::<f64>());
            }
        }
        assert_near(&out, &wanted, sum_bound(n), "gemm_bt");
    }
}

#[test]
fn decode_has_the_bits_of_gemm() {
    let (m, k, n) = (4, 50, 37);
    let mut codes = random(11, m * k);
    codes.iter_mut().enumerate().for_each(|(i, code)| {
        if i % 7 != 0 || i < k {
            *code = 0.0
        }
    });
    let (w, mut bias) = (random(12, k * n), random(13, n));
    bias[3] = -0.0;
    let packed = Packed::pack(&w, k, n).unwrap();
    let (mut dense, mut sparse) = (vec![f32::NAN; m * n], vec![f32::NAN; m * n]);
    let rows = Rows { data: &codes, stride: k, count: m };
    gemm(rows, &packed, 0..n, Some(&bias), Activation::Identity, RowsMut { data: &mut dense, stride: n });
    decode(rows, &packed, Some(&bias), RowsMut { data: &mut sparse, stride: n });
    let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&sparse), bits(&dense));
}

#[test]
fn fold16_adds_in_the_stated_tree() {
    let s = random(14, 16);
    let t: Vec<f32> = (0..4).map(|i| (s[i] + s[i + 4]) + (s[i + 8] + s[i + 12])).collect();
    assert_eq!(fold16(&s.clone().try_into().unwrap()), (t[0] + t[2]) + (t[1] + t[3]));
}

#[test]
fn norm_is_layer_norm_and_has_the_bits_of_its_halves() {
    for d in [1, 2, 3, 5, 12, 13, 16, 31, 37] {
        let (rows, eps) = (3, 1e-5f32);
        let (x, w, b) = (random(15, rows * d), random(16, d), random(17, d));
        for centering in [true, false] {
            let (mut centered, mut scale) = (vec![f32::NAN; rows * d], vec![f32::NAN; rows]);
            norm_scale(&x, d, eps, centering, &mut centered, &mut scale);
            let (mut out, mut scales, mut normalized) = (x.clone(), scale.clone(), centered.clone());
            let affine = Some((&w[..], &b[..]));
            norm(&x, d, eps, centering, affine, &mut out, Some(&mut scales), Some(&mut normalized));
            assert_eq!(scales, scale);
            for i in 0..rows * d {
                assert_eq!(normalized[i], centered[i] / scale[i / d]);
                assert_eq!(out[i], normalized[i] * w[i % d] + b[i % d]);
            }
            for r in 0..rows {
                let row = wide(&x[r * d..(r + 1) * d]);
                let mean = if centering { row.iter().sum::<f64>() / d as f64 } else { 0.0 };
                let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / d as f64;
                let scale = (variance + f64::from(eps)).sqrt();
                // The mean's own rounding, relative to a scale of at least sqrt(eps).
                assert_near(&scales[r..=r], &[scale], 4e-7, "scale");
                let normalized = &normalized[r * d..(r + 1) * d];
                let wanted: Vec<f64> = row.iter().map(|x| (x - mean) / scale).collect();
                assert_near(normalized, &wanted, 4e-6, "normalized");
            }
        }
    }
}

#[test]
fn softmax_sums_to_one_and_hides_infinities() {
    for n in SIZES.into_iter().filter(|&n| n > 0) {
        let mut x: Vec<f32> = random(18, 4 * n).iter().map(|x| x * 20.0).collect();
        x[..n].fill(f32::NEG_INFINITY);
        x[n] = f32::NEG_INFINITY;
        let (mut p, mut log) = (vec![f32::NAN; 4 * n], vec![f32::NAN; 4 * n]);
        softmax(&x, n, &mut p);
        log_softmax(&x, n, &mut log);
        assert_eq!(p[..n], vec![0.0; n], "a row of nothing but -inf");
        for r in 2..4 {
            let row = wide(&x[r * n..(r + 1) * n]);
            let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = row.iter().map(|x| (x - max).exp()).sum();
            let wanted: Vec<f64> = row.iter().map(|x| (x - max).exp() / sum).collect();
            // A few ulps of exp, of the sum and of the quotient, each at most 1; the logarithm's argument is up to 40.
            assert_near(&p[r * n..(r + 1) * n], &wanted, 5e-7, "softmax");
            let wanted: Vec<f64> = row.iter().map(|x| x - max - sum.ln()).collect();
            assert_near(&log[r * n..(r + 1) * n], &wanted, 5e-6, "log_softmax");
        }
    }
}

#[test]
fn softmax_keeps_nan() {
    let mut out = [0f32; 3];
    softmax(&[f32::NEG_INFINITY, f32::NAN, f32::NEG_INFINITY], 3, &mut out);
    assert!(out.iter().all(|x| x.is_nan()));
}

/// Two heads with keys of their own, all keys in sight.
const PLAIN: Attend = Attend {
    rows: &[],
    key_mask: &[],
    batch: 1,
    n_keys: 0,
    key_room: 0,
    n_heads: 2,
    n_key_heads: 2,
    d_head: 2,
    scale: 1.0,
    window: usize::MAX,
    soft_cap: 0.0,
    slopes: &[],
};

#[test]
fn attend_is_the_three_steps_and_sees_what_it_should() {
    let rows = [(0, 0), (0, 4), (1, 2), (1, 6), (1, 6)];
    let mut mask = vec![1u8; 14];
    mask[7..9].fill(0);
    let plain = Attend {
        rows: &rows,
        key_mask: &mask,
        batch: 2,
        n_keys: 7,
        key_room: 7,
        d_head: 3,
        scale: 3f64.sqrt(),
        ..PLAIN
    };
    let variants = [
        plain,
        Attend { n_key_heads: 1, ..plain },
        Attend { window: 3, ..plain },
        Attend { soft_cap: 0.5, ..plain },
        Attend { slopes: &[0.5, 0.125], ..plain },
        Attend { n_key_heads: 1, window: 2, soft_cap: 0.25, slopes: &[1.0, 0.25], ..plain },
    ];
    for at in variants {
        let g = at.n_key_heads;
        let (q, k, v) = (random(19, 5 * 6), random(20, 14 * 3 * g), random(21, 14 * 3 * g));
        let (mut z, mut scores, mut pattern) = (vec![f32::NAN; 30], vec![f32::NAN; 70], vec![f32::NAN; 70]);
        attend(&at, &q, &k, &v, &mut z, Some(&mut scores), Some(&mut pattern));
        let (mut z3, mut scores3, mut pattern3) = (z.clone(), scores.clone(), pattern.clone());
        attend_scores(&at, &q, &k, &mut scores3);
        softmax(&scores3, 7, &mut pattern3);
        attend_mix(&at, &pattern3, &v, &mut z3);
        assert_eq!((&z, &scores, &pattern), (&z3, &scores3, &pattern3));
        for (i, &(batch, last)) in rows.iter().enumerate() {
            for h in 0..2 {
                let (batch, last) = (batch as usize, last as usize);
                let is_near = |j: usize| last - j < at.window;
                let visible: Vec<usize> = (0..=last).filter(|&j| mask[batch * 7 + j] != 0 && is_near(j)).collect();
                let key = |j: usize| ((batch * 7 + j) * g + h * g / 2) * 3;
                let score = |j: usize| -> f64 {
                    let products = (0..3).map(|d| f64::from(q[(i * 2 + h) * 3 + d]) * f64::from(k[key(j) + d]));
                    let plain = products.sum::<f64>() / at.scale;
                    let capped = if at.soft_cap > 0.0 { at.soft_cap * (plain / at.soft_cap).tanh() } else { plain };
                    capped - at.slopes.get(h).unwrap_or(&0.0) * (last - j) as f64
                };
                let weights: Vec<f64> = visible.iter().map(|&j| score(j).exp()).collect();
                let sum: f64 = weights.iter().sum();
                let mix = |d: usize| -> f64 {
                    let values = visible.iter().map(|&j| f64::from(v[key(j) + d]));
                    values.zip(&weights).map(|(v, w)| v * w / sum).sum()
                };
                let wanted: Vec<f64> = (0..3).map(mix).collect();
                // Sums of at most seven terms below 1, after a softmax good to 5e-7.
                assert_near(&z[(i * 2 + h) * 3..][..3], &wanted, 4e-6, &format!("{at:?}"));
            }
        }
    }
}

#[test]
fn attend_mix_ignores_what_has_no_weight() {
    let at = Attend { rows: &[(0, 0)], n_keys: 3, key_room: 3, n_heads: 1, n_key_heads: 1, ..PLAIN };
    let mut z = [f32::NAN; 2];
    attend_mix(&at, &[1.0, 0.0, 0.5], &[1.0, 2.0, f32::NAN, f32::INFINITY, 4.0, 6.0], &mut z);
    assert_eq!(z, [3.0, 5.0], "an edited pattern reaches a later key, a zero hides one");
}

/// The float32 polynomials against the float64 forms, over the range where most results are normal numbers.
#[test]
fn activations_are_as_accurate_as_stated() {
    // Of the value, or of 1 where that is less; see `elementary`.
    let bounds = [
        (Activation::Relu, 0.0),
        (Activation::GeluNew, 1.3e-7),
        (Activation::Gelu, 1.2e-7),
        (Activation::Silu, 1.3e-7),
        (Activation::Tanh, 7e-8),
        (Activation::Sigmoid, 1e-7),
        (Activation::Exp, 1e-7),
    ];
    for (f, bound) in bounds {
        for i in -80_000..=80_000 {
            let x = i as f32 / 1000.0;
            let (got, wanted) = (f64::from(value(f, x)), value(f, f64::from(x)));
            assert!((got - wanted).abs() <= bound * wanted.abs().max(1.0), "{f:?}({x}) = {got}, wanted {wanted}");
        }
    }
}

/// Φ(-a) from Abramowitz and Stegun, tables 26.1 and 26.2.
#[test]
fn the_float64_normal_tail_is_the_tabulated_one() {
    let table = [
        (0.0f64, 0.5),
        (1.0, 0.158_655_253_931_457_05),
        (3.0, 1.349_898_031_630_094_5e-3),
        (6.0, 9.865_876_450_376_98e-10),
        (10.0, 7.619_853_024_160_525e-24),
    ];
    for (a, wanted) in table {
        let (tail, _) = a.normal_tail();
        assert!((tail / wanted - 1.0).abs() < 1e-12, "Φ(-{a}) = {tail}, wanted {wanted}");
    }
}

#[test]
fn slopes_are_the_derivatives() {
    let all = [
        Activation::Identity,
        Activation::Relu,
        Activation::GeluNew,
        Activation::Gelu,
        Activation::Silu,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Exp,
    ];
    for f in all {
        for i in -160..=160 {
            let (x, h) = (f64::from(i) / 20.0 + 0.013, 1e-5);
            let wanted = (value(f, x + h) - value(f, x - h)) / (2.0 * h);
            let got = slope(f, x);
            // Central differences: h²/6 times the third derivative, and 1e-16/h of cancellation.
            assert!((got - wanted).abs() <= 1e-9 * (1.0 + wanted.abs()), "{f:?}'({x}) = {got}, wanted {wanted}");
            let single = f64::from(slope(f, x as f32));
            assert!(
                (single - slope(f, f64::from(x as f32))).abs() <= 1.2e-6 * (1.0 + wanted.abs()),
                "{f:?}'({x}) in f32"
            );
        }
        for x in [f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30] {
            assert!(f == Activation::Exp || !slope(f, x).is_nan(), "{f:?}'({x})");
        }
    }
}
