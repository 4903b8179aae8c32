//! Softmax and its logarithm along an axis.

use crate::error::Result;
use crate::kernels::parallel::{EXPONENTIAL, rows};
use crate::kernels::{Activation, Kernels};
use crate::memory::Buf;
use crate::ops::axis::check_axis;
use crate::ops::dtype::to_float;
use crate::ops::shape::permuted;
use crate::ops::{Gradients, Op, OpKind, Saved, Saves};
use crate::tensor::Tensor;

/// The order of axes that exchanges `dim` and the last one, which is its own inverse.
fn exchange(rank: usize, dim: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rank).collect();
    order.swap(dim, rank - 1);
    order
}

/// `x` with the lanes along `dim` as rows.
fn as_rows<T: Kernels>(x: &Tensor<T>, dim: usize) -> Result<Tensor<T>> {
    if dim + 1 == x.rank() { Ok(x.clone()) } else { permuted(x, &exchange(x.rank(), dim)) }
}

/// `kernel(x, n, out)` over the lanes of `x` along `dim`.
fn over_rows<T: Kernels>(
    what: &str,
    x: &Tensor<T>,
    dim: usize,
    kernel: fn(&[T], usize, &mut [T]),
) -> Result<Tensor<T>> {
    check_axis(what, &x.shape, dim)?;
    let rows = as_rows(&to_float(x)?, dim)?;
    // SAFETY: the kernel writes every row.
    let mut out = unsafe { Buf::unwritten(rows.len())? };
    if !rows.is_empty() {
        kernel(rows.floats()?, rows.last_dim(), &mut out);
    }
    as_rows(&Tensor::float(rows.shape, out), dim)
}

/// `kernel(y, grad, dx)` over the lanes along `dim`, a row at a time.
fn over_row_pairs<T: Kernels>(
    output: &Tensor<T>,
    grad: &Tensor<T>,
    dim: usize,
    kernel: impl Fn(&[T], &[T], &mut [T]) + Sync,
) -> Result<Gradients<T>> {
    let (y, g) = (as_rows(output, dim)?, as_rows(grad, dim)?);
    // SAFETY: the rows cover all of it.
    let mut dx = unsafe { Buf::unwritten(y.len())? };
    let n = y.last_dim().max(1);
    let (ys, gs) = (y.floats()?, g.floats()?);
    rows(&mut dx, n, n * EXPONENTIAL, |first, dx| {
        let pairs = ys[first * n..].chunks_exact(n).zip(gs[first * n..].chunks_exact(n));
        pairs.zip(dx.chunks_exact_mut(n)).for_each(|((y, g), dx)| kernel(y, g, dx));
    });
    Ok(vec![Some(as_rows(&Tensor::float(y.shape, dx), dim)?)])
}

/// `exp(x - max) / Σ exp(x - max)` along `dim`. A lane of nothing but -inf gives zeros.
pub struct Softmax {
    pub dim: usize,
}

impl<T: Kernels> Op<T> for Softmax {
    fn kind(&self) -> OpKind {
        OpKind::Softmax
    }

    fn saves(&self) -> Saves {
        Saves::OUTPUT
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        over_rows("softmax", inputs[0], self.dim, T::softmax)
    }

    // ∂y_j/∂x_i = y_j (δ_ij - y_i), so dx = y (grad - Σ_j grad_j y_j).
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        over_row_pairs(saved.output(), grad, self.dim, |y, g, dx| {
            let inner = y.iter().zip(g).fold(T::ZERO, |sum, (&y, &g)| sum + y * g);
            dx.iter_mut().zip(y).zip(g).for_each(|((dx, &y), &g)| *dx = y * (g - inner));
        })
    }
}

/// `x - max - ln Σ exp(x - max)` along `dim`.
pub struct LogSoftmax {
    pub dim: usize,
}

impl<T: Kernels> Op<T> for LogSoftmax {
    fn kind(&self) -> OpKind {
        OpKind::LogSoftmax
    }

    fn saves(&self) -> Saves {
        Saves::OUTPUT
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        over_rows("logSoftmax", inputs[0], self.dim, T::log_softmax)
    }

    // ∂y_j/∂x_i = δ_ij - exp(y_i), so dx = grad - exp(y) Σ_j grad_j.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        over_row_pairs(saved.output(), grad, self.dim, |y, g, dx| {
            let total = g.iter().fold(T::ZERO, |sum, &g| sum + g);
            T::activate(Activation::Exp, y, dx);
            dx.iter_mut().zip(g).for_each(|(dx, &g)| *dx = g - *dx * total);
        })
    }
}
