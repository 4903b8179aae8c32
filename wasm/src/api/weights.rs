//! Packed weights: made of the right size, filled part by part, read back.

use super::{Outcome, thrown, with};
use crate::error::{Error, Result};
use crate::heap::Handle;
use crate::kernels::{Axis, Elements, Layout, Packed, Storage, gather_widened};
use crate::memory::Buf;
use crate::ops::model::lookup::{Lookup, TableRows};
use crate::tensor::{Tensor, size_of_shape};
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// Bytes held by packed weights.
#[wasm_bindgen]
pub fn packed_bytes() -> Outcome<f64> {
    with(|engine| Ok(engine.weights.values().map(|w| w.bytes()).sum::<usize>() as f64))
}

/// The formats in the order of their codes: float32, float16, bfloat16, int8.
const STORAGES: [Storage; 4] = [Storage::Full, Storage::Float16, Storage::Bfloat16, Storage::Int8];

/// A `[rows, cols]` matrix of zeros for products, which lives until [`free_weight`].
#[wasm_bindgen]
pub fn new_weight(rows: u32, cols: u32, storage: u32) -> Outcome<u32> {
    with(|engine| {
        let storage = *STORAGES
            .get(storage as usize)
            .ok_or_else(|| Error::Shape(format!("{storage} is not a format of weights")))?;
        let packed = Packed::zeroed(rows as usize, cols as usize, storage)?;
        Ok(engine.weights.insert_owned(Rc::new(packed)))
    })
}

/// Reads a layout: offset, then for each axis length, stride, rows and columns of a step.
fn layout(codes: &[u32]) -> Layout {
    let codes: Vec<usize> = codes.iter().map(|&code| code as usize).collect();
    let axes = codes.iter().skip(1).copied().collect::<Vec<_>>();
    let axes = axes.chunks_exact(4).map(|axis| Axis { len: axis[0], stride: axis[1], row: axis[2], col: axis[3] });
    Layout::new(codes.first().copied().unwrap_or(0), axes.collect())
}

fn fill(weight: u32, elements: Elements, start: u32, codes: &[u32]) -> Outcome<()> {
    with(|engine| {
        let packed = unshared(engine.weights.get_mut(weight)?)?;
        if packed.fill(&layout(codes), elements, start as usize) {
            return Ok(());
        }
        Err(Error::Shape(format!("a layout {codes:?} goes beyond a weight of [{}, {}]", packed.rows, packed.cols)))
    })
}

fn unshared(weight: &mut Rc<Packed<f32>>) -> Result<&mut Packed<f32>> {
    Rc::get_mut(weight).ok_or_else(|| Error::Shape("a weight in use can't be filled".into()))
}

/// Takes over what lies among a tensor's elements from `start` on.
#[wasm_bindgen]
pub fn fill_weight_singles(weight: u32, elements: &[f32], start: u32, layout: &[u32]) -> Outcome<()> {
    fill(weight, Elements::Float32(elements), start, layout)
}

/// The same for float16, or bfloat16.
#[wasm_bindgen]
pub fn fill_weight_halves(weight: u32, elements: &[u16], is_bfloat16: bool, start: u32, layout: &[u32]) -> Outcome<()> {
    let elements = if is_bfloat16 { Elements::Bfloat16(elements) } else { Elements::Float16(elements) };
    fill(weight, elements, start, layout)
}

/// The numbers of `len` elements of float16, or bfloat16, in the order that a layout's columns are.
#[wasm_bindgen]
pub fn widened_halves(elements: &[u16], is_bfloat16: bool, codes: &[u32], len: u32) -> Outcome<Vec<f32>> {
    gather_widened(elements, is_bfloat16, &layout(codes), len as usize)
        .ok_or_else(|| thrown(Error::Shape(format!("a layout {codes:?} goes beyond {len} elements"))))
}

/// Ends the filling; of a matrix that is to be held in eight bits `as_int8`.
#[wasm_bindgen]
pub fn seal_weight(weight: u32, as_int8: bool) -> Outcome<()> {
    with(|engine| {
        let packed = unshared(engine.weights.get_mut(weight)?)?;
        if as_int8 { packed.seal_int8() } else { packed.seal() }
    })
}

#[wasm_bindgen]
pub fn free_weight(weight: u32) -> Outcome<()> {
    with(|engine| {
        engine.weights.free(weight);
        Ok(())
    })
}

/// A packed weight as a `[rows, cols]` tensor.
#[wasm_bindgen]
pub fn unpack(weight: u32) -> Outcome<Handle> {
    with(|engine| {
        let packed = engine.weight(weight)?;
        let shape = vec![packed.rows, packed.cols];
        let mut out = Buf::zeroed(size_of_shape(&shape))?;
        for (k, out) in out.chunks_exact_mut(packed.cols.max(1)).enumerate() {
            packed.read_row(k, out);
        }
        Ok(engine.constant(Tensor::float(shape, out)))
    })
}

/// Rows of a packed weight, or of its transpose: `[indices.len(), ..]`.
#[wasm_bindgen]
pub fn lookup(weight: u32, indices: Handle, by_column: bool) -> Outcome<Handle> {
    with(|engine| {
        let of = if by_column { TableRows::Columns } else { TableRows::Rows };
        let op = Lookup { weight: engine.weight(weight)?, of };
        engine.apply(op, &[indices])
    })
}

/// Stretches of the one row of a packed weight: `[indices.len(), width]`.
#[wasm_bindgen]
pub fn lookup_stretches(weight: u32, indices: Handle, width: u32) -> Outcome<Handle> {
    with(|engine| {
        let op = Lookup { weight: engine.weight(weight)?, of: TableRows::Stretches(width as usize) };
        engine.apply(op, &[indices])
    })
}
