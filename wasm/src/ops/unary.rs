//! Functions of each element alone: elementary ones, activations, arithmetic with a constant, clamping.

use crate::error::Result;
use crate::kernels::{Activation, Kernels};
use crate::memory::Buf;
use crate::ops::broadcast::zip;
use crate::ops::dtype::{map, to_float};
use crate::ops::{Gradients, Op, OpKind, Saved, Saves};
use crate::real::Real;
use crate::tensor::{Data, Dtype, Tensor};

/// `f` of every float of `x`, integers and masks converted first.
fn map_floats<T: Real>(x: &Tensor<T>, f: impl Fn(T) -> T + Sync) -> Result<Tensor<T>> {
    let x = to_float(x)?;
    Ok(Tensor::float(x.shape.clone(), map(x.floats()?, f)?))
}

/// `f` of every pair of elements of a gradient and a saved tensor of its shape.
fn chain<T: Real>(grad: &Tensor<T>, saved: &Tensor<T>, f: impl Fn(T, T) -> T + Sync) -> Result<Gradients<T>> {
    let saved = to_float(saved)?;
    let buf = zip(&grad.shape, (grad.floats()?, &grad.shape), (saved.floats()?, &grad.shape), f)?;
    Ok(vec![Some(Tensor::float(grad.shape.clone(), buf))])
}

/// True when the constant leaves an integer tensor one of integers.
fn is_integer(value: f64) -> bool {
    value as i32 as f64 == value
}

/// Elementary functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unary {
    /// Keeps integers.
    Neg,
    /// Keeps integers.
    Abs,
    Sqrt,
    Log,
}

impl<T: Kernels> Op<T> for Unary {
    fn kind(&self) -> OpKind {
        match self {
            Unary::Neg => OpKind::Neg,
            Unary::Abs => OpKind::Abs,
            Unary::Sqrt => OpKind::Sqrt,
            Unary::Log => OpKind::Log,
        }
    }

    fn saves(&self) -> Saves {
        match self {
            Unary::Neg => Saves::NOTHING,
            Unary::Abs | Unary::Log => Saves::INPUTS,
            Unary::Sqrt => Saves::OUTPUT,
        }
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let x = inputs[0];
        match (self, &x.data) {
            (Unary::Neg, Data::Int(v)) => Ok(Tensor::int(x.shape.clone(), map(v, i32::wrapping_neg)?)),
            (Unary::Abs, Data::Int(v)) => Ok(Tensor::int(x.shape.clone(), map(v, i32::wrapping_abs)?)),
            (Unary::Neg, _) => map_floats(x, |v| -v),
            (Unary::Abs, _) => map_floats(x, T::abs),
            (Unary::Sqrt, _) => map_floats(x, T::sqrt),
            (Unary::Log, _) => map_floats(x, T::ln),
        }
    }

    // y = -x: dx = -grad.  y = |x|: dx = grad sign(x), 0 at 0.  y = √x: dx = grad / (2 y).  y = ln x: dx = grad / x.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        match self {
            Unary::Neg => Ok(vec![Some(map_floats(grad, |g| -g)?)]),
            Unary::Abs => chain(grad, saved.input(0), |g, x| match x.partial_cmp(&T::ZERO) {
                Some(std::cmp::Ordering::Greater) => g,
                Some(std::cmp::Ordering::Less) => -g,
                _ => T::ZERO,
            }),
            Unary::Sqrt => chain(grad, saved.output(), |g, y| g / (y + y)),
            Unary::Log => chain(grad, saved.input(0), |g, x| g / x),
        }
    }
}

/// An activation function by its kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activate(pub Activation);

impl<T: Kernels> Op<T> for Activate {
    fn kind(&self) -> OpKind {
        match self.0 {
            Activation::Identity => OpKind::Identity,
            Activation::Relu => OpKind::Relu,
            Activation::GeluNew => OpKind::GeluNew,
            Activation::Gelu => OpKind::Gelu,
            Activation::Silu => OpKind::Silu,
            Activation::Tanh => OpKind::Tanh,
            Activation::Sigmoid => OpKind::Sigmoid,
            Activation::Exp => OpKind::Exp,
        }
    }

    fn saves(&self) -> Saves {
        Saves::INPUTS
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let x = to_float(inputs[0])?;
        // SAFETY: the kernel writes every element.
        let mut out = unsafe { Buf::unwritten(x.len())? };
        T::activate(self.0, x.floats()?, &mut out);
        Ok(Tensor::float(x.shape.clone(), out))
    }

