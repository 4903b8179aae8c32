//! Cases of the model's operations.

use crate::harness::{Case, Random, ints};
use splicer::kernels::screen::Screen;
use splicer::kernels::{Activation, Packed};
use splicer::ops::model::attention::{AttendMix, AttendScores, Attention, Geometry};
use splicer::ops::model::codes::{Decode, JumpRelu, MergeError, TopKRelu};
use splicer::ops::model::encode::Encode;
use splicer::ops::model::linear::{AttnOut, HeadResults, Linear, LinearAt, LinearHeads};
use splicer::ops::model::lookup::{Lookup, TableRows};
use splicer::ops::model::norm::{Center, Norm, RmsScale};
use splicer::ops::model::rotary::Rotary;
use splicer::tensor::Tensor;
use std::rc::Rc;

fn packed(random: &mut Random, rows: usize, cols: usize) -> Rc<Packed<f64>> {
    let matrix = random.tensor(&[rows, cols]);
    Rc::new(Packed::pack(matrix.floats().unwrap(), rows, cols).unwrap())
}

pub fn lookup(random: &mut Random) -> Vec<Case> {
    let mut case = |(rows, cols): (usize, usize), of: TableRows, indices: &[i32]| {
        let weight = packed(random, rows, cols);
        Case::new(Lookup { weight, of }, &[&ints(&[indices.len()], indices)])
    };
    vec![
        case((5, 20), TableRows::Rows, &[4, 0, 4]),
        case((5, 20), TableRows::Columns, &[19, 16, 3]),
        case((1, 60), TableRows::Stretches(12), &[4, 0, 1]),
        case((5, 20), TableRows::Rows, &[]),
    ]
}

pub fn linear(random: &mut Random) -> Vec<Case> {
    let mut case = |shape: &[usize], in_axes: usize, out_dims: &[usize], biased: bool| {
        let rows = shape[shape.len() - in_axes..].iter().product();
        let cols = out_dims.iter().product();
        let weight = packed(random, rows, cols);
        let bias = biased.then(|| random.tensor(&[cols]));
        let op = Linear { weight, bias, in_axes, out_dims: out_dims.to_vec(), act: Activation::Identity };
        Case::new(op, &[&random.tensor(shape)])
    };
    vec![
        case(&[2, 3, 4], 1, &[5], true),
        case(&[2, 3, 4], 2, &[2, 17], false),
        case(&[4], 1, &[1], true),
        case(&[0, 4], 1, &[3], true),
        case(&[1, 1], 1, &[2, 2], false),
    ]
}

pub fn linear_at(random: &mut Random) -> Vec<Case> {
    let mut case = |shape: &[usize], cols: usize, rows: &[u32], columns: &[u32], biased: bool| {
        let weight = packed(random, *shape.last().unwrap(), cols);
        let bias = biased.then(|| random.tensor(&[cols]));
        let op = LinearAt { weight, bias, rows: rows.to_vec(), columns: columns.to_vec() };
        Case::new(op, &[&random.tensor(shape)])
    };
    vec![
        // Cells of the same row and the same column, and one cell twice.
        case(&[3, 4], 20, &[2, 0, 2, 1, 2], &[5, 19, 5, 0, 16], true),
        case(&[2, 3, 2], 3, &[5, 1], &[2, 0], false),
        case(&[2, 4], 5, &[], &[], true),
    ]
}

pub fn linear_heads(random: &mut Random) -> Vec<Case> {
    let mut case =
        |leading: &[usize], n_heads: usize, shared_by: usize, d_model: usize, d_head: usize, biased: bool| {
            let cols = n_heads / shared_by * d_head;
            let weight = packed(random, d_model, cols);
            let bias = biased.then(|| random.tensor(&[cols]));
            let shape = [leading, &[n_heads, d_model]].concat();
            Case::new(LinearHeads { weight, bias, n_heads, shared_by }, &[&random.tensor(&shape)])
        };
    vec![
        case(&[2, 3], 2, 1, 4, 3, true),
        case(&[2], 3, 1, 2, 7, false),
        case(&[2], 6, 3, 2, 3, true),
        case(&[3], 2, 2, 4, 5, false),
        case(&[], 1, 1, 1, 1, true),
        case(&[0], 2, 1, 3, 2, true),
    ]
}

pub fn rotary(random: &mut Random) -> Vec<Case> {
    let mut cases = Vec::new();
    for (shape, pairs) in [([2, 3, 6], 3), ([3, 1, 5], 2), ([1, 2, 4], 1), ([2, 2, 3], 0), ([0, 2, 4], 2)] {
        for adjacent in [false, true] {
            // Of any length, as angles with a factor are.
            let (cos, sin) = (random.tensor(&[shape[0], pairs]), random.tensor(&[shape[0], pairs]));
            cases.push(Case::new(Rotary { cos, sin, adjacent }, &[&random.tensor(&shape)]));
        }
    }
    cases
}

