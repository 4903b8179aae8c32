//! Attention over tiles of rows that share a batch entry.
//!
//! Scores are an ordinary product: 16 keys of a head are transposed into a panel, so that a key is a lane and `d` runs in order.
//! The mix is another, with the values as they lie: `d` is a lane and the keys run in order. A tile's scores stay in a room of a
//! few rows, where the softmax between the two works in place.

use super::lanes::{F32x4, load, map_in_place, map_indexed};
use super::softmax::softmax_in_place;
use super::tile::{Products, Tile, ZEROS, panel, tile_strided};
use super::transpose::transpose_to_16;
use crate::kernels::parallel::Cells;
use crate::kernels::portable::{mix_row, score};
use crate::kernels::{Attend, PANEL};
use crate::real::Real;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Elements of a head that are transposed at a time: with 16 keys 16 KB.
const DEPTH: usize = 256;

/// Rows of a tile: enough to make transposing the keys cheap, few enough to keep their scores in cache.
const TILE_ROWS: usize = 32;

/// The tiles' rows: up to [`TILE_ROWS`] consecutive ones of one batch entry.
fn tiles<'a>(at: &'a Attend) -> impl Iterator<Item = Range<usize>> + 'a {
    let mut start = 0;
    std::iter::from_fn(move || {
        let batch = at.rows.get(start)?.0;
        let len = at.rows[start..].iter().take(TILE_ROWS).take_while(|row| row.0 == batch).count();
        start += len;
        Some(start - len..start)
    })
}

/// The pairs of a tile and a head: each is computed by itself.
pub fn pair_count(at: &Attend) -> usize {
    tiles(at).count() * at.n_heads
}

/// Some of the pairs: the tile's rows, and the head.
fn pairs<'a>(at: &'a Attend, share: Range<usize>) -> impl Iterator<Item = (Range<usize>, usize)> + 'a {
    let all = tiles(at).flat_map(|rows| (0..at.n_heads).map(move |h| (rows.clone(), h)));
    all.skip(share.start).take(share.len())
}

/// The width of a row in the room: whole panels of keys.
fn room_stride(at: &Attend) -> usize {
    at.n_keys.next_multiple_of(PANEL)
}

fn check(at: &Attend, q: Option<&[f32]>, k: &[f32], z: Option<&Cells<f32>>) {
    let width = at.n_heads * at.d_head;
    assert!(q.is_none_or(|q| q.len() == at.rows.len() * width) && z.is_none_or(|z| z.len() == at.rows.len() * width));
    assert!(at.key_room >= at.n_keys && at.n_heads.is_multiple_of(at.n_key_heads));
    assert!(k.len() == at.batch * at.key_room * at.key_width());
    assert!(at.rows.iter().all(|&(batch, key)| (batch as usize) < at.batch && (key as usize) < at.n_keys));
}

/// The products of a tile's queries with the keys from `key` on, `keys ≤ 16` of them, written to the room at `c`.
///
/// # Safety
/// `check` must have passed, and `c` be valid for the tile's rows, [`room_stride`] apart, of 16.
unsafe fn multiply(at: &Attend, rows: Range<usize>, h: usize, key: usize, q: &[f32], k: &[f32], c: *mut f32) {
    let width = at.n_heads * at.d_head;
    let keys = (at.n_keys - key).min(PANEL);
    let first_key = at.key_start(at.rows[rows.start].0, h, key);
    let mut room = MaybeUninit::<[f32; DEPTH * PANEL]>::uninit();
    let transposed = room.as_mut_ptr().cast::<f32>();
    for from in (0..at.d_head).step_by(DEPTH) {
        let depth = (at.d_head - from).min(DEPTH);
        let tile = Tile {
            a: q[rows.start * width + h * at.d_head + from..].as_ptr(),
            a_stride: width,
            b: transposed,
            panel: 0,
            k: depth,
            start: if from == 0 { ZEROS.as_ptr() } else { c },
            start_stride: if from == 0 { 0 } else { room_stride(at) },
            c,
            c_stride: room_stride(at),
        };
        // SAFETY: the keys and queries lie within their slices by `check`, and the room holds `depth` rows of 16.
        unsafe {
            transpose_to_16(k[first_key + from..].as_ptr(), at.key_width(), keys, depth, transposed);
            panel::<Products>(tile, rows.len());
        }
    }
}

