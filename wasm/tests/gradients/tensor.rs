//! Cases of the tensor operations.

use crate::harness::{Case, Random, bools, ints};
use splicer::kernels::Activation;
use splicer::ops::Op;
use splicer::ops::binary::Binary;
use splicer::ops::choose::Where;
use splicer::ops::compare::{Compare, Logical};
use splicer::ops::dtype::Cast;
use splicer::ops::gather::{Gather, IndexSelect};
use splicer::ops::index::{Index, IndexPut, Selector};
use splicer::ops::matmul::MatMul;
use splicer::ops::reduce::{Mean, Over, Quantifier, Sum};
use splicer::ops::shape::{Cat, Expand, Permute, Reshape};
use splicer::ops::softmax::{LogSoftmax, Softmax};
use splicer::ops::unary::{Activate, Clamp, Unary, WithScalar};
use splicer::tensor::{Dtype, Tensor};

/// Broadcasting either way, scalars, axes of length 1 on both sides, nothing at all.
const PAIRS: [(&[usize], &[usize]); 13] = [
    (&[2, 3], &[2, 3]),
    (&[2, 3], &[3]),
    (&[3], &[2, 3]),
    (&[2, 1, 3], &[4, 1]),
    (&[4, 1], &[2, 1, 3]),
    (&[], &[2, 3]),
    (&[2, 3], &[]),
    (&[1, 3], &[2, 1]),
    (&[], &[]),
    (&[1, 1], &[1]),
    (&[0, 3], &[3]),
    (&[2, 0], &[2, 1]),
    (&[2, 3, 4], &[3, 1]),
];

const SHAPES: [&[usize]; 6] = [&[], &[5], &[2, 3], &[1, 4, 1], &[0], &[2, 0, 3]];

fn pairs(random: &mut Random, op: Binary, make: fn(&mut Random, &[usize]) -> Tensor<f64>) -> Vec<Case> {
    let mut cases: Vec<Case> =
        PAIRS.iter().map(|(a, b)| Case::new(op, &[&make(random, a), &make(random, b)])).collect();
    cases.push(Case::new(op, &[&make(random, &[2, 3]), &ints(&[3], &[1, 2, 3])]));
    cases.push(Case::new(op, &[&bools(&[2, 1], &[1, 1]), &make(random, &[2, 3])]));
    cases
}

fn positive(random: &mut Random, shape: &[usize]) -> Tensor<f64> {
    random.within(shape, 0.5, 2.0)
}

pub fn add(random: &mut Random) -> Vec<Case> {
    pairs(random, Binary::Add, Random::tensor)
}

pub fn sub(random: &mut Random) -> Vec<Case> {
    pairs(random, Binary::Sub, Random::tensor)
}

pub fn mul(random: &mut Random) -> Vec<Case> {
    pairs(random, Binary::Mul, Random::tensor)
}

pub fn div(random: &mut Random) -> Vec<Case> {
    pairs(random, Binary::Div, positive)
}

pub fn pow(random: &mut Random) -> Vec<Case> {
    let mut cases = pairs(random, Binary::Pow, positive);
    // Differences at the base need exponents for which negative bases and 0 are smooth.
    let exponents = ints(&[4], &[0, 1, 2, 3]);
    cases.push(Case::new(Binary::Pow, &[&Tensor::zeros(&[4]).unwrap(), &exponents]));
    cases.push(Case::new(Binary::Pow, &[&random.within(&[4], -2.0, -0.5), &exponents]));
    cases
}

/// One case for each of [`SHAPES`].
fn shapes<O: Op<f64> + Copy + 'static>(
    random: &mut Random,
    op: O,
    make: fn(&mut Random, &[usize]) -> Tensor<f64>,
) -> Vec<Case> {
    SHAPES.iter().map(|shape| Case::new(op, &[&make(random, shape)])).collect()
}

pub fn neg(random: &mut Random) -> Vec<Case> {
    shapes(random, Unary::Neg, Random::tensor)
}

