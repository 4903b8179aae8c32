//! Elementary functions, written once for a scalar and for four lanes.
//!
//! The float32 forms are polynomials in [`Lane`] operations, so that one lane of a vector and the scalar twin go through the
//! same roundings; float64 takes exact forms, good to about 1e-15, for whoever needs the truth. Coefficients are minimax
//! fits (iteratively reweighted least squares at Chebyshev points against 40-digit values), rounded to float32.
//!
//! Worst errors of the float32 forms against float64, over all magnitudes, where multiply-add is fused (without that they may
//! double). "Scaled" is the error divided by the value's magnitude, or by 1 where that is less:
//!
//! | | ulp | scaled |
//! |---|---|---|
//! | exp, subnormal results included | 0.97 | 8.1e-8 |
//! | tanh | 1.03 | 6.2e-8 |
//! | sigmoid, silu, down to -87 | 2.3 | 1.2e-7 |
//! | gelu, within 4; everywhere | 6.9; 62 | 1.1e-7 |
//! | gelu_new, within 4; within 10 | 14; 166 | 1.2e-7 |
//! | the slopes of all | | 1.9e-7 |
//!
//! sigmoid, silu and gelu_new become zero where their exponential overflows, below -88.7 (gelu_new: -10.1), a value of 1e-36 at most.

use crate::real::Real;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A number, or several side by side that go through the same operations.
pub trait Lane:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    fn splat(value: f64) -> Self;
    /// `self * a + b`, fused where the machine's SIMD multiply-add is.
    fn madd(self, a: Self, b: Self) -> Self;
    /// The nearest number of `low..=high`; NaN stays, and which zero comes out at a bound of zero is open.
    fn clamped(self, low: f64, high: f64) -> Self;
    fn magnitude(self) -> Self;
    /// `then` where `self < bound`, else `otherwise`.
    fn pick_below(self, bound: Self, then: Self, otherwise: Self) -> Self;
    fn exp_fast(self) -> Self;
    fn tanh_fast(self) -> Self;
    /// For `self = a ≥ 0`: Φ(-a) of the normal distribution, and `exp(-a²/2)`.
    fn normal_tail(self) -> (Self, Self);
}

/// What the float32 polynomials need besides [`Lane`].
pub trait Single: Lane {
    /// `self * 2^n`, rounded once, for |n| ≤ 252; `shifted` is [`ROUND`] + n.
    fn scale_by_bits(self, shifted: Self) -> Self;
}

/// 1.5 * 2^23: adding it leaves an integer, rounded to nearest even, in a float's low bits.
pub const ROUND: f32 = 12_582_912.0;

fn horner<L: Lane>(x: L, coefficients: &[f64]) -> L {
    let (last, rest) = coefficients.split_last().expect("a polynomial has a coefficient");
    rest.iter().rev().fold(L::splat(*last), |sum, &c| sum.madd(x, L::splat(c)))
}

/// exp(x) = 2^n exp(r), n = round(x / ln 2), r = x - n ln 2 in two steps (Cody and Waite, "Software Manual for the Elementary
/// Functions", 1980): the first constant has so few bits that its product is exact, with or without a fused multiply-add.
#[inline(always)]
pub fn exp<L: Single>(x: L) -> L {
    // Beyond these the result is infinite or zero anyway, and n stays within what `scale_by_bits` takes.
    let x = x.clamped(-105.0, 89.0);
    let shifted = x.madd(L::splat(std::f64::consts::LOG2_E), L::splat(ROUND as f64));
    let n = shifted - L::splat(ROUND as f64);
    let r = n.madd(L::splat(-0.693_359_375), x);
    let r = n.madd(L::splat(2.121_944_400_546_905_8e-4), r);
    // Relative error 3e-9.
    const P: [f64; 5] = [0.499_999_94, 0.166_665_2, 0.041_668_396, 0.008_368_785, 0.001_381_444_6];
    let p = (r * r).madd(horner(r, &P), r) + L::splat(1.0);
    p.scale_by_bits(shifted)
}

