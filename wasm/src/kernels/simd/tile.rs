//! The micro-kernels that all products share: `C[r, j] = start[r, j] + Σ_k A[r, k] B[k, j]` for up to five rows, and 4 to 32 columns.
//!
//! Registers: eight or ten accumulators (tiles of 5x2, 4x2, 2x4, 1x8 vectors), two or four vectors of B, one element of A spread over
//! four lanes. V8 has fifteen for them, which ten accumulators fill: the order of the instructions must be the one written here, or it
//! spills to half the speed. A is row-major as it comes, but for strips of four rows; the row of B that belongs to k lies at
//! `b + k * 16`, in the panel that follows `panel` cells further on.

use super::held::{Held, PanelRows, add_row};
use super::lanes::madd;
use core::arch::wasm32::*;

/// A tile's operands. The pointers are valid for `k` steps, `rows` rows and the tile's columns.
#[derive(Clone, Copy)]
pub struct Tile<B = f32> {
    pub a: *const f32,
    pub a_stride: usize,
    pub b: *const B,
    /// From one panel of B to the next.
    pub panel: usize,
    pub k: usize,
    /// What the accumulators start from: a bias (stride 0) or the sums so far (C itself).
    pub start: *const f32,
    pub start_stride: usize,
    pub c: *mut f32,
    pub c_stride: usize,
}

/// What is summed over k, of an element of A in four lanes and four cells of B.
pub trait Terms {
    fn add(x: v128, row: v128, sum: v128) -> v128;

    /// The sum when all are added.
    fn end(sum: v128) -> v128;
}

/// Products of single floats. Adding zero makes -0 into +0.
pub struct Products;

impl Terms for Products {
    #[inline(always)]
    fn add(x: v128, row: v128, sum: v128) -> v128 {
        madd(x, row, sum)
    }

    #[inline(always)]
    fn end(sum: v128) -> v128 {
        f32x4_add(sum, f32x4_splat(0.0))
    }
}

/// Sixteen zeros to start from.
pub static ZEROS: [f32; 16] = [0.0; 16];

impl<B> Tile<B> {
    /// The same tile `rows` further down.
    pub fn down(self, rows: usize) -> Self {
        Self {
            a: self.a.wrapping_add(rows * self.a_stride),
            start: self.start.wrapping_add(rows * self.start_stride),
            c: self.c.wrapping_add(rows * self.c_stride),
            ..self
        }
    }

    /// The same tile `columns` further right, where B's columns begin at `b`.
    fn right(self, columns: usize, b: *const B) -> Self {
        Self { b, start: self.start.wrapping_add(columns), c: self.c.wrapping_add(columns), ..self }
    }
}

/// Runs a tile of R rows and V vectors and stores it.
///
/// # Safety
/// The tile's pointers must be valid as stated, the rows of B `b_step` apart.
#[inline(always)]
unsafe fn run<T: Terms, const R: usize, const V: usize>(t: Tile, b_step: usize) {
    // SAFETY: the caller's.
    unsafe {
        let mut acc = [[f32x4_splat(0.0); V]; R];
        for r in 0..R {
            for v in 0..V {
                acc[r][v] = v128_load(t.start.add(r * t.start_stride + 4 * v).cast());
            }
        }
        let mut a = [t.a; R];
        for r in 0..R {
            a[r] = t.a.add(r * t.a_stride);
        }
        let mut b = t.b;
        let end = t.a.add(t.k);
        while a[0] != end {
            let mut row = [f32x4_splat(0.0); V];
            for v in 0..V {
                row[v] = v128_load(b.add(4 * v).cast());
            }
            for r in 0..R {
                let x = v128_load32_splat(a[r].cast());
                for v in 0..V {
                    acc[r][v] = T::add(x, row[v], acc[r][v]);
                }
                a[r] = a[r].add(1);
            }
            b = b.add(b_step);
        }
        for r in 0..R {
            for v in 0..V {
                v128_store(t.c.add(r * t.c_stride + 4 * v).cast(), T::end(acc[r][v]));
            }
        }
    }
}