pub fn abs(random: &mut Random) -> Vec<Case> {
    shapes(random, Unary::Abs, Random::tensor)
}

pub fn sqrt(random: &mut Random) -> Vec<Case> {
    shapes(random, Unary::Sqrt, positive)
}

pub fn log(random: &mut Random) -> Vec<Case> {
    shapes(random, Unary::Log, positive)
}

pub fn identity(random: &mut Random) -> Vec<Case> {
    shapes(random, Activate(Activation::Identity), Random::tensor)
}

pub fn relu(random: &mut Random) -> Vec<Case> {
    shapes(random, Activate(Activation::Relu), Random::tensor)
}

pub fn gelu_new(random: &mut Random) -> Vec<Case> {
    shapes(random, Activate(Activation::GeluNew), Random::tensor)
}

pub fn gelu(random: &mut Random) -> Vec<Case> {
    shapes(random, Activate(Activation::Gelu), Random::tensor)
}

pub fn silu(random: &mut Random) -> Vec<Case> {
    shapes(random, Activate(Activation::Silu), Random::tensor)
}

pub fn tanh(random: &mut Random) -> Vec<Case> {
    shapes(random, Activate(Activation::Tanh), Random::tensor)
}

pub fn sigmoid(random: &mut Random) -> Vec<Case> {
    shapes(random, Activate(Activation::Sigmoid), Random::tensor)
}

pub fn exp(random: &mut Random) -> Vec<Case> {
    shapes(random, Activate(Activation::Exp), Random::tensor)
}

pub fn add_scalar(random: &mut Random) -> Vec<Case> {
    shapes(random, WithScalar::Add(1.5), Random::tensor)
}

pub fn mul_scalar(random: &mut Random) -> Vec<Case> {
    shapes(random, WithScalar::Mul(-2.5), Random::tensor)
}

pub fn div_scalar(random: &mut Random) -> Vec<Case> {
    shapes(random, WithScalar::Div(0.3), Random::tensor)
}

pub fn pow_scalar(random: &mut Random) -> Vec<Case> {
    let mut cases = Vec::new();
    for exponent in [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, -1.0, -0.5] {
        cases.extend(shapes(random, WithScalar::Pow(exponent), positive));
    }
    for exponent in [0.0, 1.0, 2.0, 3.0] {
        cases.push(Case::new(WithScalar::Pow(exponent), &[&random.within(&[3], -2.0, -0.5)]));
        cases.push(Case::new(WithScalar::Pow(exponent), &[&Tensor::zeros(&[1]).unwrap()]));
    }
    cases
}

pub fn clamp(random: &mut Random) -> Vec<Case> {
    // The bounds lie where `Random::tensor` puts nothing.
    let bounds = [(-0.1, 0.1), (0.1, f64::INFINITY), (f64::NEG_INFINITY, -0.1), (f64::NEG_INFINITY, f64::INFINITY)];
    bounds.iter().flat_map(|&(min, max)| shapes(random, Clamp { min, max }, Random::tensor)).collect()
}

pub fn cast(random: &mut Random) -> Vec<Case> {
    let x = random.tensor(&[2, 3]);
    vec![Case::new(Cast(Dtype::Float), &[&x]), Case::new(Cast(Dtype::Int), &[&x]), Case::new(Cast(Dtype::Bool), &[&x])]
}

fn masks<O: Op<f64> + Copy + 'static>(random: &mut Random, op: O) -> Vec<Case> {
    PAIRS.iter().map(|(a, b)| Case::new(op, &[&random.tensor(a), &random.tensor(b)])).collect()
}

pub fn eq(random: &mut Random) -> Vec<Case> {
    masks(random, Compare::Eq)
}

pub fn ne(random: &mut Random) -> Vec<Case> {
    masks(random, Compare::Ne)
}

pub fn gt(random: &mut Random) -> Vec<Case> {
    masks(random, Compare::Gt)
}

pub fn ge(random: &mut Random) -> Vec<Case> {
    masks(random, Compare::Ge)
}

pub fn lt(random: &mut Random) -> Vec<Case> {
    masks(random, Compare::Lt)
}

