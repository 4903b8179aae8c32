//! Matrices packed once for the products that read them again and again.

use crate::error::Result;
use crate::memory::Buf;
use crate::real::Real;

/// Columns a panel holds: four 128-bit vectors of float32.
pub const PANEL: usize = 16;

/// A `[k, n]` matrix in panels of [`PANEL`] columns, each panel row-major over `k`, the last one padded with zeros.
/// Cell `(k, j)` lies at `(j / PANEL) * rows * PANEL + k * PANEL + j % PANEL`.
pub struct Packed<T: Real> {
    /// K: the length of each sum.
    pub rows: usize,
    /// N: the number of outputs.
    pub cols: usize,
    pub data: Buf<T>,
}

impl<T: Real> Packed<T> {
    /// Packs a row-major `[rows, cols]` matrix.
    pub fn pack(matrix: &[T], rows: usize, cols: usize) -> Result<Self> {
        debug_assert_eq!(matrix.len(), rows * cols);
        let mut packed = Self { rows, cols, data: Buf::zeroed(cols.div_ceil(PANEL) * rows * PANEL)? };
        for (k, row) in matrix.chunks_exact(cols.max(1)).enumerate() {
            for (p, chunk) in row.chunks(PANEL).enumerate() {
                let at = (p * rows + k) * PANEL;
                packed.data[at..at + chunk.len()].copy_from_slice(chunk);
            }
        }
        Ok(packed)
    }

    /// Copies row `k` into `out` (`cols` long).
    pub fn read_row(&self, k: usize, out: &mut [T]) {
        for (p, chunk) in out.chunks_mut(PANEL).enumerate() {
            let at = (p * self.rows + k) * PANEL;
            chunk.copy_from_slice(&self.data[at..at + chunk.len()]);
        }
    }

    /// Panel `p`: `rows * PANEL` elements.
    pub fn panel(&self, p: usize) -> &[T] {
        &self.data[p * self.rows * PANEL..(p + 1) * self.rows * PANEL]
    }
}