/// Two rows by 16 columns of a packed panel. A function of its own, so that V8 tiers it up while a large product runs.
///
/// # Safety
/// As [`run`], with B's rows 16 apart.
#[inline(never)]
pub unsafe fn tile_2x4<T: Terms>(t: &Tile) {
    // SAFETY: the caller's.
    unsafe { run::<T, 2, 4>(*t, 16) }
}

/// One row by 16 columns of a packed panel.
///
/// # Safety
/// As [`run`], with B's rows 16 apart.
#[inline(never)]
pub unsafe fn tile_1x4<T: Terms>(t: &Tile) {
    // SAFETY: the caller's.
    unsafe { run::<T, 1, 4>(*t, 16) }
}

/// So many k [`tile_by_2`] takes between two looks at whether it is done.
pub const STEPS: usize = 8;

/// Bytes that a tile reads on the way so that they are in the cache when their turn comes: one every `step` for each [`STEPS`] k.
#[derive(Clone, Copy)]
pub struct Ahead {
    pub at: *const u8,
    pub step: usize,
}

impl Ahead {
    pub const NOWHERE: Self = Self { at: std::ptr::null(), step: 0 };

    /// From so many steps further on.
    pub fn after(self, steps: usize) -> Self {
        Self { at: self.at.wrapping_add(steps * self.step), ..self }
    }
}

/// Zero, as V8 sees and LLVM doesn't: no static lies that high.
#[inline(always)]
fn zero() -> usize {
    &raw const ZEROS as usize & 0xf000_0000
}

/// Never true, as V8 sees and LLVM doesn't. A branch on it leaves with the sums so far, for which they must be there, so that LLVM
/// takes the steps before it and those behind it one after the other. It would nest them, each sum the operand of the next step's, and
/// V8 lacks the registers for the rows of B of several steps.
#[inline(always)]
fn never(b: *const f32) -> bool {
    b as usize & zero() != 0
}

/// One k of [`tile_by_2`].
///
/// # Safety
/// `a` must be valid for four elements, `b` for eight, and `fifth` for one if there are five rows.
#[inline(always)]
unsafe fn step<T: Terms, const R: usize>(a: *const f32, fifth: *const f32, b: *const f32, acc: &mut [[v128; 2]; R]) {
    // SAFETY: the caller's.
    unsafe {
        let row = [v128_load(b.cast()), v128_load(b.add(4).cast())];
        let mut add = |r: usize, x: v128| acc[r] = [0, 1].map(|v| T::add(x, row[v], acc[r][v]));
        if R > 4 {
            add(4, v128_load32_splat(fifth.cast()));
        }
        let x = v128_load(a.cast());
        add(0, i32x4_shuffle::<0, 0, 0, 0>(x, x));
        add(1, i32x4_shuffle::<1, 1, 1, 1>(x, x));
        add(2, i32x4_shuffle::<2, 2, 2, 2>(x, x));
        add(3, i32x4_shuffle::<3, 3, 3, 3>(x, x));
    }
}