pub fn attn_out(random: &mut Random) -> Vec<Case> {
    let mut case = |leading: &[usize], n_heads: usize, d_head: usize, d_model: usize, biased: bool| {
        let weight = packed(random, n_heads * d_head, d_model);
        let bias = biased.then(|| random.tensor(&[d_model]));
        let shape = [leading, &[n_heads, d_head]].concat();
        Case::new(AttnOut { weight, bias, n_heads }, &[&random.tensor(&shape)])
    };
    vec![case(&[2, 3], 2, 3, 5, true), case(&[2], 3, 2, 18, false), case(&[], 1, 1, 1, true), case(&[0], 2, 3, 2, true)]
}

pub fn head_results(random: &mut Random) -> Vec<Case> {
    let mut case = |leading: &[usize], n_heads: usize, d_head: usize, d_model: usize| {
        let weight = packed(random, n_heads * d_head, d_model);
        let shape = [leading, &[n_heads, d_head]].concat();
        Case::new(HeadResults { weight, n_heads }, &[&random.tensor(&shape)])
    };
    vec![case(&[2, 3], 2, 3, 5), case(&[2], 3, 2, 18), case(&[], 1, 1, 1), case(&[0], 2, 3, 2)]
}

const ROWS: [&[usize]; 5] = [&[4], &[2, 5], &[2, 1, 3], &[0, 3], &[2, 17]];

pub fn center(random: &mut Random) -> Vec<Case> {
    ROWS.iter().map(|shape| Case::new(Center, &[&random.tensor(shape)])).collect()
}

pub fn rms_scale(random: &mut Random) -> Vec<Case> {
    ROWS.iter().map(|shape| Case::new(RmsScale { eps: 1e-2 }, &[&random.tensor(shape)])).collect()
}

pub fn norm(random: &mut Random) -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in ROWS {
        for (center, with_affine) in [(true, true), (true, false), (false, true), (false, false)] {
            let d = [shape[shape.len() - 1]];
            let affine = with_affine.then(|| (random.tensor(&d), random.tensor(&d)));
            cases.push(Case::new(Norm { eps: 1e-2, center, affine }, &[&random.tensor(shape)]));
        }
    }
    cases
}

/// Full passes and single rows, hidden keys, several sequences; shared keys, windows, caps and slopes.
fn geometries() -> Vec<Geometry> {
    let all = |batch: u32, n: u32| (0..batch).flat_map(|b| (0..n).map(move |q| (b, q))).collect::<Vec<_>>();
    let geometry = |rows: Vec<(u32, u32)>, mask: &[u8], batch, n_keys, n_heads, d_head| Geometry {
        rows: rows.into(),
        key_mask: mask.into(),
        batch,
        n_keys,
        n_heads,
        n_key_heads: n_heads,
        d_head,
        scale: 1.7,
        window: usize::MAX,
        soft_cap: 0.0,
        slopes: [].into(),
    };
    let shared = |n_key_heads, at: Geometry| Geometry { n_key_heads, ..at };
    vec![
        geometry(all(1, 4), &[], 1, 4, 2, 3),
        geometry(all(2, 3), &[], 2, 3, 1, 2),
        geometry(all(2, 3), &[0, 1, 1, 1, 1, 1], 2, 3, 2, 2),
        geometry(vec![(1, 3), (0, 1)], &[], 2, 4, 2, 2),
        geometry(all(1, 1), &[], 1, 1, 1, 1),
        geometry(vec![], &[], 1, 3, 2, 2),
        shared(2, geometry(all(2, 3), &[], 2, 3, 4, 2)),
        shared(1, geometry(all(1, 3), &[], 1, 3, 3, 2)),
        Geometry { window: 2, ..geometry(all(1, 4), &[1, 0, 1, 1], 1, 4, 1, 3) },
        Geometry { soft_cap: 2.5, ..geometry(all(1, 3), &[], 1, 3, 2, 2) },
        Geometry { slopes: [0.5, 0.25].into(), ..geometry(all(1, 3), &[], 1, 3, 2, 2) },
        Geometry { window: 1, soft_cap: 1.5, slopes: [0.5].into(), ..geometry(all(1, 3), &[], 1, 3, 1, 2) },
    ]
}

fn queries(random: &mut Random, at: &Geometry) -> Tensor<f64> {
    random.tensor(&[at.rows.len(), at.n_heads, at.d_head])
}

