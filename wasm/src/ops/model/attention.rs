//! Attention for a set of rows: scores, the mix of values, and both with the softmax between them.
//!
//! Queries are compact (`[rows, n_heads, d_head]`), keys and values whole (`[batch, key_room, n_key_heads, d_head]`, where a cache has
//! room beyond the `n_keys` that are there): a full pass, a step of generation and a resumed run differ in their rows alone.

use crate::error::Result;
use crate::kernels::parallel::{Cells, ranges};
use crate::kernels::{Attend, Kernels};
use crate::memory::Buf;
use crate::ops::{Gradients, Op, OpKind, Saved, Saves};
use crate::shape_error;
use crate::tensor::Tensor;
use std::ops::Range;
use std::rc::Rc;

/// The owned form of [`Attend`], shared by the ops of a run.
#[derive(Clone)]
pub struct Geometry {
    pub rows: Rc<[(u32, u32)]>,
    pub key_mask: Rc<[u8]>,
    pub batch: usize,
    pub n_keys: usize,
    pub n_heads: usize,
    pub n_key_heads: usize,
    pub d_head: usize,
    pub scale: f64,
    pub window: usize,
    pub soft_cap: f64,
    pub slopes: Rc<[f64]>,
}

impl Geometry {
    /// The geometry over keys (or values) that have this much room.
    fn attend(&self, key_room: usize) -> Attend<'_> {
        Attend {
            rows: &self.rows,
            key_mask: &self.key_mask,
            batch: self.batch,
            n_keys: self.n_keys,
            key_room,
            n_heads: self.n_heads,
            n_key_heads: self.n_key_heads,
            d_head: self.d_head,
            scale: self.scale,
            window: self.window,
            soft_cap: self.soft_cap,
            slopes: &self.slopes,
        }
    }

    fn check<T: Kernels>(&self, what: &str, tensor: &Tensor<T>, len: usize) -> Result<()> {
        if tensor.len() != len {
            return shape_error!(
                "attention: {what} should hold {len} elements ({} rows, batch {}, {} keys, {} heads of {}, {} of keys), got shape {:?}",
                self.rows.len(),
                self.batch,
                self.n_keys,
                self.n_heads,
                self.d_head,
                self.n_key_heads,
                tensor.shape
            );
        }
        Ok(())
    }

    fn query_len(&self) -> usize {
        self.rows.len() * self.n_heads * self.d_head
    }

    /// The room that keys or values have: their number in each batch entry, those that aren't there yet included.
    fn key_room<T: Kernels>(&self, what: &str, keys: &Tensor<T>) -> Result<usize> {
        let room = keys.len() / (self.batch * self.n_key_heads * self.d_head).max(1);
        self.check(what, keys, self.batch * room.max(self.n_keys) * self.n_key_heads * self.d_head)?;
        Ok(room)
    }

    fn score_len(&self) -> usize {
        self.rows.len() * self.n_heads * self.n_keys
    }

    fn score_shape(&self) -> Vec<usize> {
        vec![self.rows.len(), self.n_heads, self.n_keys]
    }

    fn query_shape(&self) -> Vec<usize> {
        vec![self.rows.len(), self.n_heads, self.d_head]
    }
}

/// Calls `f` with shares of the heads of keys, each of which serves heads of queries of its own. Every row passes twice over its
/// keys.
fn by_key_heads(at: &Attend, f: impl Fn(Range<usize>) + Sync) {
    let cost = 2 * at.rows.len() * at.n_heads * at.n_keys * at.d_head / at.n_key_heads.max(1);
    ranges(at.n_key_heads, cost, f);
}

/// The heads of queries that heads of keys serve.
fn query_heads(at: &Attend, key_heads: &Range<usize>) -> Range<usize> {
    let shared_by = at.n_heads / at.n_key_heads;
    key_heads.start * shared_by..key_heads.end * shared_by
}

/// Calls `f(score index, query offset, key offset, visible)` for every (row, head, key) of some heads of keys.
fn each(at: &Attend, key_heads: &Range<usize>, mut f: impl FnMut(usize, usize, usize, bool)) {
    for (r, &(batch, _)) in at.rows.iter().enumerate() {
        for head in query_heads(at, key_heads) {
            for key in 0..at.n_keys {
                let row = r * at.n_heads + head;
                f(row * at.n_keys + key, row * at.d_head, at.key_start(batch, head, key), at.sees(r, key));
            }
        }
    }
}

/// d score / d (q·k): 1/scale, and with `u = tanh(q·k / (scale cap))` times 1 - u² under a cap. Slopes are added: they play no part.
fn score_slope<T: Kernels>(at: &Attend, q: &[T], k: &[T]) -> T {
    let inverse = T::ONE / T::from_f64(at.scale);
    if at.soft_cap <= 0.0 {
        return inverse;
    }
    let u = (dot(q, k) * inverse / T::from_f64(at.soft_cap)).tanh();
    inverse * (T::ONE - u * u)
}

