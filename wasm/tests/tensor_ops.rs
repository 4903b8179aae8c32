//! Forward passes of the tensor operations against naive formulas, and the texts of their errors.

use splicer::error::Error;
use splicer::kernels::{Activation, Kernels};
use splicer::memory::Buf;
use splicer::ops::Op;
use splicer::ops::binary::Binary;
use splicer::ops::choose::Where;
use splicer::ops::compare::{Compare, Logical};
use splicer::ops::dtype::Cast;
use splicer::ops::gather::{Gather, IndexSelect};
use splicer::ops::index::{Index, IndexPut, Selector, nonzero, nonzero_flat};
use splicer::ops::matmul::MatMul;
use splicer::ops::reduce::{Mean, Over, Quantifier, Sum};
use splicer::ops::select::{argmax, argmin, sort_indices, topk_indices};
use splicer::ops::shape::{Cat, Expand, Permute, Reshape};
use splicer::ops::softmax::{LogSoftmax, Softmax};
use splicer::ops::unary::{Activate, Clamp, Unary, WithScalar};
use splicer::tensor::{Dtype, Tensor};

fn floats(shape: &[usize], values: &[f32]) -> Tensor<f32> {
    Tensor::from_slice(shape, values).unwrap()
}

fn ints(shape: &[usize], values: &[i32]) -> Tensor<f32> {
    Tensor::int(shape.to_vec(), Buf::copied(values).unwrap())
}

fn bools(shape: &[usize], values: &[u8]) -> Tensor<f32> {
    Tensor::bool(shape.to_vec(), Buf::copied(values).unwrap())
}

/// Floats without pattern or symmetry, the same every time.
fn wavy(shape: &[usize]) -> Tensor<f32> {
    let n = shape.iter().product::<usize>();
    floats(shape, &(0..n).map(|i| (i as f32 * 1.7 + 0.3).sin() * 2.0).collect::<Vec<_>>())
}

fn count(shape: &[usize]) -> Tensor<f32> {
    floats(shape, &(0..shape.iter().product()).map(|i: usize| i as f32).collect::<Vec<_>>())
}

fn run(op: impl Op<f32>, inputs: &[&Tensor<f32>]) -> Tensor<f32> {
    op.forward(inputs).unwrap()
}

fn message(op: impl Op<f32>, inputs: &[&Tensor<f32>]) -> String {
    op.forward(inputs).err().expect("an error").to_string()
}

#[track_caller]
fn assert_floats(x: &Tensor<f32>, shape: &[usize], values: &[f32]) {
    assert_eq!((&x.shape[..], x.floats().unwrap()), (shape, values));
}

#[track_caller]
fn assert_ints(x: &Tensor<f32>, shape: &[usize], values: &[i32]) {
    assert_eq!((&x.shape[..], x.ints().unwrap()), (shape, values));
}

#[track_caller]
fn assert_bools(x: &Tensor<f32>, shape: &[usize], values: &[u8]) {
    assert_eq!((&x.shape[..], x.bools().unwrap()), (shape, values));
}

/// The element at the coordinates of cell `i` of `shape`, `x` broadcast.
fn at(x: &Tensor<f32>, shape: &[usize], mut i: usize) -> f32 {
    let (mut offset, mut step) = (0, 1);
    for back in 1..=shape.len() {
        let len = shape[shape.len() - back];
        let (coordinate, own) = (i % len, x.rank().checked_sub(back).map_or(1, |axis| x.shape[axis]));
        offset += if own == 1 { 0 } else { coordinate * step };
        step *= own;
        i /= len;
    }
    x.floats().unwrap()[offset]
}

#[test]
fn binary_broadcasts() {
    let shapes: [(&[usize], &[usize], &[usize]); 9] = [
        (&[2, 3], &[2, 3], &[2, 3]),
        (&[4, 2, 3], &[3], &[4, 2, 3]),
        (&[3], &[4, 2, 3], &[4, 2, 3]),
        (&[2, 1, 3], &[4, 1], &[2, 4, 3]),
        (&[5, 1, 1], &[1, 2, 1], &[5, 2, 1]),
        (&[], &[2, 2], &[2, 2]),
        (&[], &[], &[]),
        (&[2, 3, 4, 5], &[3, 1, 5], &[2, 3, 4, 5]),
        (&[0, 3], &[1], &[0, 3]),
    ];
    type Scalar = fn(f32, f32) -> f32;
    let functions: [(Binary, Scalar); 5] = [
        (Binary::Add, |x, y| x + y),
        (Binary::Sub, |x, y| x - y),
        (Binary::Mul, |x, y| x * y),
        (Binary::Div, |x, y| x / y),
        (Binary::Pow, f32::powf),
    ];
    for (a_shape, b_shape, shape) in shapes {
        let (a, b) = (run(Unary::Abs, &[&wavy(a_shape)]), wavy(b_shape));
        for (op, f) in functions {
            let got = run(op, &[&a, &b]);
            let n = shape.iter().product::<usize>();
            let expected: Vec<f32> = (0..n).map(|i| f(at(&a, shape, i), at(&b, shape, i))).collect();
            assert_floats(&got, shape, &expected);
        }
    }
}