/// tanh(x) = x + x³ Q(x²) near zero, elsewhere 1 - 2 / (exp(2|x|) + 1) with the sign of x.
#[inline(always)]
pub fn tanh<L: Single>(x: L) -> L {
    let a = x.magnitude();
    let square = x * x;
    // Relative error 5e-9 up to 0.64.
    const Q: [f64; 5] = [-0.333_332_72, 0.133_311_52, -0.053_714_108, 0.020_551_719, -0.005_603_914];
    let near = (x * square).madd(horner(square, &Q), x);
    let e = (a + a).exp_fast();
    let far = L::splat(1.0) - L::splat(2.0) / (e + L::splat(1.0));
    let signed = x.pick_below(L::splat(0.0), -far, far);
    a.pick_below(L::splat(0.64), near, signed)
}

/// Φ(-a) = exp(-a²/2) t P(t), t = 1 / (1 + 0.3 a): the form of Abramowitz and Stegun 7.1.26 with more terms, so that the
/// relative error stays small far out.
#[inline(always)]
pub fn normal_tail<L: Single>(a: L) -> (L, L) {
    // Relative error 4e-9 up to a = 14.5, beyond which the exponential is zero.
    const P: [f64; 10] = [
        0.119_686_69,
        0.119_571_805,
        0.110_235_5,
        0.078_389_29,
        0.096_157_93,
        -0.079_425_514,
        0.191_786_99,
        -0.228_215_46,
        0.112_436_406,
        -0.020_623_615,
    ];
    let e = (a * a * L::splat(-0.5)).exp_fast();
    let t = L::splat(1.0) / a.madd(L::splat(0.3), L::splat(1.0));
    (e * (t * horner(t, &P)), e)
}

macro_rules! scalar_lane {
    ($t:ty, $exp:expr, $tanh:expr, $tail:expr) => {
        impl Lane for $t {
            #[inline(always)]
            fn splat(value: f64) -> Self {
                value as $t
            }
            #[inline(always)]
            fn madd(self, a: Self, b: Self) -> Self {
                Real::mul_add(self, a, b)
            }
            #[inline(always)]
            fn clamped(self, low: f64, high: f64) -> Self {
                self.clamp(low as $t, high as $t)
            }
            #[inline(always)]
            fn magnitude(self) -> Self {
                self.abs()
            }
            #[inline(always)]
            fn pick_below(self, bound: Self, then: Self, otherwise: Self) -> Self {
                if self < bound { then } else { otherwise }
            }
            fn exp_fast(self) -> Self {
                $exp(self)
            }
            fn tanh_fast(self) -> Self {
                $tanh(self)
            }
            fn normal_tail(self) -> (Self, Self) {
                $tail(self)
            }
        }
    };
}

scalar_lane!(f32, exp, tanh, normal_tail);
scalar_lane!(f64, f64::exp, f64::tanh, normal_tail_exact);

impl Single for f32 {
    #[inline(always)]
    fn scale_by_bits(self, shifted: Self) -> Self {
        let n = shifted.to_bits().wrapping_sub(ROUND.to_bits()) as i32;
        let half = n >> 1;
        let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32) << 23);
        self * power(half) * power(n.wrapping_sub(half))
    }
}

/// Below 3 the series Φ(a) = 1/2 + φ(a) Σ a^(2n+1) / (2n+1)!!, above it the continued fraction
/// Φ(-a) = φ(a) / (a + 1/(a + 2/(a + ...))) (Abramowitz and Stegun 26.2.11 and 26.2.14).
fn normal_tail_exact(a: f64) -> (f64, f64) {
    let e = (-0.5 * a * a).exp();
    let density = e / (2.0 * std::f64::consts::PI).sqrt();
    if a < 3.0 {
        let (mut term, mut sum) = (a, a);
        for n in 1..60 {
            term *= a * a / f64::from(2 * n + 1);
            sum += term;
        }
        return (0.5 - density * sum, e);
    }
    (density / (1..=200).rev().fold(a, |rest, n| a + f64::from(n) / rest), e)
}