/// `[.., n_heads, d_head]` of which shares add up heads of their own.
struct Heads<'a, T> {
    cells: Cells<'a, T>,
    n_heads: usize,
    d_head: usize,
}

/// A share's heads.
struct OwnHeads<'a, T>(&'a Heads<'a, T>);

impl<'a, T: Kernels> Heads<'a, T> {
    fn new(cells: &'a mut [T], n_heads: usize, d_head: usize) -> Self {
        Self { cells: Cells::new(cells), n_heads, d_head }
    }

    /// Sets heads to zero and gives access to them.
    ///
    /// # Safety
    /// Nobody else may touch these heads meanwhile.
    unsafe fn cleared(&self, heads: Range<usize>) -> OwnHeads<'_, T> {
        let width = self.n_heads * self.d_head;
        for row in (0..self.cells.len()).step_by(width.max(1)) {
            // SAFETY: the caller's.
            unsafe { self.cells.slice(row + heads.start * self.d_head..row + heads.end * self.d_head) }.fill(T::ZERO);
        }
        OwnHeads(self)
    }
}

impl<T: Kernels> OwnHeads<'_, T> {
    /// The elements of one of the share's heads, at its offset.
    fn at(&mut self, offset: usize) -> &mut [T] {
        // SAFETY: the share's own by the promise of `cleared`, one slice at a time by the borrow.
        unsafe { self.0.cells.slice(offset..offset + self.0.d_head) }
    }
}

fn dot<T: Kernels>(a: &[T], b: &[T]) -> T {
    let mut sum = T::ZERO;
    a.iter().zip(b).for_each(|(&a, &b)| sum += a * b);
    sum
}

fn add_scaled<T: Kernels>(out: &mut [T], x: &[T], factor: T) {
    out.iter_mut().zip(x).for_each(|(o, &x)| *o += x * factor);
}

/// Scores, -inf where masked: `[rows, n_heads, n_keys]`.
pub struct AttendScores(pub Geometry);

impl<T: Kernels> Op<T> for AttendScores {
    fn kind(&self) -> OpKind {
        OpKind::AttendScores
    }

    fn saves(&self) -> Saves {
        Saves::INPUTS
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let at = &self.0;
        at.check("the queries", inputs[0], at.query_len())?;
        let room = at.key_room("the keys", inputs[1])?;
        let mut scores = Buf::zeroed(at.score_len())?;
        T::attend_scores(&at.attend(room), inputs[0].floats()?, inputs[1].floats()?, &mut scores);
        Ok(Tensor::float(at.score_shape(), scores))
    }

    // s = f(q·k) where visible, constant elsewhere: dq = Σ_j ds f' k_j, dk_j = Σ_rows ds f' q, over the heads that share k_j too.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        let at = self.0.attend(self.0.key_room("the keys", saved.input(1))?);
        let (q, k, ds) = (saved.input(0).floats()?, saved.input(1).floats()?, grad.floats()?);
        let (mut dq, mut dk) = (Buf::zeroed(q.len())?, Buf::zeroed(k.len())?);
        let d = at.d_head;
        let (dq_cells, dk_cells) = (Heads::new(&mut dq, at.n_heads, d), Heads::new(&mut dk, at.n_key_heads, d));
        by_key_heads(&at, |heads| {
            // SAFETY: shares differ in their heads of keys, and thereby in their heads of queries.
            let (mut dq, mut dk) =
                unsafe { (dq_cells.cleared(query_heads(&at, &heads)), dk_cells.cleared(heads.clone())) };
            each(&at, &heads, |score, qi, ki, visible| {
                if visible {
                    let (q, k) = (&q[qi..qi + d], &k[ki..ki + d]);
                    let factor = ds[score] * score_slope(&at, q, k);
                    add_scaled(dq.at(qi), k, factor);
                    add_scaled(dk.at(ki), q, factor);
                }
            });
        });
        Ok(vec![Some(Tensor::float(saved.shapes[0].clone(), dq)), Some(Tensor::float(saved.shapes[1].clone(), dk))])
    }
}

/// `z = Σ_j pattern_j v_j`: `[rows, n_heads, d_head]`.
pub struct AttendMix(pub Geometry);

impl<T: Kernels> Op<T> for AttendMix {
    fn kind(&self) -> OpKind {
        OpKind::AttendMix
    }

    fn saves(&self) -> Saves {
        Saves::INPUTS
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let at = &self.0;
        at.check("the pattern", inputs[0], at.score_len())?;
        let room = at.key_room("the values", inputs[1])?;
        let mut z = Buf::zeroed(at.query_len())?;
        T::attend_mix(&at.attend(room), inputs[0].floats()?, inputs[1].floats()?, &mut z);
        Ok(Tensor::float(at.query_shape(), z))
    }

