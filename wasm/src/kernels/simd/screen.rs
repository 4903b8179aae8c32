//! Screening: blocks of rows outside, then panels of sixteen features, whose eight-bit cells stay in the first-level cache while the
//! block's rows meet them. And the codes of the candidates that it leaves, in float32: a panel in the rows that its features may be
//! alive in.

use super::gemm;
use super::held::{Held, PanelRows, with_cells};
use super::lanes::{load, madd};
use super::shares::Out;
use super::strips::{Place, ROWS, Strips};
use super::tile::{Terms, Tile, few_rows};
use crate::kernels::parallel::Cells;
use crate::kernels::screen::{Candidates, QUAD, Screen, ScreenedRows, TOP, bits, code};
use crate::kernels::{Activation, PANEL, Packed, Rows};
use core::arch::wasm32::*;
use std::ops::Range;

/// When a feature of the panel may be alive in more than this share of the rows, the panel is computed in all of them.
const MOST_ROWS: usize = 2;

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

/// Products of bytes, four at a time.
struct Quads;

impl Terms for Quads {
    #[inline(always)]
    fn add(x: v128, row: v128, sum: v128) -> v128 {
        dot(row, x, sum)
    }

    #[inline(always)]
    fn end(sum: v128) -> v128 {
        sum
    }
}

/// What a panel's features have in common for all rows.
struct Features<'a> {
    scale: &'a [f32],
    lead: &'a [f32],
    norm: &'a [f32],
    lost: &'a [f32],
}

impl<'a> Features<'a> {
    fn of_panel(screen: &'a Screen, p: usize) -> Self {
        let of = |all: &'a [f32]| &all[p * PANEL..(p + 1) * PANEL];
        Self { scale: of(&screen.scale), lead: of(&screen.lead), norm: of(&screen.norm), lost: of(&screen.lost) }
    }
}

/// Flags of the features that may be alive in a row, one bit each.
///
/// # Safety
/// `panel` must be valid for the panel of the float32 matrix.
unsafe fn flags<P: PanelRows>(
    held: P,
    panel: *const P::Cell,
    products: &[i32; PANEL],
    features: &Features,
    rows: &ScreenedRows,
    i: usize,
) -> u16 {
    let scale = f32x4_splat(rows.scale[i]);
    let mut sums = [f32x4_splat(0.0); 4];
    for v in 0..4 {
        let unit = f32x4_mul(scale, load(&features.scale[4 * v..]).0);
        let product = i32x4(products[4 * v], products[4 * v + 1], products[4 * v + 2], products[4 * v + 3]);
        sums[v] = madd(f32x4_convert_i32x4(product), unit, load(&features.lead[4 * v..]).0);
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
        flags |= u16::from(!is_dead & 15) << (4 * v);
    }
    flags
}

/// Flags of a panel's features, for rows from `first` on, whose products with them are given.
fn flag_panel<H: Held>(
    held: H,
    panel: &[H::Cell],
    features: &Features,
    rows: &ScreenedRows,
    first: usize,
    products: &[[i32; PANEL]],
    out: &mut [u16],
) {
    let at = panel.as_ptr();
    // SAFETY: the panel is the matrix'.
    let held = unsafe { held.in_panel(at) };
    for (i, (products, out)) in products.iter().zip(out).enumerate() {
        // SAFETY: as above.
        *out = unsafe { flags(held, at, products, features, rows, first + i) };
    }
}

