//! Matrices packed once for the products that read them again and again.

use super::half::{narrow_bf16, narrow_f16, widen_bf16, widen_f16};
use crate::error::Result;
use crate::memory::Buf;
use crate::real::Real;
use std::ops::Range;

/// Columns a panel holds: four 128-bit vectors of float32.
pub const PANEL: usize = 16;

/// The most that exponents of float16 are raised by: with it no number is subnormal any more.
const MAX_SHIFT: u32 = 10;

/// The number formats that a matrix can be held in. Products widen exactly to the scalar and go on as if it were held so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// The scalar of the computation, float32 in production.
    Full,
    Float16,
    Bfloat16,
    /// Eight bits and a scale for each column; what is rounded to them is rounded for good.
    Int8,
}

/// A matrix' cells, panel after panel.
pub enum HeldCells<T: Copy> {
    Full(Buf<T>),
    /// Each number times `2^shift`: subnormal ones would be slow to widen, and with ten more in the exponent none is.
    Float16 {
        bits: Buf<u16>,
        shift: u32,
    },
    Bfloat16(Buf<u16>),
    /// Each number is its code times its column's scale, rounded to float32.
    Int8 {
        codes: Buf<i8>,
        /// By column, those of the last panel's padding too.
        scales: Buf<f32>,
    },
}

/// A `[k, n]` matrix in panels of [`PANEL`] columns, each panel row-major over `k`, the last one padded with zeros.
/// The row of cell `(k, j)` begins at `((j / PANEL) * rows + k) * PANEL`; it is the [`place`] of `j % PANEL` there.
pub struct Packed<T: Real> {
    /// K: the length of each sum.
    pub rows: usize,
    /// N: the number of outputs.
    pub cols: usize,
    pub cells: HeldCells<T>,
}

/// Where column `c` of a panel lies in a row of 16-bit cells: columns `j` and `j + 4` share 32 bits, so that two instructions
/// widen four columns each.
pub fn paired(c: usize) -> usize {
    c / 8 * 8 + c % 4 * 2 + c / 4 % 2
}

/// One axis of a tensor that becomes a matrix: a step along it is `stride` elements, and `row` rows and `col` columns.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    pub len: usize,
    pub stride: usize,
    pub row: usize,
    pub col: usize,
}

/// A cell, and where its element is.
#[derive(Clone, Copy)]
struct Cell {
    at: usize,
    row: usize,
    col: usize,
}

impl Cell {
    /// The cell so many steps along an axis.
    fn step(self, axis: &Axis, i: usize) -> Self {
        Self { at: self.at + i * axis.stride, row: self.row + i * axis.row, col: self.col + i * axis.col }
    }
}

/// Cells along an axis, from one on.
struct Run {
    cell: Cell,
    axis: Axis,
}

/// How a matrix lies in a tensor's elements.
#[derive(Clone, Debug)]
pub struct Layout {
    offset: usize,
    /// The longest stride first.
    axes: Vec<Axis>,
}

impl Layout {
    pub fn new(offset: usize, mut axes: Vec<Axis>) -> Self {
        // Nothing is walked along them, whatever their stride.
        axes.retain(|axis| axis.len != 1);
        axes.sort_by_key(|axis| std::cmp::Reverse(axis.stride));
        Self { offset, axes }
    }

    /// Calls `f` with each run of elements of `range` that are cells, along the axis of the shortest stride.
    fn each(&self, range: &Range<usize>, f: &mut impl FnMut(Run)) {
        // A single element is a run, too.
        let alone = [Axis { len: 1, stride: 1, row: 0, col: 1 }];
        let axes = if self.axes.is_empty() { &alone } else { &self.axes[..] };
        if axes.iter().all(|axis| axis.len > 0) {
            Self::walk(axes, Cell { at: self.offset, row: 0, col: 0 }, range, f);
        }
    }

