//! The operations of tensors, on handles. Enumerations cross as numbers in the order of their declaration.

use super::model_ops::activation;
use super::{Outcome, dims, with};
use crate::error::{Error, Result};
use crate::heap::Handle;
use crate::ops::binary::Binary;
use crate::ops::choose::Where;
use crate::ops::compare::{Compare, Logical};
use crate::ops::dtype::Cast;
use crate::ops::gather::{Gather, IndexSelect};
use crate::ops::index::{Index, IndexPut, Selector, nonzero as nonzero_of};
use crate::ops::matmul::MatMul;
use crate::ops::reduce::{Mean, Over, Quantifier, Sum};
use crate::ops::select;
use crate::ops::shape::{Cat, Expand, Permute, Reshape};
use crate::ops::softmax::{LogSoftmax, Softmax};
use crate::ops::unary::{Activate, Clamp, Unary, WithScalar};
use crate::tensor::Dtype;
use wasm_bindgen::prelude::*;

fn choose<K: Copy>(what: &str, kinds: &[K], code: u32) -> Result<K> {
    kinds.get(code as usize).copied().ok_or_else(|| Error::Shape(format!("{code} is not a {what} operation")))
}

#[wasm_bindgen]
pub fn binary(kind: u32, a: Handle, b: Handle) -> Outcome<Handle> {
    with(|engine| {
        let op = choose("binary", &[Binary::Add, Binary::Sub, Binary::Mul, Binary::Div, Binary::Pow], kind)?;
        engine.apply(op, &[a, b])
    })
}

#[wasm_bindgen]
pub fn with_scalar(kind: u32, a: Handle, scalar: f64) -> Outcome<Handle> {
    with(|engine| {
        let make = choose("scalar", &[WithScalar::Add, WithScalar::Mul, WithScalar::Div, WithScalar::Pow], kind)?;
        engine.apply(make(scalar), &[a])
    })
}

#[wasm_bindgen]
pub fn unary(kind: u32, a: Handle) -> Outcome<Handle> {
    with(|engine| {
        let op = choose("unary", &[Unary::Neg, Unary::Abs, Unary::Sqrt, Unary::Log], kind)?;
        engine.apply(op, &[a])
    })
}

#[wasm_bindgen]
pub fn activate(act: u32, a: Handle) -> Outcome<Handle> {
    with(|engine| engine.apply(Activate(activation(act)?), &[a]))
}

#[wasm_bindgen]
pub fn clamp(a: Handle, min: f64, max: f64) -> Outcome<Handle> {
    with(|engine| engine.apply(Clamp { min, max }, &[a]))
}

#[wasm_bindgen]
pub fn compare(kind: u32, a: Handle, b: Handle) -> Outcome<Handle> {
    with(|engine| {
        use Compare::{Eq, Ge, Gt, Le, Lt, Ne};
        let op = choose("compare", &[Eq, Ne, Gt, Ge, Lt, Le], kind)?;
        engine.apply(op, &[a, b])
    })
}

#[wasm_bindgen]
pub fn logical(kind: u32, a: Handle, b: Handle) -> Outcome<Handle> {
    with(|engine| {
        let op = choose("logical", &[Logical::And, Logical::Or], kind)?;
        engine.apply(op, &[a, b])
    })
}

#[wasm_bindgen]
pub fn logical_not(a: Handle) -> Outcome<Handle> {
    with(|engine| engine.apply(Logical::Not, &[a]))
}

#[wasm_bindgen]
pub fn select_where(condition: Handle, a: Handle, b: Handle) -> Outcome<Handle> {
    with(|engine| engine.apply(Where, &[condition, a, b]))
}

#[wasm_bindgen]
pub fn cast(a: Handle, dtype: u32) -> Outcome<Handle> {
    with(|engine| {
        let dtype = choose("cast", &[Dtype::Float, Dtype::Int, Dtype::Bool], dtype)?;
        engine.apply(Cast(dtype), &[a])
    })
}

#[wasm_bindgen]
pub fn sum(a: Handle, axes: &[u32], keepdim: bool) -> Outcome<Handle> {
    with(|engine| engine.apply(Sum(Over { axes: dims(axes), keepdim }), &[a]))
}

#[wasm_bindgen]
pub fn mean(a: Handle, axes: &[u32], keepdim: bool) -> Outcome<Handle> {
    with(|engine| engine.apply(Mean(Over { axes: dims(axes), keepdim }), &[a]))
}

#[wasm_bindgen]
pub fn any(a: Handle, axes: &[u32], keepdim: bool) -> Outcome<Handle> {
    with(|engine| engine.apply(Quantifier::Any(Over { axes: dims(axes), keepdim }), &[a]))
}

#[wasm_bindgen]
pub fn all(a: Handle, axes: &[u32], keepdim: bool) -> Outcome<Handle> {
    with(|engine| engine.apply(Quantifier::All(Over { axes: dims(axes), keepdim }), &[a]))
}

