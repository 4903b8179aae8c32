//! Rows of a value: what a resumed run takes out of a base run's value, puts in, and compares; and the rooms in which a cache keeps
//! keys and values, `[batch, room, ..]` with the positions that are there in front.
//!
//! A row is everything behind the first axis, or of a room behind the second. These are for forward passes alone; nothing here is
//! recorded.

use crate::error::{Error, Result};
use crate::kernels::Kernels;
use crate::kernels::parallel::{ELEMENT, rows};
use crate::memory::Buf;
use crate::ops::model::sparse::Sparse;
use crate::real::Real;
use crate::shape_error;
use crate::tensor::Tensor;

fn row_len<T: Real>(x: &Tensor<T>) -> usize {
    x.shape.iter().skip(1).product()
}

/// The elements that aren't zero, where nobody has written out the others and these are a row's.
fn sparse_rows<T: Kernels>(x: &Tensor<T>) -> Option<&Sparse<T>> {
    x.source::<Sparse<T>>().filter(|sparse| sparse.width == row_len(x))
}

fn checked<T: Real>(what: &str, x: &Tensor<T>, rows: &[u32]) -> Result<()> {
    let count = x.shape.first().copied().unwrap_or(0);
    match rows.iter().find(|&&row| row as usize >= count) {
        Some(row) => Err(Error::Index(format!("Cannot {what} row {row} of {:?}: it has {count} rows", x.shape))),
        None => Ok(()),
    }
}

/// The rows named, in that order: `[rows.len(), ..]`.
pub fn take_rows<T: Kernels>(x: &Tensor<T>, rows: &[u32]) -> Result<Tensor<T>> {
    checked("take", x, rows)?;
    let mut shape = x.shape.clone();
    if let Some(first) = shape.first_mut() {
        *first = rows.len();
    }
    if let Some(sparse) = sparse_rows(x) {
        return Ok(Tensor::deferred(shape, sparse.rows_part(rows)?));
    }
    let (len, data) = (row_len(x), x.floats()?);
    let mut out = Buf::zeroed(rows.len() * len)?;
    for (out, &row) in out.chunks_exact_mut(len.max(1)).zip(rows) {
        out.copy_from_slice(&data[row as usize * len..(row as usize + 1) * len]);
    }
    Ok(Tensor::float(shape, out))
}

/// `x` with the rows named replaced by those of `values`.
pub fn with_rows<T: Real>(x: &Tensor<T>, rows: &[u32], values: &Tensor<T>) -> Result<Tensor<T>> {
    checked("replace", x, rows)?;
    let len = row_len(x);
    if values.len() != rows.len() * len {
        return shape_error!("Cannot replace {} rows of {:?} by {:?}", rows.len(), x.shape, values.shape);
    }
    let mut out = x.clone();
    let (target, values) = (out.floats_mut()?, values.floats()?);
    for (value, &row) in values.chunks_exact(len.max(1)).zip(rows) {
        target[row as usize * len..(row as usize + 1) * len].copy_from_slice(value);
    }
    Ok(out)
}

/// The rows in which two values of one size differ in some bit, ascending.
pub fn changed_rows<T: Kernels>(a: &Tensor<T>, b: &Tensor<T>) -> Result<Vec<u32>> {
    if a.len() != b.len() {
        return shape_error!("Cannot compare the rows of {:?} and {:?}", a.shape, b.shape);
    }
    if a.same_buffer(b) {
        return Ok(Vec::new());
    }
    if let (Some(x), Some(y)) = (sparse_rows(a), sparse_rows(b))
        && x.width == y.width
    {
        let differs = |&row: &u32| {
            let [i, j] = [x, y].map(|sparse| sparse.rows().row(row as usize));
            x.columns[i.clone()] != y.columns[j.clone()] || differs(&x.values[i], &y.values[j])
        };
        return Ok((0..x.rows().count() as u32).filter(differs).collect());
    }
    let len = row_len(a).max(1);
    let (x, y) = (a.floats()?, b.floats()?);
    let mut flags = vec![false; x.len() / len];
    rows(&mut flags, 1, len * ELEMENT, |first, flags| {
        let pairs = x[first * len..].chunks_exact(len).zip(y[first * len..].chunks_exact(len));
        flags.iter_mut().zip(pairs).for_each(|(flag, (x, y))| *flag = differs(x, y));
    });
    Ok((0..).zip(flags).filter(|(_, differs)| *differs).map(|(row, _)| row).collect())
}

/// Whether some bit differs. Sixteen elements are compared without a branch, which makes vectors of them.
fn differs<T: Real>(x: &[T], y: &[T]) -> bool {
    let any = |x: &[T], y: &[T]| x.iter().zip(y).fold(false, |any, (&x, &y)| any | !x.same_bits(y));
    let ((x16, x_rest), (y16, y_rest)) = (x.as_chunks::<16>(), y.as_chunks::<16>());
    x16.iter().zip(y16).any(|(x, y)| any(x, y)) || any(x_rest, y_rest)
}

/// Batch, room and the elements of one position.
fn room_dims<T: Real>(room: &Tensor<T>) -> Result<(usize, usize, usize)> {
    match room.shape[..] {
        [batch, positions, ref rest @ ..] => Ok((batch, positions, rest.iter().product())),
        _ => shape_error!("A room has the axes [batch, room, ..], got {:?}", room.shape),
    }
}