#[test]
fn arithmetic_keeps_integers_and_promotes_to_floats() {
    let (i, f, b) = (ints(&[2], &[7, -2]), floats(&[2], &[0.5, 4.0]), bools(&[2], &[1, 0]));
    assert_ints(&run(Binary::Add, &[&i, &i]), &[2], &[14, -4]);
    assert_ints(&run(Binary::Sub, &[&i, &b]), &[2], &[6, -2]);
    assert_ints(&run(Binary::Mul, &[&b, &b]), &[2], &[1, 0]);
    assert_ints(&run(Binary::Add, &[&ints(&[], &[i32::MAX]), &ints(&[], &[1])]), &[], &[i32::MIN]);
    assert_floats(&run(Binary::Mul, &[&i, &f]), &[2], &[3.5, -8.0]);
    assert_floats(&run(Binary::Mul, &[&f, &b]), &[2], &[0.5, 0.0]);
    assert_floats(&run(Binary::Div, &[&i, &i]), &[2], &[1.0, 1.0]);
    assert_floats(&run(Binary::Pow, &[&i, &ints(&[], &[2])]), &[2], &[49.0, 4.0]);
    assert_ints(&run(WithScalar::Mul(2.0), &[&i]), &[2], &[14, -4]);
    assert_ints(&run(WithScalar::Add(-1.0), &[&i]), &[2], &[6, -3]);
    assert_floats(&run(WithScalar::Mul(0.5), &[&i]), &[2], &[3.5, -1.0]);
    assert_floats(&run(WithScalar::Div(2.0), &[&i]), &[2], &[3.5, -1.0]);
    assert_ints(&run(Unary::Neg, &[&i]), &[2], &[-7, 2]);
    assert_ints(&run(Unary::Abs, &[&i]), &[2], &[7, 2]);
    assert_ints(&run(Clamp { min: -1.0, max: f64::INFINITY }, &[&i]), &[2], &[7, -1]);
    assert_floats(&run(Clamp { min: -1.5, max: 6.5 }, &[&i]), &[2], &[6.5, -1.5]);
}

#[test]
fn unary_functions_are_those_of_the_scalars() {
    let x = floats(&[2, 2], &[0.25, 1.0, 4.0, 9.0]);
    assert_floats(&run(Unary::Sqrt, &[&x]), &[2, 2], &[0.5, 1.0, 2.0, 3.0]);
    assert_floats(&run(Unary::Log, &[&x]), &[2, 2], &[0.25f32, 1.0, 4.0, 9.0].map(f32::ln));
    assert_floats(&run(Unary::Neg, &[&x]), &[2, 2], &[-0.25, -1.0, -4.0, -9.0]);
    assert_floats(&run(WithScalar::Pow(2.0), &[&x]), &[2, 2], &[0.0625, 1.0, 16.0, 81.0]);
    assert_floats(&run(WithScalar::Pow(0.5), &[&x]), &[2, 2], &[0.5, 1.0, 2.0, 3.0]);
    assert_floats(&run(WithScalar::Pow(-1.0), &[&x]), &[2, 2], &[4.0, 1.0, 0.25, 1.0 / 9.0]);
    assert_floats(&run(WithScalar::Pow(1.5), &[&x]), &[2, 2], &[0.125, 1.0, 8.0, 27.0]);
    assert_floats(&run(Activate(Activation::Relu), &[&floats(&[3], &[-1.0, 0.0, 2.0])]), &[3], &[0.0, 0.0, 2.0]);
    assert_floats(&run(Activate(Activation::Relu), &[&ints(&[2], &[-3, 3])]), &[2], &[0.0, 3.0]);
}

#[test]
fn clamp_keeps_nan_and_lets_the_upper_bound_win() {
    let x = floats(&[4], &[f32::NAN, -3.0, 0.5, 3.0]);
    let kept = run(Clamp { min: -1.0, max: 1.0 }, &[&x]);
    let kept = kept.floats().unwrap();
    assert!(kept[0].is_nan());
    assert_eq!(kept[1..], [-1.0, 0.5, 1.0]);
    assert_floats(&run(Clamp { min: 2.0, max: 1.0 }, &[&floats(&[2], &[0.0, 5.0])]), &[2], &[1.0, 1.0]);
}

