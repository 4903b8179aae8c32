//! The steps of weight processing, on parts of weights that come from outside and go back there.

use super::{Outcome, thrown};
use crate::error::Error;
use crate::kernels::folding;
use wasm_bindgen::prelude::*;

fn require(holds: bool, what: &str) -> Outcome<()> {
    if holds { Ok(()) } else { Err(thrown(Error::Shape(what.into()))) }
}

/// Takes the mean from each row of `columns`.
#[wasm_bindgen]
pub fn center_rows(rows: &mut [f32], columns: u32) -> Outcome<()> {
    let columns = columns as usize;
    require(columns > 0 && rows.len().is_multiple_of(columns), "rows to be centred aren't whole")?;
    folding::center_rows(rows, columns);
    Ok(())
}

/// Adds vector times matrix `[x.len(), columns]` to biases `[.., columns]`, one for each matrix.
#[wasm_bindgen]
pub fn add_product(bias: &mut [f32], x: &[f32], matrices: &[f32], columns: u32) -> Outcome<()> {
    let columns = columns as usize;
    let fits = columns > 0 && bias.len().is_multiple_of(columns) && matrices.len() == bias.len() * x.len();
    require(fits, "a vector, matrices and biases don't fit each other")?;
    folding::add_product(bias, x, matrices, columns);
    Ok(())
}

/// Multiplies the rows of matrices `[.., w.len(), columns]` by `w`, and takes the mean from their columns if it `centers`.
#[wasm_bindgen]
pub fn scale_rows(matrices: &mut [f32], w: &[f32], columns: u32, centers: bool) -> Outcome<()> {
    let columns = columns as usize;
    let size = w.len() * columns;
    require(
        size > 0 && matrices.len().is_multiple_of(size),
        "rows to be scaled and their factors don't fit each other",
    )?;
    folding::scale_rows(matrices, w, columns, centers);
    Ok(())
}
