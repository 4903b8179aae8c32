//! Sums, means and quantifiers over axes.
//!
//! A cell's terms are added in row-major order into one accumulator: its bits depend on its own terms alone.

use crate::error::Result;
use crate::kernels::Kernels;
use crate::memory::Buf;
use crate::ops::axis::{check_axis, without_axes};
use crate::ops::broadcast::{stretch, strides, sum_onto};
use crate::ops::dtype::{convert, map, to_float};
use crate::ops::{Gradients, Op, OpKind, Saved, Saves};
use crate::real::Real;
use crate::shape_error;
use crate::tensor::{Dtype, Shape, Tensor, size_of_shape};

/// What a reduction runs over: the axes, each named once, and whether they stay with length 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Over {
    pub axes: Vec<usize>,
    pub keepdim: bool,
}

impl Over {
    fn check(&self, what: &str, shape: &[usize]) -> Result<()> {
        let axes = &self.axes;
        if (1..axes.len()).any(|i| axes[..i].contains(&axes[i])) {
            return shape_error!("Cannot apply {what} to {shape:?} over the axes {axes:?}: each was wanted once");
        }
        axes.iter().try_for_each(|&axis| check_axis(what, shape, axis))
    }

    /// The cells that one result cell sums over.
    fn count(&self, shape: &[usize]) -> usize {
        self.axes.iter().map(|&axis| shape[axis]).product()
    }

    /// `values` folded into the kept cells, which begin as `start`.
    fn fold<E: Copy>(&self, values: &[E], shape: &[usize], start: E, f: impl Fn(E, E) -> E) -> Result<(Shape, Buf<E>)> {
        let kept = without_axes(shape, &self.axes, true);
        let mut steps = strides(&kept);
        self.axes.iter().for_each(|&axis| steps[axis] = 0);
        let mut out = Buf::filled(size_of_shape(&kept), start)?;
        sum_onto(values, shape, &steps, &mut out, f);
        Ok((without_axes(shape, &self.axes, self.keepdim), out))
    }

    fn sum<T: Real>(&self, x: &Tensor<T>) -> Result<Tensor<T>> {
        let (shape, out) = self.fold(x.floats()?, &x.shape, T::ZERO, |total, v| total + v)?;
        Ok(Tensor::float(shape, out))
    }

    /// The gradient of a sum: each cell's own total's.
    fn spread<T: Real>(&self, grad: &Tensor<T>, shape: &[usize]) -> Result<Tensor<T>> {
        let kept = without_axes(shape, &self.axes, true);
        Ok(Tensor::float(shape.to_vec(), stretch(grad.floats()?, &kept, shape)?))
    }
}

/// The sum over axes; integers and masks give integers.
pub struct Sum(pub Over);

impl<T: Kernels> Op<T> for Sum {
    fn kind(&self) -> OpKind {
        OpKind::Sum
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let x = inputs[0];
        self.0.check("sum", &x.shape)?;
        if x.dtype() == Dtype::Float {
            return self.0.sum(x);
        }
        let x = convert(x, Dtype::Int)?;
        let (shape, out) = self.0.fold(x.ints()?, &x.shape, 0, i32::wrapping_add)?;
        Ok(Tensor::int(shape, out))
    }

    // y = Σ x: dx = grad at the cell that x was summed into.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        Ok(vec![Some(self.0.spread(grad, &saved.shapes[0])?)])
    }
}

/// The sum over axes divided by the number of terms; NaN of none.
pub struct Mean(pub Over);

impl<T: Kernels> Op<T> for Mean {
    fn kind(&self) -> OpKind {
        OpKind::Mean
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let x = to_float(inputs[0])?;
        self.0.check("mean", &x.shape)?;
        let n = T::from_f64(self.0.count(&x.shape) as f64);
        let total = self.0.sum(&x)?;
        Ok(Tensor::float(total.shape.clone(), map(total.floats()?, |v| v / n)?))
    }

    // y = Σ x / n: dx = grad / n at the cell that x was summed into.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        let n = T::from_f64(self.0.count(&saved.shapes[0]) as f64);
        let spread = self.0.spread(grad, &saved.shapes[0])?;
        Ok(vec![Some(Tensor::float(spread.shape.clone(), map(spread.floats()?, |g| g / n)?))])
    }
}

/// Whether some cell over the axes isn't zero, or whether all aren't. Of no cells: false, and true.
pub enum Quantifier {
    Any(Over),
    All(Over),
}

impl<T: Kernels> Op<T> for Quantifier {
    fn kind(&self) -> OpKind {
        match self {
            Quantifier::Any(_) => OpKind::Any,
            Quantifier::All(_) => OpKind::All,
        }
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let x = convert(inputs[0], Dtype::Bool)?;
        let (shape, out) = match self {
            Quantifier::Any(over) => {
                over.check("any", &x.shape)?;
                over.fold(x.bools()?, &x.shape, 0, |some, v| some | v)?
            }
            Quantifier::All(over) => {
                over.check("all", &x.shape)?;
                over.fold(x.bools()?, &x.shape, 1, |every, v| every & v)?
            }
        };
        Ok(Tensor::bool(shape, out))
    }

    // A mask is piecewise constant: no gradient.
    fn vjp(&self, _: &Saved<T>, _: &Tensor<T>) -> Result<Gradients<T>> {
        Ok(vec![None])
    }
}
