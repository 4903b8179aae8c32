//! The same elements in another arrangement.

use crate::error::Result;
use crate::kernels::Kernels;
use crate::memory::Buf;
use crate::ops::axis::{Lanes, check_axis};
use crate::ops::broadcast::{copy_strided, reduce_to_shape, stretch, strides};
use crate::ops::dtype::{convert, same_dtype};
use crate::ops::{Gradients, Op, OpKind, Saved, Saves};
use crate::real::Real;
use crate::shape_error;
use crate::tensor::{Data, Dtype, Shape, Tensor, size_of_shape};
use std::rc::Rc;

/// The same elements, in the same order, under another shape of equal size.
pub struct Reshape(pub Shape);

impl<T: Kernels> Op<T> for Reshape {
    fn kind(&self) -> OpKind {
        OpKind::Reshape
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let (x, wanted) = (inputs[0], &self.0);
        if size_of_shape(wanted) != x.len() {
            let (n, m) = (x.len(), size_of_shape(wanted));
            return shape_error!("Cannot reshape {:?} to {wanted:?}: it holds {n} elements, not {m}", x.shape);
        }
        x.reshaped(wanted)
    }

    // Element i stays element i: dx = grad under x's shape.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        Ok(vec![Some(grad.reshaped(&saved.shapes[0])?)])
    }
}

/// Axis `i` of the result is axis `self.0[i]` of the input.
pub struct Permute(pub Vec<usize>);

/// `x` with its axes in the order `order`, which names each once.
pub fn permuted<T: Real>(x: &Tensor<T>, order: &[usize]) -> Result<Tensor<T>> {
    let all = strides(&x.shape);
    let shape: Shape = order.iter().map(|&axis| x.shape[axis]).collect();
    let steps: Vec<usize> = order.iter().map(|&axis| all[axis]).collect();
    let data = same_dtype!(x, values => copy_strided(values, &shape, &steps)?);
    Ok(Tensor { shape, data })
}

fn inverse(order: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; order.len()];
    order.iter().enumerate().for_each(|(to, &from)| inverse[from] = to);
    inverse
}

impl<T: Kernels> Op<T> for Permute {
    fn kind(&self) -> OpKind {
        OpKind::Permute
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let (x, order) = (inputs[0], &self.0);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..x.rank()) {
            return shape_error!(
                "Cannot permute {:?} to the axes {order:?}: each of its {} axes was wanted once",
                x.shape,
                x.rank()
            );
        }
        permuted(x, order)
    }

    // y[i_order] = x[i]: dx is grad with the axes put back.
    fn vjp(&self, _: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        Ok(vec![Some(permuted(grad, &inverse(&self.0))?)])
    }
}

/// The input stretched to a shape that it broadcasts to.
pub struct Expand(pub Shape);

impl<T: Kernels> Op<T> for Expand {
    fn kind(&self) -> OpKind {
        OpKind::Expand
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let (x, shape) = (inputs[0], &self.0);
        let fits = |(&from, &to): (&usize, &usize)| from == to || from == 1;
        if x.rank() > shape.len() || !x.shape.iter().rev().zip(shape.iter().rev()).all(fits) {
            return shape_error!("Cannot expand {:?} to {shape:?}: only axes of length 1 stretch", x.shape);
        }
        let data = same_dtype!(x, values => stretch(values, &x.shape, shape)?);
        Ok(Tensor { shape: shape.clone(), data })
    }

    // Every copy of a cell is a use of it: dx = Σ grad over the stretched axes.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        Ok(vec![Some(reduce_to_shape(grad, &saved.shapes[0])?)])
    }
}

/// The inputs one after the other along an axis, which must agree on all others.
pub struct Cat {
    pub axis: usize,
}