/// R rows, four or five, by 8 columns of a panel. Four rows are packed as a strip `[k][4]`: one load gives four elements of A, which
/// are cheaper to spread over lanes than to load one by one, for V8 checks the bounds of each load. The fifth is as it comes. With it
/// there are more sums than the multipliers need at a time, so that none waits where another instruction took its turn.
///
/// # Safety
/// `a` must be valid for a strip of `k` columns, `fifth` for a row of them if there are five, `b` for as many rows 16 apart, `start`
/// and `c` for R rows of 8; `ahead` for `k / STEPS` steps if it `READS` them.
#[inline(never)]
#[allow(clippy::too_many_arguments, reason = "by value they stay in registers")]
pub unsafe fn tile_by_2<T: Terms, const R: usize, const READS: bool>(
    mut a: *const f32,
    mut fifth: *const f32,
    mut b: *const f32,
    k: usize,
    start: *const f32,
    start_stride: usize,
    c: *mut f32,
    c_stride: usize,
    mut ahead: Ahead,
) {
    // SAFETY: the caller's.
    unsafe {
        let mut seen = 0;
        let mut acc = [[f32x4_splat(0.0); 2]; R];
        for r in 0..R {
            for v in 0..2 {
                acc[r][v] = v128_load(start.add(r * start_stride + 4 * v).cast());
            }
        }
        let end = a.add(4 * (k - k % STEPS));
        // From one row of B to the next, in bytes; a strip's rows are a quarter of it apart, a row's elements a sixteenth. LLVM can't
        // fold what it doesn't know into the loads' offsets, for each of which V8 would compute a bound.
        let apart = 64 + zero();
        macro_rules! two_steps {
            () => {
                step::<T, R>(a, fifth, b, &mut acc);
                (fifth, b) = (fifth.wrapping_byte_add(apart / 16), b.wrapping_byte_add(apart));
                if never(b) {
                    break;
                }
                step::<T, R>(a.add(4), fifth, b, &mut acc);
                (a, fifth, b) =
                    (a.wrapping_byte_add(apart / 2), fifth.wrapping_byte_add(apart / 16), b.wrapping_byte_add(apart));
                if never(b) {
                    break;
                }
            };
        }
        const { assert!(STEPS == 8, "the loop takes as many") };
        while a != end {
            two_steps!();
            two_steps!();
            two_steps!();
            two_steps!();
            if READS {
                seen |= *ahead.at;
                ahead = ahead.after(1);
            }
        }
        for k in 0..k % STEPS {
            step::<T, R>(a.add(4 * k), fifth.wrapping_add(k), b.add(16 * k), &mut acc);
        }
        std::hint::black_box(seen);
        for r in 0..R {
            for v in 0..2 {
                v128_store(c.add(r * c_stride + 4 * v).cast(), T::end(acc[r][v]));
            }
        }
    }
}

/// One row by the 32 columns of two neighbouring panels: eight independent sums keep the multipliers busy at one row.
///
/// # Safety
/// As [`run`], with 32 columns in `start` and C.
#[inline(never)]
unsafe fn one_by_two_panels<H: Held>(held: H, t: &Tile<H::Cell>) {
    // SAFETY: the caller's.
    unsafe {
        let start = |v: usize| v128_load(t.start.add(4 * v).cast());
        let (mut left, mut right) = ([0, 1, 2, 3].map(start), [4, 5, 6, 7].map(start));
        let (mut b0, mut b1) = (t.b, t.b.add(t.panel));
        let (held0, held1) = (held.in_panel(b0), held.in_panel(b1));
        let (mut a, end) = (t.a, t.a.add(t.k));
        while a != end {
            let x = v128_load32_splat(a.cast());
            add_row(x, held0.row(b0), &mut left);
            add_row(x, held1.row(b1), &mut right);
            a = a.add(1);
            (b0, b1) = (b0.add(16), b1.add(16));
        }
        for v in 0..4 {
            v128_store(t.c.add(4 * v).cast(), f32x4_add(left[v], f32x4_splat(0.0)));
            v128_store(t.c.add(16 + 4 * v).cast(), f32x4_add(right[v], f32x4_splat(0.0)));
        }
    }
}

