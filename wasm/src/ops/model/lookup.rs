//! Rows of an embedding by token or position.

use crate::error::{Error, Result};
use crate::kernels::{Kernels, Packed};
use crate::memory::Buf;
use crate::ops::{Gradients, Op, OpKind, Saved, Saves};
use crate::tensor::Tensor;
use std::rc::Rc;

/// `[n, d]`: the rows of a table that a list of integers names. A table that is the transpose of a packed matrix (an unembedding
/// that is tied to its embedding) is read by the matrix' columns.
pub struct Lookup<T: Kernels> {
    pub weight: Rc<Packed<T>>,
    pub by_column: bool,
}

impl<T: Kernels> Lookup<T> {
    /// How many rows the table has, and their width.
    fn sizes(&self) -> (usize, usize) {
        let w = &*self.weight;
        if self.by_column { (w.cols, w.rows) } else { (w.rows, w.cols) }
    }
}

impl<T: Kernels> Op<T> for Lookup<T> {
    fn kind(&self) -> OpKind {
        OpKind::Lookup
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let indices = inputs[0].ints()?;
        let (rows, width) = self.sizes();
        if let Some(index) = indices.iter().find(|&&index| index < 0 || index as usize >= rows) {
            return Err(Error::Index(format!("Cannot look up row {index} of a table with {rows} rows")));
        }
        let mut out = Buf::zeroed(indices.len() * width)?;
        for (out, &index) in out.chunks_exact_mut(width.max(1)).zip(indices) {
            if self.by_column {
                self.weight.read_column(index as usize, out);
            } else {
                self.weight.read_row(index as usize, out);
            }
        }
        Ok(Tensor::float(vec![indices.len(), width], out))
    }

    // Which row is looked up isn't differentiable, and the table is a constant.
    fn vjp(&self, _: &Saved<T>, _: &Tensor<T>) -> Result<Gradients<T>> {
        Ok(vec![None])
    }
}
