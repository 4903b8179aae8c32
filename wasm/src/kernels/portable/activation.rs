use crate::kernels::activation::{slope, value};
use crate::kernels::{Activation, Kernels};

/// `out[i] = f(x[i])`.
pub fn activate<T: Kernels>(f: Activation, x: &[T], out: &mut [T]) {
    out.iter_mut().zip(x).for_each(|(out, &x)| *out = value(f, x));
}

/// `out[i] = dy[i] * f'(x[i])`.
pub fn activate_grad<T: Kernels>(f: Activation, x: &[T], dy: &[T], out: &mut [T]) {
    out.iter_mut().zip(x).zip(dy).for_each(|((out, &x), &dy)| *out = dy * slope(f, x));
}