    fn walk(axes: &[Axis], cell: Cell, range: &Range<usize>, f: &mut impl FnMut(Run)) {
        let Some((axis, inner)) = axes.split_first() else { return };
        // Elements from the first to the last of what one step along the axis holds.
        let span = 1 + inner.iter().map(|axis| (axis.len - 1) * axis.stride).sum::<usize>();
        let stride = axis.stride.max(1);
        let first = range.start.saturating_sub(cell.at + span - 1).div_ceil(stride);
        let end = range.end.saturating_sub(cell.at).div_ceil(stride).min(axis.len);
        if !inner.is_empty() {
            (first..end).for_each(|i| Self::walk(inner, cell.step(axis, i), range, f));
        } else if first < end {
            let Cell { at, row, col } = cell.step(axis, first);
            f(Run { cell: Cell { at: at - range.start, row, col }, axis: Axis { len: end - first, ..*axis } });
        }
    }

    /// Whether every cell lies in a `[rows, cols]` matrix.
    fn fits(&self, rows: usize, cols: usize) -> bool {
        let last = |step: fn(&Axis) -> usize| -> usize {
            self.axes.iter().map(|axis| axis.len.saturating_sub(1).saturating_mul(step(axis))).sum()
        };
        last(|axis| axis.row) < rows.max(1) && last(|axis| axis.col) < cols.max(1)
    }
}

/// Widens the numbers that a layout finds among `elements`: a matrix of one row, whose panels are in its own order.
///
/// Returns `None` when a cell is beyond its `len` columns.
pub fn gather_widened(elements: &[u16], is_bfloat16: bool, layout: &Layout, len: usize) -> Option<Vec<f32>> {
    if !layout.fits(1, len) {
        return None;
    }
    let mut out = vec![0.0; len.next_multiple_of(PANEL)];
    if is_bfloat16 {
        scatter(&mut out, 1, same_place, layout, elements, 0, widen_bf16);
    } else {
        scatter(&mut out, 1, same_place, layout, elements, 0, widen_f16);
    }
    out.truncate(len);
    Some(out)
}

