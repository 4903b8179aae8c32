//! Products with packed matrices. One or two rows of A meet panels of B as they are. More rows are packed first, in blocks of few
//! enough rows and columns that what a tile reads lies in the first-level cache: loops over blocks of rows, of as many k as there is
//! room to pack, panels of 16 columns, parts of k, strips of five rows, and k innermost. So B is read in long stretches, once
//! for each block of rows. A part of k begins with the sums of the one before it, so that each sum is taken in order.

use super::activation::activate_in_place;
use super::held::{Held, with_cells};
use super::shares::Out;
use super::strips::{DEPTH, Place, ROWS, Strips};
use super::tile::{Products, Tile, ZEROS, few_rows, panel_part};
use super::transpose::transpose_to_16;
use crate::kernels::{Activation, PANEL, Packed, Rows};
use std::mem::MaybeUninit;
use std::ops::Range;

/// Up to this many rows meet B unpacked.
const FEW: usize = 2;

/// Room for a panel of [`DEPTH`] rows.
type PanelRoom = MaybeUninit<[f32; DEPTH * PANEL]>;

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

/// What is read after a panel's rows up to `k`: up to `depth` rows of `ks`, of the same panel or of the one behind it.
fn next_of<'a, C>(
    cells: &'a [C],
    rows: usize,
    (p, k): (usize, usize),
    ks: &Range<usize>,
    last_panel: usize,
    depth: usize,
) -> &'a [C] {
    let (p, k) = if k < ks.end { (p, k) } else { (p + 1, ks.start) };
    let count = if p < last_panel { (ks.end - k).min(depth) } else { 0 };
    if count > 0 { &cells[(p * rows + k) * PANEL..][..count * PANEL] } else { &[] }
}

/// Cells as bytes.
fn bytes_of<C: Copy>(cells: &[C]) -> &[u8] {
    // SAFETY: a matrix' cells are numbers without padding.
    unsafe { std::slice::from_raw_parts(cells.as_ptr().cast(), size_of_val(cells)) }
}

