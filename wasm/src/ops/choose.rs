//! `where`: one tensor's cells or another's, by a mask.

use crate::error::Result;
use crate::kernels::Kernels;
use crate::memory::Buf;
use crate::ops::broadcast::{Loops, broadcast_shapes, broadcast_strides, reduce_to_shape, zip};
use crate::ops::dtype::convert;
use crate::ops::{Gradients, Op, OpKind, Saved, Saves};
use crate::tensor::{Data, Dtype, Tensor, size_of_shape};
use std::rc::Rc;

/// Inputs condition, `a`, `b`, broadcast against each other: `a` where the condition holds (isn't zero), `b` elsewhere.
pub struct Where;

fn choose<E: Copy>(
    shape: &[usize],
    condition: (&[u8], &[usize]),
    a: (&[E], &[usize]),
    b: (&[E], &[usize]),
) -> Result<Buf<E>> {
    let mut out = Buf::zeroed(size_of_shape(shape))?;
    let strides = [condition.1, a.1, b.1].map(|of| broadcast_strides(of, shape));
    Loops::new(shape, [&strides[0], &strides[1], &strides[2]])
        .for_each_cell(|cell, [c, i, j]| out[cell] = if condition.0[c] != 0 { a.0[i] } else { b.0[j] });
    Ok(out)
}

impl<T: Kernels> Op<T> for Where {
    fn kind(&self) -> OpKind {
        OpKind::Where
    }

    fn saves(&self) -> Saves {
        Saves::INPUTS
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let dtype = inputs[1].dtype().with(inputs[2].dtype());
        let (condition, a, b) =
            (convert(inputs[0], Dtype::Bool)?, convert(inputs[1], dtype)?, convert(inputs[2], dtype)?);
        let pair = broadcast_shapes("where", &a.shape, &b.shape)?;
        let shape = broadcast_shapes("where", &condition.shape, &pair)?;
        let mask = (condition.bools()?, &condition.shape[..]);
        let data = match (&a.data, &b.data) {
            (Data::Int(x), Data::Int(y)) => Data::Int(Rc::new(choose(&shape, mask, (x, &a.shape), (y, &b.shape))?)),
            (Data::Bool(x), Data::Bool(y)) => Data::Bool(Rc::new(choose(&shape, mask, (x, &a.shape), (y, &b.shape))?)),
            _ => Data::Float(Rc::new(choose(&shape, mask, (a.floats()?, &a.shape), (b.floats()?, &b.shape))?)),
        };
        Ok(Tensor { shape, data })
    }

    // da = grad where the condition holds and 0 elsewhere, db the other way round, each summed over its stretched axes.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        let condition = convert(saved.input(0), Dtype::Bool)?;
        let side = |i: usize, holds: bool| {
            let keep = |g: T, c: u8| if (c != 0) == holds { g } else { T::ZERO };
            let kept = zip(&grad.shape, (grad.floats()?, &grad.shape), (condition.bools()?, &condition.shape), keep)?;
            reduce_to_shape(&Tensor::float(grad.shape.clone(), kept), &saved.shapes[i])
        };
        Ok(vec![
            None,
            saved.wanted[1].then(|| side(1, true)).transpose()?,
            saved.wanted[2].then(|| side(2, false)).transpose()?,
        ])
    }
}