#[test]
fn cast_cuts_towards_zero() {
    let x = floats(&[5], &[1.9, -1.9, 0.0, f32::NAN, 1e20]);
    assert_ints(&run(Cast(Dtype::Int), &[&x]), &[5], &[1, -1, 0, 0, i32::MAX]);
    assert_bools(&run(Cast(Dtype::Bool), &[&x]), &[5], &[1, 1, 0, 1, 1]);
    assert_floats(&run(Cast(Dtype::Float), &[&ints(&[2], &[3, -4])]), &[2], &[3.0, -4.0]);
    assert!(run(Cast(Dtype::Float), &[&x]).same_buffer(&x));
}

#[test]
fn comparisons_and_logic_give_masks() {
    let (a, b) = (floats(&[2, 2], &[1.0, 2.0, f32::NAN, 3.0]), floats(&[2], &[1.0, 3.0]));
    for (op, expected) in [
        (Compare::Eq, [1, 0, 0, 1]),
        (Compare::Ne, [0, 1, 1, 0]),
        (Compare::Gt, [0, 0, 0, 0]),
        (Compare::Ge, [1, 0, 0, 1]),
        (Compare::Lt, [0, 1, 0, 0]),
        (Compare::Le, [1, 1, 0, 1]),
    ] {
        assert_bools(&run(op, &[&a, &b]), &[2, 2], &expected);
    }
    // Too close for float32 to tell apart.
    let (i, j) = (ints(&[1], &[16_777_216]), ints(&[1], &[16_777_217]));
    assert_bools(&run(Compare::Lt, &[&i, &j]), &[1], &[1]);
    let (p, q) = (bools(&[2, 1], &[1, 0]), bools(&[2], &[1, 0]));
    assert_bools(&run(Logical::And, &[&p, &q]), &[2, 2], &[1, 0, 0, 0]);
    assert_bools(&run(Logical::Or, &[&p, &q]), &[2, 2], &[1, 1, 1, 0]);
    assert_bools(&run(Logical::Not, &[&ints(&[3], &[0, 2, -1])]), &[3], &[1, 0, 0]);
}

#[test]
fn where_broadcasts_and_promotes() {
    let mask = bools(&[2, 1], &[1, 0]);
    let (a, b) = (floats(&[3], &[1.0, 2.0, 3.0]), floats(&[], &[-1.0]));
    assert_floats(&run(Where, &[&mask, &a, &b]), &[2, 3], &[1.0, 2.0, 3.0, -1.0, -1.0, -1.0]);
    assert_ints(&run(Where, &[&mask, &ints(&[], &[5]), &ints(&[], &[6])]), &[2, 1], &[5, 6]);
    assert_bools(&run(Where, &[&mask, &bools(&[], &[0]), &bools(&[], &[1])]), &[2, 1], &[0, 1]);
    assert_floats(&run(Where, &[&mask, &ints(&[], &[5]), &b]), &[2, 1], &[5.0, -1.0]);
}

fn over(axes: &[usize], keepdim: bool) -> Over {
    Over { axes: axes.to_vec(), keepdim }
}

#[test]
fn reductions_go_over_their_axes() {
    let x = count(&[2, 3, 4]);
    assert_floats(&run(Sum(over(&[2], false)), &[&x]), &[2, 3], &[6.0, 22.0, 38.0, 54.0, 70.0, 86.0]);
    assert_floats(
        &run(Sum(over(&[0], true)), &[&x]),
        &[1, 3, 4],
        &[12., 14., 16., 18., 20., 22., 24., 26., 28., 30., 32., 34.],
    );
    assert_floats(&run(Sum(over(&[0, 2], false)), &[&x]), &[3], &[60.0, 92.0, 124.0]);
    assert_floats(&run(Sum(over(&[0, 1, 2], false)), &[&x]), &[], &[276.0]);
    assert_floats(&run(Mean(over(&[1], false)), &[&x]), &[2, 4], &[4.0, 5.0, 6.0, 7.0, 16.0, 17.0, 18.0, 19.0]);
    assert_floats(&run(Mean(over(&[0], false)), &[&ints(&[2], &[1, 2])]), &[], &[1.5]);
    assert_floats(&run(Sum(over(&[1], false)), &[&count(&[2, 0])]), &[2], &[0.0, 0.0]);
    assert!(run(Mean(over(&[0], false)), &[&count(&[0])]).floats().unwrap()[0].is_nan());
    assert_ints(&run(Sum(over(&[0], false)), &[&ints(&[2], &[3, -5])]), &[], &[-2]);
    assert_ints(&run(Sum(over(&[1], false)), &[&bools(&[2, 2], &[1, 1, 0, 1])]), &[2], &[2, 1]);
    let mask = bools(&[2, 2], &[1, 0, 1, 1]);
    assert_bools(&run(Quantifier::All(over(&[1], false)), &[&mask]), &[2], &[0, 1]);
    assert_bools(&run(Quantifier::All(over(&[0], true)), &[&mask]), &[1, 2], &[1, 0]);
    assert_bools(&run(Quantifier::Any(over(&[0, 1], false)), &[&mask]), &[], &[1]);
    let none = bools(&[0], &[]);
    assert_bools(&run(Quantifier::Any(over(&[0], false)), &[&none]), &[], &[0]);
    assert_bools(&run(Quantifier::All(over(&[0], false)), &[&none]), &[], &[1]);
}