/// The `i`th of `n` equal shares of cells, as bytes.
fn share_of<C: Copy>(cells: &[C], i: usize, n: usize) -> &[u8] {
    let share = cells.len() / n;
    bytes_of(&cells[i * share..][..share])
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

/// A block of A's rows by a panel; C begins at the first of the columns `within` that exist.
///
/// # Safety
/// The tile must be valid for `rows` rows, A unpacked; `strips` must hold the same block, in which the tile begins at `place`.
unsafe fn block_by_panel<'a>(
    strips: &Strips,
    place: Place,
    t: Tile,
    rows: usize,
    within: &Range<usize>,
    continues: bool,
    next: impl Fn(usize, usize) -> &'a [u8],
) {
    // SAFETY: the caller's.
    unsafe {
        if within.len() < PANEL {
            panel_part(t, rows, within.start, within.end, continues);
        } else {
            strips.by_panel::<Products>(place, t, rows, next);
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
    let whole = cols.start.div_ceil(PANEL)..cols.end / PANEL;
    if a.count > FEW || whole.is_empty() {
        return many_rows(&a, b, &cols, bias, act, &mut out);
    }
    // Panels that exist in part, at either end.
    for edge in [cols.start..whole.start * PANEL, whole.end * PANEL..cols.end] {
        many_rows(&a, b, &edge, bias, act, &mut out.part(0, edge.start - cols.start));
    }
    let mut out = out.part(0, whole.start * PANEL - cols.start);
    few_rows_by_panels(&a, b, whole, bias, act, &mut out);
}

/// One or two rows by whole panels, unpacked.
fn few_rows_by_panels(
    a: &Rows<f32>,
    b: &Packed<f32>,
    panels: Range<usize>,
    bias: Option<&[f32]>,
    act: Activation,
    out: &mut Out,
) {
    let together = if a.count == 1 { 2 } else { 1 };
    with_cells!(b, |held, cells| {
        for p in panels.clone().step_by(together) {
            let (now, first) = (together.min(panels.end - p), (p - panels.start) * PANEL);
            let start: [f32; 2 * PANEL] = bias_at(bias, p * PANEL);
            let tile = Tile {
                a: a.data.as_ptr(),
                a_stride: a.stride,
                b: cells[p * b.rows * PANEL..].as_ptr(),
                panel: b.rows * PANEL,
                k: b.rows,
                start: start.as_ptr(),
                start_stride: 0,
                c: out.at(first),
                c_stride: out.stride,
            };
            // SAFETY: A and C were checked by `gemm`; a panel has `b.rows` rows of 16, and the panels lie side by side.
            unsafe { few_rows(held, tile, a.count, now) };
            if act != Activation::Identity {
                for i in 0..a.count {
                    activate_in_place(act, out.row(i, first..first + now * PANEL));
                }
            }
        }
    });
}

/// Any number of rows by any columns, in blocks.
fn many_rows(
    a: &Rows<f32>,
    b: &Packed<f32>,
    cols: &Range<usize>,
    bias: Option<&[f32]>,
    act: Activation,
    out: &mut Out,
) {
    if cols.is_empty() {
        return;
    }
    let (mut strips, mut widened) = (Strips::new(), PanelRoom::uninit());
    let last_panel = panels(cols).end;
    with_cells!(b, |held, cells| {
        for i in (0..a.count).step_by(ROWS) {
            let rows = (a.count - i).min(ROWS);
            let (room, most) = (Strips::room_for(rows), Strips::depth_for(rows));
            // Without any k the sum is the bias.
            for begin in (0..b.rows.max(1)).step_by(room) {
                let end = (begin + room).min(b.rows);
                // SAFETY: A was checked by `gemm`.
                unsafe { strips.pack(a.data[i * a.stride + begin..].as_ptr(), a.stride, rows, end - begin) };
                for p in panels(cols) {
                    let within = part(p, cols);
                    let first = p * PANEL + within.start - cols.start;
                    let start: [f32; PANEL] = bias_at(bias, p * PANEL);
                    let c = out.at(i * out.stride + first);
                    for from in (begin..end.max(begin + 1)).step_by(most) {
                        let depth = (end - from).min(most);
                        let at = cells[(p * b.rows + from) * PANEL..].as_ptr();
                        let continues = from > 0;
                        let next = next_of(cells, b.rows, (p, from + depth), &(begin..end), last_panel, most);
                        // SAFETY: C was checked by `gemm`, a panel has `b.rows` rows of 16, and its room holds DEPTH of them.
                        unsafe {
                            let tile = Tile {
                                a: a.data[i * a.stride + from..].as_ptr(),
                                a_stride: a.stride,
                                b: held.widened(at, depth, widened.as_mut_ptr().cast()),
                                panel: 0,
                                k: depth,
                                start: if continues { c } else { start.as_ptr() },
                                start_stride: if continues { out.stride } else { 0 },
                                c,
                                c_stride: out.stride,
                            };
                            let place = Place { depth: end - begin, column: from - begin };
                            let next = |i, n| share_of(next, i, n);
                            block_by_panel(&strips, place, tile, rows, &within, continues, next);
                        }
                    }
                    if act != Activation::Identity && end == b.rows {
                        for r in i..i + rows {
                            activate_in_place(act, out.row(r, first..first + within.len()));
                        }
                    }
                }
            }
        }
    });
}

/// Adds block sums in order (`cols` begin with a panel).
pub fn gemm_blocks(
    a: Rows<f32>,
    b: &Packed<f32>,
    cols: Range<usize>,
    block: usize,
    bias: Option<&[f32]>,
    mut out: Out,
) {
    if a.count == 0 || cols.is_empty() {
        return;
    }
    assert!(cols.start.is_multiple_of(PANEL) && cols.end <= b.cols && bias.is_none_or(|bias| bias.len() == b.cols));
    check(a.data.len(), a.stride, a.count, b.rows);
    check(out.len(), out.stride, a.count, cols.len());
    let block = block.clamp(1, b.rows.max(1));
    // Up to here the rows meet whole panels unpacked.
    let unpacked = if a.count <= FEW && b.rows > 0 { cols.end - cols.end % PANEL } else { cols.start };
    few_rows_by_blocks(&a, b, cols.start..unpacked, block, bias, &mut out);
    let mut rest = out.part(0, unpacked - cols.start);
    many_rows_by_blocks(&a, b, unpacked..cols.end, block, bias, &mut rest);
}

/// One or two rows by whole panels, block by block.
fn few_rows_by_blocks(
    a: &Rows<f32>,
    b: &Packed<f32>,
    cols: Range<usize>,
    block: usize,
    bias: Option<&[f32]>,
    out: &mut Out,
) {
    const WIDTH: usize = 2 * PANEL;
    let together = if a.count == 1 { 2 } else { 1 };
    let (zeros, mut sums) = ([0f32; WIDTH], [0f32; FEW * WIDTH]);
    with_cells!(b, |held, cells| {
        for column in cols.clone().step_by(together * PANEL) {
            let width = (together * PANEL).min(cols.end - column);
            for begin in (0..b.rows).step_by(block) {
                let end = (begin + block).min(b.rows);
                let tile = Tile {
                    a: a.data[begin..].as_ptr(),
                    a_stride: a.stride,
                    b: cells[column * b.rows + begin * PANEL..].as_ptr(),
                    panel: b.rows * PANEL,
                    k: end - begin,
                    start: zeros.as_ptr(),
                    start_stride: 0,
                    c: sums.as_mut_ptr(),
                    c_stride: WIDTH,
                };
                // SAFETY: A was checked by `gemm_blocks`, a panel has `b.rows` rows of 16, and the sums are of two rows by two panels.
                unsafe { few_rows(held, tile, a.count, width / PANEL) };
                let bias = bias.filter(|_| end == b.rows).map(|bias| &bias[column..column + width]);
                for (i, sums) in sums.chunks_exact(WIDTH).take(a.count).enumerate() {
                    let at = column - cols.start;
                    add_block(out.row(i, at..at + width), sums, begin == 0, bias);
                }
            }
        }
    });
}

/// Any number of rows by any columns, block by block: each tile sums its block from zero into a small room, from which it is added
/// to C.
fn many_rows_by_blocks(
    a: &Rows<f32>,
    b: &Packed<f32>,
    cols: Range<usize>,
    block: usize,
    bias: Option<&[f32]>,
    out: &mut Out,
) {
    if cols.is_empty() {
        return;
    }
    let (mut strips, mut widened) = (Strips::new(), PanelRoom::uninit());
    let mut sums = [0f32; ROWS * PANEL];
    let last_panel = panels(&cols).end;
    with_cells!(b, |held, cells| {
        for i in (0..a.count).step_by(ROWS) {
            let rows = (a.count - i).min(ROWS);
            let (room, most) = (Strips::room_for(rows), Strips::depth_for(rows));
            // Whole blocks are packed together; one for which there is no room is packed in parts, again for each panel.
            let fits = block <= room;
            let span = if fits { room - room % block } else { block };
            // Without any block the sum is zero.
            for first in (0..b.rows.max(1)).step_by(span) {
                let last = (first + span).min(b.rows);
                if fits {
                    // SAFETY: A was checked above.
                    unsafe { strips.pack(a.data[i * a.stride + first..].as_ptr(), a.stride, rows, last - first) };
                }
                for p in panels(&cols) {
                    let width = part(p, &cols).len();
                    let column = p * PANEL - cols.start;
                    for begin in (first..last.max(first + 1)).step_by(block) {
                        let end = (begin + block).min(last);
                        for from in (begin..end.max(begin + 1)).step_by(most) {
                            let depth = (end - from).min(most);
                            let at = a.data[i * a.stride + from..].as_ptr();
                            let of_panel = cells[(p * b.rows + from) * PANEL..].as_ptr();
                            let continues = from > begin;
                            let next =
                                next_of(cells, b.rows, (p, from + depth), &(first..last), last_panel, block.min(most));
                            // SAFETY: A was checked above, a panel has `b.rows` rows of 16, its room holds DEPTH of them, and
                            // the sums `rows`.
                            unsafe {
                                if !fits {
                                    strips.pack(at, a.stride, rows, depth);
                                }
                                let tile = Tile {
                                    a: at,
                                    a_stride: a.stride,
                                    b: held.widened(of_panel, depth, widened.as_mut_ptr().cast()),
                                    panel: 0,
                                    k: depth,
                                    start: if continues { sums.as_ptr() } else { ZEROS.as_ptr() },
                                    start_stride: if continues { PANEL } else { 0 },
                                    c: sums.as_mut_ptr(),
                                    c_stride: PANEL,
                                };
                                let whole = Place { depth: last - first, column: from - first };
                                let place = if fits { whole } else { Place { depth, column: 0 } };
                                let next = |i, n| share_of(next, i, n);
                                block_by_panel(&strips, place, tile, rows, &(0..PANEL), continues, next);
                            }
                        }
                        let bias = bias.filter(|_| begin + block >= b.rows).map(|bias| &bias[p * PANEL..][..width]);
                        for (r, sums) in sums.chunks_exact(PANEL).take(rows).enumerate() {
                            add_block(out.row(i + r, column..column + width), sums, begin == 0, bias);
                        }
                    }
                }
            }
        }
    });
}

/// Adds a block's sums to the total, which the first one is, and after the last one the bias.
fn add_block(total: &mut [f32], sums: &[f32], is_first: bool, bias: Option<&[f32]>) {
    if is_first {
        total.copy_from_slice(&sums[..total.len()]);
    } else {
        total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
    }
    if let Some(bias) = bias {
        total.iter_mut().zip(bias).for_each(|(total, bias)| *total += bias);
    }
}

/// Transposes the rows of B that belong to sixteen sums, a block of its columns at a time, and runs the ordinary tiles.
pub fn gemm_bt(dy: Rows<f32>, b: &Packed<f32>, cols: Range<usize>, ks: Range<usize>, mut out: Out) {
    assert!(cols.end <= b.cols && ks.end <= b.rows);
    check(dy.data.len(), dy.stride, dy.count, cols.len());
    check(out.len(), out.stride, dy.count, ks.len());
    if cols.is_empty() {
        (0..dy.count).for_each(|i| out.row(i, 0..ks.len()).fill(0.0));
    }
    let (mut strips, mut room) = (Strips::new(), PanelRoom::uninit());
    let transposed = room.as_mut_ptr().cast::<f32>();
    for i in (0..dy.count).step_by(ROWS) {
        let rows = (dy.count - i).min(ROWS);
        let mut from = cols.start;
        while from < cols.end {
            // Ends on a panel's border, so that all blocks but the outermost are made of whole panels.
            let to = ((from / PANEL + DEPTH / PANEL) * PANEL).min(cols.end);
            let depth = to - from;
            let block = dy.data[i * dy.stride + from - cols.start..].as_ptr();
            let (continues, blocks) = (from > cols.start, panels(&(from..to)));
            // SAFETY: dy was checked above.
            unsafe { strips.pack(block, dy.stride, rows, depth) };
            for k in ks.clone().step_by(PANEL) {
                let width = (ks.end - k).min(PANEL);
                let c = out.at(i * out.stride + k - ks.start);
                let tile = Tile {
                    a: block,
                    a_stride: dy.stride,
                    b: transposed,
                    panel: 0,
                    k: depth,
                    start: if continues { c } else { ZEROS.as_ptr() },
                    start_stride: if continues { out.stride } else { 0 },
                    c,
                    c_stride: out.stride,
                };
                // SAFETY: C was checked above, and the room holds a panel of DEPTH ≥ depth rows.
                unsafe {
                    with_cells!(b, |held, cells| {
                        transpose(held, cells, b.rows, from..to, k..k + width, transposed);
                        // The next rows of a panel for each strip.
                        let next = |i, n| {
                            let p = blocks.start + i * blocks.len() / n;
                            let next = (k + PANEL).min(ks.end)..(k + 2 * PANEL).min(ks.end);
                            bytes_of(&cells[(p * b.rows + next.start) * PANEL..][..next.len() * PANEL])
                        };
                        block_by_panel(&strips, Place { depth, column: 0 }, tile, rows, &(0..width), continues, next);
                    });
                }
            }
            from = to;
        }
    }
}

/// Up to sixteen rows `ks` of B as columns: cell `(k, j)` goes to row `j`, column `k`, counted from the ranges' starts.
///
/// # Safety
/// `out` must be valid for `cols.len()` rows of sixteen.
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
        let source = cells[(p * rows + ks.start) * PANEL..][..ks.len() * PANEL].as_ptr();
        let at = (p * PANEL + within.start - cols.start) * PANEL;
        // SAFETY: the panel has the rows, of 16 cells, and the room as many; the caller answers for `out`.
        unsafe {
            let block = held.widened(source, ks.len(), room.as_mut_ptr());
            transpose_to_16(block.add(within.start), PANEL, ks.len(), within.len(), out.add(at));
        }
    }
}
