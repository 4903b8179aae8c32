//! Layer norm and RMS norm, whole and in the halves between which `hook_scale` and `hook_normalized` lie.

use crate::error::Result;
use crate::kernels::Kernels;
use crate::kernels::parallel::{ELEMENT, rows};
use crate::memory::Buf;
use crate::ops::{Gradients, Op, OpKind, Saved, Saves};
use crate::tensor::Tensor;

/// `x - mean(x)` over the last axis.
pub struct Center;

impl<T: Kernels> Op<T> for Center {
    fn kind(&self) -> OpKind {
        OpKind::Center
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let x = inputs[0];
        let (mut centered, mut scale) = (Buf::zeroed(x.len())?, Buf::zeroed(x.rows())?);
        T::norm_scale(x.floats()?, x.last_dim(), T::ZERO, true, &mut centered, &mut scale);
        Ok(Tensor::float(x.shape.clone(), centered))
    }

    // c = x - mean(x), a symmetric projection: dx = dc - mean(dc).
    fn vjp(&self, _: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        Ok(vec![Some(Center.forward(&[grad])?)])
    }
}

/// `sqrt(mean(c²) + eps)` over the last axis, which stays with length 1.
pub struct RmsScale {
    pub eps: f64,
}

impl<T: Kernels> Op<T> for RmsScale {
    fn kind(&self) -> OpKind {
        OpKind::RmsScale
    }

    fn saves(&self) -> Saves {
        Saves::BOTH
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let c = inputs[0];
        let (mut unchanged, mut scale) = (Buf::zeroed(c.len())?, Buf::zeroed(c.rows())?);
        T::norm_scale(c.floats()?, c.last_dim(), T::from_f64(self.eps), false, &mut unchanged, &mut scale);
        let mut shape = c.shape.clone();
        if let Some(last) = shape.last_mut() {
            *last = 1;
        }
        Ok(Tensor::float(shape, scale))
    }

    // s = sqrt(Σ c²/d + eps): dc = ds c / (d s).
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        let c = saved.input(0);
        let d = c.last_dim();
        let mut dc = Buf::zeroed(c.len())?;
        let (cs, ss, ds) = (c.floats()?, saved.output().floats()?, grad.floats()?);
        rows(&mut dc, d, d * ELEMENT, |first, dc| {
            let pairs = dc.chunks_exact_mut(d.max(1)).zip(cs[first * d..].chunks_exact(d.max(1)));
            for (r, (out, c)) in (first..).zip(pairs) {
                let factor = ds[r] / (T::from_f64(d as f64) * ss[r]);
                for (o, &c) in out.iter_mut().zip(c) {
                    *o = factor * c;
                }
            }
        });
        Ok(vec![Some(Tensor::float(c.shape.clone(), dc))])
    }
}

/// The whole norm, with weight and bias where they weren't folded away.
pub struct Norm<T: Kernels> {
    pub eps: f64,
    pub center: bool,
    pub affine: Option<(Tensor<T>, Tensor<T>)>,
}

/// The norm's output, and the two values inside it that hooks know.
pub struct NormParts<T: Kernels> {
    pub out: Tensor<T>,
    /// `[.., 1]`.
    pub scale: Tensor<T>,
    /// Before weight and bias.
    pub normalized: Tensor<T>,
}

impl<T: Kernels> Norm<T> {
    /// Computes the norm and keeps the values inside it: the bits of the fused pass.
    pub fn parts(&self, x: &Tensor<T>) -> Result<NormParts<T>> {
        let (mut out, mut scale, mut normalized) =
            (Buf::zeroed(x.len())?, Buf::zeroed(x.rows())?, Buf::zeroed(x.len())?);
        self.run(x, &mut out, Some(&mut scale), Some(&mut normalized))?;
        let mut scale_shape = x.shape.clone();
        if let Some(last) = scale_shape.last_mut() {
            *last = 1;
        }
        Ok(NormParts {
            out: Tensor::float(x.shape.clone(), out),
            scale: Tensor::float(scale_shape, scale),
            normalized: Tensor::float(x.shape.clone(), normalized),
        })
    }

    fn run(&self, x: &Tensor<T>, out: &mut [T], scale: Option<&mut [T]>, normalized: Option<&mut [T]>) -> Result<()> {
        let affine = match &self.affine {
            Some((w, b)) => Some((w.floats()?, b.floats()?)),
            None => None,
        };
        let eps = T::from_f64(self.eps);
        T::norm(x.floats()?, x.last_dim(), eps, self.center, affine, out, scale, normalized);
        Ok(())
    }
}

impl<T: Kernels> Op<T> for Norm<T> {
    fn kind(&self) -> OpKind {
        OpKind::Norm
    }

    fn saves(&self) -> Saves {
        Saves::INPUTS
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let x = inputs[0];
        let mut out = Buf::zeroed(x.len())?;
        self.run(x, &mut out, None, None)?;
        Ok(Tensor::float(x.shape.clone(), out))
    }

    // n = c/s, y = n w + b. With dn = dy w: dc = (dn - n mean(dn n)) / s, and dx = dc - mean(dc) where x is centred.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        let x = saved.input(0);
        let d = x.last_dim().max(1);
        let parts = Norm { eps: self.eps, center: self.center, affine: None }.parts(x)?;
        let weight = match &self.affine {
            Some((w, _)) => Some(w.floats()?),
            None => None,
        };
        let mut dc = Buf::zeroed(x.len())?;
        let (grads, normalized, scale) = (grad.floats()?, parts.normalized.floats()?, parts.scale.floats()?);
        rows(&mut dc, d, d * ELEMENT, |first, dc| {
            for (r, row) in (first..).zip(dc.chunks_exact_mut(d)) {
                let n = &normalized[r * d..(r + 1) * d];
                row.copy_from_slice(&grads[r * d..(r + 1) * d]);
                if let Some(weight) = weight {
                    row.iter_mut().zip(weight).for_each(|(g, &w)| *g *= w);
                }
                let mut dot = T::ZERO;
                row.iter().zip(n).for_each(|(&g, &n)| dot += g * n);
                let mean = dot / T::from_f64(d as f64);
                row.iter_mut().zip(n).for_each(|(g, &n)| *g = (*g - n * mean) / scale[r]);
            }
        });
        let dc = Tensor::float(x.shape.clone(), dc);
        Ok(vec![Some(if self.center { Center.forward(&[&dc])? } else { dc })])
    }
}
