//! Products with packed matrices. Loops: panels of 16 columns outside (B is read once and in order), rows inside, k innermost.

use super::activation::activate_in_place;
use super::held::{Held, with_cells};
use super::shares::Out;
use super::tile::{Tile, ZEROS, few_rows, panel, panel_part, three_panels};
use super::transpose::transpose_to_16;
use crate::kernels::{Activation, PANEL, Packed, Rows};
use std::mem::MaybeUninit;
use std::ops::Range;

/// Panels that many rows meet at once: their tiles are three vectors wide.
const TOGETHER: usize = 3;

/// Rows of B, [`TOGETHER`] panels wide, that there is room to widen.
const WIDENED: usize = 256;

/// Columns of B that [`gemm_bt`] transposes at a time, for as many sums as [`TOGETHER`] panels have: 96 KB.
const TRANSPOSED: usize = 512;

/// Rows of A whose sums over a block [`gemm_blocks`] has room for.
const BLOCK_ROWS: usize = 64;

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

/// Neighbouring panels that are computed together.
struct Group {
    first: usize,
    panels: usize,
    /// The columns of the group that exist in C, counted from its own first; all of them unless it is one panel.
    within: Range<usize>,
}

impl Group {
    fn width(&self) -> usize {
        self.within.len()
    }
}

/// The panels that cover `cols`, `together` at a time where that many lie in it whole.
fn groups(cols: Range<usize>, together: usize) -> impl Iterator<Item = Group> {
    let mut first = panels(&cols).start;
    std::iter::from_fn(move || {
        if first >= panels(&cols).end {
            return None;
        }
        let is_whole = first * PANEL >= cols.start && (first + together) * PANEL <= cols.end;
        let panels = if is_whole { together } else { 1 };
        let within = if is_whole { 0..together * PANEL } else { part(first, &cols) };
        let group = Group { first, panels, within };
        first += panels;
        Some(group)
    })
}

/// How many panels `rows` rows meet at once.
fn together(rows: usize) -> usize {
    match rows {
        1 => 2,
        2 => 1,
        _ => TOGETHER,
    }
}

/// The bias of `N` columns from `at` on, zeros without one and beyond its end.
pub fn bias_at<const N: usize>(bias: Option<&[f32]>, at: usize) -> [f32; N] {
    let mut room = [0.0; N];
    if let Some(bias) = bias {
        let end = bias.len().min(at + N);
        room[..end - at].copy_from_slice(&bias[at..end]);
    }
    room
}

/// Room for [`TOGETHER`] panels of [`WIDENED`] rows.
type WidenRoom = MaybeUninit<[f32; TOGETHER * WIDENED * PANEL]>;

/// All rows of A by a group of panels.
///
/// # Safety
/// The tile must be valid for `rows` rows and the group's panels; C, and `start` from its second row on, begin at the first column
/// that exists, and have as many.
unsafe fn rows_by_group<H: Held>(held: H, t: Tile<H::Cell>, rows: usize, group: &Group, room: &mut WidenRoom) {
    if rows <= 2 && group.width() == group.panels * PANEL {
        // SAFETY: the caller's.
        return unsafe { few_rows(held, t, rows, group.panels) };
    }
    let mut from = 0;
    loop {
        let depth = (t.k - from).min(H::DEPTH);
        let continues = from > 0;
        // SAFETY: the caller's; a format that is widened has a depth that there is room for.
        unsafe {
            let cells = t.b.add(from * PANEL);
            let (b, panel_step) = held.widened(cells, t.panel, group.panels, depth, room.as_mut_ptr().cast());
            let tile = Tile {
                a: t.a.add(from),
                a_stride: t.a_stride,
                b,
                panel: panel_step,
                k: depth,
                start: if continues { t.c } else { t.start },
                start_stride: if continues { t.c_stride } else { t.start_stride },
                c: t.c,
                c_stride: t.c_stride,
            };
            match group.panels {
                TOGETHER => three_panels(tile, rows),
                _ if group.width() == PANEL => panel(tile, rows),
                _ => panel_part(tile, rows, group.within.start, group.within.end, continues),
            }
        }
        from += depth;
        if from >= t.k {
            break;
        }
    }
}

pub fn gemm(a: Rows<f32>, b: &Packed<f32>, cols: Range<usize>, bias: Option<&[f32]>, act: Activation, mut out: Out) {
    if a.count == 0 || cols.is_empty() {
        return;
    }
    assert!(cols.end <= b.cols && bias.is_none_or(|bias| bias.len() == b.cols));
    check(a.data.len(), a.stride, a.count, b.rows);
    check(out.len(), out.stride, a.count, cols.len());
    with_cells!(b, |held, cells| {
        let mut room = WidenRoom::uninit();
        for group in groups(cols.clone(), together(a.count)) {
            let first = group.first * PANEL + group.within.start - cols.start;
            let start: [f32; TOGETHER * PANEL] = bias_at(bias, group.first * PANEL);
            let tile = Tile {
                a: a.data.as_ptr(),
                a_stride: a.stride,
                b: cells[group.first * b.rows * PANEL..].as_ptr(),
                panel: b.rows * PANEL,
                k: b.rows,
                start: start.as_ptr(),
                start_stride: 0,
                c: out.at(first),
                c_stride: out.stride,
            };
            // SAFETY: A and C were checked above; a panel has `b.rows` rows of 16, and the group's lie side by side in `cols`.
            unsafe { rows_by_group(held, tile, a.count, &group, &mut room) };
            if act != Activation::Identity {
                for i in 0..a.count {
                    activate_in_place(act, out.row(i, first..first + group.width()));
                }
            }
        }
    });
}

