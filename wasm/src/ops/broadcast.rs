//! Broadcasting by numpy's rule, and the strided loops that element-wise operations, reductions and transposes share.

use crate::error::Result;
use crate::kernels::parallel::{Cells, ELEMENT, Element, ranges};
use crate::memory::Buf;
use crate::real::Real;
use crate::shape_error;
use crate::tensor::{Shape, Tensor, size_of_shape};
use std::ops::Range;

/// The shape that both broadcast to: axes are aligned at the end, and a length of 1 (or an absent axis) stretches.
pub fn broadcast_shapes(what: &str, a: &[usize], b: &[usize]) -> Result<Shape> {
    let rank = a.len().max(b.len());
    let length = |shape: &[usize], back: usize| {
        if back <= shape.len() { shape[shape.len() - back] } else { 1 }
    };
    let mut shape = vec![0; rank];
    for back in 1..=rank {
        shape[rank - back] = match (length(a, back), length(b, back)) {
            (x, y) if x == y || y == 1 => x,
            (1, y) => y,
            (x, y) => {
                return shape_error!(
                    "Cannot apply {what} to {a:?} and {b:?}: axis -{back} is {x} in one and {y} in the other, \
                     wanted equal lengths or a 1"
                );
            }
        };
    }
    Ok(shape)
}

/// The strides of a contiguous tensor, in elements.
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// The strides with which a contiguous tensor of `shape` is read as if it had the shape `out`: 0 where it stretches.
pub fn broadcast_strides(shape: &[usize], out: &[usize]) -> Vec<usize> {
    let mut stretched = vec![0; out.len() - shape.len()];
    stretched.extend(strides(shape).iter().zip(shape).map(|(&stride, &len)| if len == 1 { 0 } else { stride }));
    stretched
}

/// Cells of a share of one long run: whole vectors of whatever the elements are.
const STRETCH: usize = 64;

/// A nest of loops over the cells of a shape, for `N` operands with strides of their own.
///
/// Neighbouring axes that every operand crosses evenly are merged, so that equal shapes make one long run, a row added
/// to a matrix one run a row, and a transpose runs over its last axis.
pub struct Loops<const N: usize> {
    /// Length and strides of the loops around a run, innermost first.
    outer: Vec<(usize, [usize; N])>,
    runs: usize,
    /// Cells in a run.
    pub len: usize,
    /// Each operand's stride within a run.
    pub steps: [usize; N],
}

impl<const N: usize> Loops<N> {
    pub fn new(shape: &[usize], strides: [&[usize]; N]) -> Self {
        let mut axes: Vec<(usize, [usize; N])> = Vec::new();
        for axis in (0..shape.len()).rev().filter(|&axis| shape[axis] != 1) {
            let (len, steps) = (shape[axis], strides.map(|stride| stride[axis]));
            match axes.last_mut() {
                Some((inner, inner_steps)) if (0..N).all(|i| steps[i] == *inner * inner_steps[i]) => *inner *= len,
                _ => axes.push((len, steps)),
            }
        }
        let (len, steps) = axes.first().copied().unwrap_or((1, [0; N]));
        let outer = axes.split_off(axes.len().min(1));
        let runs = if shape.contains(&0) { 0 } else { outer.iter().map(|(len, _)| len).product() };
        Self { outer, runs, len, steps }
    }

    /// Calls `f` with each run's first cell, counted in row-major order, and the operands' offsets there.
    pub fn for_each_run(&self, f: impl FnMut(usize, [usize; N])) {
        self.for_each_run_in(0..self.runs, f);
    }

    fn for_each_run_in(&self, runs: Range<usize>, mut f: impl FnMut(usize, [usize; N])) {
        if runs.is_empty() {
            return;
        }
        let (mut counts, mut at) = (vec![0; self.outer.len()], [0; N]);
        let mut before = runs.start;
        for (count, (len, steps)) in counts.iter_mut().zip(&self.outer) {
            *count = before % len;
            before /= len;
            (0..N).for_each(|i| at[i] += *count * steps[i]);
        }
        for run in runs {
            f(run * self.len, at);
            for (count, (len, steps)) in counts.iter_mut().zip(&self.outer) {
                *count += 1;
                (0..N).for_each(|i| at[i] += steps[i]);
                if *count < *len {
                    break;
                }
                (0..N).for_each(|i| at[i] -= steps[i] * len);
                *count = 0;
            }
        }
    }

    /// Writes the cells of `out` on several threads: calls `f` with the cells of runs or of parts of the one run, and the operands'
    /// offsets at the first of them.
    fn fill<O: Element>(&self, out: &mut [O], f: impl Fn(&mut [O], [usize; N]) + Sync) {
        let out = Cells::new(out);
        if self.runs == 1 {
            ranges(self.len.div_ceil(STRETCH), STRETCH * ELEMENT, |share| {
                let start = share.start * STRETCH;
                // SAFETY: shares differ in their cells.
                let cells = unsafe { out.slice(start..(share.end * STRETCH).min(self.len)) };
                f(cells, self.steps.map(|step| start * step));
            });
        } else {
            ranges(self.runs, self.len * ELEMENT, |share| {
                self.for_each_run_in(share, |first, at| {
                    // SAFETY: shares differ in their runs.
                    f(unsafe { out.slice(first..first + self.len) }, at);
                });
            });
        }
    }

