//! Arithmetic between two tensors, broadcast against each other.

use crate::error::Result;
use crate::kernels::Kernels;
use crate::memory::Buf;
use crate::ops::broadcast::{broadcast_shapes, reduce_to_shape, zip, zip_floats};
use crate::ops::dtype::{convert, map, to_float};
use crate::ops::{Gradients, Op, OpKind, Saved, Saves};
use crate::real::Real;
use crate::tensor::{Dtype, Tensor};

/// Arithmetic by numpy's broadcasting. Integers and masks give integers, any float makes floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    Add,
    Sub,
    Mul,
    /// Gives floats, of integers too.
    Div,
    /// Gives floats, of integers too.
    Pow,
}

impl Binary {
    /// The method's name, for messages.
    pub fn name(self) -> &'static str {
        match self {
            Binary::Add => "add",
            Binary::Sub => "sub",
            Binary::Mul => "mul",
            Binary::Div => "div",
            Binary::Pow => "pow",
        }
    }

    /// Integers stay integers (wrapping) where the function keeps them so.
    fn on_ints(self, x: i32, y: i32) -> Option<i32> {
        match self {
            Binary::Add => Some(x.wrapping_add(y)),
            Binary::Sub => Some(x.wrapping_sub(y)),
            Binary::Mul => Some(x.wrapping_mul(y)),
            Binary::Div | Binary::Pow => None,
        }
    }

    fn on_floats<T: Real>(self, shape: &[usize], a: &Tensor<T>, b: &Tensor<T>) -> Result<Tensor<T>> {
        match self {
            Binary::Add => zip_floats(shape, a, b, |x, y| x + y),
            Binary::Sub => zip_floats(shape, a, b, |x, y| x - y),
            Binary::Mul => zip_floats(shape, a, b, |x, y| x * y),
            Binary::Div => zip_floats(shape, a, b, |x, y| x / y),
            Binary::Pow => zip_floats(shape, a, b, |x, y| x.powf(y)),
        }
    }
}

/// dx/da = y x^(y-1), which is 0 at y = 0 whatever x is.
fn pow_slope_base<T: Real>(x: T, y: T) -> T {
    if y == T::ZERO { T::ZERO } else { y * x.powf(y - T::ONE) }
}

/// x^y ln x, continued by 0 at x = 0 where x^y itself is finite.
fn pow_slope_exponent<T: Real>(x: T, y: T) -> T {
    if x == T::ZERO && y >= T::ZERO { T::ZERO } else { x.powf(y) * x.ln() }
}

impl<T: Kernels> Op<T> for Binary {
    fn kind(&self) -> OpKind {
        match self {
            Binary::Add => OpKind::Add,
            Binary::Sub => OpKind::Sub,
            Binary::Mul => OpKind::Mul,
            Binary::Div => OpKind::Div,
            Binary::Pow => OpKind::Pow,
        }
    }

    fn saves(&self) -> Saves {
        match self {
            Binary::Add | Binary::Sub => Saves::NOTHING,
            Binary::Mul | Binary::Div | Binary::Pow => Saves::INPUTS,
        }
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let (a, b) = (inputs[0], inputs[1]);
        let shape = broadcast_shapes(self.name(), &a.shape, &b.shape)?;
        if a.dtype().with(b.dtype()) != Dtype::Float && self.on_ints(1, 1).is_some() {
            let (a, b) = (convert(a, Dtype::Int)?, convert(b, Dtype::Int)?);
            let ints = |x, y| self.on_ints(x, y).unwrap_or_default();
            return Ok(Tensor::int(shape.clone(), zip(&shape, (a.ints()?, &a.shape), (b.ints()?, &b.shape), ints)?));
        }
        self.on_floats(&shape, &to_float(a)?, &to_float(b)?)
    }

    // With c = a ∘ b and grad = dL/dc, every cell of a stretched input takes the sum over the cells that read it:
    // a + b: da = db = grad.  a - b: db = -grad.  a b: da = grad b, db = grad a.
    // a / b: da = grad / b, db = -grad (a / b) / b.  a^b: da = grad b a^(b-1), db = grad a^b ln a.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        let (shape, wanted) = (&grad.shape, saved.wanted);
        let floats = |i: usize| to_float(saved.input(i));
        let da = || match self {
            Binary::Add | Binary::Sub => Ok(grad.clone()),
            Binary::Mul => zip_floats(shape, grad, &floats(1)?, |g, b| g * b),
            Binary::Div => zip_floats(shape, grad, &floats(1)?, |g, b| g / b),
            Binary::Pow => {
                let slope = zip_floats(shape, &floats(0)?, &floats(1)?, pow_slope_base)?;
                zip_floats(shape, grad, &slope, |g, s| g * s)
            }
        };
        let db = || match self {
            Binary::Add => Ok(grad.clone()),
            Binary::Sub => negated(grad),
            Binary::Mul => zip_floats(shape, grad, &floats(0)?, |g, a| g * a),
            Binary::Div => {
                let slope = zip_floats(shape, &floats(0)?, &floats(1)?, |a, b| -(a / b) / b)?;
                zip_floats(shape, grad, &slope, |g, s| g * s)
            }
            Binary::Pow => {
                let slope = zip_floats(shape, &floats(0)?, &floats(1)?, pow_slope_exponent)?;
                zip_floats(shape, grad, &slope, |g, s| g * s)
            }
        };
        Ok(vec![
            wanted[0].then(|| reduce_to_shape(&da()?, &saved.shapes[0])).transpose()?,
            wanted[1].then(|| reduce_to_shape(&db()?, &saved.shapes[1])).transpose()?,
        ])
    }
}

fn negated<T: Real>(x: &Tensor<T>) -> Result<Tensor<T>> {
    let buf: Buf<T> = map(x.floats()?, |v| -v)?;
    Ok(Tensor::float(x.shape.clone(), buf))
}
