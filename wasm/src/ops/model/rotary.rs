//! Rotary positions (Su et al., "RoFormer", 2021): pairs of a head's dimensions turn by an angle that grows with the position.

use crate::error::Result;
use crate::kernels::Kernels;
use crate::memory::Buf;
use crate::ops::{Gradients, Op, OpKind, Saved, Saves};
use crate::shape_error;
use crate::tensor::Tensor;

/// Turns the first `2 n` dimensions of every head of `[rows, .., d_head]` by the row's `n` angles, and leaves the rest.
pub struct Rotary<T: Kernels> {
    /// `[rows, n]`, as `sin`.
    pub cos: Tensor<T>,
    pub sin: Tensor<T>,
    /// Dimension `2 i` turns with `2 i + 1`; otherwise `i` with `n + i`.
    pub adjacent: bool,
}

impl<T: Kernels> Rotary<T> {
    /// Turns by the angles, or back by them.
    fn turn(&self, x: &Tensor<T>, back: bool) -> Result<Tensor<T>> {
        let (n, d) = (self.cos.last_dim(), x.last_dim());
        let rows = x.shape.first().copied().unwrap_or(0);
        if 2 * n > d || self.cos.shape != [rows, n] || self.sin.shape != self.cos.shape {
            return shape_error!("rotary: angles of shape {:?} for a tensor of shape {:?}", self.cos.shape, x.shape);
        }
        let (cos, sin) = (self.cos.floats()?, self.sin.floats()?);
        let mut out = Buf::copied(x.floats()?)?;
        let per_row = x.len() / rows.max(1);
        for (r, row) in out.chunks_exact_mut(per_row.max(1)).enumerate() {
            let (cos, sin) = (&cos[r * n..][..n], &sin[r * n..][..n]);
            for head in row.chunks_exact_mut(d) {
                turn_head(head, cos, sin, self.adjacent, back);
            }
        }
        Ok(Tensor::float(x.shape.clone(), out))
    }
}

/// `(a, b)` becomes `(a cos - b sin, b cos + a sin)`, in plain multiplications and additions, each rounded.
fn turn_head<T: Kernels>(head: &mut [T], cos: &[T], sin: &[T], adjacent: bool, back: bool) {
    let n = cos.len();
    let turned = |a: T, b: T, cos: T, sin: T| {
        let sin = if back { -sin } else { sin };
        (a * cos - b * sin, b * cos + a * sin)
    };
    if adjacent {
        for ((pair, &cos), &sin) in head.as_chunks_mut::<2>().0.iter_mut().zip(cos).zip(sin) {
            (pair[0], pair[1]) = turned(pair[0], pair[1], cos, sin);
        }
    } else {
        let (first, rest) = head.split_at_mut(n);
        for (((a, b), &cos), &sin) in first.iter_mut().zip(rest).zip(cos).zip(sin) {
            (*a, *b) = turned(*a, *b, cos, sin);
        }
    }
}

impl<T: Kernels> Op<T> for Rotary<T> {
    fn kind(&self) -> OpKind {
        OpKind::Rotary
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        self.turn(inputs[0], false)
    }

    // y = R x, a rotation (times a factor where cos and sin carry one): dx = Rᵀ dy turns back.
    fn vjp(&self, _: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        Ok(vec![Some(self.turn(grad, true)?)])
    }
}
