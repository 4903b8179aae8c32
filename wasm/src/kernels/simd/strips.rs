//! Rows of A in strips of five, four of them packed, so that one load gives what four rows multiply a row of B with.

use super::tile::{Ahead, STEPS, Terms, Tile, panel, tile_by_2};
use super::transpose::transpose4;
use crate::kernels::PANEL;
use core::arch::wasm32::*;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Rows of A that are packed at a time.
pub const ROWS: usize = 128;

/// Columns of A that a tile takes at a time: a strip of them (6 KB) and the part of a panel that it meets (24 KB) stay in the
/// first-level cache.
pub const DEPTH: usize = 384;

/// As [`DEPTH`], for few strips. The first half of a panel's columns waits for memory, the second finds it there; taking turns so
/// often, the one is computed while the cores' own reading ahead goes on for the other.
const DEPTH_OF_FEW: usize = 96;

/// Elements that are packed at a time, 384 KB: the more columns of A, the longer a panel is read from memory in one go, and going on
/// is what costs least there.
const ROOM: usize = 2 * ROWS * DEPTH;

/// Rows of a strip that are packed. A fifth is read as it comes.
const HIGH: usize = 4;

/// Columns of the tile.
const WIDE: usize = 8;

/// Strips from which on what comes next is read ahead: with fewer, it is wanted sooner than memory gives it.
const MANY: usize = 5;

/// The rows of each strip: five, but four where three or four would be left over. One or two that are left over stay out; three alone
/// are a strip, of which the last is taken twice.
fn strips(rows: usize) -> impl ExactSizeIterator<Item = Range<usize>> {
    let fours = match rows % 5 {
        4 => 1,
        3 => (rows / 4).clamp(1, 2),
        _ => 0,
    };
    let fives = rows.saturating_sub(4 * fours) / 5;
    (0..fives + fours).map(move |strip| {
        let (first, height) = if strip < fives { (5 * strip, 5) } else { (5 * fives + 4 * (strip - fives), 4) };
        first..(first + height).min(rows)
    })
}

/// A block of A: each strip is `[k][4]`. Nothing else lies with it: what is initialised would be copied with all of the room.
pub struct Strips(MaybeUninit<[f32; ROOM]>);

/// Where a tile begins in a block.
#[derive(Clone, Copy)]
pub struct Place {
    /// Columns of the block.
    pub depth: usize,
    /// The tile's first.
    pub column: usize,
}

impl Strips {
    pub fn new() -> Self {
        Self(MaybeUninit::uninit())
    }

    /// The columns that there is room for in a block of `rows`: a multiple of [`DEPTH`].
    pub fn room_for(rows: usize) -> usize {
        let room = ROOM / (HIGH * strips(rows).len().max(1));
        room - room % DEPTH
    }

    /// The rows, at most [`ROWS`], of a block of `depth` columns: none if there isn't room for a single strip of them.
    pub fn rows_for(depth: usize) -> usize {
        (ROOM / (HIGH * depth.max(1)) * HIGH).min(ROWS)
    }

    /// The columns that a tile of a block of `rows` takes at a time, at most [`DEPTH`].
    pub fn depth_for(rows: usize) -> usize {
        if strips(rows).len() < MANY { DEPTH_OF_FEW } else { DEPTH }
    }

    /// A strip from a place on.
    fn at(&self, strip: usize, Place { depth, column }: Place) -> *const f32 {
        self.0.as_ptr().cast::<f32>().wrapping_add((strip * depth + column) * HIGH)
    }

    /// Packs a block.
    ///
    /// # Safety
    /// `a` must be valid for `rows` ≤ [`ROWS`] rows `stride` apart, of as many columns as `depth`, for which there must be room.
    pub unsafe fn pack(&mut self, a: *const f32, stride: usize, rows: usize, depth: usize) {
        for (strip, place) in strips(rows).enumerate() {
            let row = |r: usize| a.wrapping_add((place.start + r).min(place.end - 1) * stride);
            let from = [row(0), row(1), row(2), row(3)];
            let out = self.at(strip, Place { depth, column: 0 }).cast_mut();
            // SAFETY: the caller's; the strips of a block are no larger than it.
            unsafe { pack_strip(from, depth, out) };
        }
    }