/// Flags of panels of features, `[panel][row]` from the first panel on. A quad of bytes takes an element's place in the tiles.
pub fn screen(rows: &ScreenedRows, w: &Packed<f32>, screen: &Screen, panels: Range<usize>, out: &mut [u16]) {
    assert!(screen.rows == w.rows && screen.scale.len() == w.cols.next_multiple_of(PANEL));
    let (count, quads) = (rows.count(), screen.quads);
    assert!(out.len() == panels.len() * count && rows.cells.len() == count * quads * QUAD);
    let most = Strips::rows_for(quads);
    assert!(most > 0, "a screen has no more inputs than there is room for");
    let (mut strips, mut products) = (Strips::new(), [[0i32; PANEL]; ROWS]);
    for first in (0..count).step_by(most) {
        let block = (count - first).min(most);
        let inputs = rows.cells[first * quads * QUAD..].as_ptr().cast();
        // SAFETY: the rows' quads were counted above, and there is room for them.
        unsafe { strips.pack(inputs, quads, block, quads) };
        for (p, out) in panels.clone().zip(out.chunks_exact_mut(count)) {
            let weights = &screen.cells[p * quads * QUAD * PANEL..][..quads * QUAD * PANEL];
            let tile = Tile {
                a: inputs,
                a_stride: quads,
                b: weights.as_ptr().cast(),
                panel: 0,
                k: quads,
                start: screen.start[p * PANEL..(p + 1) * PANEL].as_ptr().cast(),
                start_stride: 0,
                c: products.as_mut_ptr().cast(),
                c_stride: PANEL,
            };
            let place = Place { depth: quads, column: 0 };
            // SAFETY: as for the rows; a panel has as many quads of sixteen features, and there are products of more rows.
            unsafe { strips.by_panel::<Quads>(place, tile, block, |_, _| &[]) };
            let out = &mut out[first..first + block];
            let features = Features::of_panel(screen, p);
            with_cells!(w, |held, cells| {
                let panel = &cells[p * w.rows * PANEL..][..w.rows * PANEL];
                flag_panel(held, panel, &features, rows, first, &products, out);
            });
            let real = u16::MAX >> (PANEL - (w.cols - p * PANEL).min(PANEL));
            out.iter_mut().for_each(|flags| *flags &= real);
        }
    }
}

/// The codes of the candidates among panels of features, each to its place in `out`.
pub fn encode_at(
    x: Rows<f32>,
    w: &Packed<f32>,
    panels: Range<usize>,
    bias: Option<&[f32]>,
    thresholds: Option<&[f32]>,
    candidates: &Candidates,
    out: &Cells<f32>,
) {
    let count = candidates.count;
    assert!(count == x.count && candidates.flags.len() == w.cols.div_ceil(PANEL) * count);
    assert!(count == 0 || (count - 1) * x.stride + w.rows <= x.data.len());
    let mut room = [0f32; ROWS * PANEL];
    for p in panels {
        let of_panel = p * count..(p + 1) * count;
        let (flags, places) = (&candidates.flags[of_panel.clone()], &candidates.places[of_panel]);
        let start: [f32; PANEL] = gemm::bias_at(bias, p * PANEL);
        let finish = |i: usize, sums: &[f32]| {
            let place = places[i] as usize;
            // SAFETY: a panel and a row have places of their own.
            let out = unsafe { out.slice(place..place + flags[i].count_ones() as usize) };
            for (out, c) in out.iter_mut().zip(bits(flags[i])) {
                *out = code(sums[c], thresholds.map(|thresholds| thresholds[p * PANEL + c]));
            }
        };
        for begin in (0..count).step_by(ROWS) {
            let rows = begin..(begin + ROWS).min(count);
            let mut flagged = rows.clone().filter(|&i| flags[i] != 0);
            let n = flagged.clone().count();
            if n * MOST_ROWS > rows.len() && n > 2 {
                let part = Rows { data: &x.data[begin * x.stride..], stride: x.stride, count: rows.len() };
                let cols = p * PANEL..((p + 1) * PANEL).min(w.cols);
                let cells = Cells::new(&mut room);
                // SAFETY: nobody else knows of the room.
                let sums = unsafe { Out::new(&cells, 0, PANEL) };
                gemm::gemm(part, w, cols, bias, Activation::Identity, sums);
                flagged.for_each(|i| finish(i, &room[(i - begin) * PANEL..]));
                continue;
            }
            with_cells!(w, |held, cells| {
                let panel = &cells[p * w.rows * PANEL..][..w.rows * PANEL];
                while let Some(i) = flagged.next() {
                    let other = flagged.next();
                    let tile = Tile {
                        a: x.data[i * x.stride..].as_ptr(),
                        a_stride: other.map_or(0, |other| (other - i) * x.stride),
                        b: panel.as_ptr(),
                        panel: 0,
                        k: w.rows,
                        start: start.as_ptr(),
                        start_stride: 0,
                        c: room.as_mut_ptr(),
                        c_stride: PANEL,
                    };
                    // SAFETY: both rows lie within `x` as was checked above, and the room is one of more than two rows.
                    unsafe { few_rows(held, tile, 1 + usize::from(other.is_some()), 1) };
                    finish(i, &room);
                    if let Some(other) = other {
                        finish(other, &room[PANEL..]);
                    }
                }
            });
        }
    }
}
