//! Values and scopes.

use super::{Outcome, dims, with};
use crate::heap::Handle;
use crate::memory::{self, Buf};
use crate::ops::model::sparse::Sparse;
use crate::tape::Value;
use crate::tensor::{Data, Dtype, Tensor};
use wasm_bindgen::prelude::*;

// --- memory ---

/// Bytes held by values, weights and the tape.
#[wasm_bindgen]
pub fn live_bytes() -> f64 {
    memory::live_bytes() as f64
}

/// Sets the budget for [`live_bytes`].
#[wasm_bindgen]
pub fn set_memory_limit(bytes: f64) {
    memory::set_limit(bytes.min(usize::MAX as f64) as usize);
}

/// Where a value's buffer is, which tells it from those that others have.
#[wasm_bindgen]
pub fn buffer_address(handle: Handle) -> Outcome<u32> {
    with(|engine| Ok(engine.tensor(handle)?.buffer().0 as u32))
}

/// The bytes of a value's buffer.
#[wasm_bindgen]
pub fn buffer_size(handle: Handle) -> Outcome<u32> {
    with(|engine| Ok(engine.tensor(handle)?.buffer().1 as u32))
}

/// The number of live values, for tests that look for leaks.
#[wasm_bindgen]
pub fn value_count() -> Outcome<u32> {
    with(|engine| Ok(engine.values.len() as u32))
}

// --- scopes ---

#[wasm_bindgen]
pub fn begin_scope() -> Outcome<u32> {
    with(|engine| Ok(engine.values.begin_scope() as u32))
}

#[wasm_bindgen]
pub fn end_scope(depth: u32, keep: &[u32]) -> Outcome<()> {
    with(|engine| {
        engine.values.end_scope(depth as usize, keep);
        Ok(())
    })
}

// --- values ---

/// A new tensor of zeros; dtype 0 float, 1 int, 2 bool. The caller fills it through [`data_pointer`].
#[wasm_bindgen]
pub fn allocate(shape: &[u32], dtype: u32) -> Outcome<Handle> {
    with(|engine| {
        let shape = dims(shape);
        let len = shape.iter().try_fold(1usize, |total, &n| total.checked_mul(n)).unwrap_or(usize::MAX);
        let tensor = match dtype {
            0 => Tensor::float(shape, Buf::zeroed(len)?),
            1 => Tensor::int(shape, Buf::zeroed(len)?),
            _ => Tensor::bool(shape, Buf::zeroed(len)?),
        };
        Ok(engine.constant(tensor))
    })
}

/// The address of a tensor's elements, valid until the next call into the module.
#[wasm_bindgen]
pub fn data_pointer(handle: Handle) -> Outcome<u32> {
    with(|engine| {
        let tensor = engine.tensor(handle)?;
        Ok(match &tensor.data {
            Data::Float(_) | Data::Deferred(_) => tensor.floats()?.as_ptr() as u32,
            Data::Int(b) => b.as_ptr() as u32,
            Data::Bool(b) => b.as_ptr() as u32,
        })
    })
}

/// The cells of a value that aren't zero, where those are all that is held and they are few: place and bits in turn.
#[wasm_bindgen]
pub fn sparse_cells(handle: Handle) -> Outcome<Option<Vec<u32>>> {
    with(|engine| {
        let tensor = engine.tensor(handle)?;
        let is_few = |sparse: &&Sparse<f32>| 4 * sparse.values.len() <= tensor.len();
        let Some(sparse) = tensor.source::<Sparse<f32>>().filter(is_few) else { return Ok(None) };
        // Without the room for them, all cells are read.
        let mut cells = Vec::new();
        if cells.try_reserve_exact(2 * sparse.values.len()).is_err() {
            return Ok(None);
        }
        for i in 0..sparse.rows().count() {
            for e in sparse.rows().row(i) {
                cells.extend([(i * sparse.width) as u32 + sparse.columns[e], sparse.values[e].to_bits()]);
            }
        }
        Ok(Some(cells))
    })
}

#[wasm_bindgen]
pub fn shape_of(handle: Handle) -> Outcome<Vec<u32>> {
    with(|engine| Ok(engine.tensor(handle)?.shape.iter().map(|&n| n as u32).collect()))
}

#[wasm_bindgen]
pub fn dtype_of(handle: Handle) -> Outcome<u32> {
    with(|engine| {
        Ok(match engine.tensor(handle)?.dtype() {
            Dtype::Float => 0,
            Dtype::Int => 1,
            Dtype::Bool => 2,
        })
    })
}

#[wasm_bindgen]
pub fn free(handle: Handle) -> Outcome<()> {
    with(|engine| {
        engine.values.free(handle);
        Ok(())
    })
}

/// A second handle to the same value, owned by the caller (no scope frees it). It isn't recorded.
#[wasm_bindgen]
pub fn own(handle: Handle) -> Outcome<Handle> {
    with(|engine| {
        let tensor = engine.tensor(handle)?.clone();
        Ok(engine.values.insert_owned(Value::constant(tensor)))
    })
}

/// A second handle to the same value in the innermost scope: later edits of one don't reach the other.
#[wasm_bindgen]
pub fn share(handle: Handle) -> Outcome<Handle> {
    with(|engine| {
        let value = engine.value(handle)?.clone();
        Ok(engine.values.insert(value))
    })
}

/// Lets `target` hold `source`'s value from now on: an edit in place, as the tape sees it.
#[wasm_bindgen]
pub fn assign(target: Handle, source: Handle) -> Outcome<()> {
    with(|engine| {
        let value = engine.value(source)?.clone();
        *engine.values.get_mut(target)? = value;
        Ok(())
    })
}

/// Whether two handles share one buffer.
#[wasm_bindgen]
pub fn same_buffer(a: Handle, b: Handle) -> Outcome<bool> {
    with(|engine| Ok(engine.tensor(a)?.same_buffer(engine.tensor(b)?)))
}