/// Makes scores of the products that row `r` sees and hides the others.
fn finish_scores(at: &Attend, r: usize, h: usize, scores: &mut [f32]) {
    let (batch, span) = (at.rows[r].0 as usize, at.span(r));
    scores[..span.start].fill(f32::NEG_INFINITY);
    scores[span.end..].fill(f32::NEG_INFINITY);
    let seen = &mut scores[span.clone()];
    if at.slopes.is_empty() {
        map_in_place(seen, |product| score(at, h, product, F32x4::ZERO));
    } else {
        let nearest = 1.0 - seen.len() as f32;
        map_indexed(seen, |product, i| score(at, h, product, F32x4::all(nearest) + i));
    }
    if !at.key_mask.is_empty() {
        let flags = &at.key_mask[batch * at.n_keys + span.start..];
        seen.iter_mut().zip(flags).filter(|(_, flag)| **flag == 0).for_each(|(s, _)| *s = f32::NEG_INFINITY);
    }
}

/// A tile's scores of one head, in the room.
fn score_tile(at: &Attend, rows: Range<usize>, h: usize, q: &[f32], k: &[f32], room: &mut [f32]) {
    let stride = room_stride(at);
    assert!(room.len() >= rows.len() * stride);
    let first = rows.clone().map(|r| at.span(r).start).min().unwrap_or(0);
    let last = at.rows[rows.clone()].iter().map(|row| row.1 as usize).max().unwrap_or(0);
    for key in (first - first % PANEL..=last).step_by(PANEL) {
        // Rows at the front that end before this panel need none of it.
        let skipped = at.rows[rows.clone()].iter().take_while(|row| (row.1 as usize) < key).count();
        let c = room[skipped * stride + key..].as_mut_ptr();
        // SAFETY: the callers checked, and the room has the rows' panels.
        unsafe { multiply(at, rows.start + skipped..rows.end, h, key, q, k, c) };
    }
    for (at_row, r) in rows.enumerate() {
        finish_scores(at, r, h, &mut room[at_row * stride..][..at.n_keys]);
    }
}

/// The keys from the first that has weight in a row to the last.
fn weighted(pattern: &[f32]) -> Range<usize> {
    let end = pattern.len() - pattern.iter().rev().take_while(|weight| **weight == 0.0).count();
    pattern[..end].iter().take_while(|weight| **weight == 0.0).count()..end
}

/// The mix of values for a tile's rows and one head, which nobody else touches in `z`, two rows at a time. `pattern` has the tile's
/// rows `stride` apart.
fn mix_tile(at: &Attend, rows: Range<usize>, h: usize, pattern: &[f32], stride: usize, v: &[f32], z: &Cells<f32>) {
    let (width, key_width) = (at.n_heads * at.d_head, at.key_width());
    for i in (0..rows.len()).step_by(2) {
        let now = (rows.len() - i).min(2);
        let row = |r: usize| &pattern[(i + r) * stride..][..at.n_keys];
        // Passing over keys without weight leaves the sums' bits: they begin as zero, and zeros are added.
        let spans = [weighted(row(0)), weighted(row(now - 1))];
        let (start, end) = (spans[0].start.min(spans[1].start), spans[0].end.max(spans[1].end));
        let values = at.key_start(at.rows[rows.start].0, h, start);
        let first = (rows.start + i) * width + h * at.d_head;
        let mut d = 0;
        while d + 4 <= at.d_head {
            let vectors = if d + 16 <= at.d_head { 4 } else { 1 };
            let tile = Tile {
                a: row(0)[start..].as_ptr(),
                a_stride: stride,
                b: v[values + d..].as_ptr(),
                panel: 0,
                k: end - start,
                start: ZEROS.as_ptr(),
                start_stride: 0,
                c: z.at(first + d),
                c_stride: width,
            };
            // SAFETY: `check` saw to the lengths of v and z, `row` to the pattern's; the tile reads the keys from `start` to `end`.
            unsafe { tile_strided(&tile, now, vectors, key_width) };
            d += 4 * vectors;
        }
        for r in 0..now {
            let start_of_row = first + r * width;
            // SAFETY: the row and head are this call's own, and the tile above is done with them.
            let z = unsafe { z.slice(start_of_row..start_of_row + at.d_head) };
            for (d, z) in z.iter_mut().enumerate().skip(d) {
                let weights = row(r)[start..end].iter().enumerate();
                let products = weights.map(|(key, &weight)| (weight, v[values + key * key_width + d]));
                *z = products.fold(0.0, |sum, (weight, v)| Real::mul_add(weight, v, sum)) + 0.0;
            }
            // The tile multiplies keys without weight too, which shows where such a value isn't finite.
            if has_nan(z) {
                mix_row(at, rows.start + i + r, h, row(r), v, z);
            }
        }
    }
}