impl Cat {
    fn shape<T: Real>(&self, inputs: &[&Tensor<T>]) -> Result<Shape> {
        let Some(first) = inputs.first() else {
            return shape_error!("Cannot cat nothing: at least one tensor was wanted");
        };
        check_axis("cat", &first.shape, self.axis)?;
        let mut shape = first.shape.clone();
        for x in &inputs[1..] {
            let fits = |axis| axis == self.axis || x.shape[axis] == shape[axis];
            if x.rank() != shape.len() || !(0..shape.len()).all(fits) {
                let (a, b) = (&first.shape, &x.shape);
                return shape_error!("Cannot cat {a:?} and {b:?} along axis {}: their other axes differ", self.axis);
            }
            shape[self.axis] += x.shape[self.axis];
        }
        Ok(shape)
    }

    /// Each part's elements and its length along the axis.
    fn slices<'a, T: Real, E>(
        &self,
        parts: &'a [Tensor<T>],
        elements: impl Fn(&'a Tensor<T>) -> Result<&'a [E]>,
    ) -> Result<Vec<(&'a [E], usize)>> {
        parts.iter().map(|part| Ok((elements(part)?, part.shape[self.axis]))).collect()
    }
}

/// The parts, each with its length along the axis, side by side in lanes.
fn join<E: Copy>(parts: &[(&[E], usize)], lanes: Lanes) -> Result<Buf<E>> {
    let mut whole = Buf::zeroed(lanes.outer * lanes.len * lanes.inner)?;
    let long = (lanes.len * lanes.inner).max(1);
    let mut at = 0;
    for &(part, len) in parts {
        let short = len * lanes.inner;
        for (whole, part) in whole.chunks_exact_mut(long).zip(part.chunks_exact(short.max(1))) {
            whole[at..at + short].copy_from_slice(part);
        }
        at += short;
    }
    Ok(whole)
}

/// The part of [`join`]'s result that begins at `at` along the axis and is `len` long.
fn part_of<E: Copy>(whole: &[E], lanes: Lanes, at: usize, len: usize) -> Result<Buf<E>> {
    let (at, long, short) = (at * lanes.inner, lanes.len * lanes.inner, len * lanes.inner);
    let mut part = Buf::zeroed(lanes.outer * short)?;
    for (part, whole) in part.chunks_exact_mut(short.max(1)).zip(whole.chunks_exact(long.max(1))) {
        part.copy_from_slice(&whole[at..at + short]);
    }
    Ok(part)
}

impl<T: Kernels> Op<T> for Cat {
    fn kind(&self) -> OpKind {
        OpKind::Cat
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let shape = self.shape(inputs)?;
        let lanes = Lanes::along("cat", &shape, self.axis)?;
        let dtype = inputs.iter().map(|x| x.dtype()).fold(Dtype::Bool, Dtype::with);
        let parts = inputs.iter().map(|x| convert(x, dtype)).collect::<Result<Vec<_>>>()?;
        let data = match dtype {
            Dtype::Float => Data::Float(Rc::new(join(&self.slices(&parts, Tensor::floats)?, lanes)?)),
            Dtype::Int => Data::Int(Rc::new(join(&self.slices(&parts, Tensor::ints)?, lanes)?)),
            Dtype::Bool => Data::Bool(Rc::new(join(&self.slices(&parts, Tensor::bools)?, lanes)?)),
        };
        Ok(Tensor { shape, data })
    }

    // Each input's cells lie in one piece along the axis: dx_i = that piece of grad.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        let lanes = Lanes::along("cat", &grad.shape, self.axis)?;
        let mut at = 0;
        let mut gradients = Vec::with_capacity(saved.shapes.len());
        for (shape, &wanted) in saved.shapes.iter().zip(saved.wanted) {
            let len = shape[self.axis];
            let piece = wanted.then(|| part_of(grad.floats()?, lanes, at, len)).transpose()?;
            gradients.push(piece.map(|buf| Tensor::float(shape.clone(), buf)));
            at += len;
        }
        Ok(gradients)
    }
}
