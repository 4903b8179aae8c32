//! Products with packed weights: weights are constants, gradients flow to the activations.

use crate::error::{Error, Result};
use crate::kernels::{Activation, Kernels, Packed, Rows, RowsMut};
use crate::memory::Buf;
use crate::ops::model::sparse::{Sparse, times_transpose};
use crate::ops::{Gradients, Op, OpKind, Saved, Saves};
use crate::shape_error;
use crate::tensor::{Shape, Tensor};
use std::ops::Range;
use std::rc::Rc;

/// `x W + b` over the trailing `in_axes` axes of `x`, which flatten to W's rows; `out_dims` replace them.
/// With an activation the op is for the forward pass alone (record the product and the activation as two ops).
pub struct Linear<T: Kernels> {
    pub weight: Rc<Packed<T>>,
    pub bias: Option<Tensor<T>>,
    pub in_axes: usize,
    pub out_dims: Shape,
    pub act: Activation,
}

/// Checks that the trailing `axes` axes of `shape` flatten to `wanted`; returns the leading axes.
fn leading<'a>(what: &str, shape: &'a [usize], axes: usize, wanted: usize) -> Result<&'a [usize]> {
    let split = shape.len().saturating_sub(axes);
    if shape[split..].iter().product::<usize>() != wanted {
        return shape_error!("{what}: the weight takes {wanted} inputs a row, got a tensor of shape {shape:?}");
    }
    Ok(&shape[..split])
}

fn joined(leading: &[usize], trailing: &[usize]) -> Shape {
    [leading, trailing].concat()
}

impl<T: Kernels> Op<T> for Linear<T> {
    fn kind(&self) -> OpKind {
        OpKind::Linear
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let (x, w) = (inputs[0], &*self.weight);
        let lead = leading("linear", &x.shape, self.in_axes, w.rows)?;
        let count: usize = lead.iter().product();
        // SAFETY: the kernel writes every cell.
        let mut out = unsafe { Buf::unwritten(count * w.cols)? };
        let bias = self.bias.as_ref().map(Tensor::floats).transpose()?;
        let a = Rows { data: x.floats()?, stride: w.rows, count };
        T::gemm(a, w, 0..w.cols, bias, self.act, RowsMut { data: &mut out, stride: w.cols });
        Ok(Tensor::float(joined(lead, &self.out_dims), out))
    }

    // y = x W + b, so dx = dy Wᵀ.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        let dx = times_transpose(grad, &self.weight)?;
        Ok(vec![Some(Tensor::float(saved.shapes[0].clone(), dx))])
    }
}

/// Single cells of `x W + b`, `[n]`: that of column `columns[i]` in row `rows[i]` of `x`.
pub struct LinearAt<T: Kernels> {
    pub weight: Rc<Packed<T>>,
    pub bias: Option<Tensor<T>>,
    pub rows: Vec<u32>,
    pub columns: Vec<u32>,
}

impl<T: Kernels> LinearAt<T> {
    fn cells(&self) -> impl Iterator<Item = (usize, usize)> {
        self.rows.iter().zip(&self.columns).map(|(&row, &column)| (row as usize, column as usize))
    }
}

impl<T: Kernels> Op<T> for LinearAt<T> {
    fn kind(&self) -> OpKind {
        OpKind::LinearAt
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let (x, w) = (inputs[0], &*self.weight);
        let count: usize = leading("linear at cells", &x.shape, 1, w.rows)?.iter().product();
        if let Some(cell) = self.cells().find(|&(row, column)| row >= count || column >= w.cols) {
            return Err(Error::Index(format!(
                "Cannot compute cell {cell:?} of a product of shape {:?}",
                (count, w.cols)
            )));
        }
        // SAFETY: the kernel writes every cell.
        let mut out = unsafe { Buf::unwritten(self.rows.len())? };
        let bias = self.bias.as_ref().map(Tensor::floats).transpose()?;
        let data = x.floats()?;
        for (out, (row, column)) in out.chunks_exact_mut(1).zip(self.cells()) {
            let a = Rows { data: &data[row * w.rows..], stride: w.rows, count: 1 };
            T::gemm(a, w, column..column + 1, bias, Activation::Identity, RowsMut { data: out, stride: 1 });
        }
        Ok(Tensor::float(vec![self.rows.len()], out))
    }

    // As for the whole product, whose gradient is zero in all other cells: dx = dy Wᵀ.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        let shape = saved.shapes[0].clone();
        let count = shape.iter().product::<usize>() / self.weight.rows.max(1);
        let cells = self.cells().zip(grad.floats()?.iter().copied());
        let dx = Sparse::at_cells(count, self.weight.cols, cells)?.times_transpose(&self.weight)?;
        Ok(vec![Some(Tensor::float(shape, dx))])
    }
}

/// One row of inputs per head: `y[.., h, :] = x[.., h, :] W[:, g] + b[g]`, where W's columns are `[n_heads / shared_by, d_head]` and as
/// many neighbouring heads share a head `g` of them.
pub struct LinearHeads<T: Kernels> {
    pub weight: Rc<Packed<T>>,
    pub bias: Option<Tensor<T>>,
    pub n_heads: usize,
    pub shared_by: usize,
}

impl<T: Kernels> LinearHeads<T> {
    fn d_head(&self) -> usize {
        self.weight.cols * self.shared_by / self.n_heads
    }

    fn columns(&self, head: usize) -> Range<usize> {
        let (g, d_head) = (head / self.shared_by, self.d_head());
        g * d_head..(g + 1) * d_head
    }
}