    // y = f(x): dx = grad f'(x), with f' beside f in the kernel.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        let x = to_float(saved.input(0))?;
        // SAFETY: the kernel writes every element.
        let mut dx = unsafe { Buf::unwritten(grad.len())? };
        T::activate_grad(self.0, x.floats()?, grad.floats()?, &mut dx);
        Ok(vec![Some(Tensor::float(grad.shape.clone(), dx))])
    }
}

/// Arithmetic with a constant on the right. Integers stay integers under `Add` and `Mul` with an integral constant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WithScalar {
    Add(f64),
    Mul(f64),
    Div(f64),
    Pow(f64),
}

impl WithScalar {
    fn on_ints<T: Real>(self, x: &Tensor<T>) -> Option<Result<Tensor<T>>> {
        let Data::Int(values) = &x.data else { return None };
        let buf = match self {
            WithScalar::Add(c) if is_integer(c) => map(values, |v| v.wrapping_add(c as i32)),
            WithScalar::Mul(c) if is_integer(c) => map(values, |v| v.wrapping_mul(c as i32)),
            _ => return None,
        };
        Some(buf.map(|buf| Tensor::int(x.shape.clone(), buf)))
    }
}

/// `x^c`, the common exponents without a call of `powf`.
fn pow_scalar<T: Real>(x: &Tensor<T>, c: f64) -> Result<Tensor<T>> {
    if c == 2.0 {
        map_floats(x, |v| v * v)
    } else if c == 0.5 {
        map_floats(x, T::sqrt)
    } else if c == -1.0 {
        map_floats(x, |v| T::ONE / v)
    } else {
        let c = T::from_f64(c);
        map_floats(x, |v| v.powf(c))
    }
}

impl<T: Kernels> Op<T> for WithScalar {
    fn kind(&self) -> OpKind {
        match self {
            WithScalar::Add(_) => OpKind::AddScalar,
            WithScalar::Mul(_) => OpKind::MulScalar,
            WithScalar::Div(_) => OpKind::DivScalar,
            WithScalar::Pow(_) => OpKind::PowScalar,
        }
    }

    fn saves(&self) -> Saves {
        match self {
            WithScalar::Pow(_) => Saves::INPUTS,
            _ => Saves::NOTHING,
        }
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        if let Some(ints) = self.on_ints(inputs[0]) {
            return ints;
        }
        match *self {
            WithScalar::Add(c) => map_floats(inputs[0], |x| x + T::from_f64(c)),
            WithScalar::Mul(c) => map_floats(inputs[0], |x| x * T::from_f64(c)),
            WithScalar::Div(c) => map_floats(inputs[0], |x| x / T::from_f64(c)),
            WithScalar::Pow(c) => pow_scalar(inputs[0], c),
        }
    }

    // x + c: dx = grad.  x c: dx = grad c.  x / c: dx = grad / c.  x^c: dx = grad c x^(c-1), and 0 for c = 0.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        match *self {
            WithScalar::Add(_) => Ok(vec![Some(grad.clone())]),
            WithScalar::Mul(c) => Ok(vec![Some(map_floats(grad, |g| g * T::from_f64(c))?)]),
            WithScalar::Div(c) => Ok(vec![Some(map_floats(grad, |g| g / T::from_f64(c))?)]),
            WithScalar::Pow(0.0) => Ok(vec![Some(Tensor::zeros(&grad.shape)?)]),
            WithScalar::Pow(c) => {
                let slope = pow_scalar(saved.input(0), c - 1.0)?;
                chain(grad, &slope, |g, s| g * (T::from_f64(c) * s))
            }
        }
    }
}

/// `x` kept between bounds; infinite ones bound nothing, and the upper one wins where they cross. NaN stays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clamp {
    pub min: f64,
    pub max: f64,
}

impl<T: Kernels> Op<T> for Clamp {
    fn kind(&self) -> OpKind {
        OpKind::Clamp
    }

    fn saves(&self) -> Saves {
        Saves::INPUTS
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let (x, Self { min, max }) = (inputs[0], *self);
        let keeps_ints = |bound: f64| is_integer(bound) || bound.is_infinite();
        if x.dtype() == Dtype::Int && keeps_ints(min) && keeps_ints(max) {
            // `as` saturates, so that an infinite bound becomes the type's own.
            let clamped = map(x.ints()?, |v| v.max(min as i32).min(max as i32))?;
            return Ok(Tensor::int(x.shape.clone(), clamped));
        }
        let (min, max) = (T::from_f64(min), T::from_f64(max));
        map_floats(x, |v| {
            let v = if v < min { min } else { v };
            if v > max { max } else { v }
        })
    }

    // dx = grad inside and on the bounds, 0 beyond them.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        let (min, max) = (T::from_f64(self.min), T::from_f64(self.max));
        chain(grad, saved.input(0), |g, x| if x >= min && x <= max { g } else { T::ZERO })
    }
}