    // dp_j = dz·v_j, dv_j = Σ_rows p_j dz; all keys take part, for an edited pattern may reach any of them.
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        let at = self.0.attend(self.0.key_room("the values", saved.input(1))?);
        let (p, v, dz) = (saved.input(0).floats()?, saved.input(1).floats()?, grad.floats()?);
        let (mut dp, mut dv) = (Buf::zeroed(p.len())?, Buf::zeroed(v.len())?);
        let d = at.d_head;
        let (dp_cells, dv_cells) = (Cells::new(&mut dp), Heads::new(&mut dv, at.n_key_heads, d));
        by_key_heads(&at, |heads| {
            // SAFETY: shares differ in their heads of keys.
            let mut dv = unsafe { dv_cells.cleared(heads.clone()) };
            each(&at, &heads, |score, qi, ki, _| {
                // SAFETY: scores belong to heads of queries, by which shares differ too.
                let dp = unsafe { dp_cells.slice(score..score + 1) };
                dp[0] = dot(&dz[qi..qi + d], &v[ki..ki + d]);
                if p[score] != T::ZERO {
                    add_scaled(dv.at(ki), &dz[qi..qi + d], p[score]);
                }
            });
        });
        Ok(vec![Some(Tensor::float(saved.shapes[0].clone(), dp)), Some(Tensor::float(saved.shapes[1].clone(), dv))])
    }
}

/// Scores, softmax and mix in one pass: inputs q, k, v; the bits of the three ops in turn.
pub struct Attention(pub Geometry);

/// What lies inside attention, for those who look.
pub struct AttentionParts<T: Kernels> {
    pub z: Tensor<T>,
    pub scores: Tensor<T>,
    pub pattern: Tensor<T>,
}

impl Attention {
    /// Checks the inputs and gives the geometry over them.
    fn checked<T: Kernels>(&self, inputs: &[&Tensor<T>]) -> Result<Attend<'_>> {
        self.0.check("the queries", inputs[0], self.0.query_len())?;
        let room = self.0.key_room("the keys", inputs[1])?;
        self.0.check("the values", inputs[2], inputs[1].len())?;
        Ok(self.0.attend(room))
    }

    /// The pass with scores and pattern written out.
    pub fn parts<T: Kernels>(&self, inputs: &[&Tensor<T>]) -> Result<AttentionParts<T>> {
        let attend = self.checked(inputs)?;
        let at = &self.0;
        let mut z = Buf::zeroed(at.query_len())?;
        let (mut scores, mut pattern) = (Buf::zeroed(at.score_len())?, Buf::zeroed(at.score_len())?);
        let (q, k, v) = (inputs[0].floats()?, inputs[1].floats()?, inputs[2].floats()?);
        T::attend(&attend, q, k, v, &mut z, Some(&mut scores), Some(&mut pattern));
        Ok(AttentionParts {
            z: Tensor::float(at.query_shape(), z),
            scores: Tensor::float(at.score_shape(), scores),
            pattern: Tensor::float(at.score_shape(), pattern),
        })
    }
}

impl<T: Kernels> Op<T> for Attention {
    fn kind(&self) -> OpKind {
        OpKind::Attention
    }

    fn saves(&self) -> Saves {
        Saves::INPUTS
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let attend = self.checked(inputs)?;
        let mut z = Buf::zeroed(self.0.query_len())?;
        let (q, k, v) = (inputs[0].floats()?, inputs[1].floats()?, inputs[2].floats()?);
        T::attend(&attend, q, k, v, &mut z, None, None);
        Ok(Tensor::float(self.0.query_shape(), z))
    }

    // The chain of the three: the pattern is computed again rather than kept, ds = p (dp - Σ_j p_j dp_j).
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>> {
        let (q, k, v) = (saved.input(0), saved.input(1), saved.input(2));
        let pattern = self.parts(&[q, k, v])?.pattern;
        let wanted = [true, true];
        let mixed = [Some(pattern.clone()), Some(v.clone())];
        let shapes = [pattern.shape.clone(), v.shape.clone()];
        let saved_mix = Saved { inputs: &mixed, shapes: &shapes, output: None, wanted: &wanted };
        let mut through_mix = AttendMix(self.0.clone()).vjp(&saved_mix, grad)?;
        let dv = through_mix.pop().flatten();
        let mut ds = through_mix.pop().flatten().unwrap_or(Tensor::zeros(&pattern.shape)?);
        let n = self.0.n_keys.max(1);
        for (ds, p) in ds.floats_mut()?.chunks_exact_mut(n).zip(pattern.floats()?.chunks_exact(n)) {
            let sum = dot(ds, p);
            ds.iter_mut().zip(p).for_each(|(g, &p)| *g = p * (*g - sum));
        }
        let scored = [Some(q.clone()), Some(k.clone())];
        let shapes = [q.shape.clone(), k.shape.clone()];
        let saved_scores = Saved { inputs: &scored, shapes: &shapes, output: None, wanted: &wanted };
        let mut gradients = AttendScores(self.0.clone()).vjp(&saved_scores, &ds)?;
        gradients.push(dv);
        Ok(gradients)
    }
}
