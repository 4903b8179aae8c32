//! An encoder's matrix and its inputs in eight bits: enough to say of most codes that they are zero, for certain.
//!
//! A code is alive when its pre-activation `P = b + Σ_k x_k W_k`, as the dense product computes it in float32, exceeds `θ`, which is
//! no less than zero. Of a row and a feature, the integer product of the two in eight bits gives an estimate of `P`, and the norms of
//! what rounding to eight bits lost bound how far off that is. Where estimate and bound together don't exceed `θ` the code is zero; the
//! others are computed as the dense product does. `docs/sparse_encoding.md` has the proof.

use super::packed::{PANEL, Packed};
use super::{Kernels, Rows};
use crate::error::Result;
use crate::memory::Buf;
use crate::real::Real;

/// Inputs of a row, at most so many, whose products are taken in float32: a few that stand out would cost the others their bits.
pub const TOP: usize = 4;

/// How many times as large as the largest that stays an input must be to stand out. Taking it out costs a row of the float32 matrix.
const STANDS_OUT: f32 = 2.0;

/// Inputs that share 32 bits, which one instruction multiplies and sums.
pub const QUAD: usize = 4;

/// The largest magnitudes in eight bits, of weights and of inputs. Inputs are held as unsigned numbers of seven bits, offset by 64,
/// for which the engines' instructions agree.
const WEIGHT_MOST: f32 = 127.0;
const INPUT_MOST: f64 = 63.0;
pub const OFFSET: i32 = 64;

/// Beyond this many inputs sums of them could overflow 32 bits, or rounding errors grow out of their bound.
const MOST_INPUTS: usize = 1 << 16;

/// Pre-activations that stay below this can't overflow on the way.
const LARGEST: f64 = 1.329_227_995_784_916e36; // 2^120

/// More than underflow can take from a pre-activation or an estimate: 2^-110.
const UNDERFLOW: f64 = 7.703_719_777_548_943e-34;

/// More than float64 loses in the sum of squares of any number of inputs allowed, relatively.
const NORM_SLACK: f64 = 1.0 + 1e-9;

/// The unit roundoff of float32.
const UNIT: f64 = 5.960_464_477_539_063e-8; // 2^-24

/// What rounding to float32 may move of a pre-activation and of an estimate of `rows` terms, as a share of the product of the norms:
/// `(rows + 1) u` for the dense sum and 96 u for the estimate's own few operations, with room.
fn rounding(rows: usize) -> f64 {
    (rows as f64 + 160.0) * UNIT * 1.01
}

/// The least float32 that is no less than `x`.
fn up(x: f64) -> f32 {
    let single = x as f32;
    if f64::from(single) < x { single.next_up() } else { single }
}

/// An encoder's matrix in eight bits, and its features' bounds.
pub struct Screen {
    /// K, and K rounded up in quads.
    pub rows: usize,
    pub quads: usize,
    /// Panel after panel: for each quad of inputs sixteen features' four weights.
    pub cells: Buf<i8>,
    /// Each feature's unit `s`: its weights are `s q + e`.
    pub scale: Buf<f32>,
    /// No less than the norm of `s q`, and than that of `e`.
    pub norm: Buf<f32>,
    pub lost: Buf<f32>,
    /// No less than `b - θ`, with what rounding may do to `b` and `θ`.
    pub lead: Buf<f32>,
    /// `-64 Σ q`, which undoes the inputs' offset.
    pub start: Buf<i32>,
    /// No less than any feature's norm, and than any `|b| + |θ|`.
    largest_norm: f64,
    largest_lead: f64,
}

