//! Gradients of codes: what comes through a decoder is wanted where codes are alive, and what goes on through an encoder is zero
//! elsewhere. Neither is written out before somebody reads it.

use crate::error::Result;
use crate::kernels::{Kernels, Packed, Rows, RowsMut, SparseRows};
use crate::memory::Buf;
use crate::tensor::{Source, Tensor};
use std::any::Any;
use std::rc::Rc;

/// The gradient of codes that a decoder passes back, `dy W_decᵀ`, by the gradient `dy` of what it gave.
pub struct Decoded<T: Kernels> {
    pub dy: Tensor<T>,
    /// `[d_sae, d_out]`.
    pub weight: Rc<Packed<T>>,
}

impl<T: Kernels> Decoded<T> {
    fn rows(&self) -> Result<Rows<'_, T>> {
        Ok(Rows { data: self.dy.floats()?, stride: self.weight.cols, count: self.dy.rows() })
    }

    /// The gradient of the codes at some places alone, given as those of [`SparseRows`].
    pub fn at(&self, starts: &[u32], columns: &[u32]) -> Result<Buf<T>> {
        let mut out = Buf::zeroed(columns.len())?;
        T::gemm_bt_at(self.rows()?, &self.weight, starts, columns, &mut out);
        Ok(out)
    }
}

impl<T: Kernels> Source<T> for Decoded<T> {
    fn compute(&self) -> Result<Buf<T>> {
        all_times_transpose(self.rows()?, &self.weight)
    }

    fn bytes(&self) -> usize {
        self.dy.buffer().1
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Rows of which few elements aren't zero.
pub struct Sparse<T: Kernels> {
    pub width: usize,
    pub starts: Buf<u32>,
    pub columns: Buf<u32>,
    pub values: Buf<T>,
}

impl<T: Kernels> Sparse<T> {
    pub fn rows(&self) -> SparseRows<'_, T> {
        SparseRows { starts: &self.starts, columns: &self.columns, values: &self.values }
    }

    /// The elements that are kept.
    fn collect(of: &[T], width: usize, keep: impl Fn(T) -> bool) -> Result<Self> {
        let width = width.max(1);
        let n = of.iter().filter(|&&x| keep(x)).count();
        let mut sparse = Self {
            width,
            starts: Buf::zeroed(of.len() / width + 1)?,
            columns: Buf::zeroed(n)?,
            values: Buf::zeroed(n)?,
        };
        let mut at = 0;
        for (i, row) in of.chunks_exact(width).enumerate() {
            for (j, &x) in row.iter().enumerate().filter(|&(_, &x)| keep(x)) {
                (sparse.columns[at], sparse.values[at]) = (j as u32, x);
                at += 1;
            }
            sparse.starts[i + 1] = at as u32;
        }
        Ok(sparse)
    }

    /// The sums of what is added to cells, `((row, column), value)`, of `count` rows.
    pub fn at_cells(count: usize, width: usize, cells: impl Iterator<Item = ((usize, usize), T)>) -> Result<Self> {
        let mut cells: Vec<_> = cells.collect();
        cells.sort_by_key(|&(cell, _)| cell);
        let groups = || cells.chunk_by(|(a, _), (b, _)| a == b);
        let n = groups().count();
        let mut sparse =
            Self { width, starts: Buf::zeroed(count + 1)?, columns: Buf::zeroed(n)?, values: Buf::zeroed(n)? };
        for (at, group) in groups().enumerate() {
            let (row, column) = group[0].0;
            sparse.columns[at] = column as u32;
            group.iter().for_each(|&(_, value)| sparse.values[at] += value);
            sparse.starts[row + 1] = at as u32 + 1;
        }
        // Rows without a cell begin where the one before them ends.
        (0..count).for_each(|row| sparse.starts[row + 1] = sparse.starts[row + 1].max(sparse.starts[row]));
        Ok(sparse)
    }

    /// A copy of some rows.
    pub fn rows_part(&self, rows: &[u32]) -> Result<Self> {
        let all = self.rows();
        let of = |row: &u32| all.row(*row as usize);
        let n = rows.iter().map(|row| of(row).len()).sum();
        let mut part = Self {
            width: self.width,
            starts: Buf::zeroed(rows.len() + 1)?,
            columns: Buf::zeroed(n)?,
            values: Buf::zeroed(n)?,
        };
        let mut at = 0;
        for (i, row) in rows.iter().enumerate() {
            let to = at..at + of(row).len();
            part.columns[to.clone()].copy_from_slice(&self.columns[of(row)]);
            part.values[to.clone()].copy_from_slice(&self.values[of(row)]);
            at = to.end;
            part.starts[i + 1] = at as u32;
        }
        Ok(part)
    }

    /// `dy Wᵀ` with these rows for `dy`: `[rows, w.rows]`.
    pub fn times_transpose(&self, w: &Packed<T>) -> Result<Buf<T>> {
        let mut out = Buf::zeroed((self.starts.len() - 1) * w.rows)?;
        T::gemm_bt_sparse(self.rows(), w, RowsMut { data: &mut out, stride: w.rows });
        Ok(out)
    }
}

impl<T: Kernels> Source<T> for Sparse<T> {
    fn compute(&self) -> Result<Buf<T>> {
        let rows = self.rows();
        let mut out = Buf::zeroed(rows.count() * self.width)?;
        for (i, out) in out.chunks_exact_mut(self.width.max(1)).enumerate() {
            rows.row(i).for_each(|e| out[self.columns[e] as usize] = self.values[e]);
        }
        Ok(out)
    }

