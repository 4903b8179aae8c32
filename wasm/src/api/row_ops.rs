//! Rows of values, for runs that resume or go on from a cache.

use super::{Outcome, with};
use crate::heap::Handle;
use crate::ops::rows;
use wasm_bindgen::prelude::*;

/// Rows of a value, `[rows.len(), ..]`.
#[wasm_bindgen]
pub fn take_rows(x: Handle, indices: &[u32]) -> Outcome<Handle> {
    with(|engine| {
        let out = rows::take_rows(engine.tensor(x)?, indices)?;
        Ok(engine.constant(out))
    })
}

/// A copy of `x` with rows replaced by those of `values`.
#[wasm_bindgen]
pub fn with_rows(x: Handle, indices: &[u32], values: Handle) -> Outcome<Handle> {
    with(|engine| {
        let out = rows::with_rows(engine.tensor(x)?, indices, engine.tensor(values)?)?;
        Ok(engine.constant(out))
    })
}

/// The rows in which two values differ in some bit.
#[wasm_bindgen]
pub fn changed_rows(a: Handle, b: Handle) -> Outcome<Vec<u32>> {
    with(|engine| rows::changed_rows(engine.tensor(a)?, engine.tensor(b)?))
}

/// Writes `[batch * n, ..]` into a room `[batch, room, ..]` from position `at` on. Who shares the room's buffer keeps what was there.
#[wasm_bindgen]
pub fn write_positions(room: Handle, at: u32, values: Handle) -> Outcome<()> {
    with(|engine| {
        let values = engine.tensor(values)?.clone();
        rows::write_positions(&mut engine.values.get_mut(room)?.tensor, at as usize, &values)
    })
}

/// The first `used` positions of a room in one of `positions`.
#[wasm_bindgen]
pub fn moved_room(room: Handle, positions: u32, used: u32) -> Outcome<Handle> {
    with(|engine| {
        let out = rows::moved_room(engine.tensor(room)?, positions as usize, used as usize)?;
        Ok(engine.constant(out))
    })
}
