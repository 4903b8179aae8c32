//! The steps of weight processing. Sums run in float64 in the order that is stated, and each result is rounded to float32 once.
//!
//! The loops are plain: most weights are processed once, by code that the engine has compiled in haste.

/// Columns of which the sums are kept at once: few enough for registers.
const STRIP: usize = 8;

/// Rows whose sums run side by side: one alone would wait for its additions.
const ROWS: usize = 4;

/// `x[i, j] -= (Σ_j x[i, j]) / columns`, `j` in order, for rows of `columns`.
pub fn center_rows(x: &mut [f32], columns: usize) {
    let columns = columns.max(1);
    let mut blocks = x.chunks_exact_mut(ROWS * columns);
    for block in &mut blocks {
        let mut sums = [0.0; ROWS];
        let [a, b, c, d] = std::array::from_fn(|r| &block[r * columns..(r + 1) * columns]);
        for (((a, b), c), d) in a.iter().zip(b).zip(c).zip(d) {
            for (sum, x) in sums.iter_mut().zip([a, b, c, d]) {
                *sum += f64::from(*x);
            }
        }
        for (row, sum) in block.chunks_exact_mut(columns).zip(sums) {
            shift(row, sum / columns as f64);
        }
    }
    for row in blocks.into_remainder().chunks_exact_mut(columns) {
        let sum = row.iter().fold(0.0, |sum, x| sum + f64::from(*x));
        shift(row, sum / columns as f64);
    }
}

fn shift(row: &mut [f32], by: f64) {
    for x in row {
        *x = (f64::from(*x) - by) as f32;
    }
}

/// `bias[o, j] += Σ_i x[i] m[o, i, j]`, `i` in order from the bias on, for matrices `[x.len(), columns]`.
pub fn add_product(bias: &mut [f32], x: &[f32], matrices: &[f32], columns: usize) {
    let columns = columns.max(1);
    let size = (x.len() * columns).max(1);
    for (bias, matrix) in bias.chunks_exact_mut(columns).zip(matrices.chunks_exact(size)) {
        for (strip, bias) in bias.chunks_mut(STRIP).enumerate() {
            let mut sums = [0.0; STRIP];
            sums.iter_mut().zip(&*bias).for_each(|(sum, bias)| *sum = f64::from(*bias));
            add_rows(&mut sums, x, matrix, columns, strip * STRIP, bias.len());
            bias.iter_mut().zip(sums).for_each(|(bias, sum)| *bias = sum as f32);
        }
    }
}

/// `m[o, i, j] = w[i] m[o, i, j] - mean[o, j]` for matrices `[w.len(), columns]`, where the mean is `(Σ_i w[i] m[o, i, j]) / w.len()`, `i`
/// in order, or zero unless `centers`.
pub fn scale_rows(matrices: &mut [f32], w: &[f32], columns: usize, centers: bool) {
    let columns = columns.max(1);
    for matrix in matrices.chunks_exact_mut((w.len() * columns).max(1)) {
        for start in (0..columns).step_by(STRIP) {
            let width = STRIP.min(columns - start);
            let mut means = [0.0; STRIP];
            if centers {
                add_rows(&mut means, w, matrix, columns, start, width);
                means.iter_mut().for_each(|mean| *mean /= w.len() as f64);
            }
            for (row, w) in matrix.chunks_exact_mut(columns).zip(w) {
                let row = &mut row[start..start + width];
                if let Ok(row) = <&mut [f32; STRIP]>::try_from(&mut *row) {
                    scale(row, *w, &means);
                } else {
                    scale(row, *w, &means);
                }
            }
        }
    }
}

/// Adds multiples of a matrix' rows, `width` columns from `start` on, to sums.
fn add_rows(sums: &mut [f64; STRIP], factors: &[f32], matrix: &[f32], columns: usize, start: usize, width: usize) {
    for (row, factor) in matrix.chunks_exact(columns).zip(factors) {
        let row = &row[start..start + width];
        // The usual width is known beforehand, and its loop unrolled.
        if let Ok(row) = <&[f32; STRIP]>::try_from(row) {
            add(sums, *factor, row);
        } else {
            add(sums, *factor, row);
        }
    }
}