    fn bytes(&self) -> usize {
        self.starts.bytes() + self.columns.bytes() + self.values.bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The gradient of codes where they are alive, which is what passes to their pre-activations.
pub fn where_alive<T: Kernels>(grad: &Tensor<T>, codes: &Tensor<T>) -> Result<Sparse<T>> {
    let mut alive = match codes.source::<Sparse<T>>().filter(|sparse| sparse.width == codes.last_dim()) {
        // What is there is alive.
        Some(sparse) => Sparse {
            width: sparse.width,
            starts: Buf::copied(&sparse.starts)?,
            columns: Buf::copied(&sparse.columns)?,
            values: Buf::zeroed(sparse.values.len())?,
        },
        None => Sparse::collect(codes.floats()?, codes.last_dim(), |code| code > T::ZERO)?,
    };
    if let Some(decoded) = grad.source::<Decoded<T>>() {
        alive.values = decoded.at(&alive.starts, &alive.columns)?;
        return Ok(alive);
    }
    let (g, width) = (grad.floats()?, alive.width);
    for i in 0..alive.starts.len() - 1 {
        for e in alive.starts[i] as usize..alive.starts[i + 1] as usize {
            alive.values[e] = g[i * width + alive.columns[e] as usize];
        }
    }
    Ok(alive)
}

/// `dy Wᵀ`, by the elements of `dy` that aren't zero where they are few.
pub fn times_transpose<T: Kernels>(grad: &Tensor<T>, w: &Packed<T>) -> Result<Buf<T>> {
    if let Some(sparse) = grad.source::<Sparse<T>>().filter(|sparse| sparse.width == w.cols) {
        return sparse.times_transpose(w);
    }
    all_times_transpose(Rows { data: grad.floats()?, stride: w.cols, count: grad.len() / w.cols.max(1) }, w)
}

fn all_times_transpose<T: Kernels>(dy: Rows<T>, w: &Packed<T>) -> Result<Buf<T>> {
    // SAFETY: the kernel writes every cell.
    let mut out = unsafe { Buf::unwritten(dy.count * w.rows)? };
    T::gemm_bt(dy, w, 0..w.cols, 0..w.rows, RowsMut { data: &mut out, stride: w.rows });
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Activation;
    use crate::ops::model::codes::{Decode, TopKRelu};
    use crate::ops::model::encode::Encode;
    use crate::ops::model::linear::{Linear, LinearAt};
    use crate::ops::{Op, Saved};

    fn numbers(seed: u32, n: usize) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as f32 / 2f32.powi(31) - 1.0
        };
        (0..n).map(|_| next()).collect()
    }

    fn packed(seed: u32, rows: usize, cols: usize) -> Rc<Packed<f32>> {
        Rc::new(Packed::pack(&numbers(seed, rows * cols), rows, cols).unwrap())
    }

    fn saved<'a>(output: &'a Tensor<f32>, shapes: &'a [Vec<usize>]) -> Saved<'a, f32> {
        Saved { inputs: &[], shapes, output: Some(output), wanted: &[true] }
    }

    const SIZES: [(usize, usize, usize); 4] = [(3, 5, 40), (2, 37, 100), (1, 16, 16), (4, 700, 33)];

    /// The gradient that codes get from a decoder, deferred and written out.
    fn from_decoder(count: usize, k: usize, n: usize) -> (Tensor<f32>, Tensor<f32>) {
        let decoder = Decode { weight: packed(1, n, k), bias: None };
        let dy = Tensor::from_slice(&[count, k], &numbers(2, count * k)).unwrap();
        let codes = Tensor::zeros(&[count, n]).unwrap();
        let shapes = [vec![count, n]];
        let gradient = decoder.vjp(&saved(&codes, &shapes), &dy).unwrap().remove(0).unwrap();
        assert!(gradient.source::<Decoded<f32>>().is_some());
        (gradient.clone(), gradient.settled().unwrap())
    }

