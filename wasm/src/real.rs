//! The scalar types that the core computes in: float32 in production, float64 where tests ask for the truth.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

/// A floating-point scalar. Elementary functions are the library's own (`libm` quality); kernels that need
/// speed have polynomials of their own.
pub trait Real:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + Send
    + Sync
    + 'static
{
    const ZERO: Self;
    const ONE: Self;
    const NEG_INFINITY: Self;
    const INFINITY: Self;

    fn from_f64(value: f64) -> Self;
    fn to_f64(self) -> f64;
    /// `self * a + b`, rounded as the machine's SIMD multiply-add rounds it (once, where it is fused).
    fn mul_add(self, a: Self, b: Self) -> Self;
    fn sqrt(self) -> Self;
    fn abs(self) -> Self;
    fn exp(self) -> Self;
    fn ln(self) -> Self;
    fn tanh(self) -> Self;
    fn powf(self, exponent: Self) -> Self;
    fn is_nan(self) -> bool;
    /// True when both hold the same bits, so that NaN equals itself and -0 differs from 0.
    fn same_bits(self, other: Self) -> bool;
}

macro_rules! real {
    ($t:ty, $mul_add:expr) => {
        impl Real for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const NEG_INFINITY: Self = <$t>::NEG_INFINITY;
            const INFINITY: Self = <$t>::INFINITY;

            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $t
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                $mul_add(self, a, b)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                <$t>::sqrt(self)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                <$t>::abs(self)
            }
            fn exp(self) -> Self {
                <$t>::exp(self)
            }
            fn ln(self) -> Self {
                <$t>::ln(self)
            }
            fn tanh(self) -> Self {
                <$t>::tanh(self)
            }
            fn powf(self, exponent: Self) -> Self {
                <$t>::powf(self, exponent)
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                <$t>::is_nan(self)
            }
            #[inline(always)]
            fn same_bits(self, other: Self) -> bool {
                self.to_bits() == other.to_bits()
            }
        }
    };
}

/// One lane of the vector instruction: whether that fuses is the engine's choice, and this follows it (and is far
/// faster than the software routine that WASM has for a fused scalar).
#[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
#[inline(always)]
fn mul_add_single(x: f32, a: f32, b: f32) -> f32 {
    use core::arch::wasm32::{f32x4_extract_lane, f32x4_relaxed_madd, f32x4_splat};
    f32x4_extract_lane::<0>(f32x4_relaxed_madd(f32x4_splat(x), f32x4_splat(a), f32x4_splat(b)))
}

/// WASM without relaxed SIMD multiplies and adds in two roundings.
#[cfg(all(target_arch = "wasm32", not(target_feature = "relaxed-simd")))]
#[inline(always)]
fn mul_add_single(x: f32, a: f32, b: f32) -> f32 {
    x * a + b
}

#[cfg(not(target_arch = "wasm32"))]
#[inline(always)]
fn mul_add_single(x: f32, a: f32, b: f32) -> f32 {
    x.mul_add(a, b)
}

real!(f32, mul_add_single);
real!(f64, f64::mul_add);