/// Adds block sums in order (`cols` begin with a panel): each tile sums its block from zero into a small room, from which it is
/// added to C.
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
    let block = block.max(1);
    with_cells!(b, |held, cells| {
        let mut room = WidenRoom::uninit();
        let mut sums = [0f32; BLOCK_ROWS * TOGETHER * PANEL];
        for group in groups(cols.clone(), together(a.count)) {
            let first = group.first * PANEL - cols.start;
            let bias: Option<[f32; TOGETHER * PANEL]> = bias.map(|bias| bias_at(Some(bias), group.first * PANEL));
            let (width, stride) = (group.width(), group.panels * PANEL);
            let whole = Group { within: 0..stride, ..group };
            for i in (0..a.count).step_by(BLOCK_ROWS) {
                let rows = (a.count - i).min(BLOCK_ROWS);
                // Without any block the sum is zero.
                for from in (0..b.rows.max(1)).step_by(block) {
                    let tile = Tile {
                        a: a.data[i * a.stride + from..].as_ptr(),
                        a_stride: a.stride,
                        b: cells[(group.first * b.rows + from) * PANEL..].as_ptr(),
                        panel: b.rows * PANEL,
                        k: block.min(b.rows - from),
                        start: ZEROS.as_ptr(),
                        start_stride: 0,
                        c: sums.as_mut_ptr(),
                        c_stride: stride,
                    };
                    // SAFETY: A was checked above, a panel has `b.rows` rows of 16, and the sums have room for the rows.
                    unsafe { rows_by_group(held, tile, rows, &whole, &mut room) };
                    let is_last = from + block >= b.rows;
                    for (r, sums) in sums.chunks_exact(stride).take(rows).enumerate() {
                        let total = out.row(i + r, first..first + width);
                        add_block(total, sums, from == 0, bias.as_ref().filter(|_| is_last));
                    }
                }
            }
        }
    });
}

/// Adds a block's sums to the total, which the first one is, and after the last one the bias.
fn add_block(total: &mut [f32], sums: &[f32], is_first: bool, bias: Option<&[f32; TOGETHER * PANEL]>) {
    if is_first {
        total.copy_from_slice(&sums[..total.len()]);
    } else {
        total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
    }
    if let Some(bias) = bias {
        total.iter_mut().zip(bias).for_each(|(total, bias)| *total += bias);
    }
}

/// Transposes the rows of B that belong to a group of sums, [`TRANSPOSED`] columns of them at a time, and runs the ordinary tiles,
/// which take up the sums of the columns before where C holds them.
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
    let mut room = MaybeUninit::<[f32; TOGETHER * TRANSPOSED * PANEL]>::uninit();
    let transposed = room.as_mut_ptr().cast::<f32>();
    let whole = |k: usize| k + TOGETHER * PANEL <= ks.end && dy.count > 2;
    let mut k = ks.start;
    while k < ks.end {
        let together = if whole(k) { TOGETHER } else { 1 };
        let width = (ks.end - k).min(together * PANEL);
        let mut from = cols.start;
        while from < cols.end {
            // Ends on a panel's border, so that all blocks but the outermost are made of whole panels.
            let to = ((from / PANEL + TRANSPOSED / PANEL) * PANEL).min(cols.end);
            let depth = to - from;
            // SAFETY: the room holds TOGETHER panels of TRANSPOSED ≥ depth rows.
            with_cells!(b, |held, cells| unsafe { transpose(held, cells, b.rows, from..to, k..k + width, transposed) });
            let c = out.at(k - ks.start);
            let continues = from > cols.start;
            let tile = Tile {
                a: dy.data[from - cols.start..].as_ptr(),
                a_stride: dy.stride,
                b: transposed,
                panel: depth * PANEL,
                k: depth,
                start: if continues { c } else { ZEROS.as_ptr() },
                start_stride: if continues { out.stride } else { 0 },
                c,
                c_stride: out.stride,
            };
            // SAFETY: dy and C were checked above, and the room was filled with `depth` rows a panel.
            unsafe {
                match width {
                    PANEL => panel(tile, dy.count),
                    _ if together == TOGETHER => three_panels(tile, dy.count),
                    _ => panel_part(tile, dy.count, 0, width, continues),
                }
            }
            from = to;
        }
        k += width;
    }
}

/// Rows `ks` of B as columns: cell `(k, j)` goes to panel `k / 16`, row `j`, column `k % 16`, counted from the ranges' starts.
///
/// # Safety
/// `out` must be valid for `ks.len() / 16` panels, rounded up, of `cols.len()` rows.
unsafe fn transpose<H: Held>(
    held: H,
    cells: &[H::Cell],
    rows: usize,
    cols: Range<usize>,
    ks: Range<usize>,
    out: *mut f32,
) {
    let mut room = [0f32; PANEL * PANEL];
    for p in panels(&cols) {
        let within = part(p, &cols);
        for (group, k) in ks.clone().step_by(PANEL).enumerate() {
            let height = (ks.end - k).min(PANEL);
            let source = cells[(p * rows + k) * PANEL..][..height * PANEL].as_ptr();
            let at = (group * cols.len() + p * PANEL + within.start - cols.start) * PANEL;
            // SAFETY: the panel has rows k..k + height of 16, and the room as many; the caller answers for `out`.
            unsafe {
                let (block, _) = held.widened(source, 0, 1, height, room.as_mut_ptr());
                transpose_to_16(block.add(within.start), PANEL, height, within.len(), out.add(at));
            }
        }
    }
}
