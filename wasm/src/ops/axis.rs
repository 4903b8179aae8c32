//! One axis of a shape among the others.

use crate::error::Result;
use crate::shape_error;

/// A shape as `[outer, len, inner]` around one axis; a lane is the `len` elements that lie `inner` apart along it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lanes {
    pub outer: usize,
    pub len: usize,
    pub inner: usize,
}

impl Lanes {
    /// Around `axis`, which is checked.
    pub fn along(what: &str, shape: &[usize], axis: usize) -> Result<Self> {
        check_axis(what, shape, axis)?;
        let outer = shape[..axis].iter().product();
        let inner = shape[axis + 1..].iter().product();
        Ok(Self { outer, len: shape[axis], inner })
    }

    /// The first element of each lane, in row-major order of the other axes.
    pub fn starts(self) -> impl Iterator<Item = usize> {
        (0..self.outer).flat_map(move |o| (0..self.inner).map(move |i| o * self.len * self.inner + i))
    }
}

/// Checks that the shape has the axis.
pub fn check_axis(what: &str, shape: &[usize], axis: usize) -> Result<()> {
    if axis >= shape.len() {
        let rank = shape.len();
        return shape_error!("Cannot apply {what} to {shape:?} along axis {axis}: the tensor has {rank} axes");
    }
    Ok(())
}

/// `shape` with the named axes of length 1, or gone altogether.
pub fn without_axes(shape: &[usize], axes: &[usize], keepdim: bool) -> Vec<usize> {
    let kept = |(axis, &len): (usize, &usize)| match axes.contains(&axis) {
        true => keepdim.then_some(1),
        false => Some(len),
    };
    shape.iter().enumerate().filter_map(kept).collect()
}
