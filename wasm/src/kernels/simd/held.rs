//! Rows of panels as vectors of float32, however the cells are held. Widening is exact, so that a product has the bits that it
//! would have with the cells widened beforehand.

use super::lanes::{F32x4, madd};
use crate::kernels::PANEL;
use crate::kernels::half::widen_bf16;
use crate::kernels::packed::paired;
use core::arch::wasm32::*;

/// A format of a matrix' cells.
pub trait Held: Copy {
    type Cell: Copy;

    /// The same for the rows of one panel.
    type InPanel: PanelRows<Cell = Self::Cell>;

    /// Panels that a row is multiplied with at a time: two where there are registers for what their cells need.
    const TOGETHER: usize = 2;

    /// The format of the panel in which a row lies: what its rows have in common is read once.
    ///
    /// # Safety
    /// `at` must be a row's of the matrix.
    unsafe fn in_panel(self, at: *const Self::Cell) -> Self::InPanel;

    /// Has rows of a panel brought into the cache, where that pays.
    ///
    /// # Safety
    /// `at` must be valid for them.
    unsafe fn bring(self, _at: *const Self::Cell, _rows: usize) {}

    /// `depth` rows of a panel as float32; `room` may be used.
    ///
    /// # Safety
    /// `at` must be valid for them, `room` for `16 * depth` floats.
    unsafe fn widened(self, at: *const Self::Cell, depth: usize, room: *mut f32) -> *const f32 {
        // SAFETY: the caller's.
        unsafe {
            self.bring(at, depth);
            self.in_panel(at).as_singles(at, depth, room)
        }
    }
}

/// Rows of a panel.
pub trait PanelRows: Copy {
    type Cell: Copy;

    /// The sixteen cells of a row.
    ///
    /// # Safety
    /// `at` must be valid for 16 cells.
    unsafe fn row(self, at: *const Self::Cell) -> [v128; 4];

    /// Cell `c` of a row.
    ///
    /// # Safety
    /// `at` must be valid for 16 cells, and `c` be less.
    unsafe fn cell(self, at: *const Self::Cell, c: usize) -> f32;

    /// As [`Held::widened`].
    ///
    /// # Safety
    /// As there.
    unsafe fn as_singles(self, at: *const Self::Cell, depth: usize, room: *mut f32) -> *const f32 {
        for k in 0..depth {
            // SAFETY: the caller's.
            unsafe {
                let row = self.row(at.add(k * PANEL));
                let out = room.add(k * PANEL);
                row.iter().enumerate().for_each(|(v, &x)| v128_store(out.add(4 * v).cast(), x));
            }
        }
        room
    }
}

/// Where the panels of a matrix have nothing of their own.
impl<R: PanelRows> Held for R {
    type Cell = <R as PanelRows>::Cell;
    type InPanel = R;

    #[inline(always)]
    unsafe fn in_panel(self, _at: *const Self::Cell) -> R {
        self
    }
}

/// float32, which needs no widening.
#[derive(Clone, Copy)]
pub struct Singles;

impl PanelRows for Singles {
    type Cell = f32;

    #[inline(always)]
    unsafe fn row(self, at: *const f32) -> [v128; 4] {
        // SAFETY: the caller's.
        unsafe { [0, 4, 8, 12].map(|v| v128_load(at.add(v).cast())) }
    }

    #[inline(always)]
    unsafe fn cell(self, at: *const f32, c: usize) -> f32 {
        // SAFETY: the caller's.
        unsafe { *at.add(c) }
    }

    unsafe fn as_singles(self, at: *const f32, _depth: usize, _room: *mut f32) -> *const f32 {
        at
    }
}

/// bfloat16 in pairs: the upper half of a float32 is one, the lower half shifted up is the other.
#[derive(Clone, Copy)]
pub struct Bfloats;

impl PanelRows for Bfloats {
    type Cell = u16;

    #[inline(always)]
    unsafe fn row(self, at: *const u16) -> [v128; 4] {
        // SAFETY: the caller's.
        let [x, y] = unsafe { [v128_load(at.cast()), v128_load(at.add(8).cast())] };
        let upper = i32x4_splat(0xffff_0000u32 as i32);
        [i32x4_shl(x, 16), v128_and(x, upper), i32x4_shl(y, 16), v128_and(y, upper)]
    }

    #[inline(always)]
    unsafe fn cell(self, at: *const u16, c: usize) -> f32 {
        // SAFETY: the caller's.
        widen_bf16(unsafe { *at.add(paired(c)) })
    }
}

/// float16 in pairs: sign, exponent and fraction are moved to their places in a float32, whose exponent a product sets right.
#[derive(Clone, Copy)]
pub struct Halves {
    scale: v128,
}

impl Halves {
    /// Of cells that hold each number times `2^shift`.
    pub fn new(shift: u32) -> Self {
        // The exponents' biases are 127 and 15.
        Self { scale: f32x4_splat(f32::from_bits((127 + 127 - 15 - shift) << 23)) }
    }

    /// Of halves in the upper 16 bits of each lane.
    #[inline(always)]
    fn upper(self, x: v128) -> v128 {
        let moved = v128_and(i32x4_shr(x, 3), i32x4_splat(0x8fff_e000u32 as i32));
        f32x4_mul(moved, self.scale)
    }
}