/// Keys or values; those of several sequences have room for one more, as a cache's have.
fn keys(random: &mut Random, at: &Geometry) -> Tensor<f64> {
    random.tensor(&[at.batch, at.n_keys + at.batch - 1, at.n_key_heads, at.d_head])
}

pub fn attend_scores(random: &mut Random) -> Vec<Case> {
    let case = |at: Geometry| {
        let (q, k) = (queries(random, &at), keys(random, &at));
        Case::new(AttendScores(at), &[&q, &k])
    };
    geometries().into_iter().map(case).collect()
}

pub fn attend_mix(random: &mut Random) -> Vec<Case> {
    let case = |at: Geometry| {
        let pattern = random.tensor(&[at.rows.len(), at.n_heads, at.n_keys]);
        let v = keys(random, &at);
        Case::new(AttendMix(at), &[&pattern, &v])
    };
    geometries().into_iter().map(case).collect()
}

pub fn attention(random: &mut Random) -> Vec<Case> {
    let case = |at: Geometry| {
        let (q, k, v) = (queries(random, &at), keys(random, &at), keys(random, &at));
        Case::new(Attention(at), &[&q, &k, &v])
    };
    geometries().into_iter().map(case).collect()
}

pub fn jump_relu(random: &mut Random) -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in ROWS {
        // Below every positive input, so that the kinks lie where `Random::tensor` puts nothing.
        let threshold = random.within(&[shape[shape.len() - 1]], 0.0, 0.1);
        cases.push(Case::new(JumpRelu, &[&random.tensor(shape), &threshold]).with_constants(&[1]));
    }
    let (h, threshold) = (random.within(&[3, 2], 0.2, 0.9), random.within(&[2], 1.0, 2.0));
    cases.push(Case::new(JumpRelu, &[&h, &threshold]).with_constants(&[1]));
    cases
}

pub fn topk_relu(random: &mut Random) -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in ROWS {
        for k in [0, 1, 2, 20] {
            cases.push(Case::new(TopKRelu { k }, &[&random.tensor(shape)]));
        }
    }
    cases
}

pub fn encode(random: &mut Random) -> Vec<Case> {
    let mut cases = Vec::new();
    for (shape, cols) in [(&[3, 6][..], 20), (&[2, 2, 5], 7), (&[4], 1), (&[0, 3], 2)] {
        for (has_thresholds, is_screened) in [(false, false), (false, true), (true, false), (true, true)] {
            let weight = packed(random, shape[shape.len() - 1], cols);
            let bias = random.tensor(&[cols]);
            let thresholds = has_thresholds.then(|| random.within(&[cols], -0.5, 0.5));
            let floats = thresholds.as_ref().map(|thresholds| thresholds.floats().unwrap());
            let screen = Screen::new(&weight, Some(bias.floats().unwrap()), floats).unwrap().map(Rc::new);
            let screen = screen.filter(|_| is_screened);
            assert_eq!(screen.is_some(), is_screened);
            cases.push(Case::new(Encode { weight, bias, thresholds, screen }, &[&random.tensor(shape)]));
        }
    }
    cases
}

pub fn decode(random: &mut Random) -> Vec<Case> {
    let mut case = |shape: &[usize], cols: usize, biased: bool| {
        let weight = packed(random, shape[shape.len() - 1], cols);
        let bias = biased.then(|| random.tensor(&[cols]));
        let mut codes = random.tensor(shape);
        // Mostly inactive, as codes are: the gradient reaches those too.
        codes.floats_mut().unwrap().iter_mut().step_by(2).for_each(|code| *code = 0.0);
        Case::new(Decode { weight, bias }, &[&codes])
    };
    vec![case(&[2, 3, 6], 4, true), case(&[2, 5], 18, false), case(&[3], 1, true), case(&[0, 3], 2, true)]
}

pub fn merge_error(random: &mut Random) -> Vec<Case> {
    let shape = [3, 4];
    let (recons, error) = (random.tensor(&shape), random.tensor(&shape));
    let sum = recons.floats().unwrap().iter().zip(error.floats().unwrap()).map(|(r, e)| r + e);
    let x = Tensor::from_slice(&shape, &sum.collect::<Vec<_>>()).unwrap();
    let mut edited = recons.clone();
    edited.floats_mut().unwrap()[5] += 1.0;
    let flat = recons.reshaped(&[3, 2, 2]).unwrap();
    vec![
        Case::new(MergeError { row: 4 }, &[&x, &recons, &error, &recons, &error]).with_constants(&[0, 1, 2]),
        Case::new(MergeError { row: 4 }, &[&x, &recons, &error, &edited, &error]).with_constants(&[0, 1, 2]),
        Case::new(MergeError { row: 4 }, &[&x, &flat, &error, &flat, &error]).with_constants(&[0, 1, 2]),
    ]
}