impl Screen {
    /// Quantises an encoder; `None` where a weight or bias isn't finite, or there are too many inputs.
    pub fn new<T: Real>(w: &Packed<T>, bias: Option<&[T]>, thresholds: Option<&[T]>) -> Result<Option<Self>> {
        let padded = w.cols.next_multiple_of(PANEL);
        let quads = w.rows.div_ceil(QUAD);
        let mut screen = Self {
            rows: w.rows,
            quads,
            cells: Buf::zeroed(padded * quads * QUAD)?,
            scale: Buf::zeroed(padded)?,
            norm: Buf::zeroed(padded)?,
            lost: Buf::zeroed(padded)?,
            lead: Buf::zeroed(padded)?,
            start: Buf::zeroed(padded)?,
            largest_norm: 0.0,
            largest_lead: 0.0,
        };
        if w.rows > MOST_INPUTS {
            return Ok(None);
        }
        let mut panel = Buf::filled(w.rows * PANEL, T::ZERO)?;
        for p in 0..padded / PANEL {
            w.read_panel(p, &mut panel);
            if !screen.take_panel(p, &panel) {
                return Ok(None);
            }
        }
        let is_finite = (0..w.cols).all(|j| screen.take_lead(j, bias, thresholds));
        Ok(is_finite.then_some(screen))
    }

    /// Quantises a panel's features; false where a weight isn't finite.
    fn take_panel<T: Real>(&mut self, p: usize, panel: &[T]) -> bool {
        let single = |x: T| x.to_f64() as f32;
        let mut most = [0f32; PANEL];
        for row in panel.chunks_exact(PANEL) {
            most.iter_mut().zip(row).for_each(|(most, &w)| *most = most.max(single(w).abs()));
        }
        if !panel.iter().all(|&w| single(w).is_finite()) {
            return false;
        }
        let scale = most.map(|most| most / WEIGHT_MOST);
        // A scale so small that its inverse overflows leaves its feature to the bound.
        let inverse = scale.map(|scale| if scale > f32::MIN_POSITIVE { 1.0 / scale } else { 0.0 });
        let (mut squares, mut sums, mut lost) = ([0i64; PANEL], [0i32; PANEL], [0f64; PANEL]);
        let cells = &mut self.cells[p * self.quads * QUAD * PANEL..][..self.quads * QUAD * PANEL];
        for (k, row) in panel.chunks_exact(PANEL).enumerate() {
            for c in 0..PANEL {
                let w = single(row[c]);
                let q = (w * inverse[c]).round_ties_even().clamp(-WEIGHT_MOST, WEIGHT_MOST);
                let rest = f64::from(w) - f64::from(scale[c]) * f64::from(q);
                lost[c] += rest * rest;
                squares[c] += (q as i64) * (q as i64);
                sums[c] += q as i32;
                cells[(k / QUAD * PANEL + c) * QUAD + k % QUAD] = q as i8;
            }
        }
        for c in 0..PANEL {
            let j = p * PANEL + c;
            self.scale[j] = scale[c];
            self.norm[j] = up(f64::from(scale[c]) * (squares[c] as f64).sqrt() * NORM_SLACK);
            self.lost[j] = up(lost[c].sqrt() * NORM_SLACK);
            self.start[j] = -OFFSET * sums[c];
            self.largest_norm = self.largest_norm.max(f64::from(self.norm[j]) + f64::from(self.lost[j]));
        }
        true
    }

    /// Takes a feature's bias and threshold; false where the bias isn't finite.
    fn take_lead<T: Real>(&mut self, j: usize, bias: Option<&[T]>, thresholds: Option<&[T]>) -> bool {
        let bias = bias.map_or(0.0, |bias| bias[j].to_f64());
        let threshold = thresholds.map_or(0.0, |thresholds| thresholds[j].to_f64());
        if !bias.is_finite() {
            return false;
        }
        // A threshold that is infinite or NaN is one that nothing exceeds.
        if threshold == f64::INFINITY || threshold.is_nan() {
            self.lead[j] = f32::NEG_INFINITY;
            return true;
        }
        let threshold = threshold.max(0.0);
        let size = bias.abs() + threshold;
        self.lead[j] = up(bias - threshold + rounding(self.rows) * size + UNDERFLOW);
        self.largest_lead = self.largest_lead.max(size);
        true
    }

    /// What the screen takes.
    pub fn bytes(&self) -> usize {
        self.cells.len() + 5 * 4 * self.scale.len()
    }
}