#[test]
fn a_sum_takes_its_terms_in_order_whatever_lies_beside_it() {
    let x = wavy(&[3, 37, 5]);
    let values = x.floats().unwrap();
    let along = run(Sum(over(&[1], false)), &[&x]);
    for (o, i) in (0..3).flat_map(|o| (0..5).map(move |i| (o, i))) {
        let in_order = (0..37).fold(0.0, |total, j| total + values[(o * 37 + j) * 5 + i]);
        assert_eq!(along.floats().unwrap()[o * 5 + i], in_order);
    }
}

#[test]
fn permute_puts_axes_in_order() {
    let x = count(&[2, 3, 4]);
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let shape = order.map(|axis| x.shape[axis]);
        let steps = order.map(|axis| [12, 4, 1][axis]);
        let mut expected = Vec::new();
        for i in 0..shape[0] {
            for j in 0..shape[1] {
                expected.extend((0..shape[2]).map(|k| (i * steps[0] + j * steps[1] + k * steps[2]) as f32));
            }
        }
        assert_floats(&run(Permute(order.to_vec()), &[&x]), &shape, &expected);
    }
    assert_ints(&run(Permute(vec![1, 0]), &[&ints(&[2, 2], &[1, 2, 3, 4])]), &[2, 2], &[1, 3, 2, 4]);
}

#[test]
fn reshape_shares_the_elements() {
    let x = count(&[2, 3]);
    let y = run(Reshape(vec![3, 2]), &[&x]);
    assert_eq!(y.shape, [3, 2]);
    assert!(y.same_buffer(&x));
}

#[test]
fn expand_stretches() {
    let x = floats(&[2, 1], &[1.0, 2.0]);
    assert_floats(&run(Expand(vec![2, 2, 3]), &[&x]), &[2, 2, 3], &[1., 1., 1., 2., 2., 2., 1., 1., 1., 2., 2., 2.]);
    assert_bools(&run(Expand(vec![2]), &[&bools(&[], &[1])]), &[2], &[1, 1]);
}

#[test]
fn cat_joins_along_an_axis() {
    let (a, b) = (count(&[2, 2]), floats(&[2, 1], &[8.0, 9.0]));
    assert_floats(&run(Cat { axis: 1 }, &[&a, &b]), &[2, 3], &[0.0, 1.0, 8.0, 2.0, 3.0, 9.0]);
    assert_floats(&run(Cat { axis: 0 }, &[&a, &floats(&[0, 2], &[]), &a]), &[4, 2], &[0., 1., 2., 3., 0., 1., 2., 3.]);
    assert_ints(&run(Cat { axis: 0 }, &[&ints(&[1], &[4]), &bools(&[1], &[1])]), &[2], &[4, 1]);
    assert_bools(&run(Cat { axis: 0 }, &[&bools(&[1], &[0]), &bools(&[1], &[1])]), &[2], &[0, 1]);
    assert_floats(&run(Cat { axis: 0 }, &[&ints(&[1], &[4]), &floats(&[1], &[0.5])]), &[2], &[4.0, 0.5]);
}

fn range(start: usize, step: usize, count: usize) -> Selector {
    Selector::Range { start, step, count }
}

#[test]
fn index_takes_the_outer_product_of_its_selectors() {
    let x = count(&[2, 3, 4]);
    let at = |selectors: &[Selector]| run(Index(selectors.to_vec()), &[&x]);
    assert_floats(&at(&[Selector::At(1), Selector::At(2), Selector::At(3)]), &[], &[23.0]);
    assert_floats(&at(&[Selector::All, Selector::At(1)]), &[2, 4], &[4., 5., 6., 7., 16., 17., 18., 19.]);
    assert_floats(
        &at(&[Selector::All, Selector::All, range(1, 2, 2)]),
        &[2, 3, 2],
        &[1., 3., 5., 7., 9., 11., 13., 15., 17., 19., 21., 23.],
    );
    assert_floats(&at(&[Selector::At(0), range(1, 1, 2), range(2, 1, 2)]), &[2, 2], &[6.0, 7.0, 10.0, 11.0]);
    let lists = [Selector::List(vec![1, 0]), Selector::List(vec![2, 2, 0]), Selector::At(1)];
    assert_floats(&at(&lists), &[2, 3], &[21.0, 21.0, 13.0, 9.0, 9.0, 1.0]);
    assert_floats(&at(&[range(0, 1, 0)]), &[0, 3, 4], &[]);
    assert!(at(&[Selector::All, range(0, 1, 3)]).same_buffer(&x));
    assert_ints(&run(Index(vec![range(1, 1, 2)]), &[&ints(&[3], &[1, 2, 3])]), &[2], &[2, 3]);
    assert_bools(&run(Index(vec![Selector::At(1)]), &[&bools(&[2], &[0, 1])]), &[], &[1]);
}

