//! An autoencoder's encoder, with or without a screen.

use super::{Outcome, with};
use crate::heap::Handle;
use crate::kernels::Kernels;
use crate::kernels::screen::Screen;
use crate::ops::model::encode::Encode;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// Quantises an encoder, for [`encode`]; lives until [`free_screen`]. 0 when it can't be screened, or this engine can't screen.
#[wasm_bindgen]
pub fn new_screen(weight: u32, bias: Handle, thresholds: Handle) -> Outcome<u32> {
    with(|engine| {
        if !f32::can_screen() {
            return Ok(0);
        }
        let (weight, bias) = (engine.weight(weight)?, engine.tensor(bias)?.clone());
        let thresholds = engine.optional(thresholds)?;
        let thresholds = thresholds.as_ref().map(|thresholds| thresholds.floats()).transpose()?;
        let screen = Screen::new(&weight, Some(bias.floats()?), thresholds)?;
        Ok(screen.map_or(0, |screen| engine.screens.insert_owned(Rc::new(screen))))
    })
}

#[wasm_bindgen]
pub fn free_screen(screen: u32) -> Outcome<()> {
    with(|engine| {
        engine.screens.free(screen);
        Ok(())
    })
}

/// Bytes held by screens.
#[wasm_bindgen]
pub fn screen_bytes() -> Outcome<f64> {
    with(|engine| Ok(engine.screens.values().map(|screen| screen.bytes()).sum::<usize>() as f64))
}

/// `relu(x W + b)`, zero also where it doesn't exceed a threshold; screened unless `screen` is 0.
#[wasm_bindgen]
pub fn encode(x: Handle, weight: u32, bias: Handle, thresholds: Handle, screen: u32) -> Outcome<Handle> {
    with(|engine| {
        let op = Encode {
            weight: engine.weight(weight)?,
            bias: engine.tensor(bias)?.clone(),
            thresholds: engine.optional(thresholds)?,
            screen: if screen == 0 { None } else { Some(engine.screens.get(screen)?.clone()) },
        };
        engine.apply(op, &[x])
    })
}
