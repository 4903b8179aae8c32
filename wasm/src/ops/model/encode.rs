//! An autoencoder's encoder with its activation, at the cost of the codes that may be alive.

use crate::error::Result;
use crate::kernels::screen::{Candidates, Screen, ScreenedRows, code};
use crate::kernels::{Activation, Kernels, Packed, Rows, RowsMut};
use crate::memory::Buf;
use crate::ops::model::sparse::{Sparse, where_alive};
use crate::ops::{Gradients, Op, OpKind, Saved, Saves};
use crate::shape_error;
use crate::tensor::Tensor;
use std::rc::Rc;

/// Where more than this share of the features are candidates, all are computed.
const FEW: usize = 8;

/// `relu(x W + b)`, zero also where it doesn't exceed the feature's threshold; the bits of the product followed by the activation.
pub struct Encode<T: Kernels> {
    /// `[d_in, d_sae]`.
    pub weight: Rc<Packed<T>>,
    pub bias: Tensor<T>,
    pub thresholds: Option<Tensor<T>>,
    /// Of this weight, bias and thresholds.
    pub screen: Option<Rc<Screen>>,
}

impl<T: Kernels> Encode<T> {
    fn thresholds(&self) -> Result<Option<&[T]>> {
        self.thresholds.as_ref().map(Tensor::floats).transpose()
    }

    /// The codes that aren't zero; `None` without a screen, or where it would rule out too little.
    fn screened(&self, x: Rows<T>) -> Result<Option<Sparse<T>>> {
        let (w, count) = (&*self.weight, x.count);
        let Some(screen) = &self.screen else { return Ok(None) };
        let Some(rows) = ScreenedRows::new(x, screen)? else { return Ok(None) };
        let mut candidates = Candidates::new(count, w.cols)?;
        T::screen(&rows, w, screen, &mut candidates);
        let n = candidates.place();
        if n * FEW > count * w.cols {
            return Ok(None);
        }
        // SAFETY: the kernel writes every place.
        let mut codes = unsafe { Buf::unwritten(n)? };
        T::encode_at(x, w, Some(self.bias.floats()?), self.thresholds()?, &candidates, &mut codes);
        let (starts, columns, values) = candidates.alive(&codes)?;
        Ok(Some(Sparse { width: w.cols, starts, columns, values }))
    }

    /// Every pre-activation, and then its code.
    fn dense(&self, x: Rows<T>) -> Result<Buf<T>> {
        let w = &*self.weight;
        let thresholds = self.thresholds()?;
        // SAFETY: the product writes every cell.
        let mut out = unsafe { Buf::unwritten(x.count * w.cols)? };
        T::gemm(
            x,
            w,
            0..w.cols,
            Some(self.bias.floats()?),
            Activation::Identity,
            RowsMut { data: &mut out, stride: w.cols },
        );
        for row in out.chunks_exact_mut(w.cols.max(1)) {
            row.iter_mut().enumerate().for_each(|(j, pre)| *pre = code(*pre, thresholds.map(|all| all[j])));
        }
        Ok(out)
    }
}

impl<T: Kernels> Op<T> for Encode<T> {
    fn kind(&self) -> OpKind {
        OpKind::Encode
    }

    fn saves(&self) -> Saves {
        Saves::OUTPUT
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let (x, w) = (inputs[0], &*self.weight);
        let thresholds = self.thresholds()?;
        if x.last_dim() != w.rows || self.bias.len() != w.cols || thresholds.is_some_and(|all| all.len() != w.cols) {
            return shape_error!(
                "encode: {} inputs and {} features, got a tensor of shape {:?}",
                w.rows,
                w.cols,
                x.shape
            );
        }
        let mut shape = x.shape.clone();
        if let Some(last) = shape.last_mut() {
            *last = w.cols;
        }
        let rows = Rows { data: x.floats()?, stride: w.rows, count: x.rows() };
        Ok(match self.screened(rows)? {
            Some(codes) => Tensor::deferred(shape, codes),
            None => Tensor::float(shape, self.dense(rows)?),
        })
    }

    // f = relu(x W + b) where alive, so dx = (df where f > 0) Wᵀ. No gradient reaches the thresholds at inference.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        let dx = where_alive(grad, saved.output())?.times_transpose(&self.weight)?;
        Ok(vec![Some(Tensor::float(saved.shapes[0].clone(), dx))])
    }
}