#[test]
fn index_put_leaves_the_base_alone() {
    let x = count(&[2, 3]);
    let put = |selectors: &[Selector], value: &Tensor<f32>| run(IndexPut(selectors.to_vec()), &[&x, value]);
    assert_floats(&put(&[Selector::All, Selector::At(1)], &floats(&[], &[9.0])), &[2, 3], &[0., 9., 2., 3., 9., 5.]);
    assert_floats(&put(&[Selector::At(1)], &ints(&[3], &[7, 8, 9])), &[2, 3], &[0., 1., 2., 7., 8., 9.]);
    assert_floats(
        &put(&[Selector::All, range(0, 2, 2)], &floats(&[2, 1], &[8.0, 9.0])),
        &[2, 3],
        &[8., 1., 8., 9., 4., 9.],
    );
    assert_floats(&put(&[], &bools(&[], &[1])), &[2, 3], &[1.0; 6]);
    // Of entries named twice the last one stays.
    let twice = [Selector::At(0), Selector::List(vec![1, 1])];
    assert_floats(&put(&twice, &floats(&[2], &[7.0, 8.0])), &[2, 3], &[0., 8., 2., 3., 4., 5.]);
    assert_floats(&x, &[2, 3], &[0., 1., 2., 3., 4., 5.]);
    assert_ints(&run(IndexPut(vec![Selector::At(0)]), &[&ints(&[2], &[1, 2]), &bools(&[], &[0])]), &[2], &[0, 2]);
    assert_bools(&run(IndexPut(vec![Selector::At(0)]), &[&bools(&[2], &[0, 0]), &bools(&[], &[1])]), &[2], &[1, 0]);
}

#[test]
fn put_writes_in_place_when_nothing_shares_the_buffer() {
    let mut x = count(&[4]);
    let before = x.floats().unwrap().as_ptr();
    IndexPut(vec![Selector::At(2)]).put(&mut x, &floats(&[], &[9.0])).unwrap();
    assert_floats(&x, &[4], &[0.0, 1.0, 9.0, 3.0]);
    assert_eq!(x.floats().unwrap().as_ptr(), before);
    let shared = x.clone();
    IndexPut(vec![Selector::At(0)]).put(&mut x, &floats(&[], &[5.0])).unwrap();
    assert_floats(&shared, &[4], &[0.0, 1.0, 9.0, 3.0]);
    assert_floats(&x, &[4], &[5.0, 1.0, 9.0, 3.0]);
}

#[test]
fn gather_and_index_select_read_along_an_axis() {
    let x = count(&[2, 3]);
    let columns = ints(&[2, 2], &[2, 0, 1, 1]);
    assert_floats(&run(Gather { dim: 1 }, &[&x, &columns]), &[2, 2], &[2.0, 0.0, 4.0, 4.0]);
    let rows = ints(&[3, 2], &[1, 0, 0, 1, 1, 1]);
    assert_floats(&run(Gather { dim: 0 }, &[&x, &rows]), &[3, 2], &[3.0, 1.0, 0.0, 4.0, 3.0, 4.0]);
    assert_floats(&run(IndexSelect { dim: 1 }, &[&x, &ints(&[2], &[2, 2])]), &[2, 2], &[2.0, 2.0, 5.0, 5.0]);
    assert_floats(&run(IndexSelect { dim: 0 }, &[&x, &ints(&[1], &[1])]), &[1, 3], &[3.0, 4.0, 5.0]);
    assert_bools(&run(IndexSelect { dim: 0 }, &[&bools(&[2], &[1, 0]), &ints(&[2], &[1, 0])]), &[2], &[0, 1]);
    assert_ints(&run(Gather { dim: 0 }, &[&ints(&[2], &[7, 8]), &ints(&[1], &[1])]), &[1], &[8]);
}

#[test]
fn nonzero_lists_coordinates_in_row_major_order() {
    let mask = bools(&[2, 3], &[0, 1, 0, 1, 0, 1]);
    assert_ints(&nonzero(&mask).unwrap(), &[3, 2], &[0, 1, 1, 0, 1, 2]);
    assert_ints(&nonzero_flat(&mask).unwrap(), &[3], &[1, 3, 5]);
    assert_ints(&nonzero(&floats(&[2], &[0.0, f32::NAN])).unwrap(), &[1, 1], &[1]);
    assert_ints(&nonzero(&floats(&[], &[2.0])).unwrap(), &[1, 0], &[]);
    assert_ints(&nonzero(&bools(&[0, 2], &[])).unwrap(), &[0, 2], &[]);
}

