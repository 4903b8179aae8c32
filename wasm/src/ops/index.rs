//! Reading and writing the region that a selector per axis picks out.
//!
//! Selectors combine as an outer product: a list indexes its own axis, and two lists make a grid, not pairs.

use crate::error::{Error, Result};
use crate::kernels::Kernels;
use crate::memory::Buf;
use crate::ops::broadcast::{broadcast_strides, copy_strided, reduce_to_shape, strides};
use crate::ops::dtype::{convert, same_dtype};
use crate::ops::{Gradients, Op, OpKind, Saved, Saves};
use crate::real::Real;
use crate::shape_error;
use crate::tensor::{Data, Dtype, Shape, Tensor, size_of_shape};
use std::rc::Rc;

/// What is taken of one axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    All,
    /// `count` entries from `start` on, `step` apart.
    Range {
        start: usize,
        step: usize,
        count: usize,
    },
    /// One entry; the axis is gone from the result.
    At(usize),
    /// Entries in any order, also more than once.
    List(Vec<u32>),
}

impl Selector {
    /// The entries on an axis of length `len`.
    fn entries(&self, len: usize) -> Vec<usize> {
        match self {
            Selector::All => (0..len).collect(),
            Selector::Range { start, step, count } => (0..*count).map(|i| start + i * step).collect(),
            Selector::At(i) => vec![*i],
            Selector::List(list) => list.iter().map(|&i| i as usize).collect(),
        }
    }

    /// The highest of the entries that isn't below `len`. Known before any list is made, which a count from outside may
    /// make absurdly long.
    fn outside(&self, len: usize) -> Option<usize> {
        let highest = match self {
            Selector::All | Selector::Range { count: 0, .. } => None,
            Selector::Range { start, step, count } => {
                Some(start.saturating_add((count - 1).saturating_mul((*step).max(1))))
            }
            Selector::At(i) => Some(*i),
            Selector::List(list) => list.iter().max().map(|&i| i as usize),
        };
        highest.filter(|&i| i >= len)
    }

    /// True when it takes the whole axis in order.
    fn is_whole(&self, len: usize) -> bool {
        match self {
            Selector::All => true,
            Selector::Range { start: 0, step: 1, count } => *count == len,
            _ => false,
        }
    }
}

/// The cells that selectors pick out of a shape, as contiguous chunks.
struct Region {
    /// With the axes of `At` still there, of length 1.
    kept: Shape,
    shape: Shape,
    /// Where each chunk begins, in the region's order.
    offsets: Vec<usize>,
    chunk: usize,
}

impl Region {
    /// `selectors` from the first axis on; axes left out are taken whole.
    fn of(what: &str, shape: &[usize], selectors: &[Selector]) -> Result<Self> {
        let rank = shape.len();
        if selectors.len() > rank {
            let n = selectors.len();
            return shape_error!("Cannot apply {what} to {shape:?} with {n} selectors: the tensor has {rank} axes");
        }
        let (mut kept, mut result) = (Vec::with_capacity(rank), Vec::with_capacity(rank));
        let mut entries = Vec::with_capacity(selectors.len());
        for (axis, selector) in selectors.iter().enumerate() {
            let len = shape[axis];
            if let Some(bad) = selector.outside(len) {
                return Err(Error::Index(format!(
                    "Cannot apply {what} to {shape:?}: entry {bad} of axis {axis} was asked for, its length is {len}"
                )));
            }
            let list = selector.entries(len);
            kept.push(list.len());
            if !matches!(selector, Selector::At(_)) {
                result.push(list.len());
            }
            entries.push(list);
        }
        kept.extend(&shape[selectors.len()..]);
        result.extend(&shape[selectors.len()..]);
        let split = (0..selectors.len()).rev().find(|&axis| !selectors[axis].is_whole(shape[axis]));
        let (offsets, chunk) = Self::chunks(shape, &entries[..split.map_or(0, |axis| axis + 1)]);
        Ok(Self { kept, shape: result, offsets, chunk })
    }

    /// Chunks for the entries of the first axes, the others being whole. Consecutive entries of the last are one chunk.
    fn chunks(shape: &[usize], entries: &[Vec<usize>]) -> (Vec<usize>, usize) {
        let steps = strides(shape);
        let mut chunk: usize = shape[entries.len()..].iter().product();
        let mut offsets = vec![0];
        for (axis, (list, &step)) in entries.iter().zip(&steps).enumerate() {
            let consecutive = list.windows(2).all(|pair| pair[1] == pair[0] + 1);
            if axis + 1 == entries.len() && consecutive && !list.is_empty() {
                chunk *= list.len();
                offsets.iter_mut().for_each(|offset| *offset += list[0] * step);
            } else {
                offsets = offsets.iter().flat_map(|o| list.iter().map(move |i| o + i * step)).collect();
            }
        }
        (offsets, chunk)
    }

    fn read<E: Copy>(&self, values: &[E]) -> Result<Buf<E>> {
        let mut out = Buf::zeroed(size_of_shape(&self.shape))?;
        for (out, &at) in out.chunks_exact_mut(self.chunk.max(1)).zip(&self.offsets) {
            out.copy_from_slice(&values[at..at + self.chunk]);
        }
        Ok(out)
    }

    /// Of an entry that is named twice the last value stays.
    fn write<E: Copy>(&self, values: &mut [E], region: &[E]) {
        for (region, &at) in region.chunks_exact(self.chunk.max(1)).zip(&self.offsets) {
            values[at..at + self.chunk].copy_from_slice(region);
        }
    }
}

/// The region that the selectors pick out.
pub struct Index(pub Vec<Selector>);

