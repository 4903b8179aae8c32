//! The three kinds of elements, and how they become one another.

use crate::error::Result;
use crate::kernels::Kernels;
use crate::kernels::parallel::{ELEMENT, Element, rows};
use crate::memory::Buf;
use crate::ops::{Gradients, Op, OpKind, Saved, Saves};
use crate::real::Real;
use crate::tensor::{Data, Dtype, Tensor};
use std::rc::Rc;

/// Data of a tensor's kind, its elements given by an expression over the old ones, whatever their type.
macro_rules! same_dtype {
    ($tensor:expr, $values:ident => $body:expr) => {
        match &$tensor.settled()?.data {
            $crate::tensor::Data::Float($values) => $crate::tensor::Data::Float(std::rc::Rc::new($body)),
            $crate::tensor::Data::Int($values) => $crate::tensor::Data::Int(std::rc::Rc::new($body)),
            $crate::tensor::Data::Bool($values) => $crate::tensor::Data::Bool(std::rc::Rc::new($body)),
            $crate::tensor::Data::Deferred(_) => unreachable!("a settled tensor's elements are there"),
        }
    };
}
pub(crate) use same_dtype;

impl Dtype {
    /// The name that users know: floats are float32 in production.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::Float => "float32",
            Dtype::Int => "int32",
            Dtype::Bool => "bool",
        }
    }

    /// What arithmetic between two kinds gives: float32 wins over int32, and int32 over bool.
    pub fn with(self, other: Self) -> Self {
        match (self, other) {
            (Dtype::Float, _) | (_, Dtype::Float) => Dtype::Float,
            (Dtype::Int, _) | (_, Dtype::Int) => Dtype::Int,
            (Dtype::Bool, Dtype::Bool) => Dtype::Bool,
        }
    }
}

/// `f` of every element.
pub fn map<A: Element, O: Element>(values: &[A], f: impl Fn(A) -> O + Sync) -> Result<Buf<O>> {
    /// Elements of a share: whole vectors.
    const STRETCH: usize = 64;
    // SAFETY: the rows cover all of it.
    let mut out = unsafe { Buf::unwritten(values.len())? };
    rows(&mut out, STRETCH, STRETCH * ELEMENT, |first, out| {
        out.iter_mut().zip(&values[first * STRETCH..]).for_each(|(o, &x)| *o = f(x));
    });
    Ok(out)
}

/// `x` with elements of another kind; `x` itself, sharing its buffer, when it has them already.
/// Floats are cut towards zero to become integers, and whatever isn't zero is true.
pub fn convert<T: Real>(x: &Tensor<T>, dtype: Dtype) -> Result<Tensor<T>> {
    let x = x.settled()?;
    let data = match (&x.data, dtype) {
        (Data::Int(v), Dtype::Float) => Data::Float(Rc::new(map(v, |e| T::from_f64(e as f64))?)),
        (Data::Bool(v), Dtype::Float) => Data::Float(Rc::new(map(v, |e| T::from_f64(e as f64))?)),
        (Data::Float(v), Dtype::Int) => Data::Int(Rc::new(map(v, |e| e.to_f64() as i32)?)),
        (Data::Bool(v), Dtype::Int) => Data::Int(Rc::new(map(v, |e| e as i32)?)),
        (Data::Float(v), Dtype::Bool) => Data::Bool(Rc::new(map(v, |e| (e != T::ZERO) as u8)?)),
        (Data::Int(v), Dtype::Bool) => Data::Bool(Rc::new(map(v, |e| (e != 0) as u8)?)),
        (same, _) => same.clone(),
    };
    Ok(Tensor { shape: x.shape.clone(), data })
}

/// [`convert`] to floats.
pub fn to_float<T: Real>(x: &Tensor<T>) -> Result<Tensor<T>> {
    convert(x, Dtype::Float)
}

/// The conversion of [`convert`], recorded.
pub struct Cast(pub Dtype);

impl<T: Kernels> Op<T> for Cast {
    fn kind(&self) -> OpKind {
        OpKind::Cast
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        convert(inputs[0], self.0)
    }

    // Floats to floats is the identity: dx = grad. Integers and masks are piecewise constant and carry no gradient.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        Ok(vec![(saved.wanted[0] && self.0 == Dtype::Float).then(|| grad.clone())])
    }
}