#[test]
fn argmax_and_argmin_take_the_first_of_equals_and_any_nan() {
    let x = floats(&[2, 3], &[3.0, 5.0, 5.0, 1.0, 0.0, 0.0]);
    assert_ints(&argmax(&x, Some(1), false).unwrap(), &[2], &[1, 0]);
    assert_ints(&argmin(&x, Some(1), true).unwrap(), &[2, 1], &[0, 1]);
    assert_ints(&argmax(&x, Some(0), false).unwrap(), &[3], &[0, 0, 0]);
    assert_ints(&argmax(&x, None, false).unwrap(), &[], &[1]);
    assert_ints(&argmin(&x, None, true).unwrap(), &[1, 1], &[4]);
    let nan = floats(&[4], &[1.0, f32::NAN, 9.0, f32::NAN]);
    assert_ints(&argmax(&nan, Some(0), false).unwrap(), &[], &[1]);
    assert_ints(&argmin(&nan, Some(0), false).unwrap(), &[], &[1]);
    assert_ints(&argmax(&ints(&[3], &[16_777_216, 16_777_217, 0]), None, false).unwrap(), &[], &[1]);
    assert_ints(&argmax(&bools(&[3], &[0, 1, 1]), None, false).unwrap(), &[], &[1]);
}

#[test]
fn topk_and_sort_order_equals_by_index_and_nan_above_all() {
    let x = floats(&[5], &[2.0, 7.0, f32::NAN, 7.0, -1.0]);
    assert_ints(&topk_indices(&x, 4, 0, true).unwrap(), &[4], &[2, 1, 3, 0]);
    assert_ints(&topk_indices(&x, 2, 0, false).unwrap(), &[2], &[4, 0]);
    assert_ints(&topk_indices(&x, 0, 0, true).unwrap(), &[0], &[]);
    assert_ints(&sort_indices(&x, 0, false).unwrap(), &[5], &[4, 0, 1, 3, 2]);
    assert_ints(&sort_indices(&x, 0, true).unwrap(), &[5], &[2, 1, 3, 0, 4]);
    let columns = floats(&[3, 2], &[1.0, 9.0, 3.0, 8.0, 2.0, 7.0]);
    assert_ints(&topk_indices(&columns, 2, 0, true).unwrap(), &[2, 2], &[1, 0, 2, 1]);
    assert_ints(&sort_indices(&columns, 1, false).unwrap(), &[3, 2], &[0, 1, 0, 1, 0, 1]);
    let wide = wavy(&[200]);
    let sorted = sort_indices(&wide, 0, true).unwrap();
    for k in [1, 7, 200] {
        assert_ints(&topk_indices(&wide, k, 0, true).unwrap(), &[k], &sorted.ints().unwrap()[..k]);
    }
}

/// One accumulator a cell, `k` in order.
fn naive_product(a: &[f32], b: &[f32], m: usize, k: usize, n: usize) -> Vec<f32> {
    let cell = |i: usize, j: usize| (0..k).fold(0.0, |sum: f32, k_| a[i * k + k_].mul_add(b[k_ * n + j], sum));
    (0..m).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| cell(i, j)).collect()
}

#[test]
fn matmul_follows_torch_on_ranks() {
    let shapes: [(&[usize], &[usize], &[usize]); 9] = [
        (&[3], &[3], &[]),
        (&[2, 3], &[3], &[2]),
        (&[3], &[3, 2], &[2]),
        (&[2, 3], &[3, 4], &[2, 4]),
        (&[5, 2, 3], &[3], &[5, 2]),
        (&[3], &[5, 3, 2], &[5, 2]),
        (&[5, 1, 2, 3], &[4, 3, 2], &[5, 4, 2, 2]),
        (&[2, 0], &[0, 3], &[2, 3]),
        (&[0, 2], &[2, 3], &[0, 3]),
    ];
    for (a, b, expected) in shapes {
        assert_eq!(run(MatMul, &[&wavy(a), &wavy(b)]).shape, expected);
    }
}

#[test]
fn matmul_agrees_with_the_plain_loop_batch_by_batch() {
    for (m, k, n) in [(1, 1, 1), (2, 3, 4), (3, 17, 5), (5, 2, 33), (1, 40, 16)] {
        let (a, b) = (wavy(&[2, m, k]), wavy(&[2, k, n]));
        let (x, y) = (a.floats().unwrap(), b.floats().unwrap());
        let mut expected = naive_product(&x[..m * k], &y[..k * n], m, k, n);
        expected.extend(naive_product(&x[m * k..], &y[k * n..], m, k, n));
        assert_floats(&run(MatMul, &[&a, &b]), &[2, m, n], &expected);
        let shared = wavy(&[k, n]);
        let together = run(MatMul, &[&a, &shared]);
        assert_floats(&together, &[2, m, n], &naive_product(x, shared.floats().unwrap(), 2 * m, k, n));
    }
}