    #[test]
    fn a_deferred_gradient_of_codes_passes_on_as_the_one_written_out() {
        for (count, k, n) in SIZES {
            let (deferred, dense) = from_decoder(count, k, n);
            let encoder = Encode {
                weight: packed(3, k, n),
                bias: Tensor::from_slice(&[n], &vec![-0.5; n]).unwrap(),
                thresholds: None,
                screen: None,
            };
            let x = Tensor::from_slice(&[count, k], &numbers(4, count * k)).unwrap();
            let codes = encoder.forward(&[&x]).unwrap();
            let shapes = [vec![count, k]];
            let dx = |grad| encoder.vjp(&saved(&codes, &shapes), grad).unwrap().remove(0).unwrap();
            assert_eq!(dx(&deferred).floats().unwrap(), dx(&dense).floats().unwrap());
            // The bits of the product with everything that is zero left in.
            let masked: Vec<f32> = dense
                .floats()
                .unwrap()
                .iter()
                .zip(codes.floats().unwrap())
                .map(|(&g, &f)| if f > 0.0 { g } else { 0.0 })
                .collect();
            let mut wanted = vec![0.0; count * k];
            let rows = Rows { data: &masked, stride: n, count };
            f32::gemm_bt(rows, &encoder.weight, 0..n, 0..k, RowsMut { data: &mut wanted, stride: k });
            assert_eq!(dx(&deferred).floats().unwrap(), wanted);
        }
    }

    #[test]
    fn what_topk_passes_on_stays_sparse_until_it_is_read() {
        let (count, k, n) = (3, 12, 50);
        let (deferred, dense) = from_decoder(count, k, n);
        let topk = TopKRelu { k: 4 };
        let pre = Tensor::from_slice(&[count, n], &numbers(5, count * n)).unwrap();
        let codes = topk.forward(&[&pre]).unwrap();
        let shapes = [vec![count, n]];
        let dpre = |grad| topk.vjp(&saved(&codes, &shapes), grad).unwrap().remove(0).unwrap();
        let sparse = dpre(&deferred);
        assert_eq!(sparse.source::<Sparse<f32>>().unwrap().columns.len(), 4 * count);
        assert_eq!(sparse.floats().unwrap(), dpre(&dense).floats().unwrap());
        let bias = None;
        let linear = Linear { weight: packed(6, k, n), bias, in_axes: 1, out_dims: vec![n], act: Activation::Identity };
        let shapes = [vec![count, k]];
        let dx = |grad| linear.vjp(&saved(&codes, &shapes), grad).unwrap().remove(0).unwrap();
        assert_eq!(dx(&sparse).floats().unwrap(), dx(&sparse.settled().unwrap()).floats().unwrap());
    }

    #[test]
    fn a_gradient_of_cells_passes_on_as_the_one_of_the_whole_product() {
        let (count, k, n) = (4, 37, 100);
        // Two rows without a cell, one of them the last; one cell twice.
        let (rows, columns) = (vec![2, 0, 2, 2, 0, 2], vec![99, 3, 5, 99, 16, 0]);
        let dy = numbers(7, rows.len());
        let mut whole = vec![0f32; count * n];
        for (i, &dy) in dy.iter().enumerate() {
            whole[rows[i] as usize * n + columns[i] as usize] += dy;
        }
        let (weight, bias) = (packed(6, k, n), None);
        let linear = Linear { weight: weight.clone(), bias, in_axes: 1, out_dims: vec![n], act: Activation::Identity };
        let cells = LinearAt { weight, bias: None, rows, columns };
        let (output, shapes) = (Tensor::zeros(&[1]).unwrap(), [vec![count, k]]);
        let dx = |op: &dyn Op<f32>, dy: &Tensor<f32>| {
            let dx = op.vjp(&saved(&output, &shapes), dy).unwrap().remove(0).unwrap();
            dx.floats().unwrap().iter().map(|x| x.to_bits()).collect::<Vec<_>>()
        };
        let wanted = dx(&linear, &Tensor::from_slice(&[count, n], &whole).unwrap());
        assert_eq!(dx(&cells, &Tensor::from_slice(&[dy.len()], &dy).unwrap()), wanted);
    }

    #[test]
    fn deferred_elements_are_computed_once_and_copied_on_a_write() {
        let (deferred, dense) = from_decoder(2, 3, 20);
        let other = deferred.reshaped(&[40]).unwrap();
        assert!(other.same_buffer(&deferred));
        let first = deferred.floats().unwrap().as_ptr();
        assert_eq!(other.floats().unwrap().as_ptr(), first);
        let mut written = deferred.clone();
        written.floats_mut().unwrap()[0] = 7.0;
        assert_eq!(deferred.floats().unwrap(), dense.floats().unwrap());
        assert!(!written.same_buffer(&deferred));
    }
}
