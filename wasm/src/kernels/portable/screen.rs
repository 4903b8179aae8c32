use crate::kernels::screen::{Candidates, OFFSET, QUAD, Screen, ScreenedRows, TOP, bits, code};
use crate::kernels::{Kernels, PANEL, Packed, Rows};
use crate::real::Real;

/// Whether row `i`'s code of feature `j` may be alive: its estimate and bound exceed the threshold.
pub fn may_be_alive<T: Kernels>(rows: &ScreenedRows, screen: &Screen, w: &Packed<T>, i: usize, j: usize) -> bool {
    let inputs = &rows.cells[i * screen.quads * QUAD..][..screen.quads * QUAD];
    let panel = &screen.cells[j / PANEL * screen.quads * QUAD * PANEL..];
    let weight = |k: usize| i32::from(panel[(k / QUAD * PANEL + j % PANEL) * QUAD + k % QUAD]);
    debug_assert_eq!((0..inputs.len()).map(weight).sum::<i32>() * -OFFSET, screen.start[j]);
    let product: i32 = inputs.iter().enumerate().map(|(k, &x)| i32::from(x) * weight(k)).sum();
    let mut sum = (product + screen.start[j]) as f32 * (rows.scale[i] * screen.scale[j]) + screen.lead[j];
    for &(k, x) in &rows.top[i * TOP..][..TOP] {
        if x != 0.0 {
            sum += x * w.cell(k as usize, j).to_f64() as f32;
        }
    }
    sum += rows.by_norm[i] * screen.norm[j];
    sum += rows.by_lost[i] * screen.lost[j];
    // NaN, which nothing here should make, is no proof.
    sum > 0.0 || sum.is_nan()
}

/// Flags the features that may be alive.
pub fn screen<T: Kernels>(rows: &ScreenedRows, w: &Packed<T>, screen: &Screen, candidates: &mut Candidates) {
    let count = candidates.count;
    for (i, j) in (0..count).flat_map(|i| (0..w.cols).map(move |j| (i, j))) {
        if may_be_alive(rows, screen, w, i, j) {
            candidates.flags[j / PANEL * count + i] |= 1 << (j % PANEL);
        }
    }
}

/// Codes of the candidates, as [`super::gemm`] sums them.
pub fn encode_at<T: Kernels>(
    x: Rows<T>,
    w: &Packed<T>,
    bias: Option<&[T]>,
    thresholds: Option<&[T]>,
    candidates: &Candidates,
    out: &mut [T],
) {
    for (p, i, flags, place) in candidates.flagged() {
        for (c, out) in bits(flags).zip(&mut out[place..]) {
            let j = p * PANEL + c;
            let mut sum = bias.map_or(T::ZERO, |bias| bias[j]);
            for k in 0..w.rows {
                sum = Real::mul_add(x.data[i * x.stride + k], w.cell(k, j), sum);
            }
            *out = code(sum + T::ZERO, thresholds.map(|thresholds| thresholds[j]));
        }
    }
}