/// Rows of inputs in eight bits, and their bounds.
pub struct ScreenedRows {
    /// Each row's inputs plus 64, in quads.
    pub cells: Buf<u8>,
    /// Each row's unit `t`: its inputs are `t p + d`, but for the largest.
    pub scale: Buf<f32>,
    /// What a feature's `norm`, and its `lost`, count in a row's bound.
    pub by_norm: Buf<f32>,
    pub by_lost: Buf<f32>,
    /// The inputs that stand out: where, and what; zeros where a row has fewer.
    pub top: Buf<(u32, f32)>,
}

impl ScreenedRows {
    /// Quantises rows; `None` where an input isn't finite or a pre-activation might not be.
    pub fn new<T: Kernels>(x: Rows<T>, screen: &Screen) -> Result<Option<Self>> {
        let width = screen.quads * QUAD;
        let mut rows = Self {
            cells: Buf::filled(x.count * width, OFFSET as u8)?,
            scale: Buf::zeroed(x.count)?,
            by_norm: Buf::zeroed(x.count)?,
            by_lost: Buf::zeroed(x.count)?,
            top: Buf::filled(x.count * TOP, (0, 0.0))?,
        };
        for i in 0..x.count {
            let row = &x.data[i * x.stride..][..screen.rows];
            if !rows.take(i, row, screen) {
                return Ok(None);
            }
        }
        Ok(Some(rows))
    }

    fn take<T: Kernels>(&mut self, i: usize, row: &[T], screen: &Screen) -> bool {
        let top = &mut self.top[i * TOP..][..TOP];
        let n_top = take_top(row, top);
        let top = &top[..n_top];
        let is_top = |k: usize| top.iter().any(|&(at, _)| at as usize == k);
        let mut most = 0f64;
        let mut whole = 0f64;
        for (k, x) in row.iter().map(|x| x.to_f64()).enumerate() {
            whole += x * x;
            if !is_top(k) {
                most = most.max(x.abs());
            }
        }
        let norm = whole.sqrt() * NORM_SLACK;
        // Written so that NaN is refused too.
        let is_safe = norm * screen.largest_norm + screen.largest_lead < LARGEST && norm < LARGEST;
        if !is_safe {
            return false;
        }
        let scale = (most / INPUT_MOST) as f32;
        let (mut kept, mut lost) = (0f64, 0f64);
        let cells = &mut self.cells[i * screen.quads * QUAD..][..row.len()];
        for (k, (x, cell)) in row.iter().map(|x| x.to_f64()).zip(cells).enumerate() {
            if is_top(k) {
                continue;
            }
            let p = if scale > 0.0 { (x / f64::from(scale)).round_ties_even() } else { 0.0 };
            let p = p.clamp(-INPUT_MOST, INPUT_MOST);
            let rest = x - f64::from(scale) * p;
            kept += x * x;
            lost += rest * rest;
            *cell = (p as i32 + OFFSET) as u8;
        }
        let slack = rounding(screen.rows) * norm;
        self.scale[i] = scale;
        self.by_norm[i] = up(lost.sqrt() * NORM_SLACK + slack);
        self.by_lost[i] = up(kept.sqrt() * NORM_SLACK + slack);
        true
    }

    pub fn count(&self) -> usize {
        self.scale.len()
    }
}

/// Finds the inputs of a row that stand out, the largest first, and gives how many they are.
fn take_top<T: Kernels>(row: &[T], top: &mut [(u32, f32)]) -> usize {
    let mut largest = [(0, 0.0); TOP + 1];
    for (k, x) in row.iter().map(|x| x.to_f64() as f32).enumerate() {
        let smaller = |&(_, other): &(u32, f32)| x.abs() > other.abs();
        if let Some(at) = largest.iter().position(smaller) {
            largest[at..].rotate_right(1);
            largest[at] = (k as u32, x);
        }
    }
    let (_, rest) = largest[TOP];
    let n = largest[..TOP].iter().take_while(|(_, x)| x.abs() > STANDS_OUT * rest.abs()).count();
    top[..n].copy_from_slice(&largest[..n]);
    n
}