#[wasm_bindgen]
pub fn reshape(a: Handle, shape: &[u32]) -> Outcome<Handle> {
    with(|engine| engine.apply(Reshape(dims(shape)), &[a]))
}

#[wasm_bindgen]
pub fn permute(a: Handle, order: &[u32]) -> Outcome<Handle> {
    with(|engine| engine.apply(Permute(dims(order)), &[a]))
}

#[wasm_bindgen]
pub fn expand(a: Handle, shape: &[u32]) -> Outcome<Handle> {
    with(|engine| engine.apply(Expand(dims(shape)), &[a]))
}

#[wasm_bindgen]
pub fn cat(tensors: &[u32], axis: u32) -> Outcome<Handle> {
    with(|engine| engine.apply(Cat { axis: axis as usize }, tensors))
}

/// Reads selectors: per axis 0 (all), 1 start step count, 2 index, or 3 n indices…
fn selectors(codes: &[i32]) -> Result<Vec<Selector>> {
    let mut out = Vec::new();
    let mut codes = codes.iter().map(|&code| code as usize);
    let mut next = || codes.next();
    let cut_short = || Error::Index("an index was cut short".into());
    while let Some(kind) = next() {
        out.push(match kind {
            0 => Selector::All,
            1 => {
                let [start, step, count] = [next(), next(), next()].map(|code| code.ok_or_else(cut_short));
                Selector::Range { start: start?, step: step?, count: count? }
            }
            2 => Selector::At(next().ok_or_else(cut_short)?),
            _ => {
                let count = next().ok_or_else(cut_short)?;
                let list = (0..count).map(|_| next().map(|index| index as u32).ok_or_else(cut_short));
                Selector::List(list.collect::<Result<_>>()?)
            }
        });
    }
    Ok(out)
}

#[wasm_bindgen]
pub fn index(a: Handle, codes: &[i32]) -> Outcome<Handle> {
    with(|engine| engine.apply(Index(selectors(codes)?), &[a]))
}

/// Lets `target` hold its value with a region replaced. Without a recording the buffer is written in place, unless shared.
#[wasm_bindgen]
pub fn index_put(target: Handle, value: Handle, codes: &[i32]) -> Outcome<()> {
    with(|engine| {
        let op = IndexPut(selectors(codes)?);
        if engine.value(target)?.node.is_none() && engine.value(value)?.node.is_none() {
            let value = engine.tensor(value)?.clone();
            return op.put(&mut engine.values.get_mut(target)?.tensor, &value);
        }
        let out = engine.apply(op, &[target, value])?;
        let out = engine.value(out)?.clone();
        *engine.values.get_mut(target)? = out;
        Ok(())
    })
}

#[wasm_bindgen]
pub fn gather(a: Handle, dim: u32, index: Handle) -> Outcome<Handle> {
    with(|engine| engine.apply(Gather { dim: dim as usize }, &[a, index]))
}

#[wasm_bindgen]
pub fn index_select(a: Handle, dim: u32, index: Handle) -> Outcome<Handle> {
    with(|engine| engine.apply(IndexSelect { dim: dim as usize }, &[a, index]))
}

/// The indices of the non-zero cells: `[n, rank]`.
#[wasm_bindgen]
pub fn nonzero(a: Handle) -> Outcome<Handle> {
    with(|engine| {
        let out = nonzero_of(engine.tensor(a)?)?;
        Ok(engine.constant(out))
    })
}

/// The index of the extreme along `dim`, or in the flattened tensor when `dim` is negative.
#[wasm_bindgen]
pub fn arg_extreme(a: Handle, dim: i32, keepdim: bool, largest: bool) -> Outcome<Handle> {
    with(|engine| {
        let x = engine.tensor(a)?;
        let dim = usize::try_from(dim).ok();
        let out = if largest { select::argmax(x, dim, keepdim)? } else { select::argmin(x, dim, keepdim)? };
        Ok(engine.constant(out))
    })
}

#[wasm_bindgen]
pub fn topk_indices(a: Handle, k: u32, dim: u32, largest: bool) -> Outcome<Handle> {
    with(|engine| {
        let out = select::topk_indices(engine.tensor(a)?, k as usize, dim as usize, largest)?;
        Ok(engine.constant(out))
    })
}

#[wasm_bindgen]
pub fn sort_indices(a: Handle, dim: u32, descending: bool) -> Outcome<Handle> {
    with(|engine| {
        let out = select::sort_indices(engine.tensor(a)?, dim as usize, descending)?;
        Ok(engine.constant(out))
    })
}

#[wasm_bindgen]
pub fn matmul(a: Handle, b: Handle) -> Outcome<Handle> {
    with(|engine| engine.apply(MatMul, &[a, b]))
}

#[wasm_bindgen]
pub fn softmax(a: Handle, dim: u32) -> Outcome<Handle> {
    with(|engine| engine.apply(Softmax { dim: dim as usize }, &[a]))
}

#[wasm_bindgen]
pub fn log_softmax(a: Handle, dim: u32) -> Outcome<Handle> {
    with(|engine| engine.apply(LogSoftmax { dim: dim as usize }, &[a]))
}