/// Exponentials in float64, rounded once: what softmax is compared with.
fn naive_softmax(x: &[f32]) -> Vec<f64> {
    let max = x.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b)) as f64;
    let exps: Vec<f64> = x.iter().map(|&v| (v as f64 - max).exp()).collect();
    let total: f64 = exps.iter().sum();
    exps.iter().map(|e| e / total).collect()
}

#[test]
fn softmax_and_its_logarithm_go_along_any_axis() {
    let x = wavy(&[2, 3, 4]);
    let values = x.floats().unwrap();
    let (soft, log) = (run(Softmax { dim: 1 }, &[&x]), run(LogSoftmax { dim: 1 }, &[&x]));
    assert_eq!((&soft.shape[..], &log.shape[..]), (&[2, 3, 4][..], &[2, 3, 4][..]));
    for (o, i) in (0..2).flat_map(|o| (0..4).map(move |i| (o, i))) {
        let places: Vec<usize> = (0..3).map(|j| (o * 3 + j) * 4 + i).collect();
        let expected = naive_softmax(&places.iter().map(|&p| values[p]).collect::<Vec<_>>());
        for (&p, e) in places.iter().zip(expected) {
            // A few roundings of float32 (6e-8 each) on numbers of order 1.
            assert!((soft.floats().unwrap()[p] as f64 - e).abs() < 5e-7);
            assert!((log.floats().unwrap()[p] as f64 - e.ln()).abs() < 2e-6);
        }
    }
    let hidden = floats(&[2], &[f32::NEG_INFINITY; 2]);
    assert_floats(&run(Softmax { dim: 0 }, &[&hidden]), &[2], &[0.0, 0.0]);
    assert_floats(&run(Softmax { dim: 0 }, &[&ints(&[2], &[3, 3])]), &[2], &[0.5, 0.5]);
}

/// The bits of a row are the same alone and in company.
#[test]
fn rows_are_independent() {
    fn row<T: Kernels>(x: &Tensor<T>, r: usize) -> Tensor<T> {
        Index(vec![Selector::Range { start: r, step: 1, count: 1 }]).forward(&[x]).unwrap()
    }
    let (x, w) = (wavy(&[7, 19]), wavy(&[19, 21]));
    type WithOperands<'a> = (Box<dyn Op<f32>>, Vec<&'a Tensor<f32>>);
    let ops: [WithOperands; 4] = [
        (Box::new(MatMul), vec![&w]),
        (Box::new(Softmax { dim: 1 }), vec![]),
        (Box::new(Sum(over(&[1], true))), vec![]),
        (Box::new(Activate(Activation::GeluNew)), vec![]),
    ];
    for (op, others) in ops {
        let whole = op.forward(&[&[&x], &others[..]].concat()).unwrap();
        for r in 0..7 {
            let alone = op.forward(&[&[&row(&x, r)], &others[..]].concat()).unwrap();
            assert_eq!(alone.floats().unwrap(), row(&whole, r).floats().unwrap());
        }
    }
}

#[test]
fn shape_errors_name_both_shapes() {
    let (a, b) = (count(&[2, 3]), count(&[4]));
    assert_eq!(
        message(Binary::Add, &[&a, &b]),
        "Cannot apply add to [2, 3] and [4]: axis -1 is 3 in one and 4 in the other, wanted equal lengths or a 1"
    );
    assert_eq!(
        message(Compare::Gt, &[&count(&[2, 3]), &count(&[3, 1])]),
        "Cannot apply gt to [2, 3] and [3, 1]: axis -2 is 2 in one and 3 in the other, wanted equal lengths or a 1"
    );
    assert_eq!(
        message(Where, &[&bools(&[5], &[0; 5]), &a, &a]),
        "Cannot apply where to [5] and [2, 3]: axis -1 is 5 in one and 3 in the other, wanted equal lengths or a 1"
    );
    assert_eq!(message(Reshape(vec![4]), &[&a]), "Cannot reshape [2, 3] to [4]: it holds 6 elements, not 4");
    assert_eq!(
        message(Permute(vec![0, 0]), &[&a]),
        "Cannot permute [2, 3] to the axes [0, 0]: each of its 2 axes was wanted once"
    );
    assert_eq!(message(Expand(vec![2, 4]), &[&a]), "Cannot expand [2, 3] to [2, 4]: only axes of length 1 stretch");
    assert_eq!(message(Expand(vec![3]), &[&a]), "Cannot expand [2, 3] to [3]: only axes of length 1 stretch");
    assert_eq!(message(Cat { axis: 0 }, &[]), "Cannot cat nothing: at least one tensor was wanted");
    assert_eq!(
        message(Cat { axis: 0 }, &[&a, &count(&[2, 4])]),
        "Cannot cat [2, 3] and [2, 4] along axis 0: their other axes differ"
    );
    assert_eq!(message(Cat { axis: 2 }, &[&a]), "Cannot apply cat to [2, 3] along axis 2: the tensor has 2 axes");
    assert_eq!(
        message(Softmax { dim: 2 }, &[&a]),
        "Cannot apply softmax to [2, 3] along axis 2: the tensor has 2 axes"
    );
    assert_eq!(
        message(Sum(over(&[3], false)), &[&a]),
        "Cannot apply sum to [2, 3] along axis 3: the tensor has 2 axes"
    );
    assert_eq!(
        message(Mean(over(&[1, 1], false)), &[&a]),
        "Cannot apply mean to [2, 3] over the axes [1, 1]: each was wanted once"
    );
    assert_eq!(
        message(MatMul, &[&a, &b]),
        "Cannot multiply [2, 3] and [4]: rows of 3 meet columns of 4, wanted equal lengths"
    );
    assert_eq!(message(MatMul, &[&a, &count(&[])]), "Cannot multiply [2, 3] and []: a matrix or vector was wanted");
    assert_eq!(
        message(MatMul, &[&count(&[2, 1, 3]), &count(&[3, 3, 1])]),
        "Cannot apply matmul to [2] and [3]: axis -1 is 2 in one and 3 in the other, wanted equal lengths or a 1"
    );
}