    /// All rows of a block, from a place on, by a panel: strips by strips, and those left over unpacked. `next(i, n)` is what the
    /// `i`th of `n` strips reads ahead of what comes next of the matrix.
    ///
    /// # Safety
    /// The tile must be valid for `rows` rows of A unpacked, which are those that were packed, as its columns are, and 16 columns of
    /// the panel.
    pub unsafe fn by_panel<'a, T: Terms>(
        &self,
        place: Place,
        t: Tile,
        rows: usize,
        next: impl Fn(usize, usize) -> &'a [u8],
    ) {
        let strips = strips(rows);
        let n = strips.len();
        let reads = 2 * (t.k / STEPS);
        let mut done = 0;
        for (strip, rows) in strips.enumerate() {
            let (a, t) = (self.at(strip, place), t.down(rows.start));
            let next = if n < MANY { &[] } else { next(strip, n) };
            // A byte for each of the steps of both tiles.
            let ahead = Ahead { at: next.as_ptr(), step: next.len() / reads.max(1) };
            // SAFETY: the caller's; the steps stay within `next`.
            unsafe {
                match (rows.len(), ahead.step) {
                    (3, _) => three_rows::<T>(a, t),
                    (4, 0) => strip_by_panel::<T, 4, false>(a, t, ahead),
                    (4, _) => strip_by_panel::<T, 4, true>(a, t, ahead),
                    (_, 0) => strip_by_panel::<T, 5, false>(a, t, ahead),
                    (_, _) => strip_by_panel::<T, 5, true>(a, t, ahead),
                }
            }
            done = rows.end;
        }
        // SAFETY: the caller's.
        unsafe { panel::<T>(t.down(done), rows - done) };
    }
}

/// `out[k * 4 + r] = from[r][k]`.
///
/// # Safety
/// Each row must be valid for `depth` elements, `out` for four times as many.
unsafe fn pack_strip(from: [*const f32; HIGH], depth: usize, out: *mut f32) {
    // SAFETY: the caller's.
    unsafe {
        let whole = depth - depth % 4;
        for k in (0..whole).step_by(4) {
            let block = from.map(|row| v128_load(row.add(k).cast()));
            for (i, column) in transpose4(block).into_iter().enumerate() {
                v128_store(out.add((k + i) * HIGH).cast(), column);
            }
        }
        for k in whole..depth {
            for (r, row) in from.iter().enumerate() {
                out.add(k * HIGH + r).write_unaligned(row.add(k).read_unaligned());
            }
        }
    }
}

/// A strip by a panel.
///
/// # Safety
/// `strip` must have `t.k` columns, the tile be valid for R rows of 16, the fifth of A unpacked, and `ahead` for a panel's steps if it
/// `READS` them.
#[inline(always)]
unsafe fn strip_by_panel<T: Terms, const R: usize, const READS: bool>(strip: *const f32, t: Tile, ahead: Ahead) {
    let fifth = t.down(HIGH).a;
    for half in [0, 1] {
        let (column, ahead) = (half * WIDE, ahead.after(half * (t.k / STEPS)));
        // SAFETY: the caller's.
        unsafe {
            let (b, start, c) = (t.b.add(column), t.start.add(column), t.c.add(column));
            tile_by_2::<T, R, READS>(strip, fifth, b, t.k, start, t.start_stride, c, t.c_stride, ahead);
        }
    }
}

/// A strip of which three rows exist in C, by a panel.
///
/// # Safety
/// As for [`strip_by_panel`], with C valid for three rows of 16.
unsafe fn three_rows<T: Terms>(strip: *const f32, t: Tile) {
    let mut room = [0f32; HIGH * PANEL];
    // SAFETY: the room holds four rows of 16; what is copied are C's own three.
    unsafe {
        let mut tile = Tile { c: room.as_mut_ptr(), c_stride: PANEL, ..t };
        if t.start_stride > 0 {
            for r in 0..3 {
                let sums = std::slice::from_raw_parts(t.start.add(r * t.start_stride), PANEL);
                room[r * PANEL..][..PANEL].copy_from_slice(sums);
            }
            (tile.start, tile.start_stride) = (room.as_ptr(), PANEL);
        }
        strip_by_panel::<T, 4, false>(strip, tile, Ahead::NOWHERE);
        for r in 0..3 {
            let out = std::slice::from_raw_parts_mut(t.c.add(r * t.c_stride), PANEL);
            out.copy_from_slice(&room[r * PANEL..][..PANEL]);
        }
    }
}