pub fn le(random: &mut Random) -> Vec<Case> {
    masks(random, Compare::Le)
}

pub fn and(random: &mut Random) -> Vec<Case> {
    masks(random, Logical::And)
}

pub fn or(random: &mut Random) -> Vec<Case> {
    masks(random, Logical::Or)
}

pub fn not(random: &mut Random) -> Vec<Case> {
    vec![Case::new(Logical::Not, &[&random.mask(&[2, 3])])]
}

pub fn choose(random: &mut Random) -> Vec<Case> {
    let masks: [&[usize]; 4] = [&[2, 3], &[3], &[2, 1], &[]];
    let mut cases = Vec::new();
    for mask in masks {
        for (a, b) in [(&[2, 3][..], &[2, 3][..]), (&[], &[2, 3]), (&[2, 1], &[3]), (&[1, 1], &[])] {
            cases.push(Case::new(Where, &[&random.mask(mask), &random.tensor(a), &random.tensor(b)]));
        }
    }
    cases.push(Case::new(Where, &[&random.mask(&[0, 3]), &random.tensor(&[3]), &random.tensor(&[])]));
    cases.push(Case::new(Where, &[&random.mask(&[3]), &random.tensor(&[2, 3]), &ints(&[], &[7])]));
    cases
}

/// Shapes and axes to reduce over, with and without keeping them.
fn reductions() -> Vec<(&'static [usize], Over)> {
    let choices: [(&[usize], &[usize]); 11] = [
        (&[], &[]),
        (&[5], &[0]),
        (&[2, 3, 4], &[0]),
        (&[2, 3, 4], &[1]),
        (&[2, 3, 4], &[2]),
        (&[2, 3, 4], &[2, 0]),
        (&[2, 3, 4], &[0, 1, 2]),
        (&[2, 3], &[]),
        (&[1, 3, 1], &[0, 2]),
        (&[0, 3], &[1]),
        (&[3, 0], &[1]),
    ];
    let over = |&(shape, axes): &(&'static [usize], &[usize])| {
        [false, true].map(|keepdim| (shape, Over { axes: axes.to_vec(), keepdim }))
    };
    choices.iter().flat_map(over).collect()
}

pub fn sum(random: &mut Random) -> Vec<Case> {
    reductions().into_iter().map(|(shape, over)| Case::new(Sum(over), &[&random.tensor(shape)])).collect()
}

pub fn mean(random: &mut Random) -> Vec<Case> {
    // The mean of no cells is NaN whatever they are, so that it has no gradient to compare.
    let defined = reductions().into_iter().filter(|(shape, _)| *shape != [3, 0]);
    defined.map(|(shape, over)| Case::new(Mean(over), &[&random.tensor(shape)])).collect()
}

pub fn any(random: &mut Random) -> Vec<Case> {
    reductions().into_iter().map(|(shape, over)| Case::new(Quantifier::Any(over), &[&random.tensor(shape)])).collect()
}

pub fn all(random: &mut Random) -> Vec<Case> {
    reductions().into_iter().map(|(shape, over)| Case::new(Quantifier::All(over), &[&random.tensor(shape)])).collect()
}

pub fn reshape(random: &mut Random) -> Vec<Case> {
    let choices: [(&[usize], &[usize]); 5] =
        [(&[2, 6], &[3, 4]), (&[], &[1, 1]), (&[1], &[]), (&[2, 0], &[0]), (&[4], &[4])];
    choices.iter().map(|(from, to)| Case::new(Reshape(to.to_vec()), &[&random.tensor(from)])).collect()
}

pub fn permute(random: &mut Random) -> Vec<Case> {
    let choices: [(&[usize], &[usize]); 8] = [
        (&[], &[]),
        (&[3], &[0]),
        (&[2, 3], &[1, 0]),
        (&[2, 3, 4], &[2, 0, 1]),
        (&[2, 3, 4], &[1, 0, 2]),
        (&[2, 1, 4], &[2, 1, 0]),
        (&[2, 0], &[1, 0]),
        (&[2, 3, 2, 2], &[3, 1, 0, 2]),
    ];
    choices.iter().map(|(shape, order)| Case::new(Permute(order.to_vec()), &[&random.tensor(shape)])).collect()
}

