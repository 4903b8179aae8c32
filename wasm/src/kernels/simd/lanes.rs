//! Four float32 lanes as a number.

use crate::kernels::elementary::{self, Lane, ROUND, Single};
use core::arch::wasm32::*;
use std::ops::{Add, Div, Mul, Neg, Sub};

#[derive(Clone, Copy)]
pub struct F32x4(pub v128);

/// `a * b + c` in every lane; without relaxed SIMD in two roundings.
#[inline(always)]
pub fn madd(a: v128, b: v128, c: v128) -> v128 {
    #[cfg(target_feature = "relaxed-simd")]
    return f32x4_relaxed_madd(a, b, c);
    #[cfg(not(target_feature = "relaxed-simd"))]
    return f32x4_add(f32x4_mul(a, b), c);
}

impl F32x4 {
    pub const ZERO: Self = Self(f32x4(0.0, 0.0, 0.0, 0.0));

    #[inline(always)]
    pub fn all(value: f32) -> Self {
        Self(f32x4_splat(value))
    }

    #[inline(always)]
    pub fn from_array(x: [f32; 4]) -> Self {
        Self(f32x4(x[0], x[1], x[2], x[3]))
    }

    #[inline(always)]
    pub fn to_array(self) -> [f32; 4] {
        let x = self.0;
        [f32x4_extract_lane::<0>(x), f32x4_extract_lane::<1>(x), f32x4_extract_lane::<2>(x), f32x4_extract_lane::<3>(x)]
    }

    #[inline(always)]
    pub fn sqrt(self) -> Self {
        Self(f32x4_sqrt(self.0))
    }

    #[inline(always)]
    pub fn has_nan(self) -> bool {
        v128_any_true(f32x4_ne(self.0, self.0))
    }
}

/// The first four elements.
#[inline(always)]
pub fn load(x: &[f32]) -> F32x4 {
    assert!(x.len() >= 4);
    // SAFETY: four elements are there, and a WASM load needs no alignment.
    F32x4(unsafe { v128_load(x.as_ptr().cast()) })
}

/// Overwrites the first four elements.
#[inline(always)]
pub fn store(out: &mut [f32], x: F32x4) {
    assert!(out.len() >= 4);
    // SAFETY: as in `load`.
    unsafe { v128_store(out.as_mut_ptr().cast(), x.0) }
}

/// `row = f(row)`, two vectors at a time, so that their dependent chains overlap.
#[inline(always)]
pub fn map_in_place(row: &mut [f32], f: impl Fn(F32x4) -> F32x4) {
    let (row8, rest) = row.as_chunks_mut::<8>();
    for x in row8 {
        let (low, high) = (f(load(x)), f(load(&x[4..])));
        store(x, low);
        store(&mut x[4..], high);
    }
    rest.iter_mut().for_each(|x| *x = f(F32x4::all(*x)).to_array()[0]);
}

/// `row = f(row, i)`, where `i` is each element's index; exact below 2²⁴.
#[inline(always)]
pub fn map_indexed(row: &mut [f32], f: impl Fn(F32x4, F32x4) -> F32x4) {
    let (row4, rest) = row.as_chunks_mut::<4>();
    let mut index = F32x4::from_array([0.0, 1.0, 2.0, 3.0]);
    for x in row4 {
        let result = f(load(x), index);
        store(x, result);
        index = index + F32x4::all(4.0);
    }
    for (i, x) in rest.iter_mut().enumerate() {
        let index = F32x4::all(index.to_array()[0] + i as f32);
        *x = f(F32x4::all(*x), index).to_array()[0];
    }
}

/// `out = f(x)`, as [`map_in_place`].
#[inline(always)]
pub fn map(x: &[f32], out: &mut [f32], f: impl Fn(F32x4) -> F32x4) {
    assert_eq!(x.len(), out.len());
    let (x8, x_rest) = x.as_chunks::<8>();
    let (out8, out_rest) = out.as_chunks_mut::<8>();
    for (x, out) in x8.iter().zip(out8) {
        let (low, high) = (f(load(x)), f(load(&x[4..])));
        store(out, low);
        store(&mut out[4..], high);
    }
    out_rest.iter_mut().zip(x_rest).for_each(|(out, &x)| *out = f(F32x4::all(x)).to_array()[0]);
}

/// `out = f(x, y, out)`, one vector at a time.
#[inline(always)]
pub fn map3(x: &[f32], y: &[f32], out: &mut [f32], f: impl Fn(F32x4, F32x4, F32x4) -> F32x4) {
    assert!(x.len() == out.len() && y.len() == out.len());
    let ((x4, x_rest), (y4, y_rest)) = (x.as_chunks::<4>(), y.as_chunks::<4>());
    let (out4, out_rest) = out.as_chunks_mut::<4>();
    for ((x, y), out) in x4.iter().zip(y4).zip(out4) {
        let result = f(load(x), load(y), load(out));
        store(out, result);
    }
    for ((&x, &y), out) in x_rest.iter().zip(y_rest).zip(out_rest) {
        *out = f(F32x4::all(x), F32x4::all(y), F32x4::all(*out)).to_array()[0];
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident, $instruction:ident) => {
        impl $trait for F32x4 {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self($instruction(self.0, other.0))
            }
        }
    };
}

operator!(Add, add, f32x4_add);
operator!(Sub, sub, f32x4_sub);
operator!(Mul, mul, f32x4_mul);
operator!(Div, div, f32x4_div);

impl Neg for F32x4 {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self(f32x4_neg(self.0))
    }
}

impl Lane for F32x4 {
    #[inline(always)]
    fn splat(value: f64) -> Self {
        Self::all(value as f32)
    }
    #[inline(always)]
    fn madd(self, a: Self, b: Self) -> Self {
        Self(madd(self.0, a.0, b.0))
    }
    // One instruction a bound, for which the compiler takes the relaxed forms: what those make of NaN is the engine's choice, so
    // that NaN is put back as bits that are all ones.
    #[inline(always)]
    fn clamped(self, low: f64, high: f64) -> Self {
        let bounded = f32x4_pmin(f32x4_pmax(self.0, Self::splat(low).0), Self::splat(high).0);
        Self(v128_or(bounded, f32x4_ne(self.0, self.0)))
    }
    #[inline(always)]
    fn magnitude(self) -> Self {
        Self(f32x4_abs(self.0))
    }
    #[inline(always)]
    fn pick_below(self, bound: Self, then: Self, otherwise: Self) -> Self {
        Self(v128_bitselect(then.0, otherwise.0, f32x4_lt(self.0, bound.0)))
    }
    #[inline(always)]
    fn exp_fast(self) -> Self {
        elementary::exp(self)
    }
    #[inline(always)]
    fn tanh_fast(self) -> Self {
        elementary::tanh(self)
    }
    #[inline(always)]
    fn normal_tail(self) -> (Self, Self) {
        elementary::normal_tail(self)
    }
}

impl Single for F32x4 {
    #[inline(always)]
    fn scale_by_bits(self, shifted: Self) -> Self {
        let n = i32x4_sub(shifted.0, i32x4_splat(ROUND.to_bits() as i32));
        let half = i32x4_shr(n, 1);
        let power = |n: v128| Self(i32x4_shl(i32x4_add(n, i32x4_splat(127)), 23));
        self * power(half) * power(i32x4_sub(n, half))
    }
}
