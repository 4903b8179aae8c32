//! Matrix products of two activations, batched.
//!
//! A cell is one accumulator over `k` in order, whatever is computed beside it; the right operand is packed first.

use crate::error::Result;
use crate::kernels::{Activation, Kernels, Packed, Rows, RowsMut};
use crate::memory::Buf;
use crate::ops::broadcast::{Loops, broadcast_shapes, broadcast_strides, reduce_to_shape};
use crate::ops::dtype::to_float;
use crate::ops::shape::permuted;
use crate::ops::{Gradients, Op, OpKind, Saved, Saves};
use crate::shape_error;
use crate::tensor::{Shape, Tensor, size_of_shape};

/// `a · b` by torch's rules: the last two axes are the matrices', leading ones broadcast, and a vector is a row on the
/// left, a column on the right, whose axis is gone from the result.
pub struct MatMul;

/// The product as `[batch…, m, k] · [batch…, k, n]`.
struct Plan {
    /// Leading axes of `a`, of `b` and of the result.
    a_batch: Shape,
    b_batch: Shape,
    batch: Shape,
    m: usize,
    k: usize,
    n: usize,
    out: Shape,
}

impl Plan {
    fn of(a: &[usize], b: &[usize]) -> Result<Self> {
        let [.., k] = *a else {
            return shape_error!("Cannot multiply {a:?} and {b:?}: a matrix or vector was wanted");
        };
        let (a_batch, m) = match a {
            [batch @ .., m, _] => (batch.to_vec(), *m),
            _ => (Shape::new(), 1),
        };
        let (b_batch, b_k, n) = match b {
            [batch @ .., b_k, n] => (batch.to_vec(), *b_k, *n),
            [b_k] => (Shape::new(), *b_k, 1),
            [] => return shape_error!("Cannot multiply {a:?} and {b:?}: a matrix or vector was wanted"),
        };
        if k != b_k {
            return shape_error!(
                "Cannot multiply {a:?} and {b:?}: rows of {k} meet columns of {b_k}, wanted equal lengths"
            );
        }
        let batch = broadcast_shapes("matmul", &a_batch, &b_batch)?;
        let mut out = batch.clone();
        out.extend((a.len() > 1).then_some(m));
        out.extend((b.len() > 1).then_some(n));
        Ok(Self { a_batch, b_batch, batch, m, k, n, out }.flattened())
    }

    /// With one right matrix for all, the batch's rows are rows of one product.
    fn flattened(mut self) -> Self {
        if size_of_shape(&self.b_batch) == 1 {
            self.m *= size_of_shape(&self.batch);
            self.a_batch.clear();
            self.b_batch.clear();
            self.batch.clear();
        }
        self
    }

    /// Calls `f` with the number of each product, of its left and of its right matrix.
    fn for_each(&self, mut f: impl FnMut(usize, usize, usize) -> Result<()>) -> Result<()> {
        let a = broadcast_strides(&self.a_batch, &self.batch);
        let b = broadcast_strides(&self.b_batch, &self.batch);
        let mut result = Ok(());
        Loops::new(&self.batch, [&a, &b]).for_each_cell(|i, [a, b]| {
            if result.is_ok() {
                result = f(i, a, b);
            }
        });
        result
    }

    /// The shape of one matrix for each product of the batch.
    fn batched(&self, rows: usize, cols: usize) -> Shape {
        [&self.batch[..], &[rows, cols]].concat()
    }

    // c = a b, so da = dc bᵀ.
    fn left_gradient<T: Kernels>(&self, b: &[T], grad: &[T]) -> Result<Tensor<T>> {
        let (m, k, n) = (self.m, self.k, self.n);
        let shape = self.batched(m, k);
        let mut da = Buf::zeroed(size_of_shape(&shape))?;
        self.for_each(|i, _, right| {
            let packed = Packed::pack(matrix(b, right, k * n), k, n)?;
            let dc = Rows { data: matrix(grad, i, m * n), stride: n, count: m };
            T::gemm_bt(dc, &packed, 0..n, 0..k, RowsMut { data: &mut da[i * m * k..][..m * k], stride: k });
            Ok(())
        })?;
        let da = Tensor::float(shape, da);
        reduce_to_shape(&da, &[&self.a_batch[..], &[m, k]].concat())
    }

    // c = a b, so db = aᵀ dc.
    fn right_gradient<T: Kernels>(&self, a: &[T], grad: &[T]) -> Result<Tensor<T>> {
        let (m, k, n) = (self.m, self.k, self.n);
        let shape = self.batched(k, n);
        let mut db = Buf::zeroed(size_of_shape(&shape))?;
        self.for_each(|i, left, _| {
            let transposed = permuted(&Tensor::from_slice(&[m, k], matrix(a, left, m * k))?, &[1, 0])?;
            let packed = Packed::pack(matrix(grad, i, m * n), m, n)?;
            product(transposed.floats()?, k, &packed, &mut db[i * k * n..][..k * n]);
            Ok(())
        })?;
        let db = Tensor::float(shape, db);
        reduce_to_shape(&db, &[&self.b_batch[..], &[k, n]].concat())
    }
}

/// The `i`th of matrices of `size` elements each.
fn matrix<T>(data: &[T], i: usize, size: usize) -> &[T] {
    &data[i * size..(i + 1) * size]
}

fn product<T: Kernels>(a: &[T], rows: usize, b: &Packed<T>, out: &mut [T]) {
    let a = Rows { data: a, stride: b.rows, count: rows };
    T::gemm(a, b, 0..b.cols, None, Activation::Identity, RowsMut { data: out, stride: b.cols });
}

impl<T: Kernels> Op<T> for MatMul {
    fn kind(&self) -> OpKind {
        OpKind::MatMul
    }

    fn saves(&self) -> Saves {
        Saves::INPUTS
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let (a, b) = (to_float(inputs[0])?, to_float(inputs[1])?);
        let plan = Plan::of(&a.shape, &b.shape)?;
        let Plan { m, k, n, .. } = plan;
        let mut out = Buf::zeroed(size_of_shape(&plan.out))?;
        let mut packed: Option<(usize, Packed<T>)> = None;
        plan.for_each(|i, left, right| {
            let kept = packed.take().filter(|(of, _)| *of == right);
            let (_, b) = packed.insert(match kept {
                Some(same) => same,
                None => (right, Packed::pack(matrix(b.floats()?, right, k * n), k, n)?),
            });
            product(matrix(a.floats()?, left, m * k), m, b, &mut out[i * m * n..][..m * n]);
            Ok(())
        })?;
        Ok(Tensor::float(plan.out, out))
    }

    // c = a b for each product of the batch: da = dc bᵀ, db = aᵀ dc, summed over the axes that a or b stretched along.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        let plan = Plan::of(&saved.shapes[0], &saved.shapes[1])?;
        let g = grad.floats()?;
        let da = || plan.left_gradient(to_float(saved.input(1))?.floats()?, g)?.reshaped(&saved.shapes[0]);
        let db = || plan.right_gradient(to_float(saved.input(0))?.floats()?, g)?.reshaped(&saved.shapes[1]);
        Ok(vec![saved.wanted[0].then(da).transpose()?, saved.wanted[1].then(db).transpose()?])
    }
}
