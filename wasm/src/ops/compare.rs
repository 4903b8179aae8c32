//! Comparisons and logic: masks out, no gradients.

use crate::error::Result;
use crate::kernels::Kernels;
use crate::kernels::parallel::Element;
use crate::memory::Buf;
use crate::ops::broadcast::{broadcast_shapes, zip};
use crate::ops::dtype::{convert, map};
use crate::ops::{Gradients, Op, OpKind, Saved, Saves};
use crate::tensor::{Dtype, Tensor};

/// Floats are compared as floats, integers and masks as integers. A comparison with NaN is false, `Ne` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

impl Compare {
    /// The method's name, for messages.
    pub fn name(self) -> &'static str {
        match self {
            Compare::Eq => "eq",
            Compare::Ne => "ne",
            Compare::Gt => "gt",
            Compare::Ge => "ge",
            Compare::Lt => "lt",
            Compare::Le => "le",
        }
    }

    fn on<E: Element + PartialOrd>(self, shape: &[usize], a: (&[E], &[usize]), b: (&[E], &[usize])) -> Result<Buf<u8>> {
        match self {
            Compare::Eq => zip(shape, a, b, |x, y| (x == y) as u8),
            Compare::Ne => zip(shape, a, b, |x, y| (x != y) as u8),
            Compare::Gt => zip(shape, a, b, |x, y| (x > y) as u8),
            Compare::Ge => zip(shape, a, b, |x, y| (x >= y) as u8),
            Compare::Lt => zip(shape, a, b, |x, y| (x < y) as u8),
            Compare::Le => zip(shape, a, b, |x, y| (x <= y) as u8),
        }
    }
}

impl<T: Kernels> Op<T> for Compare {
    fn kind(&self) -> OpKind {
        match self {
            Compare::Eq => OpKind::Eq,
            Compare::Ne => OpKind::Ne,
            Compare::Gt => OpKind::Gt,
            Compare::Ge => OpKind::Ge,
            Compare::Lt => OpKind::Lt,
            Compare::Le => OpKind::Le,
        }
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let (a, b) = (inputs[0], inputs[1]);
        let shape = broadcast_shapes(self.name(), &a.shape, &b.shape)?;
        let buf = if a.dtype().with(b.dtype()) == Dtype::Float {
            let (a, b) = (convert(a, Dtype::Float)?, convert(b, Dtype::Float)?);
            self.on(&shape, (a.floats()?, &a.shape), (b.floats()?, &b.shape))?
        } else {
            let (a, b) = (convert(a, Dtype::Int)?, convert(b, Dtype::Int)?);
            self.on(&shape, (a.ints()?, &a.shape), (b.ints()?, &b.shape))?
        };
        Ok(Tensor::bool(shape, buf))
    }

    // A mask is piecewise constant: no gradient.
    fn vjp(&self, _: &Saved<T>, _: &Tensor<T>) -> Result<Gradients<T>> {
        Ok(vec![None, None])
    }
}

/// Logic between masks; numbers count as true where they aren't zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logical {
    And,
    Or,
    Not,
}

impl<T: Kernels> Op<T> for Logical {
    fn kind(&self) -> OpKind {
        match self {
            Logical::And => OpKind::And,
            Logical::Or => OpKind::Or,
            Logical::Not => OpKind::Not,
        }
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let a = convert(inputs[0], Dtype::Bool)?;
        let and = match self {
            Logical::Not => return Ok(Tensor::bool(a.shape.clone(), map(a.bools()?, |x| x ^ 1)?)),
            Logical::And => true,
            Logical::Or => false,
        };
        let b = convert(inputs[1], Dtype::Bool)?;
        let shape = broadcast_shapes(if and { "and" } else { "or" }, &a.shape, &b.shape)?;
        let (a, b) = ((a.bools()?, &a.shape[..]), (b.bools()?, &b.shape[..]));
        let buf = if and { zip(&shape, a, b, |x, y| x & y)? } else { zip(&shape, a, b, |x, y| x | y)? };
        Ok(Tensor::bool(shape, buf))
    }

    // A mask is piecewise constant: no gradient.
    fn vjp(&self, saved: &Saved<T>, _: &Tensor<T>) -> Result<Gradients<T>> {
        Ok(saved.wanted.iter().map(|_| None).collect())
    }
}