impl<T: Kernels> Op<T> for LinearHeads<T> {
    fn kind(&self) -> OpKind {
        OpKind::LinearHeads
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let (x, w) = (inputs[0], &*self.weight);
        let lead = leading("linear by heads", &x.shape, 2, w.rows * self.n_heads)?;
        let count: usize = lead.iter().product();
        let (d_head, out_stride) = (self.d_head(), self.n_heads * self.d_head());
        let mut out = Buf::zeroed(count * out_stride)?;
        let bias = self.bias.as_ref().map(Tensor::floats).transpose()?;
        let (data, stride) = (x.floats()?, w.rows * self.n_heads);
        for head in (0..self.n_heads).filter(|_| count > 0) {
            let a = Rows { data: &data[head * w.rows..], stride, count };
            let out = RowsMut { data: &mut out[head * d_head..], stride: out_stride };
            T::gemm(a, w, self.columns(head), bias, Activation::Identity, out);
        }
        Ok(Tensor::float(joined(lead, &[self.n_heads, d_head]), out))
    }

    // dx[h] = dy[h] W[:, g]ᵀ.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        let w = &*self.weight;
        let (d_head, dy_stride) = (self.d_head(), self.n_heads * self.d_head());
        let count = grad.len() / dy_stride.max(1);
        let stride = w.rows * self.n_heads;
        let mut dx = Buf::zeroed(count * stride)?;
        let dy = grad.floats()?;
        for head in (0..self.n_heads).filter(|_| count > 0) {
            let dy = Rows { data: &dy[head * d_head..], stride: dy_stride, count };
            T::gemm_bt(dy, w, self.columns(head), 0..w.rows, RowsMut { data: &mut dx[head * w.rows..], stride });
        }
        Ok(vec![Some(Tensor::float(saved.shapes[0].clone(), dx))])
    }
}

/// The attention output `Σ_h z[.., h, :] W_O[h] + b_O`: each head from zero, heads in order, the bias last.
pub struct AttnOut<T: Kernels> {
    /// `[n_heads * d_head, d_model]`.
    pub weight: Rc<Packed<T>>,
    pub bias: Option<Tensor<T>>,
    pub n_heads: usize,
}

impl<T: Kernels> Op<T> for AttnOut<T> {
    fn kind(&self) -> OpKind {
        OpKind::AttnOut
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let (z, w) = (inputs[0], &*self.weight);
        let lead = leading("attention output", &z.shape, 2, w.rows)?;
        let count: usize = lead.iter().product();
        // SAFETY: the kernel writes every cell.
        let mut out = unsafe { Buf::unwritten(count * w.cols)? };
        let bias = self.bias.as_ref().map(Tensor::floats).transpose()?;
        let a = Rows { data: z.floats()?, stride: w.rows, count };
        T::gemm_blocks(a, w, w.rows / self.n_heads, bias, RowsMut { data: &mut out, stride: w.cols });
        Ok(Tensor::float(joined(lead, &[w.cols]), out))
    }

    // dz = dy W_Oᵀ.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        let w = &*self.weight;
        let count = grad.rows();
        // SAFETY: the kernel writes every cell.
        let mut dz = unsafe { Buf::unwritten(count * w.rows)? };
        let dy = Rows { data: grad.floats()?, stride: w.cols, count };
        T::gemm_bt(dy, w, 0..w.cols, 0..w.rows, RowsMut { data: &mut dz, stride: w.rows });
        Ok(vec![Some(Tensor::float(saved.shapes[0].clone(), dz))])
    }
}

/// What each head writes: `r[.., h, :] = z[.., h, :] W_O[h]`, each from zero (no bias).
pub struct HeadResults<T: Kernels> {
    pub weight: Rc<Packed<T>>,
    pub n_heads: usize,
}

impl<T: Kernels> HeadResults<T> {
    fn rows_of(&self, head: usize) -> Range<usize> {
        let d_head = self.weight.rows / self.n_heads;
        head * d_head..(head + 1) * d_head
    }
}

impl<T: Kernels> Op<T> for HeadResults<T> {
    fn kind(&self) -> OpKind {
        OpKind::HeadResults
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let (z, w) = (inputs[0], &*self.weight);
        let lead = leading("head results", &z.shape, 2, w.rows)?;
        let count: usize = lead.iter().product();
        let stride = self.n_heads * w.cols;
        let mut out = Buf::zeroed(count * stride)?;
        let data = z.floats()?;
        for head in (0..self.n_heads).filter(|_| count > 0) {
            let rows = self.rows_of(head);
            let a = Rows { data: &data[rows.start..], stride: w.rows, count };
            let packed = w.rows_part(rows)?;
            let out = RowsMut { data: &mut out[head * w.cols..], stride };
            T::gemm(a, &packed, 0..w.cols, None, Activation::Identity, out);
        }
        Ok(Tensor::float(joined(lead, &[self.n_heads, w.cols]), out))
    }

    // dz[h] = dr[h] W_O[h]ᵀ.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        let w = &*self.weight;
        let stride = self.n_heads * w.cols;
        let count = grad.len() / stride.max(1);
        let mut dz = Buf::zeroed(count * w.rows)?;
        let dr = grad.floats()?;
        for head in (0..self.n_heads).filter(|_| count > 0) {
            let ks = self.rows_of(head);
            let dy = Rows { data: &dr[head * w.cols..], stride, count };
            let out = RowsMut { data: &mut dz[ks.start..], stride: w.rows };
            T::gemm_bt(dy, w, 0..w.cols, ks, out);
        }
        Ok(vec![Some(Tensor::float(saved.shapes[0].clone(), dz))])
    }
}