/// Features that may be alive in rows of inputs.
pub struct Candidates {
    /// Rows.
    pub count: usize,
    /// Panel after panel, and in each row after row, a bit for each of the panel's features.
    pub flags: Buf<u16>,
    /// Where the codes of a panel's and row's candidates begin among all, which go row by row.
    pub places: Buf<u32>,
    /// Where each row's begin, and the last one's end.
    starts: Buf<u32>,
}

impl Candidates {
    /// None so far, of matrices with this many columns.
    pub fn new(count: usize, cols: usize) -> Result<Self> {
        let cells = cols.div_ceil(PANEL) * count;
        Ok(Self { count, flags: Buf::zeroed(cells)?, places: Buf::zeroed(cells)?, starts: Buf::zeroed(count + 1)? })
    }

    /// Gives those that are flagged their places, and their number.
    pub fn place(&mut self) -> usize {
        let Self { count, flags, places, starts } = self;
        let panels = || flags.chunks_exact((*count).max(1));
        for flags in panels() {
            starts[1..].iter_mut().zip(flags).for_each(|(n, flags)| *n += flags.count_ones());
        }
        (0..*count).for_each(|i| starts[i + 1] += starts[i]);
        let mut next: Vec<u32> = starts[..*count].to_vec();
        for (flags, places) in panels().zip(places.chunks_exact_mut((*count).max(1))) {
            for ((place, next), flags) in places.iter_mut().zip(&mut next).zip(flags) {
                *place = *next;
                *next += flags.count_ones();
            }
        }
        starts[*count] as usize
    }

    /// Panels and rows with candidates: which they are, their flags, and where their codes begin.
    pub fn flagged(&self) -> impl Iterator<Item = (usize, usize, u16, usize)> {
        let cells = self.flags.iter().zip(self.places.iter()).enumerate().filter(|(_, (flags, _))| **flags != 0);
        cells.map(|(cell, (&flags, &place))| (cell / self.count, cell % self.count, flags, place as usize))
    }

    /// The codes that are alive, of those at all places: each row's start, their columns, and they themselves.
    pub fn alive<T: Real>(&self, codes: &[T]) -> Result<(Buf<u32>, Buf<u32>, Buf<T>)> {
        let mut starts = Buf::zeroed(self.count + 1)?;
        for i in 0..self.count {
            let row = &codes[self.starts[i] as usize..self.starts[i + 1] as usize];
            starts[i + 1] = starts[i] + row.iter().filter(|&&code| code > T::ZERO).count() as u32;
        }
        let n = starts[self.count] as usize;
        let (mut columns, mut values) = (Buf::zeroed(n)?, Buf::zeroed(n)?);
        let mut next: Vec<u32> = starts[..self.count].to_vec();
        for (p, i, flags, place) in self.flagged() {
            for (c, &code) in bits(flags).zip(&codes[place..]) {
                if code > T::ZERO {
                    let at = next[i] as usize;
                    (columns[at], values[at]) = ((p * PANEL + c) as u32, code);
                    next[i] += 1;
                }
            }
        }
        Ok((starts, columns, values))
    }
}

/// The places of the bits that are set, ascending.
pub fn bits(flags: u16) -> impl Iterator<Item = usize> {
    (0..PANEL).filter(move |c| flags >> c & 1 != 0)
}

