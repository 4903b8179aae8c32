//! Buffers under a budget: every float, index and mask of the core lives in one.

use crate::error::{Error, Result};
use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Cache lines: packed panels start on one, and a vector load never straddles two.
const ALIGN: usize = 64;

/// What 32-bit WASM memory can address, less a page.
const ADDRESS_SPACE: usize = 0xFFFF_0000;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static LIMIT: Cell<usize> = const { Cell::new(ADDRESS_SPACE) };
}

/// Bytes held by all live buffers.
pub fn live_bytes() -> usize {
    LIVE.get()
}

/// Sets the budget in bytes; buffers that exist already stay.
pub fn set_limit(bytes: usize) {
    LIMIT.set(bytes.min(ADDRESS_SPACE));
}

/// A fixed-length array of plain numbers, aligned to cache lines and counted against the budget.
pub struct Buf<E: Copy> {
    ptr: NonNull<E>,
    len: usize,
}

// SAFETY: a buffer owns its elements, which a shared reference only reads. It isn't `Send`: the thread that made it counts it.
unsafe impl<E: Copy + Sync> Sync for Buf<E> {}

impl<E: Copy> Buf<E> {
    fn allocate(len: usize, zeroed: bool) -> Result<Self> {
        let (live, limit) = (LIVE.get(), LIMIT.get());
        let bytes = len.saturating_mul(size_of::<E>());
        let refused = Error::Memory { wanted: bytes, live, limit };
        if live.checked_add(bytes).is_none_or(|total| total > limit) {
            return Err(refused);
        }
        if bytes == 0 {
            return Ok(Self { ptr: NonNull::dangling(), len });
        }
        let layout = Layout::from_size_align(bytes, ALIGN).map_err(|_| refused.clone())?;
        // SAFETY: the layout has a size above zero.
        let raw = unsafe { if zeroed { alloc_zeroed(layout) } else { alloc(layout) } };
        let ptr = NonNull::new(raw.cast::<E>()).ok_or(refused)?;
        LIVE.set(live + bytes);
        Ok(Self { ptr, len })
    }

    pub fn bytes(&self) -> usize {
        self.len * size_of::<E>()
    }

    /// `len` elements of all-zero bits.
    pub fn zeroed(len: usize) -> Result<Self> {
        Self::allocate(len, true)
    }

    /// `len` elements of whatever bits: for results that a kernel writes whole, where zeroing first would cost as much as much of
    /// the work.
    ///
    /// # Safety
    /// Every element must be written before it is read.
    pub unsafe fn unwritten(len: usize) -> Result<Self> {
        let buf = Self::allocate(len, false)?;
        // The crate's own tests see NaN wherever the promise is broken.
        #[cfg(debug_assertions)]
        if len > 0 {
            // SAFETY: `len` elements were allocated.
            unsafe { buf.ptr.as_ptr().write_bytes(0xFF, len) };
        }
        Ok(buf)
    }

    /// `len` copies of `value`.
    pub fn filled(len: usize, value: E) -> Result<Self> {
        let buf = Self::allocate(len, false)?;
        for i in 0..len {
            // SAFETY: i < len elements were allocated.
            unsafe { buf.ptr.add(i).write(value) };
        }
        Ok(buf)
    }

    pub fn copied(data: &[E]) -> Result<Self> {
        let buf = Self::allocate(data.len(), false)?;
        // SAFETY: both hold data.len() elements, and a fresh allocation overlaps nothing.
        unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), buf.ptr.as_ptr(), data.len()) };
        Ok(buf)
    }
}

impl<E: Copy> Drop for Buf<E> {
    fn drop(&mut self) {
        let bytes = self.bytes();
        if bytes > 0 {
            // SAFETY: allocated with this size and alignment in `allocate`.
            unsafe { dealloc(self.ptr.as_ptr().cast(), Layout::from_size_align_unchecked(bytes, ALIGN)) };
            LIVE.set(LIVE.get() - bytes);
        }
    }
}

impl<E: Copy> Deref for Buf<E> {
    type Target = [E];
    fn deref(&self) -> &[E] {
        // SAFETY: `len` elements are allocated, and initialised by every constructor or by the promise of `unwritten`.
        unsafe { std::slice::from_raw_parts(self.ptr.as_ptr(), self.len) }
    }
}

impl<E: Copy> DerefMut for Buf<E> {
    fn deref_mut(&mut self) -> &mut [E] {
        // SAFETY: as above, and `&mut self` is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.as_ptr(), self.len) }
    }
}
