//! Screening: panels of sixteen features outside, whose eight-bit cells stay in the first-level cache while all rows meet them; then
//! the rows that a panel's features may be alive in, in float32.

use super::gemm;
use super::held::{Held, PanelRows, with_cells};
use super::lanes::{load, madd};
use super::shares::Out;
use super::tile::{Tile, few_rows};
use crate::kernels::screen::{QUAD, Screen, ScreenedRows, TOP, code};
use crate::kernels::{Activation, PANEL, Packed, Rows};
use core::arch::wasm32::*;
use std::ops::Range;

/// When a feature of the panel may be alive in more than this share of the rows, the panel is computed in all of them.
const MOST_ROWS: usize = 2;

/// Rows whose panels' flags are kept at a time.
const ROWS: usize = 128;

/// Adds to each lane of `sums` the products of its four signed bytes with as many of seven bits.
#[inline(always)]
fn dot(weights: v128, inputs: v128, sums: v128) -> v128 {
    #[cfg(target_feature = "relaxed-simd")]
    return i32x4_relaxed_dot_i8x16_i7x16_add(weights, inputs, sums);
    #[cfg(not(target_feature = "relaxed-simd"))]
    {
        // Pairs' products, in 16 bits, of even and of odd neighbours.
        let low = i16x8_extmul_low_i8x16(weights, inputs);
        let high = i16x8_extmul_high_i8x16(weights, inputs);
        let (low, high) = (i32x4_extadd_pairwise_i16x8(low), i32x4_extadd_pairwise_i16x8(high));
        let even = i32x4_shuffle::<0, 2, 4, 6>(low, high);
        let odd = i32x4_shuffle::<1, 3, 5, 7>(low, high);
        i32x4_add(sums, i32x4_add(even, odd))
    }
}

/// Whether the engine sums bytes as it should. V8 before version 12, which has the instruction behind a flag (Node 20), takes its
/// operands in the wrong order on processors with VNNI.
pub fn is_exact() -> bool {
    const START: i32 = -7;
    let is_right = |weight: i8, input: i8| {
        let sums = dot(i8x16_splat(weight), i8x16_splat(input), i32x4_splat(START));
        let right = i32x4_splat(START + QUAD as i32 * i32::from(weight) * i32::from(input));
        i32x4_all_true(i32x4_eq(sums, right))
    };
    [-127, -64, -1, 0, 1, 127].iter().all(|&weight| [1, 63, 64, 127].iter().all(|&input| is_right(weight, input)))
}

/// The products of one or two rows with a panel's sixteen features, `QUAD` inputs a step.
///
/// # Safety
/// `a` must be valid for R rows of `quads` quads, `stride` bytes apart, `b` for `quads` rows of sixteen quads, `start` for
/// sixteen sums.
#[inline(never)]
unsafe fn products<const R: usize>(
    a: *const u8,
    stride: usize,
    b: *const i8,
    quads: usize,
    start: *const i32,
    out: &mut [[v128; 4]; R],
) {
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [[0, 4, 8, 12].map(|at| v128_load(start.add(at).cast())); R];
        let mut b = b;
        for quad in 0..quads {
            let row = [0, 16, 32, 48].map(|at| v128_load(b.add(at).cast()));
            for r in 0..R {
                let x = v128_load32_splat(a.add(r * stride + QUAD * quad).cast());
                for v in 0..4 {
                    sums[r][v] = dot(row[v], x, sums[r][v]);
                }
            }
            b = b.add(QUAD * PANEL);
        }
        *out = sums;
    }
}

/// What a panel's features have in common for all rows.
struct Features<'a> {
    scale: &'a [f32],
    lead: &'a [f32],
    norm: &'a [f32],
    lost: &'a [f32],
}

/// Flags of the features that may be alive in a row, one bit each.
///
/// # Safety
/// `panel` must be valid for the panel of the float32 matrix.
unsafe fn flags<P: PanelRows>(
    held: P,
    panel: *const P::Cell,
    products: &[v128; 4],
    features: &Features,
    rows: &ScreenedRows,
    i: usize,
) -> u32 {
    let scale = f32x4_splat(rows.scale[i]);
    let mut sums = [f32x4_splat(0.0); 4];
    for v in 0..4 {
        let unit = f32x4_mul(scale, load(&features.scale[4 * v..]).0);
        sums[v] = madd(f32x4_convert_i32x4(products[v]), unit, load(&features.lead[4 * v..]).0);
    }
    for &(k, x) in &rows.top[i * TOP..][..TOP] {
        if x != 0.0 {
            // SAFETY: `k` is one of the matrix' rows.
            let row = unsafe { held.row(panel.add(k as usize * PANEL)) };
            (0..4).for_each(|v| sums[v] = madd(f32x4_splat(x), row[v], sums[v]));
        }
    }
    let (by_norm, by_lost) = (f32x4_splat(rows.by_norm[i]), f32x4_splat(rows.by_lost[i]));
    let mut flags = 0;
    for v in 0..4 {
        let sum = madd(by_norm, load(&features.norm[4 * v..]).0, sums[v]);
        let sum = madd(by_lost, load(&features.lost[4 * v..]).0, sum);
        // NaN, which nothing here should make, is no proof.
        let is_dead = i32x4_bitmask(f32x4_le(sum, f32x4_splat(0.0)));
        flags |= u32::from(!is_dead & 15) << (4 * v);
    }
    flags
}

