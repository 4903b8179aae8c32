//! Work in shares: what kernels and ops that take long do on every thread that the module has.
//!
//! A share is a range of units (rows, panels of columns, heads), never a part of a sum, so that each cell is computed by one
//! thread in its one order: the bits are those of a single range over all units, however many threads there are. In a module
//! without shared memory, and below [`GRAIN`], a single range is all there is.

#[cfg(any(target_feature = "atomics", not(target_arch = "wasm32")))]
pub mod pool;

use std::marker::PhantomData;
use std::ops::Range;

/// Multiply-adds below which a share isn't worth handing over: a few microseconds, ten times what handing over costs.
pub const GRAIN: usize = 1 << 17;

/// What an element costs in multiply-adds where it is read, worked on a little and written.
pub const ELEMENT: usize = 8;

/// What an element costs in multiply-adds where it goes through an exponential or its like.
pub const EXPONENTIAL: usize = 32;

/// What an element must be for several threads to read and write a slice of them.
pub trait Element: Copy + Send + Sync {}

impl<E: Copy + Send + Sync> Element for E {}

/// Calls `f` with ranges that cover `0..units`, each unit once, on several threads where that pays.
///
/// `cost` is what a unit costs in multiply-adds, roughly. `f` must write what it computes without reading what a call before
/// has written: a share whose thread died is done again.
pub fn ranges(units: usize, cost: usize, f: impl Fn(Range<usize>) + Sync) {
    run(units, cost, &f);
}

#[cfg(any(target_feature = "atomics", not(target_arch = "wasm32")))]
fn run(units: usize, cost: usize, f: &(impl Fn(Range<usize>) + Sync)) {
    pool::POOL.run(units, cost, f);
}

#[cfg(not(any(target_feature = "atomics", not(target_arch = "wasm32"))))]
fn run(units: usize, _: usize, f: &(impl Fn(Range<usize>) + Sync)) {
    if units > 0 {
        f(0..units);
    }
}

/// Calls `f(first row, rows)` for parts of `out` in whole rows of `width`, as [`ranges`]; a row costs `cost`.
pub fn rows<E: Send>(out: &mut [E], width: usize, cost: usize, f: impl Fn(usize, &mut [E]) + Sync) {
    let width = width.max(1);
    let cells = Cells::new(out);
    ranges(cells.len.div_ceil(width), cost, |rows| {
        let part = rows.start * width..(rows.end * width).min(cells.len);
        // SAFETY: no two ranges share a row.
        f(rows.start, unsafe { cells.slice(part) });
    });
}

/// Elements that several threads write at once, each to cells of its own.
pub struct Cells<'a, E> {
    start: *mut E,
    len: usize,
    borrowed: PhantomData<&'a mut [E]>,
}

// SAFETY: nothing is reached through a `Cells` but by `at` and `slice`, whose callers see to it that no cell has two users.
unsafe impl<E: Send> Sync for Cells<'_, E> {}

impl<'a, E> Cells<'a, E> {
    pub fn new(cells: &'a mut [E]) -> Self {
        Self { start: cells.as_mut_ptr(), len: cells.len(), borrowed: PhantomData }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The address of a cell. Whoever writes through it must be the only one to touch what it writes.
    pub fn at(&self, index: usize) -> *mut E {
        assert!(index <= self.len);
        self.start.wrapping_add(index)
    }

    /// A range of cells.
    ///
    /// # Safety
    /// Nobody else may touch these cells while the slice lives.
    #[allow(clippy::mut_from_ref, reason = "exclusive by the caller's promise")]
    pub unsafe fn slice(&self, range: Range<usize>) -> &'a mut [E] {
        assert!(range.start <= range.end && range.end <= self.len);
        // SAFETY: in bounds by the assertion, exclusive by the caller.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}
