use super::softmax::softmax_row;
use crate::kernels::elementary::Lane;
use crate::kernels::{Attend, Kernels};
use crate::real::Real;

/// The keys or values that query head `h` of one batch entry reads.
fn head<'a, T>(at: &Attend, data: &'a [T], batch: u32, h: usize, key: usize) -> &'a [T] {
    let start = at.key_start(batch, h, key);
    &data[start..start + at.d_head]
}

/// What becomes of a product of query and key, `distance` keys behind the query: divided by the scale, bounded, lowered.
pub(crate) fn score<L: Lane>(at: &Attend, h: usize, product: L, distance: L) -> L {
    let mut score = product / L::splat(at.scale);
    if at.soft_cap > 0.0 {
        let cap = L::splat(at.soft_cap);
        score = cap * (score / cap).tanh_fast();
    }
    match at.slopes.get(h) {
        Some(&slope) => score + L::splat(slope) * distance,
        None => score,
    }
}

/// `scores[j] = score(Σ_d q[d] k[j, d])` for the keys that the row sees, -inf for the others.
fn score_row<T: Kernels>(at: &Attend, r: usize, h: usize, q: &[T], k: &[T], scores: &mut [T]) {
    let batch = at.rows[r].0;
    let query = &q[(r * at.n_heads + h) * at.d_head..][..at.d_head];
    for (key, out) in scores.iter_mut().enumerate() {
        *out = T::NEG_INFINITY;
        if at.sees(r, key) {
            let products = query.iter().zip(head(at, k, batch, h, key));
            let sum = products.fold(T::ZERO, |sum, (&q, &k)| Real::mul_add(q, k, sum));
            *out = score(at, h, sum + T::ZERO, T::from_f64(key as f64 - f64::from(at.rows[r].1)));
        }
    }
}

/// `z[d] = Σ_j pattern[j] v[j, d]`, `j` in order. A key without weight contributes nothing, not even the NaN of zero times
/// infinity; adding zero at the end makes -0 into +0, so that passing over a key and adding its zero are the same.
pub(crate) fn mix_row<T: Kernels>(at: &Attend, r: usize, h: usize, pattern: &[T], v: &[T], z: &mut [T]) {
    z.fill(T::ZERO);
    for (key, &weight) in pattern.iter().enumerate().filter(|(_, weight)| **weight != T::ZERO) {
        let value = head(at, v, at.rows[r].0, h, key);
        z.iter_mut().zip(value).for_each(|(z, &v)| *z = Real::mul_add(weight, v, *z));
    }
    z.iter_mut().for_each(|z| *z += T::ZERO);
}

/// Scores of every row and head.
pub fn attend_scores<T: Kernels>(at: &Attend, q: &[T], k: &[T], scores: &mut [T]) {
    for (i, scores) in scores.chunks_exact_mut(at.n_keys.max(1)).enumerate() {
        score_row(at, i / at.n_heads, i % at.n_heads, q, k, scores);
    }
}

/// The mix of values of every row and head.
pub fn attend_mix<T: Kernels>(at: &Attend, pattern: &[T], v: &[T], z: &mut [T]) {
    for (i, (pattern, z)) in
        pattern.chunks_exact(at.n_keys.max(1)).zip(z.chunks_exact_mut(at.d_head.max(1))).enumerate()
    {
        mix_row(at, i / at.n_heads, i % at.n_heads, pattern, v, z);
    }
}

/// Scores, softmax and mix, row by row.
pub fn attend<T: Kernels>(
    at: &Attend,
    q: &[T],
    k: &[T],
    v: &[T],
    z: &mut [T],
    mut scores: Option<&mut [T]>,
    mut pattern: Option<&mut [T]>,
) {
    let (mut score_scratch, mut pattern_scratch) = (vec![T::ZERO; at.n_keys], vec![T::ZERO; at.n_keys]);
    for (i, z) in z.chunks_exact_mut(at.d_head.max(1)).enumerate() {
        let (r, h) = (i / at.n_heads, i % at.n_heads);
        let row = i * at.n_keys..(i + 1) * at.n_keys;
        let scores = scores.as_deref_mut().map_or(&mut score_scratch[..], |all| &mut all[row.clone()]);
        let pattern = pattern.as_deref_mut().map_or(&mut pattern_scratch[..], |all| &mut all[row]);
        score_row(at, r, h, q, k, scores);
        softmax_row(scores, pattern);
        mix_row(at, r, h, pattern, v, z);
    }
}
