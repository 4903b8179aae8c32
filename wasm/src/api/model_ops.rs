//! The operations of a transformer and of autoencoders, on handles. 0 is "none" for an optional operand.

use super::{Outcome, dims, with};
use crate::error::{Error, Result};
use crate::heap::Handle;
use crate::kernels::Activation;
use crate::ops::model::attention::{AttendMix, AttendScores, Attention, Geometry};
use crate::ops::model::codes::{Decode, JumpRelu, MergeError, TopKRelu};
use crate::ops::model::linear::{AttnOut, HeadResults, Linear, LinearAt, LinearHeads};
use crate::ops::model::norm::{Center, Norm, RmsScale};
use crate::ops::model::rotary::Rotary;
use crate::ops::unary::Activate;
use wasm_bindgen::prelude::*;

pub(super) fn activation(code: u32) -> Result<Activation> {
    use Activation::{Exp, Gelu, GeluNew, Identity, Relu, Sigmoid, Silu, Tanh};
    [Identity, Relu, GeluNew, Gelu, Silu, Tanh, Sigmoid, Exp]
        .into_iter()
        .find(|&act| act as u32 == code)
        .ok_or_else(|| Error::Shape(format!("{code} is not an activation")))
}

/// `act(x W + b)` over the trailing `in_axes` axes of `x`, replaced by `out_dims`.
#[wasm_bindgen]
pub fn linear(x: Handle, weight: u32, bias: Handle, in_axes: u32, out_dims: &[u32], act: u32) -> Outcome<Handle> {
    with(|engine| {
        let act = activation(act)?;
        // The activation's gradient needs its input, so a recorded pass keeps the two apart (the bits are the same).
        let recorded = engine.value(x)?.node.is_some();
        let fused = if recorded { Activation::Identity } else { act };
        let op = Linear {
            weight: engine.weight(weight)?,
            bias: engine.optional(bias)?,
            in_axes: in_axes as usize,
            out_dims: dims(out_dims),
            act: fused,
        };
        let out = engine.apply(op, &[x])?;
        if fused == act { Ok(out) } else { engine.apply(Activate(act), &[out]) }
    })
}

/// Single cells of `x W + b`, `[n]`: that of column `columns[i]` in row `rows[i]` of `x`.
#[wasm_bindgen]
pub fn linear_at(x: Handle, weight: u32, bias: Handle, rows: &[u32], columns: &[u32]) -> Outcome<Handle> {
    with(|engine| {
        let (weight, bias) = (engine.weight(weight)?, engine.optional(bias)?);
        engine.apply(LinearAt { weight, bias, rows: rows.to_vec(), columns: columns.to_vec() }, &[x])
    })
}

/// One input row per head: `[.., n_heads, d_in]` to `[.., n_heads, d_head]`, `shared_by` neighbouring heads for each of the weight's.
#[wasm_bindgen]
pub fn linear_heads(x: Handle, weight: u32, bias: Handle, n_heads: u32, shared_by: u32) -> Outcome<Handle> {
    with(|engine| {
        let (weight, bias) = (engine.weight(weight)?, engine.optional(bias)?);
        let op = LinearHeads { weight, bias, n_heads: n_heads as usize, shared_by: shared_by as usize };
        engine.apply(op, &[x])
    })
}

/// Turns pairs of each head's dimensions by the row's angles, whose cosines and sines are `[rows, pairs]`.
#[wasm_bindgen]
pub fn rotary(x: Handle, cos: Handle, sin: Handle, adjacent: bool) -> Outcome<Handle> {
    with(|engine| {
        let op = Rotary { cos: engine.tensor(cos)?.clone(), sin: engine.tensor(sin)?.clone(), adjacent };
        engine.apply(op, &[x])
    })
}

/// `Σ_h z W_O[h] + b_O`.
#[wasm_bindgen]
pub fn attn_out(z: Handle, weight: u32, bias: Handle, n_heads: u32) -> Outcome<Handle> {
    with(|engine| {
        let op = AttnOut { weight: engine.weight(weight)?, bias: engine.optional(bias)?, n_heads: n_heads as usize };
        engine.apply(op, &[z])
    })
}

/// What each head writes to the residual stream: `[.., n_heads, d_model]`.
#[wasm_bindgen]
pub fn head_results(z: Handle, weight: u32, n_heads: u32) -> Outcome<Handle> {
    with(|engine| {
        let op = HeadResults { weight: engine.weight(weight)?, n_heads: n_heads as usize };
        engine.apply(op, &[z])
    })
}

/// `x - mean(x)` over the last axis.
#[wasm_bindgen]
pub fn center(x: Handle) -> Outcome<Handle> {
    with(|engine| engine.apply(Center, &[x]))
}

/// `sqrt(mean(c²) + eps)` over the last axis, kept with length 1.
#[wasm_bindgen]
pub fn rms_scale(c: Handle, eps: f64) -> Outcome<Handle> {
    with(|engine| engine.apply(RmsScale { eps }, &[c]))
}

fn norm_op(engine: &super::Engine, eps: f64, center: bool, weight: Handle, bias: Handle) -> Result<Norm<f32>> {
    let affine = engine.optional(weight)?.zip(engine.optional(bias)?);
    Ok(Norm { eps, center, affine })
}

/// Layer norm (or RMS norm unless `center`), with weight and bias where they are given.
#[wasm_bindgen]
pub fn norm(x: Handle, eps: f64, center: bool, weight: Handle, bias: Handle) -> Outcome<Handle> {
    with(|engine| {
        let op = norm_op(engine, eps, center, weight, bias)?;
        engine.apply(op, &[x])
    })
}