/// Writes the positions from `at` on: `values` is `[batch * n, ..]`, n positions of each batch entry.
pub fn write_positions<T: Real>(room: &mut Tensor<T>, at: usize, values: &Tensor<T>) -> Result<()> {
    let (batch, positions, len) = room_dims(room)?;
    let n = values.len() / (batch * len).max(1);
    if values.len() != batch * n * len || at + n > positions {
        return shape_error!("Cannot write {:?} at position {at} of a room of {:?}", values.shape, room.shape);
    }
    let (target, values) = (room.floats_mut()?, values.floats()?);
    for (entry, values) in values.chunks_exact((n * len).max(1)).enumerate() {
        target[(entry * positions + at) * len..][..n * len].copy_from_slice(values);
    }
    Ok(())
}

/// The first `used` positions of a room in one of another size: `[batch, positions, ..]`.
pub fn moved_room<T: Real>(room: &Tensor<T>, positions: usize, used: usize) -> Result<Tensor<T>> {
    let (batch, had, len) = room_dims(room)?;
    if used > had.min(positions) {
        return shape_error!("Cannot move {used} positions of {:?} into a room of {positions}", room.shape);
    }
    let mut shape = room.shape.clone();
    shape[1] = positions;
    if positions == had {
        return room.reshaped(&shape);
    }
    let mut out = Buf::zeroed(batch.saturating_mul(positions).saturating_mul(len))?;
    let from = room.floats()?;
    for entry in 0..batch {
        out[entry * positions * len..][..used * len].copy_from_slice(&from[entry * had * len..][..used * len]);
    }
    Ok(Tensor::float(shape, out))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(values: &[f64]) -> Tensor<f64> {
        Tensor::from_slice(&[values.len() / 2, 2], values).unwrap()
    }

    #[test]
    fn taking_replacing_and_comparing_rows() {
        let x = tensor(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let taken = take_rows(&x, &[2, 0]).unwrap();
        assert_eq!(taken.floats().unwrap(), &[5.0, 6.0, 1.0, 2.0]);
        let replaced = with_rows(&x, &[1], &tensor(&[3.0, -0.0])).unwrap();
        assert_eq!(replaced.floats().unwrap(), &[1.0, 2.0, 3.0, -0.0, 5.0, 6.0]);
        assert_eq!(x.floats().unwrap()[3], 4.0);
        assert_eq!(changed_rows(&x, &replaced).unwrap(), vec![1]);
        assert_eq!(changed_rows(&x, &x.clone()).unwrap(), Vec::<u32>::new());
    }

    #[test]
    fn comparing_is_by_bits() {
        let (a, b) = (tensor(&[0.0, f64::NAN]), tensor(&[-0.0, f64::NAN]));
        assert_eq!(changed_rows(&a, &b).unwrap(), vec![0]);
        assert!(changed_rows(&b, &tensor(&[-0.0, f64::NAN])).unwrap().is_empty());
    }

    #[test]
    fn one_element_is_enough_wherever_it_is() {
        // Lengths around the sixteen that are compared together.
        for columns in [1, 15, 16, 17, 37] {
            let a = Tensor::from_slice(&[2, columns], &vec![1.0; 2 * columns]).unwrap();
            for at in 0..2 * columns {
                let mut b = a.clone();
                b.floats_mut().unwrap()[at] = 2.0;
                assert_eq!(changed_rows(&a, &b).unwrap(), vec![(at / columns) as u32]);
            }
        }
    }

    #[test]
    fn positions_are_written_behind_each_entrys_own() {
        let mut room = Tensor::<f64>::zeros(&[2, 3, 1]).unwrap();
        let shared = room.clone();
        write_positions(&mut room, 1, &tensor(&[1.0, 2.0, 3.0, 4.0])).unwrap();
        assert_eq!(room.floats().unwrap(), &[0.0, 1.0, 2.0, 0.0, 3.0, 4.0]);
        assert_eq!(shared.floats().unwrap(), &[0.0; 6]);
        let larger = moved_room(&room, 4, 2).unwrap();
        assert_eq!(larger.shape, [2, 4, 1]);
        assert_eq!(larger.floats().unwrap(), &[0.0, 1.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0]);
        assert_eq!(moved_room(&larger, 2, 2).unwrap().floats().unwrap(), &[0.0, 1.0, 0.0, 3.0]);
        assert!(moved_room(&room, 3, 1).unwrap().same_buffer(&room));
    }

    #[test]
    fn positions_beyond_a_room_are_refused() {
        let mut room = Tensor::<f64>::zeros(&[2, 3, 1]).unwrap();
        let Err(error) = write_positions(&mut room, 2, &tensor(&[1.0, 2.0, 3.0, 4.0])) else {
            panic!("2 after 2 of 3")
        };
        assert_eq!(error.to_string(), "Cannot write [2, 2] at position 2 of a room of [2, 3, 1]");
        let Err(error) = moved_room(&room, 2, 3) else { panic!("3 into 2") };
        assert_eq!(error.to_string(), "Cannot move 3 positions of [2, 3, 1] into a room of 2");
    }

    #[test]
    fn rows_outside_are_refused() {
        let x = tensor(&[1.0, 2.0]);
        let Err(error) = take_rows(&x, &[1]) else { panic!("row 1 of 1") };
        assert_eq!(error.to_string(), "Cannot take row 1 of [1, 2]: it has 1 rows");
    }
}