#[inline(always)]
fn add(sums: &mut [f64; STRIP], factor: f32, row: &[f32]) {
    for (sum, x) in sums.iter_mut().zip(row) {
        *sum += f64::from(factor) * f64::from(*x);
    }
}

#[inline(always)]
fn scale(row: &mut [f32], factor: f32, means: &[f64; STRIP]) {
    for (x, mean) in row.iter_mut().zip(means) {
        *x = (f64::from(factor) * f64::from(*x) - mean) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of very different sizes, so that another order of a sum would give other bits.
    fn values(len: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state) / f64::from(u32::MAX)
        };
        (0..len).map(|_| ((next() - 0.5) * 10f64.powf(next() * 8.0 - 4.0)) as f32).collect()
    }

    fn same_bits(a: &[f32], b: &[f32]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
    }

    /// `Σ_i x[i] m[i, j]` from `first` on.
    fn column_sum(first: f64, x: &[f32], matrix: &[f32], columns: usize, j: usize) -> f64 {
        x.iter().enumerate().fold(first, |sum, (i, x)| sum + f64::from(*x) * f64::from(matrix[i * columns + j]))
    }

    /// Outer axis, rows and columns.
    fn sizes() -> impl Iterator<Item = (usize, usize, usize)> {
        let lengths = [1, 2, 3, 7, 8, 9, 16, 31];
        lengths.into_iter().flat_map(move |rows| lengths.into_iter().map(move |columns| (rows % 3 + 1, rows, columns)))
    }

    #[test]
    fn rows_are_centred_in_order_and_rounded_once() {
        for (_, rows, columns) in sizes() {
            let x = values(rows * columns, 1);
            let wanted: Vec<f32> = x
                .chunks_exact(columns)
                .flat_map(|row| {
                    let mean = row.iter().fold(0.0, |sum, x| sum + f64::from(*x)) / columns as f64;
                    row.iter().map(move |x| (f64::from(*x) - mean) as f32)
                })
                .collect();
            let mut out = x;
            center_rows(&mut out, columns);
            assert!(same_bits(&out, &wanted), "[{rows}, {columns}]");
        }
    }

    #[test]
    fn products_are_added_in_order_and_rounded_once() {
        for (outer, rows, columns) in sizes() {
            let (x, matrices) = (values(rows, 2), values(outer * rows * columns, 3));
            let bias = values(outer * columns, 4);
            let mut out = bias.clone();
            add_product(&mut out, &x, &matrices, columns);
            let wanted: Vec<f32> = (0..outer * columns)
                .map(|at| {
                    let matrix = &matrices[at / columns * rows * columns..];
                    column_sum(f64::from(bias[at]), &x, matrix, columns, at % columns) as f32
                })
                .collect();
            assert!(same_bits(&out, &wanted), "[{outer}, {rows}, {columns}]");
        }
    }

    #[test]
    fn rows_are_scaled_and_columns_centred_in_order_and_rounded_once() {
        for ((outer, rows, columns), centers) in sizes().flat_map(|size| [(size, false), (size, true)]) {
            let (w, matrices) = (values(rows, 5), values(outer * rows * columns, 6));
            let mut out = matrices.clone();
            scale_rows(&mut out, &w, columns, centers);
            let wanted: Vec<f32> = (0..outer * rows * columns)
                .map(|at| {
                    let (i, j) = (at / columns % rows, at % columns);
                    let matrix = &matrices[at / (rows * columns) * rows * columns..];
                    let mean = if centers { column_sum(0.0, &w, matrix, columns, j) / rows as f64 } else { 0.0 };
                    (f64::from(w[i]) * f64::from(matrices[at]) - mean) as f32
                })
                .collect();
            assert!(same_bits(&out, &wanted), "[{outer}, {rows}, {columns}], centers {centers}");
        }
    }

    #[test]
    fn nothing_is_done_to_nothing() {
        center_rows(&mut [], 0);
        add_product(&mut [], &[], &[], 0);
        scale_rows(&mut [], &[], 0, true);
        // A product of no rows leaves the bias as it is.
        let mut bias = [1.0, 2.0];
        add_product(&mut bias, &[], &[], 2);
        assert_eq!(bias, [1.0, 2.0]);
    }
}