/// The same with what lies inside: `[out, scale, normalized]`.
#[wasm_bindgen]
pub fn norm_parts(x: Handle, eps: f64, center: bool, weight: Handle, bias: Handle) -> Outcome<Vec<u32>> {
    with(|engine| {
        let op = norm_op(engine, eps, center, weight, bias)?;
        let x = engine.value(x)?.clone();
        let parts = op.parts(&x.tensor)?;
        let out = engine.tape.record(op, &[&x], parts.out);
        Ok(vec![engine.values.insert(out), engine.constant(parts.scale), engine.constant(parts.normalized)])
    })
}

/// The rows and keys of a run's attention; lives until [`free_geometry`]. `rows` holds (batch, key index) pairs, `key_mask` is
/// empty or one flag per (batch, key), `slopes` is empty or one number a head; a `window` or `soft_cap` of 0 is none.
#[wasm_bindgen]
#[allow(clippy::too_many_arguments, reason = "flat argument lists are what crosses the binding")]
pub fn geometry(
    rows: &[u32],
    key_mask: &[u8],
    batch: u32,
    n_keys: u32,
    n_heads: u32,
    n_key_heads: u32,
    d_head: u32,
    scale: f64,
    window: u32,
    soft_cap: f64,
    slopes: &[f64],
) -> Outcome<u32> {
    with(|engine| {
        let rows: Vec<(u32, u32)> = rows.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        if let Some(row) = rows.iter().find(|row| row.0 >= batch || row.1 >= n_keys) {
            return Err(Error::Index(format!("attention row {row:?} is outside batch {batch} or {n_keys} keys")));
        }
        let mask_len = batch as usize * n_keys as usize;
        if !key_mask.is_empty() && key_mask.len() != mask_len {
            return Err(Error::Shape(format!("a key mask of {} flags, expected {mask_len}", key_mask.len())));
        }
        if !n_heads.is_multiple_of(n_key_heads) || !(slopes.is_empty() || slopes.len() == n_heads as usize) {
            return Err(Error::Shape(format!(
                "attention of {n_heads} heads over {n_key_heads} of keys, with {} slopes",
                slopes.len()
            )));
        }
        Ok(engine.geometries.insert_owned(Geometry {
            rows: rows.into(),
            key_mask: key_mask.into(),
            batch: batch as usize,
            n_keys: n_keys as usize,
            n_heads: n_heads as usize,
            n_key_heads: n_key_heads as usize,
            d_head: d_head as usize,
            scale,
            window: if window == 0 { usize::MAX } else { window as usize },
            soft_cap,
            slopes: slopes.into(),
        }))
    })
}

#[wasm_bindgen]
pub fn free_geometry(geometry: u32) -> Outcome<()> {
    with(|engine| {
        engine.geometries.free(geometry);
        Ok(())
    })
}

/// `[rows, n_heads, n_keys]`, -inf where masked.
#[wasm_bindgen]
pub fn attend_scores(geometry: u32, q: Handle, k: Handle) -> Outcome<Handle> {
    with(|engine| {
        let at = engine.geometries.get(geometry)?.clone();
        engine.apply(AttendScores(at), &[q, k])
    })
}

/// The mix of values under a pattern: `[rows, n_heads, d_head]`.
#[wasm_bindgen]
pub fn attend_mix(geometry: u32, pattern: Handle, v: Handle) -> Outcome<Handle> {
    with(|engine| {
        let at = engine.geometries.get(geometry)?.clone();
        engine.apply(AttendMix(at), &[pattern, v])
    })
}

/// Scores, softmax and mix: `[rows, n_heads, d_head]`.
#[wasm_bindgen]
pub fn attention(geometry: u32, q: Handle, k: Handle, v: Handle) -> Outcome<Handle> {
    with(|engine| {
        let at = engine.geometries.get(geometry)?.clone();
        engine.apply(Attention(at), &[q, k, v])
    })
}

/// The same with what lies inside: `[z, scores, pattern]`.
#[wasm_bindgen]
pub fn attention_parts(geometry: u32, q: Handle, k: Handle, v: Handle) -> Outcome<Vec<u32>> {
    with(|engine| {
        let op = Attention(engine.geometries.get(geometry)?.clone());
        let [q, k, v] = [engine.value(q)?.clone(), engine.value(k)?.clone(), engine.value(v)?.clone()];
        let parts = op.parts(&[&q.tensor, &k.tensor, &v.tensor])?;
        let z = engine.tape.record(op, &[&q, &k, &v], parts.z);
        Ok(vec![engine.values.insert(z), engine.constant(parts.scores), engine.constant(parts.pattern)])
    })
}

/// `h` where it exceeds both its threshold and zero.
#[wasm_bindgen]
pub fn jumprelu(h: Handle, threshold: Handle) -> Outcome<Handle> {
    with(|engine| engine.apply(JumpRelu, &[h, threshold]))
}

/// The `k` largest of each row, then relu.
#[wasm_bindgen]
pub fn topk_relu(h: Handle, k: u32) -> Outcome<Handle> {
    with(|engine| engine.apply(TopKRelu { k: k as usize }, &[h]))
}

/// `codes W_dec + b_dec`.
#[wasm_bindgen]
pub fn decode(codes: Handle, weight: u32, bias: Handle) -> Outcome<Handle> {
    with(|engine| {
        let op = Decode { weight: engine.weight(weight)?, bias: engine.optional(bias)? };
        engine.apply(op, &[codes])
    })
}

/// `recons + error`, or `x` itself in the rows where neither differs from its clean value.
#[wasm_bindgen]
pub fn merge_error(
    x: Handle,
    clean_recons: Handle,
    clean_error: Handle,
    recons: Handle,
    error: Handle,
    row: u32,
) -> Outcome<Handle> {
    with(|engine| engine.apply(MergeError { row: row as usize }, &[x, clean_recons, clean_error, recons, error]))
}
