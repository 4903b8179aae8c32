//! The formulas of the activations and their slopes, once for scalars and vectors.

use super::Activation;
use super::elementary::Lane;

/// √(2/π), and the cubic's coefficient, of Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.
const GELU_SLOPE: f64 = 0.797_884_560_802_865_4;
const GELU_CUBIC: f64 = 0.044_715;

/// 1/√(2π).
const DENSITY: f64 = 0.398_942_280_401_432_7;

/// 2u of the tanh form: 2 √(2/π) (x + 0.044715 x³).
#[inline(always)]
fn gelu_argument<L: Lane>(x: L) -> L {
    x * (x * x).madd(L::splat(2.0 * GELU_SLOPE * GELU_CUBIC), L::splat(2.0 * GELU_SLOPE))
}

/// Φ(x), from the tail on x's own side, and exp(-x²/2).
#[inline(always)]
fn normal<L: Lane>(x: L) -> (L, L) {
    let (tail, e) = x.magnitude().normal_tail();
    (x.pick_below(L::splat(0.0), tail, L::splat(1.0) - tail), e)
}

/// σ(x) = 1 / (1 + exp(-x)) and σ'(x) = σ(x) σ(-x), from one exponential that cannot overflow.
#[inline(always)]
fn logistic<L: Lane>(x: L) -> (L, L) {
    let e = (-x.magnitude()).exp_fast();
    let larger = L::splat(1.0) / (e + L::splat(1.0));
    let smaller = e * larger;
    (x.pick_below(L::splat(0.0), smaller, larger), smaller * larger)
}

/// f(x).
#[inline(always)]
pub fn value<L: Lane>(f: Activation, x: L) -> L {
    let one = L::splat(1.0);
    match f {
        Activation::Identity => x,
        Activation::Relu => x.clamped(0.0, f64::INFINITY) + L::splat(0.0),
        Activation::GeluNew => x / ((-gelu_argument(x)).exp_fast() + one),
        Activation::Gelu => x * normal(x).0,
        Activation::Silu => x / ((-x).exp_fast() + one),
        Activation::Tanh => x.tanh_fast(),
        Activation::Sigmoid => one / ((-x).exp_fast() + one),
        Activation::Exp => x.exp_fast(),
    }
}

/// f'(x). Where f is flat to the last bit, x is clamped first: an infinity times a zero slope would be NaN.
#[inline(always)]
pub fn slope<L: Lane>(f: Activation, x: L) -> L {
    let (zero, one) = (L::splat(0.0), L::splat(1.0));
    match f {
        Activation::Identity => one,
        Activation::Relu => zero.pick_below(x, one, zero),
        // (x σ(v))' = σ(v) + x σ'(v) v', v = 2u.
        Activation::GeluNew => {
            let x = x.clamped(-9.5, 9.5);
            let (s, ds) = logistic(gelu_argument(x));
            let dv = (x * x).madd(L::splat(6.0 * GELU_SLOPE * GELU_CUBIC), L::splat(2.0 * GELU_SLOPE));
            (x * ds).madd(dv, s)
        }
        // (x Φ(x))' = Φ(x) + x φ(x).
        Activation::Gelu => {
            let x = x.clamped(-14.0, 14.0);
            let (phi, e) = normal(x);
            (x * L::splat(DENSITY)).madd(e, phi)
        }
        // (x σ(x))' = σ(x) + x σ'(x).
        Activation::Silu => {
            let x = x.clamped(-100.0, 100.0);
            let (s, ds) = logistic(x);
            x.madd(ds, s)
        }
        Activation::Tanh => {
            let t = x.tanh_fast();
            (-t).madd(t, one)
        }
        Activation::Sigmoid => logistic(x).1,
        Activation::Exp => x.exp_fast(),
    }
}
