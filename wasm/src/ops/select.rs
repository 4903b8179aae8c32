//! Where the largest, the smallest and the next ones are: indices, from which `Gather` reads the values.
//!
//! One order serves all: NaN lies above every number (below, where the minimum is looked for), and of equal values the
//! one with the lower index comes first.

use crate::error::Result;
use crate::memory::Buf;
use crate::ops::axis::{Lanes, without_axes};
use crate::real::Real;
use crate::shape_error;
use crate::tensor::{Data, Shape, Tensor};
use std::cmp::Ordering;

/// `nan` says where NaN lies, seen from a number.
fn order_floats<T: Real>(a: T, b: T, nan: Ordering) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| match nan {
        Ordering::Less => b.is_nan().cmp(&a.is_nan()),
        _ => a.is_nan().cmp(&b.is_nan()),
    })
}

/// A list of `wanted` indices per lane, chosen by `pick` from a comparison of two entries of the lane; laid out along
/// the lanes' axis.
fn pick_lanes<T: Real>(
    x: &Tensor<T>,
    lanes: Lanes,
    wanted: usize,
    nan: Ordering,
    pick: impl Fn(&dyn Fn(u32, u32) -> Ordering, &mut Vec<u32>),
) -> Result<Buf<i32>> {
    let settled = x.settled()?;
    let mut out = Buf::zeroed(lanes.outer * wanted * lanes.inner)?;
    let mut chosen = Vec::new();
    for (lane, start) in lanes.starts().enumerate() {
        let at = |i: u32| start + i as usize * lanes.inner;
        chosen.clear();
        chosen.extend(0..lanes.len as u32);
        match &settled.data {
            Data::Float(v) => pick(&|i, j| order_floats(v[at(i)], v[at(j)], nan), &mut chosen),
            Data::Int(v) => pick(&|i, j| v[at(i)].cmp(&v[at(j)]), &mut chosen),
            Data::Bool(v) => pick(&|i, j| v[at(i)].cmp(&v[at(j)]), &mut chosen),
            Data::Deferred(_) => unreachable!("a settled tensor's elements are there"),
        }
        let first = lane / lanes.inner * wanted * lanes.inner + lane % lanes.inner;
        for (rank, &index) in chosen.iter().enumerate() {
            out[first + rank * lanes.inner] = index as i32;
        }
    }
    Ok(out)
}

/// The extreme entry of each lane along `dim`, or of the whole tensor.
fn extreme<T: Real>(what: &str, x: &Tensor<T>, dim: Option<usize>, keepdim: bool, wins: Ordering) -> Result<Tensor<T>> {
    let (lanes, shape) = match dim {
        Some(axis) => (Lanes::along(what, &x.shape, axis)?, without_axes(&x.shape, &[axis], keepdim)),
        None => (Lanes { outer: 1, len: x.len(), inner: 1 }, if keepdim { vec![1; x.rank()] } else { Shape::new() }),
    };
    if lanes.len == 0 {
        return shape_error!("Cannot apply {what} to {:?}: there is nothing to choose from", x.shape);
    }
    let best = |order: &dyn Fn(u32, u32) -> Ordering, entries: &mut Vec<u32>| {
        let best = (1..entries.len() as u32).fold(0, |best, i| if order(i, best) == wins { i } else { best });
        entries.clear();
        entries.push(best);
    };
    Ok(Tensor::int(shape, pick_lanes(x, lanes, 1, wins, best)?))
}

/// The index of the largest entry along `dim`, or in the flattened tensor.
pub fn argmax<T: Real>(x: &Tensor<T>, dim: Option<usize>, keepdim: bool) -> Result<Tensor<T>> {
    extreme("argmax", x, dim, keepdim, Ordering::Greater)
}

/// The index of the smallest entry along `dim`, or in the flattened tensor. NaN counts as the smallest, as in torch.
pub fn argmin<T: Real>(x: &Tensor<T>, dim: Option<usize>, keepdim: bool) -> Result<Tensor<T>> {
    extreme("argmin", x, dim, keepdim, Ordering::Less)
}

/// Sorts the entries by rank, the best first; equal ones by index.
fn rank<'a>(order: &'a dyn Fn(u32, u32) -> Ordering, largest: bool) -> impl Fn(&u32, &u32) -> Ordering + 'a {
    move |&i, &j| if largest { order(j, i) } else { order(i, j) }.then(i.cmp(&j))
}

/// The indices of the `k` largest (or smallest) entries along `dim`, the best first.
pub fn topk_indices<T: Real>(x: &Tensor<T>, k: usize, dim: usize, largest: bool) -> Result<Tensor<T>> {
    let lanes = Lanes::along("topk", &x.shape, dim)?;
    if k > lanes.len {
        return shape_error!("Cannot take the top {k} of {:?} along axis {dim}: its length is {}", x.shape, lanes.len);
    }
    let best = |order: &dyn Fn(u32, u32) -> Ordering, entries: &mut Vec<u32>| {
        if k < entries.len() {
            entries.select_nth_unstable_by(k, rank(order, largest));
            entries.truncate(k);
        }
        entries.sort_unstable_by(rank(order, largest));
    };
    let mut shape = x.shape.clone();
    shape[dim] = k;
    Ok(Tensor::int(shape, pick_lanes(x, lanes, k, Ordering::Greater, best)?))
}

/// The indices that sort the entries along `dim`; equal ones keep their order, descending too.
pub fn sort_indices<T: Real>(x: &Tensor<T>, dim: usize, descending: bool) -> Result<Tensor<T>> {
    let lanes = Lanes::along("sort", &x.shape, dim)?;
    let sorted = |order: &dyn Fn(u32, u32) -> Ordering, entries: &mut Vec<u32>| {
        entries.sort_unstable_by(rank(order, descending));
    };
    Ok(Tensor::int(x.shape.clone(), pick_lanes(x, lanes, lanes.len, Ordering::Greater, sorted)?))
}
