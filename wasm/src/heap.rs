//! Handles: what crosses to TypeScript instead of tensors.
//!
//! A handle names a slot and the slot's generation, so that one used after its value was freed is an error, never a wild read.
//! Scopes nest: what is created inside one is freed when it ends, unless it is kept.

use crate::error::{Error, Result};

/// Slot in the low bits, generation in the high ones. 0 is never a handle.
pub type Handle = u32;

const SLOT_BITS: u32 = 20;
const SLOT_MASK: u32 = (1 << SLOT_BITS) - 1;

struct Slot<V> {
    generation: u32,
    value: Option<V>,
}

pub struct Heap<V> {
    slots: Vec<Slot<V>>,
    free: Vec<u32>,
    scopes: Vec<Vec<Handle>>,
}

impl<V> Default for Heap<V> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), scopes: Vec::new() }
    }
}

impl<V> Heap<V> {
    /// Stores a value outside every scope: it lives until [`Heap::free`].
    pub fn insert_owned(&mut self, value: V) -> Handle {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 1, value: None });
            (self.slots.len() - 1) as u32
        });
        let entry = &mut self.slots[slot as usize];
        entry.value = Some(value);
        (entry.generation << SLOT_BITS) | slot
    }

    /// Stores a value in the innermost scope.
    pub fn insert(&mut self, value: V) -> Handle {
        let handle = self.insert_owned(value);
        if let Some(scope) = self.scopes.last_mut() {
            scope.push(handle);
        }
        handle
    }

    fn slot(&self, handle: Handle) -> Result<&Slot<V>> {
        self.slots
            .get((handle & SLOT_MASK) as usize)
            .filter(|slot| slot.generation == handle >> SLOT_BITS)
            .ok_or(Error::StaleHandle)
    }

    pub fn get(&self, handle: Handle) -> Result<&V> {
        self.slot(handle)?.value.as_ref().ok_or(Error::StaleHandle)
    }

    pub fn get_mut(&mut self, handle: Handle) -> Result<&mut V> {
        self.slot(handle)?;
        self.slots[(handle & SLOT_MASK) as usize].value.as_mut().ok_or(Error::StaleHandle)
    }

    /// Frees a handle; one that is stale already is left alone.
    pub fn free(&mut self, handle: Handle) {
        if self.get(handle).is_ok() {
            let slot = handle & SLOT_MASK;
            let entry = &mut self.slots[slot as usize];
            entry.value = None;
            entry.generation = (entry.generation + 1) & (u32::MAX >> SLOT_BITS);
            if entry.generation == 0 {
                entry.generation = 1;
            }
            self.free.push(slot);
        }
    }

    /// Opens a scope and returns its depth, which [`Heap::end_scope`] takes back.
    pub fn begin_scope(&mut self) -> usize {
        self.scopes.push(Vec::new());
        self.scopes.len() - 1
    }

    /// Ends the scope at `depth` and any left open inside it, freeing what they hold except `keep`, which passes to
    /// the scope outside.
    pub fn end_scope(&mut self, depth: usize, keep: &[Handle]) {
        while self.scopes.len() > depth {
            for handle in self.scopes.pop().unwrap_or_default() {
                if keep.contains(&handle) {
                    if depth > 0 {
                        self.scopes[depth - 1].push(handle);
                    }
                } else {
                    self.free(handle);
                }
            }
        }
    }

    /// The handle of the first value that is meant.
    pub fn find(&self, is_meant: impl Fn(&V) -> bool) -> Option<Handle> {
        let at = self.slots.iter().position(|slot| slot.value.as_ref().is_some_and(&is_meant))?;
        Some(self.slots[at].generation << SLOT_BITS | at as u32)
    }

    /// All live values.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.slots.iter().filter_map(|slot| slot.value.as_ref())
    }

    /// The number of live values.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