fn has_nan(x: &[f32]) -> bool {
    let (x4, rest) = x.as_chunks::<4>();
    x4.iter().any(|x| load(x).has_nan()) || rest.iter().any(|x| x.is_nan())
}

/// A room for the scores of one tile: at most [`TILE_ROWS`] rows of keys.
fn room(at: &Attend) -> Vec<f32> {
    vec![0.0; at.rows.len().min(TILE_ROWS) * room_stride(at)]
}

/// Copies a tile's rows of one head, which nobody else touches in `out`, from the room.
fn copy_out(at: &Attend, rows: Range<usize>, h: usize, room: &[f32], out: &Cells<f32>) {
    for (from, r) in room.chunks_exact(room_stride(at)).zip(rows) {
        let start = (r * at.n_heads + h) * at.n_keys;
        // SAFETY: the row and head are this call's own.
        unsafe { out.slice(start..start + at.n_keys) }.copy_from_slice(&from[..at.n_keys]);
    }
}

// The three passes, for a share of the pairs. No two calls at the same time may have a pair in common.

pub fn attend_scores(at: &Attend, share: Range<usize>, q: &[f32], k: &[f32], scores: &Cells<f32>) {
    check(at, Some(q), k, None);
    let mut room = room(at);
    for (rows, h) in pairs(at, share) {
        score_tile(at, rows.clone(), h, q, k, &mut room);
        copy_out(at, rows, h, &room, scores);
    }
}

pub fn attend_mix(at: &Attend, share: Range<usize>, pattern: &[f32], v: &[f32], z: &Cells<f32>) {
    check(at, None, v, Some(z));
    let stride = at.n_heads * at.n_keys;
    for (rows, h) in pairs(at, share) {
        let from = (rows.start * at.n_heads + h) * at.n_keys;
        mix_tile(at, rows, h, &pattern[from..], stride, v, z);
    }
}

/// Where attention writes: the mix, and the scores and the pattern when somebody looks.
pub struct Written<'a> {
    pub z: Cells<'a, f32>,
    pub scores: Option<Cells<'a, f32>>,
    pub pattern: Option<Cells<'a, f32>>,
}

pub fn attend(at: &Attend, share: Range<usize>, q: &[f32], k: &[f32], v: &[f32], out: &Written) {
    check(at, Some(q), k, None);
    check(at, None, v, Some(&out.z));
    let (mut room, stride) = (room(at), room_stride(at));
    for (rows, h) in pairs(at, share) {
        score_tile(at, rows.clone(), h, q, k, &mut room);
        if let Some(scores) = &out.scores {
            copy_out(at, rows.clone(), h, &room, scores);
        }
        softmax_in_place(&mut room, stride, at.n_keys, rows.len());
        if let Some(pattern) = &out.pattern {
            copy_out(at, rows.clone(), h, &room, pattern);
        }
        mix_tile(at, rows, h, &room, stride, v, &out.z);
    }
}