/// A code of a pre-activation: relu, or jumprelu where there is a threshold.
#[inline(always)]
pub fn code<T: Real>(pre: T, threshold: Option<T>) -> T {
    let is_alive = pre > T::ZERO && threshold.is_none_or(|threshold| pre > threshold);
    if is_alive { pre } else { T::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::portable::{encode_at, may_be_alive, screen};
    use crate::kernels::{Activation, RowsMut};

    /// Numbers in [-1, 1) from a fixed seed (Marsaglia's xorshift).
    struct Random(u32);

    impl Random {
        fn next(&mut self) -> f32 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 17;
            self.0 ^= self.0 << 5;
            self.0 as f32 / 2f32.powi(31) - 1.0
        }

        fn below(&mut self, n: usize) -> usize {
            ((f64::from(self.next()) + 1.0) / 2.0 * n as f64) as usize % n
        }

        fn fill(&mut self, n: usize, mut f: impl FnMut(&mut Self, usize) -> f32) -> Vec<f32> {
            (0..n).map(|i| f(self, i)).collect()
        }
    }

    /// One way of being difficult: the scale of the numbers, and what is mixed into them.
    #[derive(Clone, Copy, Debug)]
    enum Trouble {
        None,
        Outliers,
        Lognormal,
        Zeros,
        Equal,
        Denormals,
        OneInput,
    }

    const TROUBLES: [Trouble; 7] = [
        Trouble::None,
        Trouble::Outliers,
        Trouble::Lognormal,
        Trouble::Zeros,
        Trouble::Equal,
        Trouble::Denormals,
        Trouble::OneInput,
    ];

    fn numbers(random: &mut Random, rows: usize, width: usize, scale: f32, trouble: Trouble) -> Vec<f32> {
        let by_input: Vec<f32> = random.fill(width, |random, _| (3.0 * random.next()).exp());
        random.fill(rows * width, |random, i| {
            let x = scale * random.next();
            match trouble {
                Trouble::None => x,
                Trouble::Outliers if random.below(20) == 0 => 50.0 * x,
                Trouble::Outliers => x,
                Trouble::Lognormal => x * by_input[i % width],
                Trouble::Zeros if random.below(3) > 0 => 0.0,
                Trouble::Zeros => x,
                Trouble::Equal => scale * x.signum(),
                Trouble::Denormals if random.below(2) == 0 => f32::from_bits(random.0 & 0x807f_ffff),
                Trouble::Denormals => x,
                Trouble::OneInput if i % width == 3 % width => x,
                Trouble::OneInput => 0.0,
            }
        })
    }

    fn dense(x: &[f32], w: &Packed<f32>, bias: &[f32]) -> Vec<f32> {
        let count = x.len() / w.rows.max(1);
        let mut pre = vec![0.0; count * w.cols];
        let out = RowsMut { data: &mut pre, stride: w.cols };
        let rows = Rows { data: x, stride: w.rows, count };
        crate::kernels::portable::gemm(rows, w, 0..w.cols, Some(bias), Activation::Identity, out);
        pre
    }

    /// How many codes the screen ruled out, after asserting that none of them is alive. The bias puts each feature's threshold as
    /// near as float32 can to one of its own pre-activations, from below, at, or above it.
    fn ruled_out(
        random: &mut Random,
        (count, k, n): (usize, usize, usize),
        scales: [f32; 2],
        troubles: [Trouble; 2],
    ) -> usize {
        let x = numbers(random, count, k, scales[0], troubles[0]);
        // Features are columns.
        let weight = numbers(random, k, n, scales[1], troubles[1]);
        let w = Packed::pack(&weight, k, n).unwrap();
        let mut bias = random.fill(n, |random, _| scales[0] * scales[1] * random.next());
        let mut thresholds = vec![0.0; n];
        let pre = dense(&x, &w, &bias);
        for j in 0..n {
            let near = pre[random.below(count) * n + j];
            match random.below(4) {
                0 => thresholds[j] = near.abs(),
                1 => thresholds[j] = near.abs().next_down(),
                2 => bias[j] -= near,
                _ => thresholds[j] = f32::NEG_INFINITY,
            }
        }
        let Some(with) = Screen::new(&w, Some(&bias), Some(&thresholds)).unwrap() else { return 0 };
        let input = Rows { data: &x, stride: k, count };
        let Some(rows) = ScreenedRows::new(input, &with).unwrap() else { return 0 };
        let pre = dense(&x, &w, &bias);
        let codes: Vec<f32> = pre.iter().enumerate().map(|(at, &pre)| code(pre, Some(thresholds[at % n]))).collect();
        let mut candidates = Candidates::new(count, n).unwrap();
        screen(&rows, &w, &with, &mut candidates);
        let total = candidates.place();
        let mut out = vec![0.0; total];
        encode_at(input, &w, Some(&bias), Some(&thresholds), &candidates, &mut out);
        let (starts, columns, values) = candidates.alive(&out).unwrap();
        let mut found = vec![0.0; count * n];
        for i in 0..count {
            for e in starts[i] as usize..starts[i + 1] as usize {
                found[i * n + columns[e] as usize] = values[e];
            }
        }
        assert_eq!(found, codes, "{troubles:?} {scales:?}");
        assert!((0..count).all(|i| columns[starts[i] as usize..starts[i + 1] as usize].is_sorted()));
        count * n - total
    }

    #[test]
    fn no_live_code_is_ruled_out_whatever_the_numbers() {
        let mut random = Random(12345);
        let mut total = 0;
        for x_trouble in TROUBLES {
            for w_trouble in TROUBLES {
                for scales in [[1.0, 1.0], [1e-30, 1.0], [1e15, 1e-3], [1e-20, 1e-19], [1e18, 1e19], [3e-39, 1e10]] {
                    for size in [(5, 37, 40), (3, 5, 17), (2, 128, 33)] {
                        total += ruled_out(&mut random, size, scales, [x_trouble, w_trouble]);
                    }
                }
            }
        }
        assert!(total > 25_000, "the screen ruled out {total}");
    }

    #[test]
    fn most_of_what_is_dead_is_ruled_out() {
        let mut random = Random(777);
        let (count, k, n) = (4, 768, 320);
        let x = numbers(&mut random, count, k, 1.0, Trouble::None);
        let weight = numbers(&mut random, k, n, 1.0, Trouble::None);
        let w = Packed::pack(&weight, k, n).unwrap();
        // Two standard deviations of a pre-activation, whose terms have variance 1/9.
        let bias = vec![-2.0 * (k as f32 / 9.0).sqrt(); n];
        let screen = Screen::new(&w, Some(&bias), None).unwrap().unwrap();
        let rows = ScreenedRows::new(Rows { data: &x, stride: k, count }, &screen).unwrap().unwrap();
        let flagged = (0..count * n).filter(|at| may_be_alive(&rows, &screen, &w, at / n, at % n)).count();
        let alive = dense(&x, &w, &bias).iter().filter(|&&pre| pre > 0.0).count();
        assert!(alive > 10 && flagged < 5 * alive, "{flagged} flagged, {alive} alive");
    }

    #[test]
    fn what_isnt_finite_isnt_screened() {
        let w = |value: f32| Packed::pack(&[1.0, value, 0.5, 2.0], 2, 2).unwrap();
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(Screen::new(&w(value), None, None).unwrap().is_none());
            assert!(Screen::new(&w(1.0), Some(&[0.0, value]), None).unwrap().is_none());
            let screen = Screen::new(&w(1.0), None, None).unwrap().unwrap();
            let x = [1.0, value];
            assert!(ScreenedRows::new(Rows { data: &x, stride: 2, count: 1 }, &screen).unwrap().is_none());
        }
        let screen = Screen::new(&w(1e30), None, None).unwrap().unwrap();
        let x = [1e20, 1.0];
        assert!(ScreenedRows::new(Rows { data: &x, stride: 2, count: 1 }, &screen).unwrap().is_none());
    }

    #[test]
    fn the_inputs_that_stand_out_are_found_in_order() {
        let mut top = [(0, 0.0); TOP];
        assert_eq!(take_top(&[1.0, -5.0, 0.0, 3.0, -3.0, 4.0], &mut top), 4);
        assert_eq!(top, [(1, -5.0), (5, 4.0), (3, 3.0), (4, -3.0)]);
        assert_eq!(take_top(&[0.0, 2.0], &mut top), 1);
        assert_eq!(top[0], (1, 2.0));
        assert_eq!(take_top(&[1.0, -9.0, 1.5, 1.0, 1.0, 2.0], &mut top), 1);
        assert_eq!(top[0], (1, -9.0));
        assert_eq!(take_top(&[1.0, -1.0, 1.5, 1.0, 1.0], &mut top), 0);
    }
}
