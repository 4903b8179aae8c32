//! Products with packed matrices. Loops: panels of 16 columns outside (B is read once and in order), rows inside, k innermost.

use super::activation::activate_in_place;
use super::shares::Out;
use super::tile::{Tile, ZEROS, panel, panel_part, three_panels, tile_1x8};
use super::transpose::transpose_to_16;
use crate::kernels::{Activation, PANEL, Packed, Rows};
use std::mem::MaybeUninit;
use std::ops::Range;

/// Columns of B that [`gemm_bt`] transposes at a time: with 16 rows of B 48 KB. From 512 to 3072 its speed is the same within 2 %.
const TRANSPOSED: usize = 768;

/// Asserts that `count` rows of `width`, `stride` apart, lie within `len` elements.
fn check(len: usize, stride: usize, count: usize, width: usize) {
    assert!(count == 0 || (count - 1) * stride + width <= len);
    assert!(count < 2 || stride >= width);
}

/// The part of panel `p` that lies in `cols`, counted from the panel's own first column.
fn part(p: usize, cols: &Range<usize>) -> Range<usize> {
    cols.start.max(p * PANEL) - p * PANEL..cols.end.min((p + 1) * PANEL) - p * PANEL
}

/// The panels that cover `cols`.
fn panels(cols: &Range<usize>) -> Range<usize> {
    cols.start / PANEL..cols.end.div_ceil(PANEL)
}

/// The bias of `N` columns from `at` on, zeros without one and beyond its end.
fn bias_at<const N: usize>(bias: Option<&[f32]>, at: usize) -> [f32; N] {
    let mut room = [0.0; N];
    if let Some(bias) = bias {
        let end = bias.len().min(at + N);
        room[..end - at].copy_from_slice(&bias[at..end]);
    }
    room
}

pub fn gemm(a: Rows<f32>, b: &Packed<f32>, cols: Range<usize>, bias: Option<&[f32]>, act: Activation, mut out: Out) {
    if a.count == 0 || cols.is_empty() {
        return;
    }
    assert!(cols.end <= b.cols && bias.is_none_or(|bias| bias.len() == b.cols));
    check(a.data.len(), a.stride, a.count, b.rows);
    check(out.len(), out.stride, a.count, cols.len());
    let mut p = panels(&cols).start;
    while p < panels(&cols).end {
        let within = part(p, &cols);
        let whole = |count: usize| within.start == 0 && (p + count) * PANEL <= cols.end;
        let together = match a.count {
            1 if whole(2) => 2,
            3.. if whole(3) => 3,
            _ => 1,
        };
        let first = p * PANEL + within.start - cols.start;
        let start: [f32; 3 * PANEL] = bias_at(bias, p * PANEL);
        let tile = Tile {
            a: a.data.as_ptr(),
            a_stride: a.stride,
            b: b.panel(p).as_ptr(),
            k: b.rows,
            start: start.as_ptr(),
            start_stride: 0,
            c: out.at(first),
            c_stride: out.stride,
        };
        // SAFETY: A and C were checked above; a panel has `b.rows` rows of 16, and the `together` panels lie side by side in `cols`.
        unsafe {
            match together {
                3 => three_panels(tile, a.count),
                2 => tile_1x8(&tile),
                _ if within.len() == PANEL => panel(tile, a.count),
                _ => panel_part(tile, a.count, within.start, within.end, false),
            }
        }
        if act != Activation::Identity {
            let width = if together > 1 { together * PANEL } else { within.len() };
            for i in 0..a.count {
                activate_in_place(act, out.row(i, first..first + width));
            }
        }
        p += together;
    }
}

