use super::lanes::{map, map_in_place, map3};
use crate::kernels::Activation;
use crate::kernels::activation::{slope, value};

/// Calls a generic body with the activation as a constant, so that each loop holds one formula.
macro_rules! with_constant {
    ($f:expr, $name:ident => $body:expr) => {
        with_constant!(@arms $f, $name, $body, Identity Relu GeluNew Gelu Silu Tanh Sigmoid Exp)
    };
    (@arms $f:expr, $name:ident, $body:expr, $($variant:ident)*) => {
        match $f {
            $(Activation::$variant => {
                const $name: Activation = Activation::$variant;
                $body
            })*
        }
    };
}

/// `out = f(x)`.
pub fn activate(f: Activation, x: &[f32], out: &mut [f32]) {
    with_constant!(f, F => map(x, out, |x| value(F, x)));
}

/// `out = f(out)`, for the results of a product while they are in cache.
pub fn activate_in_place(f: Activation, out: &mut [f32]) {
    with_constant!(f, F => map_in_place(out, |x| value(F, x)));
}

/// `out = dy * f'(x)`.
pub fn activate_grad(f: Activation, x: &[f32], dy: &[f32], out: &mut [f32]) {
    with_constant!(f, F => map3(x, dy, out, |x, dy, _| dy * slope(F, x)));
}