    /// Calls `f` with each cell and the operands' offsets there, in row-major order.
    pub fn for_each_cell(&self, mut f: impl FnMut(usize, [usize; N])) {
        self.for_each_run(|first, at| {
            for i in 0..self.len {
                f(first + i, std::array::from_fn(|n| at[n] + i * self.steps[n]));
            }
        });
    }
}

/// `f` of each pair of cells of two operands, each with its shape, broadcast to `shape`.
pub fn zip<A: Element, B: Element, O: Element>(
    shape: &[usize],
    (a, a_shape): (&[A], &[usize]),
    (b, b_shape): (&[B], &[usize]),
    f: impl Fn(A, B) -> O + Sync,
) -> Result<Buf<O>> {
    // SAFETY: the runs cover all of it.
    let mut out = unsafe { Buf::unwritten(size_of_shape(shape))? };
    let loops = Loops::new(shape, [&broadcast_strides(a_shape, shape), &broadcast_strides(b_shape, shape)]);
    loops.fill(&mut out, |out, [i, j]| match loops.steps {
        [1, 1] => out.iter_mut().zip(&a[i..]).zip(&b[j..]).for_each(|((o, &x), &y)| *o = f(x, y)),
        [1, _] => out.iter_mut().zip(&a[i..]).for_each(|(o, &x)| *o = f(x, b[j])),
        [_, 1] => out.iter_mut().zip(&b[j..]).for_each(|(o, &y)| *o = f(a[i], y)),
        _ => out.fill(f(a[i], b[j])),
    });
    Ok(out)
}

/// [`zip`] for float tensors whose shapes are known to broadcast to `shape`.
pub fn zip_floats<T: Real>(
    shape: &[usize],
    a: &Tensor<T>,
    b: &Tensor<T>,
    f: impl Fn(T, T) -> T + Sync,
) -> Result<Tensor<T>> {
    let buf = zip(shape, (a.floats()?, &a.shape), (b.floats()?, &b.shape), f)?;
    Ok(Tensor::float(shape.to_vec(), buf))
}

/// `values`, contiguous of `shape`, as if they had the shape `out`.
pub fn stretch<E: Element>(values: &[E], shape: &[usize], out: &[usize]) -> Result<Buf<E>> {
    copy_strided(values, out, &broadcast_strides(shape, out))
}

/// The cells of `shape` read from `values` with the given strides.
pub fn copy_strided<E: Element>(values: &[E], shape: &[usize], strides: &[usize]) -> Result<Buf<E>> {
    // SAFETY: the runs cover all of it.
    let mut out = unsafe { Buf::unwritten(size_of_shape(shape))? };
    let loops = Loops::new(shape, [strides]);
    let [step] = loops.steps;
    loops.fill(&mut out, |out, [at]| match step {
        0 => out.fill(values[at]),
        1 => out.copy_from_slice(&values[at..at + out.len()]),
        _ => out.iter_mut().zip(values[at..].iter().step_by(step)).for_each(|(o, &x)| *o = x),
    });
    Ok(out)
}

/// Adds each cell of `values`, contiguous of `shape`, onto the cell of `out` at the strides (0 along summed axes).
/// A cell's terms arrive in row-major order, one accumulator a cell: its bits don't depend on the cells beside it.
pub fn sum_onto<E: Copy>(values: &[E], shape: &[usize], strides: &[usize], out: &mut [E], add: impl Fn(E, E) -> E) {
    let loops = Loops::new(shape, [strides]);
    let (len, [step]) = (loops.len, loops.steps);
    loops.for_each_run(|first, [at]| {
        let run = &values[first..first + len];
        match step {
            0 => out[at] = run.iter().fold(out[at], |total, &x| add(total, x)),
            1 => out[at..at + len].iter_mut().zip(run).for_each(|(o, &x)| *o = add(*o, x)),
            _ => out[at..].iter_mut().step_by(step).zip(run).for_each(|(o, &x)| *o = add(*o, x)),
        }
    });
}

/// The gradient of a tensor of `shape` that was broadcast to `grad`'s shape: the sum over the axes it stretched along.
pub fn reduce_to_shape<T: Real>(grad: &Tensor<T>, shape: &[usize]) -> Result<Tensor<T>> {
    if grad.shape == shape {
        return Ok(grad.clone());
    }
    if grad.len() == size_of_shape(shape) {
        return grad.reshaped(shape);
    }
    let mut out = Buf::zeroed(size_of_shape(shape))?;
    sum_onto(grad.floats()?, &grad.shape, &broadcast_strides(shape, &grad.shape), &mut out, |x, y| x + y);
    Ok(Tensor::float(shape.to_vec(), out))
}
