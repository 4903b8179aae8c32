//! Recording and the walk back.

use super::{Outcome, with};
use crate::error::Error;
use crate::heap::Handle;
use crate::ops::model::sparse::Decoded;
use crate::tape::Value;
use crate::tensor::{Data, Source, Tensor};
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// The value's place on the tape, 0 when it isn't recorded.
#[wasm_bindgen]
pub fn node_of(handle: Handle) -> Outcome<u32> {
    with(|engine| Ok(engine.value(handle)?.node.filter(|&node| engine.tape.contains(node)).unwrap_or(0)))
}

/// Gives a value that was copied in its place on the tape back.
#[wasm_bindgen]
pub fn attach(handle: Handle, node: u32) -> Outcome<()> {
    with(|engine| {
        let node = Some(node).filter(|&node| engine.tape.contains(node));
        engine.values.get_mut(handle)?.node = node;
        Ok(())
    })
}

/// The same value without its place on the tape.
#[wasm_bindgen]
pub fn detach(handle: Handle) -> Outcome<Handle> {
    with(|engine| {
        let tensor = engine.tensor(handle)?.clone();
        Ok(engine.values.insert(Value::constant(tensor)))
    })
}

#[wasm_bindgen]
pub fn is_recorded(node: u32) -> Outcome<bool> {
    with(|engine| Ok(engine.tape.contains(node)))
}

/// The value as a stop of later walks; a leaf when nothing before it is recorded.
#[wasm_bindgen]
pub fn watch(handle: Handle) -> Outcome<Handle> {
    with(|engine| {
        let value = engine.tape.watch(engine.values.get(handle)?);
        Ok(engine.values.insert(value))
    })
}

/// Opens a run and returns its group.
#[wasm_bindgen]
pub fn begin_run() -> Outcome<u32> {
    with(|engine| Ok(engine.tape.begin_run()))
}

#[wasm_bindgen]
pub fn end_run() -> Outcome<()> {
    with(|engine| {
        engine.tape.end_run();
        Ok(())
    })
}

#[wasm_bindgen]
pub fn is_pending(group: u32) -> Outcome<bool> {
    with(|engine| Ok(engine.tape.is_pending(group)))
}

/// The group that a node belongs to, 0 when the node is gone.
#[wasm_bindgen]
pub fn group_of(node: u32) -> Outcome<u32> {
    with(|engine| Ok(engine.tape.group_of(node).unwrap_or(0)))
}

/// Forgets what the group recorded.
#[wasm_bindgen]
pub fn release_group(group: u32) -> Outcome<()> {
    with(|engine| {
        engine.tape.release(group);
        Ok(())
    })
}

#[wasm_bindgen]
pub fn pause_recording() -> Outcome<()> {
    with(|engine| {
        engine.tape.pause();
        Ok(())
    })
}

#[wasm_bindgen]
pub fn resume_recording() -> Outcome<()> {
    with(|engine| {
        engine.tape.resume();
        Ok(())
    })
}

#[wasm_bindgen]
pub fn tape_bytes() -> Outcome<f64> {
    with(|engine| Ok(engine.tape.bytes() as f64))
}

/// Starts a walk back from `node` with the gradient `seed`.
#[wasm_bindgen]
pub fn begin_backward(node: u32, seed: Handle) -> Outcome<()> {
    with(|engine| {
        let seed = engine.tensor(seed)?.clone();
        engine.tape.begin_backward(node, seed)
    })
}

/// The next stop as `[node, gradient handle]`; empty when the walk is over.
#[wasm_bindgen]
pub fn next_stop() -> Outcome<Vec<u32>> {
    with(|engine| {
        Ok(match engine.tape.next_stop()? {
            Some((node, gradient)) => vec![node, engine.constant(gradient)],
            None => Vec::new(),
        })
    })
}

/// Replaces the gradient that goes on from the current stop.
#[wasm_bindgen]
pub fn replace_gradient(gradient: Handle) -> Outcome<()> {
    with(|engine| {
        let gradient = engine.tensor(gradient)?.clone();
        engine.tape.replace_gradient(gradient)
    })
}

#[wasm_bindgen]
pub fn abandon_backward() -> Outcome<()> {
    with(|engine| {
        engine.tape.abandon_backward();
        Ok(())
    })
}

// --- gradients of codes that nobody has written out ---

/// Whether a value's elements haven't been computed.
#[wasm_bindgen]
pub fn is_deferred(handle: Handle) -> Outcome<bool> {
    with(|engine| Ok(matches!(engine.tensor(handle)?.data, Data::Deferred(_))))
}

/// What a gradient of codes comes from, `dy` and the decoder's weight, as `[dy, weight]`; empty for any other value, and where the
/// weight is gone.
#[wasm_bindgen]
pub fn decoded_parts(handle: Handle) -> Outcome<Vec<u32>> {
    with(|engine| {
        let Some(decoded) = engine.tensor(handle)?.source::<Decoded<f32>>() else { return Ok(Vec::new()) };
        let (dy, weight) = (decoded.dy.clone(), engine.weights.find(|held| Rc::ptr_eq(held, &decoded.weight)));
        Ok(match weight {
            Some(weight) => vec![engine.constant(dy), weight],
            None => Vec::new(),
        })
    })
}

/// `dy Wᵀ`: `[rows, w.rows]`.
#[wasm_bindgen]
pub fn times_transpose(dy: Handle, weight: u32) -> Outcome<Handle> {
    with(|engine| {
        let decoded = Decoded { dy: engine.tensor(dy)?.clone(), weight: engine.weight(weight)? };
        let shape = vec![decoded.dy.rows(), decoded.weight.rows];
        let out = Tensor::float(shape, decoded.compute()?);
        Ok(engine.constant(out))
    })
}

/// Cells of the same: of row `i` the columns `columns[starts[i]..starts[i + 1]]`, all in one list.
#[wasm_bindgen]
pub fn times_transpose_at(dy: Handle, weight: u32, starts: &[u32], columns: &[u32]) -> Outcome<Handle> {
    with(|engine| {
        let decoded = Decoded { dy: engine.tensor(dy)?.clone(), weight: engine.weight(weight)? };
        let ascends = starts.is_sorted() && starts.last().is_some_and(|&end| end as usize == columns.len());
        if starts.len() != decoded.dy.rows() + 1 || !ascends || decoded.dy.last_dim() != decoded.weight.cols {
            return Err(Error::Shape(format!("places in {} rows for {:?}", starts.len(), decoded.dy.shape)));
        }
        if let Some(column) = columns.iter().find(|&&column| column as usize >= decoded.weight.rows) {
            return Err(Error::Index(format!("column {column} is outside {} features", decoded.weight.rows)));
        }
        let out = Tensor::float(vec![columns.len()], decoded.at(starts, columns)?);
        Ok(engine.constant(out))
    })
}