#[test]
fn index_errors_name_the_entry_and_the_axis() {
    let x = count(&[2, 3]);
    assert_eq!(
        message(Index(vec![Selector::All, Selector::At(3)]), &[&x]),
        "Cannot apply at to [2, 3]: entry 3 of axis 1 was asked for, its length is 3"
    );
    assert_eq!(
        message(Index(vec![range(0, 2, 2)]), &[&x]),
        "Cannot apply at to [2, 3]: entry 2 of axis 0 was asked for, its length is 2"
    );
    // Refused before a list of that many entries is made.
    assert_eq!(
        message(Index(vec![range(0, 1, usize::MAX)]), &[&x]),
        format!("Cannot apply at to [2, 3]: entry {} of axis 0 was asked for, its length is 2", usize::MAX - 1)
    );
    assert_eq!(
        message(Index(vec![Selector::All, Selector::All, Selector::All]), &[&x]),
        "Cannot apply at to [2, 3] with 3 selectors: the tensor has 2 axes"
    );
    assert_eq!(
        message(IndexPut(vec![Selector::At(0)]), &[&x, &count(&[2])]),
        "Cannot set a region of shape [3] to a value of shape [2]: it doesn't broadcast"
    );
    assert_eq!(
        message(IndexPut(vec![]), &[&ints(&[1], &[1]), &floats(&[], &[0.5])]),
        "Cannot set cells of a tensor of int32 to a value of float32: convert one of them first"
    );
    assert_eq!(
        message(Gather { dim: 1 }, &[&x, &ints(&[1, 1], &[-1])]),
        "Cannot apply gather to [2, 3]: entry -1 of axis 1 was asked for, its length is 3"
    );
    assert_eq!(
        message(Gather { dim: 1 }, &[&x, &ints(&[3, 1], &[0; 3])]),
        "Cannot gather from [2, 3] along axis 1 with indices of shape [3, 1]: \
         the same number of axes was wanted, none longer but axis 1"
    );
    assert_eq!(message(Gather { dim: 0 }, &[&x, &x]), "expected an int32 tensor, got float32");
    assert_eq!(
        message(IndexSelect { dim: 0 }, &[&x, &ints(&[1, 1], &[0])]),
        "Cannot apply indexSelect with indices of shape [1, 1]: one axis was wanted"
    );
    assert_eq!(
        message(IndexSelect { dim: 0 }, &[&x, &ints(&[1], &[2])]),
        "Cannot apply indexSelect to [2, 3]: entry 2 of axis 0 was asked for, its length is 2"
    );
    let outside = Index(vec![Selector::At(5)]).forward(&[&x]).err();
    assert!(matches!(outside, Some(Error::Index(_))));
}

#[test]
fn selection_errors_say_what_is_missing() {
    let text = |result: splicer::error::Result<Tensor<f32>>| result.err().expect("an error").to_string();
    assert_eq!(
        text(argmax(&count(&[2, 0]), Some(1), false)),
        "Cannot apply argmax to [2, 0]: there is nothing to choose from"
    );
    assert_eq!(text(argmin(&count(&[0]), None, false)), "Cannot apply argmin to [0]: there is nothing to choose from");
    assert_eq!(
        text(topk_indices(&count(&[2, 3]), 4, 1, true)),
        "Cannot take the top 4 of [2, 3] along axis 1: its length is 3"
    );
    assert_eq!(
        text(sort_indices(&count(&[2, 3]), 2, false)),
        "Cannot apply sort to [2, 3] along axis 2: the tensor has 2 axes"
    );
}