pub fn expand(random: &mut Random) -> Vec<Case> {
    let choices: [(&[usize], &[usize]); 7] = [
        (&[], &[2, 3]),
        (&[3], &[2, 3]),
        (&[2, 1], &[2, 3]),
        (&[1, 3, 1], &[4, 2, 3, 2]),
        (&[2, 3], &[2, 3]),
        (&[1], &[0]),
        (&[2, 1, 3], &[2, 2, 3]),
    ];
    choices.iter().map(|(from, to)| Case::new(Expand(to.to_vec()), &[&random.tensor(from)])).collect()
}

pub fn cat(random: &mut Random) -> Vec<Case> {
    let mut case = |axis: usize, shapes: &[&[usize]]| {
        let parts: Vec<Tensor<f64>> = shapes.iter().map(|shape| random.tensor(shape)).collect();
        Case::new(Cat { axis }, &parts.iter().collect::<Vec<_>>())
    };
    let mut cases = vec![
        case(0, &[&[2], &[3], &[1]]),
        case(0, &[&[2, 3], &[1, 3]]),
        case(1, &[&[2, 3], &[2, 0], &[2, 1]]),
        case(1, &[&[2, 2, 3], &[2, 1, 3]]),
        case(2, &[&[1, 2, 1]]),
        case(1, &[&[0, 2], &[0, 3]]),
        case(0, &[&[0, 2], &[0, 2]]),
    ];
    cases.push(Case::new(Cat { axis: 0 }, &[&random.tensor(&[2]), &ints(&[2], &[3, 4])]));
    cases
}

/// Shapes and selectors of every kind, alone and combined.
fn regions() -> Vec<(&'static [usize], Vec<Selector>)> {
    let range = |start, step, count| Selector::Range { start, step, count };
    vec![
        (&[], vec![]),
        (&[4], vec![Selector::At(2)]),
        (&[4], vec![range(1, 1, 2)]),
        (&[5], vec![range(0, 2, 3)]),
        (&[5], vec![Selector::List(vec![4, 0, 2])]),
        (&[2, 3, 4], vec![]),
        (&[2, 3, 4], vec![Selector::All, Selector::At(1), Selector::At(3)]),
        (&[2, 3, 4], vec![Selector::At(1), Selector::All, range(1, 1, 2)]),
        (&[2, 3, 4], vec![Selector::All, Selector::List(vec![2, 0])]),
        (&[2, 3, 4], vec![Selector::List(vec![1, 0]), Selector::At(0), Selector::List(vec![3, 1])]),
        (&[2, 3, 4], vec![range(0, 1, 2), range(0, 2, 2), Selector::All]),
        (&[2, 3], vec![Selector::All, range(1, 1, 0)]),
        (&[2, 3], vec![Selector::List(vec![])]),
        (&[2, 0], vec![Selector::At(1)]),
        (&[1, 3], vec![Selector::At(0)]),
    ]
}

pub fn index(random: &mut Random) -> Vec<Case> {
    let mut all = regions();
    all.push((&[3], vec![Selector::List(vec![1, 1, 0, 1])]));
    all.push((&[3, 3], vec![Selector::List(vec![2, 2]), Selector::List(vec![0, 1, 0])]));
    all.into_iter().map(|(shape, selectors)| Case::new(Index(selectors), &[&random.tensor(shape)])).collect()
}