impl<T: Kernels> Op<T> for Index {
    fn kind(&self) -> OpKind {
        OpKind::Index
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let x = inputs[0];
        let region = Region::of("at", &x.shape, &self.0)?;
        if region.kept == x.shape && region.offsets == [0] && region.chunk == x.len() {
            return x.reshaped(&region.shape);
        }
        let data = same_dtype!(x, values => region.read(values)?);
        Ok(Tensor { shape: region.shape, data })
    }

    // y = x[region], so dx[region] = grad and 0 elsewhere; an entry read twice takes both, added in the region's order.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        let shape = &saved.shapes[0];
        let region = Region::of("at", shape, &self.0)?;
        let mut dx = Buf::zeroed(size_of_shape(shape))?;
        for (g, &at) in grad.floats()?.chunks_exact(region.chunk.max(1)).zip(&region.offsets) {
            dx[at..at + region.chunk].iter_mut().zip(g).for_each(|(d, &g)| *d += g);
        }
        Ok(vec![Some(Tensor::float(shape.clone(), dx))])
    }
}

/// Inputs `base` and `value`: `base` with `value`, broadcast, in place of the region.
pub struct IndexPut(pub Vec<Selector>);

impl IndexPut {
    /// Writes into `base`, whose buffer is copied first only if something else shares it.
    pub fn put<T: Real>(&self, base: &mut Tensor<T>, value: &Tensor<T>) -> Result<()> {
        let region = Region::of("set", &base.shape, &self.0)?;
        let (from, to) = (&value.shape, &region.shape);
        let fits = |(&from, &to): (&usize, &usize)| from == to || from == 1;
        if from.len() > to.len() || !from.iter().rev().zip(to.iter().rev()).all(fits) {
            return shape_error!(
                "Cannot set a region of shape {to:?} to a value of shape {from:?}: it doesn't broadcast"
            );
        }
        if base.dtype().with(value.dtype()) != base.dtype() {
            let (base, value) = (base.dtype().name(), value.dtype().name());
            return shape_error!(
                "Cannot set cells of a tensor of {base} to a value of {value}: convert one of them first"
            );
        }
        let value = convert(value, base.dtype())?;
        let steps = broadcast_strides(from, to);
        match (&mut base.data, &value.data) {
            (Data::Int(b), Data::Int(v)) => region.write(own(b)?, &copy_strided(v, to, &steps)?),
            (Data::Bool(b), Data::Bool(v)) => region.write(own(b)?, &copy_strided(v, to, &steps)?),
            _ => {
                let v = copy_strided(value.floats()?, to, &steps)?;
                region.write(base.floats_mut()?, &v);
            }
        }
        Ok(())
    }
}

/// Exclusive access to a buffer, copied first if it is shared.
fn own<E: Copy>(buf: &mut Rc<Buf<E>>) -> Result<&mut [E]> {
    if Rc::get_mut(buf).is_none() {
        *buf = Rc::new(Buf::copied(buf)?);
    }
    // A buffer that was shared was just replaced by one of our own.
    Rc::get_mut(buf).map(|buf| &mut **buf).ok_or(Error::StaleHandle)
}

impl<T: Kernels> Op<T> for IndexPut {
    fn kind(&self) -> OpKind {
        OpKind::IndexPut
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let mut out = inputs[0].clone();
        self.put(&mut out, inputs[1])?;
        Ok(out)
    }

    // A cell's gradient belongs to whoever wrote it last: dvalue = grad[region] and dbase = grad with 0 there. The walk
    // goes backwards and leaves 0 behind: the last of several writers of an entry takes it, the others find nothing.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        let region = Region::of("set", &grad.shape, &self.0)?;
        let mut base = Buf::copied(grad.floats()?)?;
        let mut value = Buf::zeroed(size_of_shape(&region.shape))?;
        for (v, &at) in value.chunks_exact_mut(region.chunk.max(1)).zip(&region.offsets).rev() {
            let cells = &mut base[at..at + region.chunk];
            v.copy_from_slice(cells);
            cells.fill(T::ZERO);
        }
        let value = Tensor::float(region.shape, value);
        Ok(vec![
            saved.wanted[0].then(|| Tensor::float(grad.shape.clone(), base)),
            saved.wanted[1].then(|| reduce_to_shape(&value, &saved.shapes[1])).transpose()?,
        ])
    }
}

/// The positions of the cells that aren't zero, in row-major order.
fn nonzero_cells<T: Real>(x: &Tensor<T>) -> Result<Vec<usize>> {
    let mask = convert(x, Dtype::Bool)?;
    Ok(mask.bools()?.iter().enumerate().filter(|(_, v)| **v != 0).map(|(i, _)| i).collect())
}

/// Where `x` isn't zero: one row of coordinates for each such cell, `[n, rank]`, in row-major order.
pub fn nonzero<T: Real>(x: &Tensor<T>) -> Result<Tensor<T>> {
    let cells = nonzero_cells(x)?;
    let steps = strides(&x.shape);
    let mut out = Buf::zeroed(cells.len() * x.rank())?;
    for (row, &cell) in out.chunks_exact_mut(x.rank().max(1)).zip(&cells) {
        for ((c, &step), &len) in row.iter_mut().zip(&steps).zip(&x.shape) {
            *c = (cell / step % len) as i32;
        }
    }
    Ok(Tensor::int(vec![cells.len(), x.rank()], out))
}

/// Where `x` isn't zero: row-major positions, `[n]`. They index a tensor whose leading axes, those of the mask `x`, are
/// reshaped to one.
pub fn nonzero_flat<T: Real>(x: &Tensor<T>) -> Result<Tensor<T>> {
    let cells: Vec<i32> = nonzero_cells(x)?.into_iter().map(|cell| cell as i32).collect();
    Ok(Tensor::int(vec![cells.len()], Buf::copied(&cells)?))
}