impl PanelRows for Halves {
    type Cell = u16;

    #[inline(always)]
    unsafe fn row(self, at: *const u16) -> [v128; 4] {
        // SAFETY: the caller's.
        let [x, y] = unsafe { [v128_load(at.cast()), v128_load(at.add(8).cast())] };
        [self.upper(i32x4_shl(x, 16)), self.upper(x), self.upper(i32x4_shl(y, 16)), self.upper(y)]
    }

    #[inline(always)]
    unsafe fn cell(self, at: *const u16, c: usize) -> f32 {
        // SAFETY: the caller's.
        let bits = unsafe { *at.add(paired(c)) };
        f32x4_extract_lane::<0>(self.upper(i32x4_splat(i32::from(bits) << 16)))
    }
}

/// Eight bits and a scale for each column.
#[derive(Clone, Copy)]
pub struct Bytes {
    codes: *const i8,
    /// Cells of a panel.
    panel: usize,
    scales: *const f32,
}

impl Bytes {
    /// Of all of a matrix' codes and scales, panels of `rows` rows.
    pub fn new(codes: &[i8], scales: &[f32], rows: usize) -> Self {
        Self { codes: codes.as_ptr(), panel: (rows * PANEL).max(1), scales: scales.as_ptr() }
    }

    /// The scales of the panel in which a row is.
    ///
    /// # Safety
    /// `at` must be a row's of the matrix.
    #[inline(always)]
    unsafe fn scales(self, at: *const i8) -> *const f32 {
        let panel = (at as usize - self.codes as usize) / self.panel;
        // SAFETY: every panel has sixteen scales.
        unsafe { self.scales.add(panel * PANEL) }
    }
}

impl Held for Bytes {
    type Cell = i8;
    type InPanel = PanelBytes;

    const TOGETHER: usize = 1;

    #[inline(always)]
    unsafe fn in_panel(self, at: *const i8) -> PanelBytes {
        // SAFETY: the caller's.
        unsafe { PanelBytes { scales: Singles.row(self.scales(at)) } }
    }

    // So much is done with each line that its neighbours would be waited for one by one, and at the beginning of each page anew.
    unsafe fn bring(self, at: *const i8, rows: usize) {
        // SAFETY: the caller's.
        unsafe { touch(at, rows * PANEL) };
    }
}

/// Reads a byte of each line, one right after the other.
///
/// # Safety
/// `at` must be valid for `len` bytes.
#[inline(never)]
unsafe fn touch(at: *const i8, len: usize) {
    const LINE: usize = 64;
    let mut all = 0;
    for offset in (0..len).step_by(LINE) {
        // SAFETY: within the range.
        all |= unsafe { *at.add(offset) };
    }
    std::hint::black_box(all);
}

/// Eight bits, and the scales of a panel's columns.
#[derive(Clone, Copy)]
pub struct PanelBytes {
    scales: [v128; 4],
}

impl PanelRows for PanelBytes {
    type Cell = i8;

    #[inline(always)]
    unsafe fn row(self, at: *const i8) -> [v128; 4] {
        // SAFETY: the caller's.
        let codes = unsafe { v128_load(at.cast()) };
        let [x, y] = [i16x8_extend_low_i8x16(codes), i16x8_extend_high_i8x16(codes)];
        let mut row = [
            i32x4_extend_low_i16x8(x),
            i32x4_extend_high_i16x8(x),
            i32x4_extend_low_i16x8(y),
            i32x4_extend_high_i16x8(y),
        ];
        for v in 0..4 {
            row[v] = f32x4_mul(f32x4_convert_i32x4(row[v]), self.scales[v]);
        }
        row
    }

    #[inline(always)]
    unsafe fn cell(self, at: *const i8, c: usize) -> f32 {
        // SAFETY: the caller's.
        f32::from(unsafe { *at.add(c) }) * F32x4(self.scales[c / 4]).to_array()[c % 4]
    }
}

/// Runs `body` with a matrix' format and cells.
macro_rules! with_cells {
    ($matrix:expr, |$held:ident, $cells:ident| $body:expr) => {
        match &$matrix.cells {
            $crate::kernels::HeldCells::Full(cells) => {
                let ($held, $cells): (_, &[f32]) = ($crate::kernels::simd::held::Singles, cells);
                $body
            }
            $crate::kernels::HeldCells::Float16 { bits, shift } => {
                let ($held, $cells): (_, &[u16]) = ($crate::kernels::simd::held::Halves::new(*shift), bits);
                $body
            }
            $crate::kernels::HeldCells::Bfloat16(bits) => {
                let ($held, $cells): (_, &[u16]) = ($crate::kernels::simd::held::Bfloats, bits);
                $body
            }
            $crate::kernels::HeldCells::Int8 { codes, scales } => {
                let held = $crate::kernels::simd::held::Bytes::new(codes, scales, $matrix.rows);
                let ($held, $cells): (_, &[i8]) = (held, codes);
                $body
            }
        }
    };
}
pub(super) use with_cells;

/// The sums of a row of A with the sixteen columns of one row of a panel.
#[inline(always)]
pub fn add_row(x: v128, row: [v128; 4], sums: &mut [v128; 4]) {
    for v in 0..4 {
        sums[v] = madd(x, row[v], sums[v]);
    }
}