pub fn index_put(random: &mut Random) -> Vec<Case> {
    let mut cases = Vec::new();
    for (shape, selectors) in regions() {
        let base = random.tensor(shape);
        let region = Index(selectors.clone()).forward(&[&base]).unwrap();
        // The region's own shape, a scalar, and a value stretched along the first axis.
        let mut values = vec![region.shape.clone(), vec![]];
        values.extend(region.shape.get(1..).map(<[usize]>::to_vec));
        for value in values {
            cases.push(Case::new(IndexPut(selectors.clone()), &[&base, &random.tensor(&value)]));
        }
    }
    let twice = vec![Selector::List(vec![2, 0, 2]), Selector::List(vec![1, 1])];
    cases.push(Case::new(IndexPut(twice.clone()), &[&random.tensor(&[3, 2]), &random.tensor(&[3, 2])]));
    cases.push(Case::new(IndexPut(twice), &[&random.tensor(&[3, 2]), &random.tensor(&[1, 2])]));
    cases.push(Case::new(IndexPut(vec![Selector::At(0)]), &[&random.tensor(&[2, 3]), &ints(&[], &[5])]));
    cases
}

pub fn gather(random: &mut Random) -> Vec<Case> {
    let mut case = |shape: &[usize], dim: usize, index_shape: &[usize]| {
        let n = index_shape.iter().product();
        let index: Vec<i32> = (0..n).map(|_| random.below(shape[dim]) as i32).collect();
        Case::new(Gather { dim }, &[&random.tensor(shape), &ints(index_shape, &index)])
    };
    vec![
        case(&[4], 0, &[6]),
        case(&[2, 3], 1, &[2, 2]),
        case(&[2, 3], 0, &[4, 3]),
        case(&[3, 2, 4], 1, &[2, 5, 3]),
        case(&[1, 3], 1, &[1, 1]),
        case(&[2, 3], 1, &[0, 2]),
    ]
}

pub fn index_select(random: &mut Random) -> Vec<Case> {
    let mut case = |shape: &[usize], dim: usize, index: &[i32]| {
        Case::new(IndexSelect { dim }, &[&random.tensor(shape), &ints(&[index.len()], index)])
    };
    vec![
        case(&[4], 0, &[3, 0, 3]),
        case(&[2, 3, 2], 1, &[2, 2, 0, 1]),
        case(&[2, 3], 1, &[0]),
        case(&[2, 3], 0, &[]),
        case(&[2, 0], 0, &[1, 1, 1]),
    ]
}

pub fn matmul(random: &mut Random) -> Vec<Case> {
    let choices: [(&[usize], &[usize]); 16] = [
        (&[3], &[3]),
        (&[2, 3], &[3]),
        (&[3], &[3, 2]),
        (&[2, 3], &[3, 4]),
        (&[5, 2, 3], &[3, 4]),
        (&[2, 3], &[5, 3, 4]),
        (&[2, 2, 3], &[2, 3, 2]),
        (&[2, 1, 2, 3], &[3, 3, 2]),
        (&[1, 2, 3], &[2, 3, 2]),
        (&[2, 2, 3], &[1, 3, 2]),
        (&[3], &[2, 3, 2]),
        (&[2, 2, 3], &[3]),
        (&[1, 1], &[1, 1]),
        (&[0, 3], &[3, 2]),
        (&[2, 0], &[0, 3]),
        (&[2, 3], &[3, 19]),
    ];
    let mut cases: Vec<Case> =
        choices.iter().map(|(a, b)| Case::new(MatMul, &[&random.tensor(a), &random.tensor(b)])).collect();
    cases.push(Case::new(MatMul, &[&random.tensor(&[2, 2]), &ints(&[2, 2], &[1, 2, 3, 4])]));
    cases
}

const LANES: [(&[usize], usize); 7] =
    [(&[4], 0), (&[2, 3], 1), (&[2, 3], 0), (&[2, 3, 4], 1), (&[3, 1], 1), (&[0, 3], 1), (&[2, 0], 1)];

pub fn softmax(random: &mut Random) -> Vec<Case> {
    LANES.iter().map(|&(shape, dim)| Case::new(Softmax { dim }, &[&random.tensor(shape)])).collect()
}

pub fn log_softmax(random: &mut Random) -> Vec<Case> {
    LANES.iter().map(|&(shape, dim)| Case::new(LogSoftmax { dim }, &[&random.tensor(shape)])).collect()
}