/// R rows, one or two, by the 16 columns of a panel whose cells are widened on the way.
///
/// # Safety
/// As [`run`].
#[inline(never)]
unsafe fn few_by_panel<const R: usize, P: PanelRows>(held: P, t: &Tile<P::Cell>) {
    // SAFETY: the caller's.
    unsafe {
        let mut acc = [[f32x4_splat(0.0); 4]; R];
        for r in 0..R {
            acc[r] = [0, 1, 2, 3].map(|v| v128_load(t.start.add(r * t.start_stride + 4 * v).cast()));
        }
        let mut b = t.b;
        for k in 0..t.k {
            let row = held.row(b);
            for r in 0..R {
                add_row(v128_load32_splat(t.a.add(r * t.a_stride + k).cast()), row, &mut acc[r]);
            }
            b = b.add(16);
        }
        for r in 0..R {
            for v in 0..4 {
                let sum = f32x4_add(acc[r][v], f32x4_splat(0.0));
                v128_store(t.c.add(r * t.c_stride + 4 * v).cast(), sum);
            }
        }
    }
}

/// One or two rows by `panels` panels without room for widened cells.
///
/// # Safety
/// As [`run`], with `16 * panels` columns in `start` and C.
pub unsafe fn few_rows<H: Held>(held: H, t: Tile<H::Cell>, rows: usize, panels: usize) {
    let mut p = 0;
    while p < panels {
        let tile = t.right(16 * p, t.b.wrapping_add(p * t.panel));
        let together = if rows == 1 { H::TOGETHER.min(panels - p) } else { 1 };
        // SAFETY: the caller's.
        unsafe {
            held.bring(tile.b, t.k);
            match (rows, together) {
                (1, 2) => {
                    one_by_two_panels(held, &tile);
                    p += 1;
                }
                (1, _) => few_by_panel::<1, _>(held.in_panel(tile.b), &tile),
                _ => few_by_panel::<2, _>(held.in_panel(tile.b), &tile),
            }
        }
        p += 1;
    }
}

/// One or two rows by 16 or 4 columns of a B whose rows are `b_step` apart.
///
/// # Safety
/// As [`run`].
#[inline(never)]
pub unsafe fn tile_strided(t: &Tile, rows: usize, vectors: usize, b_step: usize) {
    // SAFETY: the caller's.
    unsafe {
        match (rows, vectors) {
            (2, 4) => run::<Products, 2, 4>(*t, b_step),
            (2, _) => run::<Products, 2, 1>(*t, b_step),
            (_, 4) => run::<Products, 1, 4>(*t, b_step),
            _ => run::<Products, 1, 1>(*t, b_step),
        }
    }
}

/// Every row of a panel, two at a time.
///
/// # Safety
/// As [`tile_2x4`] for `rows` rows.
pub unsafe fn panel<T: Terms>(t: Tile, rows: usize) {
    // SAFETY: the caller's.
    unsafe {
        let mut i = 0;
        while i + 2 <= rows {
            tile_2x4::<T>(&t.down(i));
            i += 2;
        }
        if i < rows {
            tile_1x4::<T>(&t.down(i));
        }
    }
}

/// As [`panel`], but only columns `from..to` of the 16 exist in C, which begins at column `from`; the `start` row has all 16
/// unless it is C itself (`continues`).
///
/// # Safety
/// As [`panel`], with C valid for `to - from` columns.
pub unsafe fn panel_part(t: Tile, rows: usize, from: usize, to: usize, continues: bool) {
    // SAFETY: the room holds two rows of 16; what is copied are C's own columns.
    unsafe {
        let mut room = [0f32; 32];
        let mut i = 0;
        while i < rows {
            let now = (rows - i).min(2);
            let mut tile = Tile { c: room.as_mut_ptr(), c_stride: 16, ..t.down(i) };
            if continues {
                for r in 0..now {
                    let sums = std::slice::from_raw_parts(t.down(i + r).c, to - from);
                    room[16 * r + from..16 * r + to].copy_from_slice(sums);
                }
                (tile.start, tile.start_stride) = (room.as_ptr(), 16);
            }
            panel::<Products>(tile, now);
            for r in 0..now {
                let out = std::slice::from_raw_parts_mut(t.down(i + r).c, to - from);
                out.copy_from_slice(&room[16 * r + from..16 * r + to]);
            }
            i += now;
        }
    }
}
