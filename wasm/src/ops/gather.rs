//! Reading along one axis at positions that an integer tensor holds.

use crate::error::{Error, Result};
use crate::kernels::Kernels;
use crate::memory::Buf;
use crate::ops::axis::{Lanes, check_axis};
use crate::ops::broadcast::{Loops, strides};
use crate::ops::dtype::same_dtype;
use crate::ops::{Gradients, Op, OpKind, Saved, Saves};
use crate::shape_error;
use crate::tensor::{Tensor, size_of_shape};

/// Checks that every index names an entry of the axis.
fn check_entries(what: &str, shape: &[usize], dim: usize, index: &[i32]) -> Result<()> {
    let len = shape[dim];
    match index.iter().find(|&&i| i < 0 || i as usize >= len) {
        None => Ok(()),
        Some(bad) => Err(Error::Index(format!(
            "Cannot apply {what} to {shape:?}: entry {bad} of axis {dim} was asked for, its length is {len}"
        ))),
    }
}

/// Inputs `x` and an integer tensor of the same rank, no longer than `x` along the other axes:
/// `out[i, j, k] = x[i, index[i, j, k], k]` for `dim` 1 of three, in the shape of the index.
pub struct Gather {
    pub dim: usize,
}

impl Gather {
    fn check(&self, shape: &[usize], index_shape: &[usize], index: &[i32]) -> Result<()> {
        check_axis("gather", shape, self.dim)?;
        let within = |axis| axis == self.dim || index_shape[axis] <= shape[axis];
        if index_shape.len() != shape.len() || !(0..shape.len()).all(within) {
            let dim = self.dim;
            return shape_error!(
                "Cannot gather from {shape:?} along axis {dim} with indices of shape {index_shape:?}: \
                 the same number of axes was wanted, none longer but axis {dim}"
            );
        }
        check_entries("gather", shape, self.dim, index)
    }

    /// Calls `f` with each cell of the index and the position in `x` that it reads, in row-major order.
    fn for_each(&self, shape: &[usize], index_shape: &[usize], index: &[i32], mut f: impl FnMut(usize, usize)) {
        let mut steps = strides(shape);
        let step = std::mem::take(&mut steps[self.dim]);
        Loops::new(index_shape, [&steps]).for_each_cell(|cell, [at]| f(cell, at + index[cell] as usize * step));
    }
}

impl<T: Kernels> Op<T> for Gather {
    fn kind(&self) -> OpKind {
        OpKind::Gather
    }

    fn saves(&self) -> Saves {
        Saves::INPUTS
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let (x, at) = (inputs[0], inputs[1]);
        let index = at.ints()?;
        self.check(&x.shape, &at.shape, index)?;
        let data = same_dtype!(x, values => {
            let mut out = Buf::zeroed(index.len())?;
            self.for_each(&x.shape, &at.shape, index, |cell, from| out[cell] = values[from]);
            out
        });
        Ok(Tensor { shape: at.shape.clone(), data })
    }

    // y[c] = x[from(c)]: dx[from(c)] += grad[c], cells in row-major order.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        if !saved.wanted[0] {
            return Ok(vec![None, None]);
        }
        let (shape, g) = (&saved.shapes[0], grad.floats()?);
        let mut dx = Buf::zeroed(size_of_shape(shape))?;
        self.for_each(shape, &grad.shape, saved.input(1).ints()?, |cell, from| dx[from] += g[cell]);
        Ok(vec![Some(Tensor::float(shape.clone(), dx)), None])
    }
}

/// Inputs `x` and a list of integers: the entries of axis `dim` that the list names, in its order.
pub struct IndexSelect {
    pub dim: usize,
}

impl IndexSelect {
    fn lanes(&self, shape: &[usize], index: &[i32]) -> Result<Lanes> {
        let lanes = Lanes::along("indexSelect", shape, self.dim)?;
        check_entries("indexSelect", shape, self.dim, index)?;
        Ok(lanes)
    }
}

/// Calls `f` with the position of each selected row of `inner` cells in the result and in the source.
fn for_each_row(lanes: Lanes, index: &[i32], mut f: impl FnMut(usize, usize)) {
    let mut to = 0;
    for o in 0..lanes.outer {
        for &i in index {
            f(to, (o * lanes.len + i as usize) * lanes.inner);
            to += lanes.inner;
        }
    }
}

impl<T: Kernels> Op<T> for IndexSelect {
    fn kind(&self) -> OpKind {
        OpKind::IndexSelect
    }

    fn saves(&self) -> Saves {
        Saves::INPUTS
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let (x, at) = (inputs[0], inputs[1]);
        if at.rank() != 1 {
            return shape_error!("Cannot apply indexSelect with indices of shape {:?}: one axis was wanted", at.shape);
        }
        let index = at.ints()?;
        let lanes = self.lanes(&x.shape, index)?;
        let mut shape = x.shape.clone();
        shape[self.dim] = index.len();
        let n = lanes.inner;
        let data = same_dtype!(x, values => {
            let mut out = Buf::zeroed(size_of_shape(&shape))?;
            for_each_row(lanes, index, |to, from| out[to..to + n].copy_from_slice(&values[from..from + n]));
            out
        });
        Ok(Tensor { shape, data })
    }

    // Row r of y is row index[r] of x: dx[index[r]] += grad[r], in the list's order.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        if !saved.wanted[0] {
            return Ok(vec![None, None]);
        }
        let (shape, g) = (&saved.shapes[0], grad.floats()?);
        let index = saved.input(1).ints()?;
        let lanes = self.lanes(shape, index)?;
        let n = lanes.inner;
        let mut dx = Buf::zeroed(size_of_shape(shape))?;
        for_each_row(lanes, index, |row, at| {
            dx[at..at + n].iter_mut().zip(&g[row..row + n]).for_each(|(d, &g)| *d += g);
        });
        Ok(vec![Some(Tensor::float(shape.clone(), dx)), None])
    }
}
