//! An autoencoder's encoder with its activation, at the cost of the codes that may be alive.

use crate::error::Result;
use crate::kernels::screen::{Screen, ScreenedRows, code};
use crate::kernels::{Activation, Kernels, Packed, Rows, RowsMut};
use crate::memory::Buf;
use crate::ops::model::sparse::where_alive;
use crate::ops::{Gradients, Op, OpKind, Saved, Saves};
use crate::shape_error;
use crate::tensor::Tensor;
use std::rc::Rc;

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

    /// Every pre-activation, and then its code.
    fn dense(&self, x: Rows<T>, out: &mut [T]) -> Result<()> {
        let w = &*self.weight;
        let thresholds = self.thresholds()?;
        T::gemm(
            x,
            w,
            0..w.cols,
            Some(self.bias.floats()?),
            Activation::Identity,
            RowsMut { data: out, stride: w.cols },
        );
        for row in out.chunks_exact_mut(w.cols.max(1)) {
            row.iter_mut().enumerate().for_each(|(j, pre)| *pre = code(*pre, thresholds.map(|all| all[j])));
        }
        Ok(())
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
        let count = x.rows();
        let mut out = Buf::zeroed(count * w.cols)?;
        let rows = Rows { data: x.floats()?, stride: w.rows, count };
        let screened = match &self.screen {
            Some(screen) => ScreenedRows::new(Rows { ..rows }, screen)?.map(|rows| (screen, rows)),
            None => None,
        };
        match screened {
            Some((screen, screened)) => {
                let out = RowsMut { data: &mut out, stride: w.cols };
                T::encode(rows, &screened, w, screen, Some(self.bias.floats()?), thresholds, out);
            }
            None => self.dense(rows, &mut out)?,
        }
        let mut shape = x.shape.clone();
        if let Some(last) = shape.last_mut() {
            *last = w.cols;
        }
        Ok(Tensor::float(shape, out))
    }

    // f = relu(x W + b) where alive, so dx = (df where f > 0) Wᵀ. No gradient reaches the thresholds at inference.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        let dx = where_alive(grad, saved.output())?.times_transpose(&self.weight)?;
        Ok(vec![Some(Tensor::float(saved.shapes[0].clone(), dx))])
    }
}
