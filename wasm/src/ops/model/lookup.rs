//! Rows of an embedding by token or position.

use crate::error::{Error, Result};
use crate::kernels::{Kernels, Packed};
use crate::memory::Buf;
use crate::ops::{Gradients, Op, OpKind, Saved, Saves};
use crate::shape_error;
use crate::tensor::Tensor;
use std::rc::Rc;

/// What of a packed matrix a table's rows are.
#[derive(Clone, Copy)]
pub enum TableRows {
    Rows,
    /// Of an unembedding that is tied to its embedding.
    Columns,
    /// Stretches of this width of the matrix' one row. A row of a table lies together there, while one of a matrix is spread over
    /// its panels.
    Stretches(usize),
}

/// `[n, d]`: the rows of a table that a list of integers names.
pub struct Lookup<T: Kernels> {
    pub weight: Rc<Packed<T>>,
    pub of: TableRows,
}

impl<T: Kernels> Lookup<T> {
    /// How many rows the table has, and their width.
    fn sizes(&self) -> (usize, usize) {
        let w = &*self.weight;
        match self.of {
            TableRows::Rows => (w.rows, w.cols),
            TableRows::Columns => (w.cols, w.rows),
            TableRows::Stretches(width) => (w.cols / width.max(1), width),
        }
    }

    fn read(&self, row: usize, out: &mut [T]) {
        match self.of {
            TableRows::Rows => self.weight.read_row(row, out),
            TableRows::Columns => self.weight.read_column(row, out),
            TableRows::Stretches(width) => self.weight.read_stretch(row * width, out),
        }
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
        if matches!(self.of, TableRows::Stretches(_)) && self.weight.rows != 1 {
            return shape_error!("Cannot look up stretches of a matrix of {} rows: expected one", self.weight.rows);
        }
        let (rows, width) = self.sizes();
        if let Some(index) = indices.iter().find(|&&index| index < 0 || index as usize >= rows) {
            return Err(Error::Index(format!("Cannot look up row {index} of a table with {rows} rows")));
        }
        let mut out = Buf::zeroed(indices.len() * width)?;
        for (out, &index) in out.chunks_exact_mut(width.max(1)).zip(indices) {
            self.read(index as usize, out);
        }
        Ok(Tensor::float(vec![indices.len(), width], out))
    }

    // Which row is looked up isn't differentiable, and the table is a constant.
    fn vjp(&self, _: &Saved<T>, _: &Tensor<T>) -> Result<Gradients<T>> {
        Ok(vec![None])
    }
}