/// Flags of a panel's features for some rows.
fn screen_panel<H: Held>(
    held: H,
    cells: &[H::Cell],
    p: usize,
    rows: &ScreenedRows,
    screen: &Screen,
    range: Range<usize>,
    out: &mut [u32; ROWS],
) {
    let at = p * PANEL..(p + 1) * PANEL;
    let features = Features {
        scale: &screen.scale[at.clone()],
        lead: &screen.lead[at.clone()],
        norm: &screen.norm[at.clone()],
        lost: &screen.lost[at.clone()],
    };
    let width = screen.quads * QUAD;
    let weights = screen.cells[p * width * PANEL..][..width * PANEL].as_ptr();
    let start = screen.start[at].as_ptr();
    let panel = cells[p * screen.rows * PANEL..][..screen.rows * PANEL].as_ptr();
    // SAFETY: the panel is the matrix'.
    let held = unsafe { held.in_panel(panel) };
    let mut i = range.start;
    while i < range.end {
        let two = i + 2 <= range.end;
        let inputs = rows.cells[i * width..][..if two { 2 * width } else { width }].as_ptr();
        // SAFETY: the rows, the panel and its sums were cut to their sizes above.
        unsafe {
            if two {
                let mut sums = [[f32x4_splat(0.0); 4]; 2];
                products::<2>(inputs, width, weights, screen.quads, start, &mut sums);
                out[i - range.start] = flags(held, panel, &sums[0], &features, rows, i);
                out[i + 1 - range.start] = flags(held, panel, &sums[1], &features, rows, i + 1);
            } else {
                let mut sums = [[f32x4_splat(0.0); 4]; 1];
                products::<1>(inputs, width, weights, screen.quads, start, &mut sums);
                out[i - range.start] = flags(held, panel, &sums[0], &features, rows, i);
            }
        }
        i += if two { 2 } else { 1 };
    }
}

/// The codes of panels of features, which are columns of `w` and of `out`; those that aren't alive stay as they are, zero.
#[allow(clippy::too_many_arguments)]
pub fn encode(
    x: Rows<f32>,
    rows: &ScreenedRows,
    w: &Packed<f32>,
    screen: &Screen,
    panels: Range<usize>,
    bias: Option<&[f32]>,
    thresholds: Option<&[f32]>,
    mut out: Out,
) {
    assert!(rows.count() == x.count && screen.rows == w.rows && screen.scale.len() == w.cols.next_multiple_of(PANEL));
    assert!(x.count == 0 || (x.count - 1) * x.stride + w.rows <= x.data.len());
    let first_col = panels.start * PANEL;
    let mut all_flags = [0u32; ROWS];
    for p in panels {
        let cols = p * PANEL..((p + 1) * PANEL).min(w.cols);
        let real = u32::MAX >> (32 - cols.len());
        let start: [f32; PANEL] = gemm::bias_at(bias, cols.start);
        for begin in (0..x.count).step_by(ROWS) {
            let range = begin..(begin + ROWS).min(x.count);
            with_cells!(w, |held, cells| {
                screen_panel(held, cells, p, rows, screen, range.clone(), &mut all_flags);
                let flags = &mut all_flags[..range.len()];
                flags.iter_mut().for_each(|flags| *flags &= real);
                let n = flags.iter().filter(|&&flags| flags != 0).count();
                let to = cols.start - first_col..cols.end - first_col;
                if n * MOST_ROWS > range.len() && n > 2 {
                    let part = Rows { data: &x.data[begin * x.stride..], stride: x.stride, count: range.len() };
                    gemm::gemm(part, w, cols.clone(), bias, Activation::Identity, out.part(begin, to.start));
                    for i in range {
                        for (pre, j) in out.row(i, to.clone()).iter_mut().zip(cols.clone()) {
                            *pre = code(*pre, thresholds.map(|thresholds| thresholds[j]));
                        }
                    }
                } else {
                    let panel = &cells[p * w.rows * PANEL..][..w.rows * PANEL];
                    let mut alive = (0..range.len()).filter(|&i| flags[i] != 0);
                    while let Some(i) = alive.next() {
                        let other = alive.next();
                        let mut sums = [0f32; 2 * PANEL];
                        let tile = Tile {
                            a: x.data[(begin + i) * x.stride..].as_ptr(),
                            a_stride: other.map_or(0, |other| (other - i) * x.stride),
                            b: panel.as_ptr(),
                            panel: 0,
                            k: w.rows,
                            start: start.as_ptr(),
                            start_stride: 0,
                            c: sums.as_mut_ptr(),
                            c_stride: PANEL,
                        };
                        // SAFETY: both rows lie within `x` as was checked above, and the sums have room for two rows.
                        unsafe { few_rows(held, tile, 1 + usize::from(other.is_some()), 1) };
                        for (i, sums) in [Some(i), other].into_iter().flatten().zip(sums.chunks_exact(PANEL)) {
                            for (c, pre) in out.row(begin + i, to.clone()).iter_mut().enumerate() {
                                if flags[i] >> c & 1 != 0 {
                                    let threshold = thresholds.map(|thresholds| thresholds[cols.start + c]);
                                    *pre = code(sums[c], threshold);
                                }
                            }
                        }
                    }
                }
            });
        }
    }
}
