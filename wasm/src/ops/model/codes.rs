//! Sparse autoencoders' codes: the activations that make them sparse, the decoder that profits, and the error term.

use crate::error::Result;
use crate::kernels::parallel::{ELEMENT, rows};
use crate::kernels::{Kernels, Packed, Rows, RowsMut};
use crate::memory::Buf;
use crate::ops::model::sparse::{Decoded, Sparse, where_alive};
use crate::ops::{Gradients, Op, OpKind, Saved, Saves};
use crate::shape_error;
use crate::tensor::Tensor;
use std::rc::Rc;

/// JumpReLU (Rajamanoharan et al. 2024): `h` where `h > threshold` and `h > 0`, else 0; inputs `h` and the threshold per feature.
pub struct JumpRelu;

impl<T: Kernels> Op<T> for JumpRelu {
    fn kind(&self) -> OpKind {
        OpKind::JumpRelu
    }

    fn saves(&self) -> Saves {
        Saves::OUTPUT
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let (h, thresholds) = (inputs[0], inputs[1].floats()?);
        if thresholds.len() != h.last_dim() {
            return shape_error!("jumprelu: {} thresholds for codes of shape {:?}", thresholds.len(), h.shape);
        }
        let mut out = Buf::zeroed(h.len())?;
        let (n, values) = (thresholds.len().max(1), h.floats()?);
        rows(&mut out, n, n * ELEMENT, |first, out| {
            for (out, h) in out.chunks_exact_mut(n).zip(values[first * n..].chunks_exact(n)) {
                for ((o, &h), &threshold) in out.iter_mut().zip(h).zip(thresholds) {
                    // The plain product relu(h) * mask would turn an infinite masked h into NaN.
                    if h > threshold && h > T::ZERO {
                        *o = h;
                    }
                }
            }
        });
        Ok(Tensor::float(h.shape.clone(), out))
    }

    // The mask is a constant: dh = df where the feature is active. No gradient reaches the threshold at inference.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        let alive = where_alive(grad, saved.output())?;
        Ok(vec![Some(Tensor::deferred(grad.shape.clone(), alive)), None])
    }
}

/// TopK (Gao et al. 2024): keeps the `k` largest of each row, then relu. Of equal values the earlier feature is kept.
pub struct TopKRelu {
    pub k: usize,
}

impl<T: Kernels> Op<T> for TopKRelu {
    fn kind(&self) -> OpKind {
        OpKind::TopKRelu
    }

    fn saves(&self) -> Saves {
        Saves::OUTPUT
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let h = inputs[0];
        let n = h.last_dim().max(1);
        let mut out = Buf::zeroed(h.len())?;
        let values = h.floats()?;
        rows(&mut out, n, n * ELEMENT, |first, out| {
            let mut order: Vec<u32> = Vec::with_capacity(n);
            for (out, h) in out.chunks_exact_mut(n).zip(values[first * n..].chunks_exact(n)) {
                // Only positive values survive the relu, so only they compete.
                order.clear();
                order.extend((0..n as u32).filter(|&f| h[f as usize] > T::ZERO));
                if order.len() > self.k && self.k > 0 {
                    order.select_nth_unstable_by(self.k - 1, |&a, &b| {
                        let (x, y) = (h[a as usize], h[b as usize]);
                        y.partial_cmp(&x).unwrap_or(std::cmp::Ordering::Equal).then(a.cmp(&b))
                    });
                }
                for &f in order.iter().take(self.k) {
                    out[f as usize] = h[f as usize];
                }
            }
        });
        Ok(Tensor::float(h.shape.clone(), out))
    }

    // Gradient through the kept and positive features alone.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        let alive = where_alive(grad, saved.output())?;
        Ok(vec![Some(Tensor::deferred(grad.shape.clone(), alive))])
    }
}

/// `codes W_dec + b_dec` over the last axis, at the cost of the active codes.
pub struct Decode<T: Kernels> {
    /// `[d_sae, d_out]`.
    pub weight: Rc<Packed<T>>,
    pub bias: Option<Tensor<T>>,
}

impl<T: Kernels> Op<T> for Decode<T> {
    fn kind(&self) -> OpKind {
        OpKind::Decode
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let (codes, w) = (inputs[0], &*self.weight);
        if codes.last_dim() != w.rows {
            return shape_error!(
                "decode: the decoder takes {} codes a row, got a tensor of shape {:?}",
                w.rows,
                codes.shape
            );
        }
        let count = codes.rows();
        // SAFETY: the kernel writes every cell.
        let mut out = unsafe { Buf::unwritten(count * w.cols)? };
        let bias = self.bias.as_ref().map(Tensor::floats).transpose()?;
        let to = RowsMut { data: &mut out, stride: w.cols };
        match codes.source::<Sparse<T>>().filter(|sparse| sparse.width == w.rows) {
            Some(sparse) => T::decode_sparse(sparse.rows(), w, bias, to),
            None => T::decode(Rows { data: codes.floats()?, stride: w.rows, count }, w, bias, to),
        }
        let mut shape = codes.shape.clone();
        if let Some(last) = shape.last_mut() {
            *last = w.cols;
        }
        Ok(Tensor::float(shape, out))
    }

    // dcodes = dy W_decᵀ, for inactive codes too: a feature that is off may still matter to whoever reads it.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        let decoded = Decoded { dy: grad.settled()?, weight: self.weight.clone() };
        Ok(vec![Some(Tensor::deferred(saved.shapes[0].clone(), decoded))])
    }
}

/// The output of an autoencoder with its error term, `recons + error`, where a row that nobody edited is `x` itself.
///
/// Inputs: `x`, the clean reconstruction, the clean error, the reconstruction and the error after hooks (all of one size; the
/// output has `x`'s shape). A row is unedited when both pairs agree in every bit.
pub struct MergeError {
    /// Elements that make one row.
    pub row: usize,
}

impl<T: Kernels> Op<T> for MergeError {
    fn kind(&self) -> OpKind {
        OpKind::MergeError
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let x = inputs[0];
        if let Some(other) = inputs.iter().find(|other| other.len() != x.len()) {
            return shape_error!(
                "error term: the input has shape {:?}, the reconstruction or error {:?}",
                x.shape,
                other.shape
            );
        }
        let mut out = Buf::copied(x.floats()?)?;
        let [clean_recons, clean_error, recons, error] = [1, 2, 3, 4].map(|i| inputs[i].floats());
        let (clean_recons, clean_error, recons, error) = (clean_recons?, clean_error?, recons?, error?);
        let same = |a: &[T], b: &[T]| a.iter().zip(b).all(|(&a, &b)| a.same_bits(b));
        for (r, out) in out.chunks_exact_mut(self.row.max(1)).enumerate() {
            let at = r * self.row..(r + 1) * self.row;
            let (recons, error) = (&recons[at.clone()], &error[at.clone()]);
            if !same(recons, &clean_recons[at.clone()]) || !same(error, &clean_error[at]) {
                out.iter_mut().zip(recons.iter().zip(error)).for_each(|(o, (&r, &e))| *o = r + e);
            }
        }
        Ok(Tensor::float(x.shape.clone(), out))
    }

    // out = recons + error; x and the clean values only choose between equal expressions.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        Ok(vec![None, None, None, Some(grad.reshaped(&saved.shapes[3])?), Some(grad.reshaped(&saved.shapes[4])?)])
    }
}