/// Elements of a tensor as they are stored.
#[derive(Clone, Copy)]
pub enum Elements<'a> {
    Float32(&'a [f32]),
    Float16(&'a [u16]),
    Bfloat16(&'a [u16]),
}

impl<T: Real> Packed<T> {
    /// A matrix of zeros, to be filled by [`Packed::fill`]. One of eight bits is held as the scalar until it is sealed: scales are
    /// known when all of it is there.
    pub fn zeroed(rows: usize, cols: usize, storage: Storage) -> Result<Self> {
        let len = cols.div_ceil(PANEL).saturating_mul(rows).saturating_mul(PANEL);
        let cells = match storage {
            Storage::Full | Storage::Int8 => HeldCells::Full(Buf::zeroed(len)?),
            Storage::Float16 => HeldCells::Float16 { bits: Buf::zeroed(len)?, shift: 0 },
            Storage::Bfloat16 => HeldCells::Bfloat16(Buf::zeroed(len)?),
        };
        Ok(Self { rows, cols, cells })
    }

    /// Packs a row-major `[rows, cols]` matrix.
    pub fn pack(matrix: &[T], rows: usize, cols: usize) -> Result<Self> {
        debug_assert_eq!(matrix.len(), rows * cols);
        let mut data = Buf::zeroed(cols.div_ceil(PANEL) * rows * PANEL)?;
        for (k, row) in matrix.chunks_exact(cols.max(1)).enumerate() {
            for (p, chunk) in row.chunks(PANEL).enumerate() {
                let at = (p * rows + k) * PANEL;
                data[at..at + chunk.len()].copy_from_slice(chunk);
            }
        }
        Ok(Self { rows, cols, cells: HeldCells::Full(data) })
    }

    /// Takes over the cells that lie among `elements`, which are those of a tensor from `start` on. What a 16-bit format can't
    /// hold is rounded to it. [`Packed::seal`] follows the last part.
    ///
    /// Returns false, and takes nothing, when the layout isn't one of a matrix of this size.
    #[must_use]
    pub fn fill(&mut self, layout: &Layout, elements: Elements, start: usize) -> bool {
        if !layout.fits(self.rows, self.cols) {
            return false;
        }
        let single = |x: f32| T::from_f64(f64::from(x));
        let same = |bits: u16| bits;
        match (&mut self.cells, elements) {
            (HeldCells::Full(out), Elements::Float32(x)) => {
                scatter(out, self.rows, same_place, layout, x, start, single)
            }
            (HeldCells::Full(out), Elements::Float16(x)) => {
                scatter(out, self.rows, same_place, layout, x, start, |bits| single(widen_f16(bits)));
            }
            (HeldCells::Full(out), Elements::Bfloat16(x)) => {
                scatter(out, self.rows, same_place, layout, x, start, |bits| single(widen_bf16(bits)));
            }
            (HeldCells::Float16 { bits: out, .. }, Elements::Float16(x))
            | (HeldCells::Bfloat16(out), Elements::Bfloat16(x)) => {
                scatter(out, self.rows, paired, layout, x, start, same);
            }
            // Sealed: there is nothing more to come.
            (HeldCells::Int8 { .. }, _) => return false,
            (HeldCells::Float16 { bits: out, .. }, Elements::Float32(x)) => {
                scatter(out, self.rows, paired, layout, x, start, narrow_f16);
            }
            (HeldCells::Float16 { bits: out, .. }, Elements::Bfloat16(x)) => {
                scatter(out, self.rows, paired, layout, x, start, |bits| narrow_f16(widen_bf16(bits)));
            }
            (HeldCells::Bfloat16(out), Elements::Float32(x)) => {
                scatter(out, self.rows, paired, layout, x, start, narrow_bf16);
            }
            (HeldCells::Bfloat16(out), Elements::Float16(x)) => {
                scatter(out, self.rows, paired, layout, x, start, |bits| narrow_bf16(widen_f16(bits)));
            }
        }
        true
    }

    /// Ends the filling: float16 gets the exponents that products want. A matrix with infinities or NaN in it, which they can't
    /// widen, is held as the scalar from here on.
    pub fn seal(&mut self) -> Result<()> {
        let HeldCells::Float16 { bits, shift } = &mut self.cells else { return Ok(()) };
        let largest = bits.iter().map(|bits| bits & 0x7fff).max().unwrap_or(0);
        if largest < 0x7c00 {
            // Exponents of float16 end at 30.
            *shift = MAX_SHIFT.min(30 - u32::from(largest >> 10));
            raise(bits, *shift);
            return Ok(());
        }
        let mut data = Buf::zeroed(bits.len())?;
        for (row, out) in bits.chunks_exact(PANEL).zip(data.chunks_exact_mut(PANEL)) {
            out.iter_mut().enumerate().for_each(|(c, x)| *x = T::from_f64(f64::from(widen_f16(row[paired(c)]))));
        }
        self.cells = HeldCells::Full(data);
        Ok(())
    }

    /// Ends the filling of a matrix that is to be held in eight bits: each column's largest number becomes 127. One with infinities
    /// or NaN in it stays the scalar.
    pub fn seal_int8(&mut self) -> Result<()> {
        let HeldCells::Full(data) = &self.cells else { return Ok(()) };
        let mut scales = Buf::<f32>::zeroed(self.cols.div_ceil(PANEL) * PANEL)?;
        for (panel, scales) in data.chunks_exact((self.rows * PANEL).max(1)).zip(scales.chunks_exact_mut(PANEL)) {
            for row in panel.chunks_exact(PANEL) {
                for (scale, x) in scales.iter_mut().zip(row) {
                    let size = x.to_f64().abs() as f32;
                    // What isn't a number stays: the larger of it and a number would be the number.
                    *scale = if scale.is_nan() || size.is_nan() { f32::NAN } else { scale.max(size) };
                }
            }
        }
        if scales.iter().any(|scale| !scale.is_finite()) {
            return Ok(());
        }
        scales.iter_mut().for_each(|scale| *scale /= 127.0);
        let mut codes = Buf::zeroed(data.len())?;
        let panels = codes.chunks_exact_mut((self.rows * PANEL).max(1)).zip(scales.chunks_exact(PANEL));
        for ((codes, scales), panel) in panels.zip(data.chunks_exact((self.rows * PANEL).max(1))) {
            for (i, (code, x)) in codes.iter_mut().zip(panel).enumerate() {
                let scale = scales[i % PANEL];
                // Subnormal scales may be too coarse for a quotient below 127.5.
                let quotient = if scale > 0.0 { x.to_f64() / f64::from(scale) } else { 0.0 };
                *code = quotient.round_ties_even().clamp(-127.0, 127.0) as i8;
            }
        }
        self.cells = HeldCells::Int8 { codes, scales };
        Ok(())
    }

    pub fn storage(&self) -> Storage {
        match self.cells {
            HeldCells::Full(_) => Storage::Full,
            HeldCells::Float16 { .. } => Storage::Float16,
            HeldCells::Bfloat16(_) => Storage::Bfloat16,
            HeldCells::Int8 { .. } => Storage::Int8,
        }
    }

    /// What the cells take.
    pub fn bytes(&self) -> usize {
        match &self.cells {
            HeldCells::Full(data) => data.bytes(),
            HeldCells::Float16 { bits, .. } | HeldCells::Bfloat16(bits) => bits.bytes(),
            HeldCells::Int8 { codes, scales } => codes.bytes() + scales.bytes(),
        }
    }

    /// Cell `(k, j)`, widened.
    pub fn cell(&self, k: usize, j: usize) -> T {
        let (row, c) = ((j / PANEL * self.rows + k) * PANEL, j % PANEL);
        let single = |x: f32| T::from_f64(f64::from(x));
        match &self.cells {
            HeldCells::Full(data) => data[row + c],
            HeldCells::Float16 { bits, shift } => {
                single(widen_f16(bits[row + paired(c)]) * f32::from_bits((127 - *shift) << 23))
            }
            HeldCells::Bfloat16(bits) => single(widen_bf16(bits[row + paired(c)])),
            HeldCells::Int8 { codes, scales } => single(f32::from(codes[row + c]) * scales[j]),
        }
    }

    /// Copies panel `p` into `out`, sixteen columns a row.
    pub fn read_panel(&self, p: usize, out: &mut [T]) {
        let single = |x: f32| T::from_f64(f64::from(x));
        let cells = p * self.rows * PANEL..(p + 1) * self.rows * PANEL;
        let widen = |bits: &[u16], out: &mut [T], widen: &dyn Fn(u16) -> f32| {
            for (row, out) in bits[cells.clone()].chunks_exact(PANEL).zip(out.chunks_exact_mut(PANEL)) {
                out.iter_mut().enumerate().for_each(|(c, x)| *x = single(widen(row[paired(c)])));
            }
        };
        match &self.cells {
            HeldCells::Full(data) => out.copy_from_slice(&data[cells.clone()]),
            HeldCells::Float16 { bits, shift } => {
                let unit = f32::from_bits((127 - *shift) << 23);
                widen(bits, out, &|bits| widen_f16(bits) * unit);
            }
            HeldCells::Bfloat16(bits) => widen(bits, out, &widen_bf16),
            HeldCells::Int8 { codes, scales } => {
                let scales = &scales[p * PANEL..];
                let codes = codes[cells.clone()].iter().enumerate();
                out.iter_mut().zip(codes).for_each(|(x, (i, &code))| *x = single(f32::from(code) * scales[i % PANEL]));
            }
        }
    }

    /// Copies row `k` into `out` (`cols` long).
    pub fn read_row(&self, k: usize, out: &mut [T]) {
        out.iter_mut().enumerate().for_each(|(j, x)| *x = self.cell(k, j));
    }

    /// Copies column `j` into `out` (`rows` long).
    pub fn read_column(&self, j: usize, out: &mut [T]) {
        out.iter_mut().enumerate().for_each(|(k, x)| *x = self.cell(k, j));
    }

    /// Copies columns from `j` on of a matrix of one row, whose panels lie end to end.
    pub fn read_stretch(&self, j: usize, out: &mut [T]) {
        debug_assert!(self.rows == 1);
        match &self.cells {
            HeldCells::Full(data) => out.copy_from_slice(&data[j..j + out.len()]),
            _ => out.iter_mut().enumerate().for_each(|(c, x)| *x = self.cell(0, j + c)),
        }
    }

    /// Some of the rows as a matrix of their own, held in the same format.
    pub fn rows_part(&self, ks: Range<usize>) -> Result<Self> {
        let part = |data: &Buf<u16>| self.copy_rows(data, &ks);
        let cells = match &self.cells {
            HeldCells::Full(data) => HeldCells::Full(self.copy_rows(data, &ks)?),
            HeldCells::Float16 { bits, shift } => HeldCells::Float16 { bits: part(bits)?, shift: *shift },
            HeldCells::Bfloat16(bits) => HeldCells::Bfloat16(part(bits)?),
            HeldCells::Int8 { codes, scales } => {
                HeldCells::Int8 { codes: self.copy_rows(codes, &ks)?, scales: Buf::copied(scales)? }
            }
        };
        Ok(Self { rows: ks.len(), cols: self.cols, cells })
    }

    fn copy_rows<U: Copy>(&self, data: &Buf<U>, ks: &Range<usize>) -> Result<Buf<U>> {
        let mut out = Buf::zeroed(self.cols.div_ceil(PANEL) * ks.len() * PANEL)?;
        let panels = data.chunks_exact((self.rows * PANEL).max(1));
        for (panel, out) in panels.zip(out.chunks_exact_mut((ks.len() * PANEL).max(1))) {
            out.copy_from_slice(&panel[ks.start * PANEL..ks.end * PANEL]);
        }
        Ok(out)
    }
}

fn same_place(c: usize) -> usize {
    c
}

/// Writes what lies among `elements` into panels, in which `place` tells where a column is.
fn scatter<S: Copy, D>(
    out: &mut [D],
    rows: usize,
    place: impl Fn(usize) -> usize,
    layout: &Layout,
    elements: &[S],
    start: usize,
    convert: impl Fn(S) -> D,
) {
    layout.each(&(start..start + elements.len()), &mut |Run { cell, axis }| {
        let begin = |row: usize, col: usize| (col / PANEL * rows + row) * PANEL;
        let Axis { len, stride, row, col } = axis;
        if (stride, row, col) == (1, 0, 1) {
            // Neighbours that stay neighbours: as far as a panel goes at a time.
            let mut elements = &elements[cell.at..cell.at + len];
            let mut col = cell.col;
            while !elements.is_empty() {
                let c = col % PANEL;
                let (part, rest) = elements.split_at(elements.len().min(PANEL - c));
                let panel = &mut out[begin(cell.row, col)..][..PANEL];
                if let Ok(part) = <&[S; PANEL]>::try_from(part) {
                    // Of known length, its loop is unrolled.
                    (0..PANEL).for_each(|i| panel[place(i)] = convert(part[i]));
                } else {
                    part.iter().enumerate().for_each(|(i, x)| panel[place(c + i)] = convert(*x));
                }
                col += part.len();
                elements = rest;
            }
        } else if col == 0 && row > 0 {
            // A column goes down its panel.
            let first = begin(cell.row, cell.col) + place(cell.col % PANEL);
            let elements = elements[cell.at..].iter().step_by(stride.max(1));
            let out = out[first..].iter_mut().step_by(row * PANEL);
            out.zip(elements).take(len).for_each(|(out, x)| *out = convert(*x));
        } else {
            for i in 0..len {
                let Cell { at, row, col } = cell.step(&axis, i);
                out[begin(row, col) + place(col % PANEL)] = convert(elements[at]);
            }
        }
    });
}

/// Multiplies finite float16 numbers by `2^shift`, which they have room for.
fn raise(bits: &mut [u16], shift: u32) {
    for bits in bits {
        *bits = match *bits & 0x7fff {
            0 => *bits,
            0x0400.. => *bits + ((shift as u16) << 10),
            _ => narrow_f16(widen_f16(*bits) * f32::from_bits((127 + shift) << 23)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORAGES: [Storage; 3] = [Storage::Full, Storage::Float16, Storage::Bfloat16];

    fn matrix(rows: usize, cols: usize) -> Layout {
        let axis = |len, stride, row, col| Axis { len, stride, row, col };
        Layout::new(0, vec![axis(rows, cols, 1, 0), axis(cols, 1, 0, 1)])
    }

    fn packed(bits: &[u16], rows: usize, cols: usize, as_bf16: bool) -> Packed<f32> {
        let (storage, elements) = if as_bf16 {
            (Storage::Bfloat16, Elements::Bfloat16(bits))
        } else {
            (Storage::Float16, Elements::Float16(bits))
        };
        let mut packed = Packed::zeroed(rows, cols, storage).unwrap();
        assert!(packed.fill(&matrix(rows, cols), elements, 0));
        packed.seal().unwrap();
        packed
    }

    #[test]
    fn every_16_bit_number_is_held_exactly() {
        // By exponent, so that matrices with and without subnormal and large numbers are among them.
        for exponent in 0..31u16 {
            let bits: Vec<u16> = (0..2048u16).map(|i| (i & 0x400) << 5 | exponent << 10 | i & 0x3ff).collect();
            let held = packed(&bits, 32, 64, false);
            assert_eq!(held.storage(), Storage::Float16);
            for (i, &bits) in bits.iter().enumerate() {
                assert_eq!(held.cell(i / 64, i % 64).to_bits(), widen_f16(bits).to_bits(), "{bits:#x}");
            }
        }
        let all: Vec<u16> = (0..=u16::MAX).filter(|bits| bits & 0x7c00 != 0x7c00).collect();
        let held = packed(&all, all.len() / 64, 64, false);
        for (i, &bits) in all.iter().enumerate() {
            assert_eq!(held.cell(i / 64, i % 64).to_bits(), widen_f16(bits).to_bits(), "{bits:#x}");
        }
        let all: Vec<u16> = (0..=u16::MAX).collect();
        let held = packed(&all, 1024, 64, true);
        for (i, &bits) in all.iter().enumerate() {
            assert_eq!(held.cell(i / 64, i % 64).to_bits(), widen_bf16(bits).to_bits(), "{bits:#x}");
        }
    }

    #[test]
    fn float16_that_isnt_finite_is_held_as_float32() {
        let bits = [0x3c00, 0x7c00, 0xfc00, 0x7e00, 0x0001];
        let held = packed(&bits, 1, 5, false);
        assert_eq!(held.storage(), Storage::Full);
        for (j, &bits) in bits.iter().enumerate() {
            assert_eq!(held.cell(0, j).to_bits(), widen_f16(bits).to_bits());
        }
    }

    #[test]
    fn eight_bits_are_off_by_half_a_step_of_their_column_at_most() {
        let (rows, cols) = (9, 21);
        // Columns of all sizes, one of zeros, one with subnormal numbers alone.
        let size = |j: usize| [1.0, 1e-30, 3e30, 0.0, 1e-42, 7.0][j % 6];
        let values: Vec<f32> =
            (0..rows * cols).map(|i| ((i * 37 % 101) as f32 / 50.0 - 1.0) * size(i % cols)).collect();
        let mut held = Packed::<f32>::zeroed(rows, cols, Storage::Int8).unwrap();
        assert!(held.fill(&matrix(rows, cols), Elements::Float32(&values), 0));
        held.seal_int8().unwrap();
        assert_eq!((held.storage(), held.bytes()), (Storage::Int8, 2 * 16 * rows + 4 * 32));
        for j in 0..cols {
            let most = (0..rows).map(|k| values[k * cols + j].abs()).fold(0.0, f32::max);
            for k in 0..rows {
                let error = f64::from(held.cell(k, j)) - f64::from(values[k * cols + j]);
                // A step of subnormal numbers is coarse itself.
                assert!(error.abs() <= f64::from(most) / 254.0 * 1.0001 + 1e-43, "{k} {j}: {error}");
            }
        }
        let mut panel = vec![0.0; 16 * rows];
        held.read_panel(1, &mut panel);
        let part = held.rows_part(2..5).unwrap();
        for j in 16..cols {
            assert!((0..rows).all(|k| panel[k * 16 + j - 16] == held.cell(k, j)));
            assert!((0..3).all(|k| part.cell(k, j) == held.cell(k + 2, j)));
        }
        for [a, b] in [[f32::INFINITY, 1.0], [f32::NAN, 1.0], [1.0, f32::NAN]] {
            let mut odd = Packed::<f32>::zeroed(2, 1, Storage::Int8).unwrap();
            assert!(odd.fill(&matrix(2, 1), Elements::Float32(&[a, b]), 0));
            odd.seal_int8().unwrap();
            assert_eq!(
                (odd.storage(), odd.cell(0, 0).to_bits(), odd.cell(1, 0).to_bits()),
                (Storage::Full, a.to_bits(), b.to_bits())
            );
        }
    }

    #[test]
    fn a_matrix_is_filled_part_by_part_from_any_layout() {
        // Heads first, [3 heads, 4 rows, 5 of a head], becomes [4, 3 * 5]; the elements follow 7 others.
        let elements: Vec<f32> = (0..67).map(|i| i as f32 - 7.0).collect();
        let axis = |len, stride, row, col| Axis { len, stride, row, col };
        let layout = Layout::new(7, vec![axis(3, 20, 0, 5), axis(4, 5, 1, 0), axis(5, 1, 0, 1)]);
        for storage in STORAGES {
            for part in [1, 3, 20, 67] {
                let mut held = Packed::<f32>::zeroed(4, 15, storage).unwrap();
                for (i, chunk) in elements.chunks(part).enumerate() {
                    assert!(held.fill(&layout, Elements::Float32(chunk), i * part));
                }
                held.seal().unwrap();
                for (k, j) in (0..4).flat_map(|k| (0..15).map(move |j| (k, j))) {
                    assert_eq!(held.cell(k, j), (j / 5 * 20 + k * 5 + j % 5) as f32, "{storage:?} {k} {j}");
                }
            }
        }
        let mut small = Packed::<f32>::zeroed(4, 14, Storage::Full).unwrap();
        assert!(!small.fill(&layout, Elements::Float32(&elements), 0));
    }

    #[test]
    fn numbers_are_widened_in_the_order_of_their_layout() {
        // Every pattern of 16 bits, seven elements on: as they lie, and as the transpose of [256, 256].
        let bits: Vec<u16> = (0..7).chain(0..=u16::MAX).collect();
        let axis = |len, stride, col| Axis { len, stride, row: 0, col };
        let orders = [vec![axis(65_536, 1, 1)], vec![axis(256, 1, 256), axis(256, 256, 1)]];
        for (is_bfloat16, widen) in [(false, widen_f16 as fn(u16) -> f32), (true, widen_bf16)] {
            for (order, axes) in orders.iter().enumerate() {
                let layout = Layout::new(7, axes.clone());
                let out = gather_widened(&bits, is_bfloat16, &layout, 65_536).unwrap();
                assert_eq!(out.len(), 65_536);
                for (i, x) in out.iter().enumerate() {
                    let from = if order == 0 { i } else { i % 256 * 256 + i / 256 };
                    assert_eq!(x.to_bits(), widen(from as u16).to_bits(), "{order} {i}");
                }
                assert!(gather_widened(&bits, is_bfloat16, &layout, 65_535).is_none());
            }
        }
    }

    #[test]
    fn a_matrix_is_filled_from_columns_and_from_axes_of_one() {
        // [21, 3, 1] stored, of which the matrix [3, 21] is the transpose; the last axis' stride means nothing.
        let elements: Vec<f32> = (0..63).map(|i| i as f32).collect();
        let axis = |len, stride, row, col| Axis { len, stride, row, col };
        let layout = Layout::new(0, vec![axis(21, 3, 0, 1), axis(3, 1, 1, 0), axis(1, 0, 5, 5)]);
        for storage in STORAGES {
            for part in [1, 4, 63] {
                let mut held = Packed::<f32>::zeroed(3, 21, storage).unwrap();
                for (i, chunk) in elements.chunks(part).enumerate() {
                    assert!(held.fill(&layout, Elements::Float32(chunk), i * part));
                }
                held.seal().unwrap();
                assert!((0..63).all(|i| held.cell(i % 3, i / 3) == i as f32), "{storage:?} {part}");
            }
        }
    }

    #[test]
    fn rows_columns_and_parts_are_those_of_the_matrix() {
        let values: Vec<f32> = (0..6 * 21).map(|i| i as f32).collect();
        for storage in STORAGES {
            let mut held = Packed::<f32>::zeroed(6, 21, storage).unwrap();
            assert!(held.fill(&matrix(6, 21), Elements::Float32(&values), 0));
            held.seal().unwrap();
            let (mut row, mut column) = ([0.0; 21], [0.0; 6]);
            held.read_row(2, &mut row);
            held.read_column(17, &mut column);
            assert!((0..21).all(|j| row[j] == values[42 + j]));
            assert!((0..6).all(|k| column[k] == values[21 * k + 17]));
            let part = held.rows_part(2..5).unwrap();
            assert_eq!((part.rows, part.cols, part.storage()), (3, 21, storage));
            assert!((0..3 * 21).all(|i| part.cell(i / 21, i % 21) == values[42 + i]));
        }
    }
}