/// Adds block sums in order (`cols` begin with a panel): each tile sums its block from zero into a small room, from which it is added to C.
pub fn gemm_blocks(
    a: Rows<f32>,
    b: &Packed<f32>,
    cols: Range<usize>,
    block: usize,
    bias: Option<&[f32]>,
    mut out: Out,
) {
    assert!(cols.start.is_multiple_of(PANEL) && cols.end <= b.cols && bias.is_none_or(|bias| bias.len() == b.cols));
    check(a.data.len(), a.stride, a.count, b.rows);
    check(out.len(), out.stride, a.count, cols.len());
    for p in panels(&cols) {
        let width = part(p, &cols).len();
        let first = p * PANEL - cols.start;
        let bias: Option<[f32; PANEL]> = bias.map(|bias| bias_at(Some(bias), p * PANEL));
        for i in (0..a.count).step_by(2) {
            let rows = (a.count - i).min(2);
            let mut total = [0f32; 2 * PANEL];
            for from in (0..b.rows).step_by(block.max(1)) {
                let mut sums = [0f32; 2 * PANEL];
                let tile = Tile {
                    a: a.data[i * a.stride + from..].as_ptr(),
                    a_stride: a.stride,
                    b: b.panel(p)[from * PANEL..].as_ptr(),
                    k: block.min(b.rows - from),
                    start: ZEROS.as_ptr(),
                    start_stride: 0,
                    c: sums.as_mut_ptr(),
                    c_stride: PANEL,
                };
                // SAFETY: A was checked above, the panel has `b.rows` rows of 16, and the sums have room for two rows.
                unsafe { panel(tile, rows) };
                total.iter_mut().zip(sums).for_each(|(total, sum)| *total = if from == 0 { sum } else { *total + sum });
            }
            for (r, total) in total.chunks_exact_mut(PANEL).take(rows).enumerate() {
                if let Some(bias) = bias {
                    total.iter_mut().zip(bias).for_each(|(total, bias)| *total += bias);
                }
                out.row(i + r, first..first + width).copy_from_slice(&total[..width]);
            }
        }
    }
}

/// Transposes 16 rows of B at a time, [`TRANSPOSED`] columns of them, and runs the ordinary tiles, which take up the sums of
/// the columns before where C holds them.
pub fn gemm_bt(dy: Rows<f32>, b: &Packed<f32>, cols: Range<usize>, ks: Range<usize>, mut out: Out) {
    assert!(cols.end <= b.cols && ks.end <= b.rows);
    check(dy.data.len(), dy.stride, dy.count, cols.len());
    check(out.len(), out.stride, dy.count, ks.len());
    if cols.is_empty() {
        (0..dy.count).for_each(|i| out.row(i, 0..ks.len()).fill(0.0));
    }
    if dy.count == 0 || cols.is_empty() {
        return;
    }
    let mut room = MaybeUninit::<[f32; TRANSPOSED * PANEL]>::uninit();
    let transposed = room.as_mut_ptr().cast::<f32>();
    for k in ks.clone().step_by(PANEL) {
        let width = (ks.end - k).min(PANEL);
        let mut from = cols.start;
        while from < cols.end {
            // Ends on a panel's border, so that all blocks but the outermost are made of whole panels.
            let to = ((from / PANEL + TRANSPOSED / PANEL) * PANEL).min(cols.end);
            for p in panels(&(from..to)) {
                let within = part(p, &(from..to));
                let source = b.panel(p)[k * PANEL + within.start..].as_ptr();
                let at = (p * PANEL + within.start - from) * PANEL;
                // SAFETY: the panel has rows k..k + width of 16, and the room TRANSPOSED ≥ to - from rows of 16.
                unsafe { transpose_to_16(source, PANEL, width, within.len(), transposed.add(at)) };
            }
            let c = out.at(k - ks.start);
            let continues = from > cols.start;
            let tile = Tile {
                a: dy.data[from - cols.start..].as_ptr(),
                a_stride: dy.stride,
                b: transposed,
                k: to - from,
                start: if continues { c } else { ZEROS.as_ptr() },
                start_stride: if continues { out.stride } else { 0 },
                c,
                c_stride: out.stride,
            };
            // SAFETY: dy and C were checked above, and the room was filled with `to - from` rows.
            unsafe {
                if width == PANEL {
                    panel(tile, dy.count);
                } else {
                    panel_part(tile, dy.count, 0, width, continues);
                }
            }
            from = to;
        }
    }
}
