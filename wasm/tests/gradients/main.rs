//! Every op's vector-Jacobian product agrees with finite differences.

mod harness;
mod model;
mod tensor;

use harness::{Case, Random};
use splicer::error::Result;
use splicer::kernels::Activation;
use splicer::ops::binary::Binary;
use splicer::ops::softmax::Softmax;
use splicer::ops::unary::{Activate, Clamp, Unary, WithScalar};
use splicer::ops::{Gradients, Op, OpKind, Saved, Saves};
use splicer::tensor::Tensor;

/// The cases of an op. An op without any doesn't compile.
fn cases(kind: OpKind, random: &mut Random) -> Vec<Case> {
    match kind {
        OpKind::Add => tensor::add(random),
        OpKind::Sub => tensor::sub(random),
        OpKind::Mul => tensor::mul(random),
        OpKind::Div => tensor::div(random),
        OpKind::Pow => tensor::pow(random),
        OpKind::Neg => tensor::neg(random),
        OpKind::Abs => tensor::abs(random),
        OpKind::Sqrt => tensor::sqrt(random),
        OpKind::Log => tensor::log(random),
        OpKind::Identity => tensor::identity(random),
        OpKind::Relu => tensor::relu(random),
        OpKind::GeluNew => tensor::gelu_new(random),
        OpKind::Gelu => tensor::gelu(random),
        OpKind::Silu => tensor::silu(random),
        OpKind::Tanh => tensor::tanh(random),
        OpKind::Sigmoid => tensor::sigmoid(random),
        OpKind::Exp => tensor::exp(random),
        OpKind::AddScalar => tensor::add_scalar(random),
        OpKind::MulScalar => tensor::mul_scalar(random),
        OpKind::DivScalar => tensor::div_scalar(random),
        OpKind::PowScalar => tensor::pow_scalar(random),
        OpKind::Clamp => tensor::clamp(random),
        OpKind::Cast => tensor::cast(random),
        OpKind::Eq => tensor::eq(random),
        OpKind::Ne => tensor::ne(random),
        OpKind::Gt => tensor::gt(random),
        OpKind::Ge => tensor::ge(random),
        OpKind::Lt => tensor::lt(random),
        OpKind::Le => tensor::le(random),
        OpKind::And => tensor::and(random),
        OpKind::Or => tensor::or(random),
        OpKind::Not => tensor::not(random),
        OpKind::Where => tensor::choose(random),
        OpKind::Sum => tensor::sum(random),
        OpKind::Mean => tensor::mean(random),
        OpKind::Any => tensor::any(random),
        OpKind::All => tensor::all(random),
        OpKind::Reshape => tensor::reshape(random),
        OpKind::Permute => tensor::permute(random),
        OpKind::Expand => tensor::expand(random),
        OpKind::Cat => tensor::cat(random),
        OpKind::Index => tensor::index(random),
        OpKind::IndexPut => tensor::index_put(random),
        OpKind::Gather => tensor::gather(random),
        OpKind::IndexSelect => tensor::index_select(random),
        OpKind::MatMul => tensor::matmul(random),
        OpKind::Softmax => tensor::softmax(random),
        OpKind::LogSoftmax => tensor::log_softmax(random),
        OpKind::Lookup => model::lookup(random),
        OpKind::Linear => model::linear(random),
        OpKind::LinearAt => model::linear_at(random),
        OpKind::LinearHeads => model::linear_heads(random),
        OpKind::AttnOut => model::attn_out(random),
        OpKind::HeadResults => model::head_results(random),
        OpKind::Center => model::center(random),
        OpKind::RmsScale => model::rms_scale(random),
        OpKind::Norm => model::norm(random),
        OpKind::Rotary => model::rotary(random),
        OpKind::AttendScores => model::attend_scores(random),
        OpKind::AttendMix => model::attend_mix(random),
        OpKind::Attention => model::attention(random),
        OpKind::JumpRelu => model::jump_relu(random),
        OpKind::TopKRelu => model::topk_relu(random),
        OpKind::Encode => model::encode(random),
        OpKind::Decode => model::decode(random),
        OpKind::MergeError => model::merge_error(random),
    }
}

#[test]
fn every_vjp_agrees_with_finite_differences() {
    let mut failures = Vec::new();
    for (seed, &kind) in OpKind::ALL.iter().enumerate() {
        let mut random = Random::new(seed as u64 + 1);
        let cases = cases(kind, &mut random);
        assert!(!cases.is_empty(), "{kind:?} has no case");
        for case in cases {
            assert_eq!(case.op.kind(), kind, "a case of another op");
            if let Err(failure) = case.check(&mut random) {
                failures.push(format!("{}: {failure}", case.describe()));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The product, with the wrong gradient for its left factor.
struct WrongMul;

impl Op<f64> for WrongMul {
    fn kind(&self) -> OpKind {
        OpKind::Mul
    }

    fn saves(&self) -> Saves {
        Saves::INPUTS
    }

    fn forward(&self, inputs: &[&Tensor<f64>]) -> Result<Tensor<f64>> {
        Binary::Mul.forward(inputs)
    }

    fn vjp(&self, saved: &Saved<f64>, grad: &Tensor<f64>) -> Result<Gradients<f64>> {
        let right = Binary::Mul.vjp(saved, grad)?;
        Ok(vec![Some(grad.clone()), right[1].clone()])
    }
}

#[test]
fn a_wrong_vjp_is_found() {
    let mut random = Random::new(7);
    let case = Case::new(WrongMul, &[&random.tensor(&[2]), &random.within(&[2], 1.5, 2.0)]);
    let failure = case.check(&mut random).unwrap_err();
    assert!(failure.starts_with("input 0, element 0: the vjp gives "), "{failure}");
}

/// Where a function has a kink or a pole, differences say nothing: the choice is torch's.
#[test]
fn gradients_at_kinks_are_those_of_torch() {
    let gradient = |op: &dyn Op<f64>, inputs: &[&[f64]], i: usize| {
        let inputs: Vec<Tensor<f64>> = inputs.iter().map(|x| Tensor::from_slice(&[x.len()], x).unwrap()).collect();
        let output = op.forward(&inputs.iter().collect::<Vec<_>>()).unwrap();
        let shapes: Vec<_> = inputs.iter().map(|x| x.shape.clone()).collect();
        let wanted = vec![true; inputs.len()];
        let inputs: Vec<_> = inputs.into_iter().map(Some).collect();
        let saved = Saved { inputs: &inputs, shapes: &shapes, output: Some(&output), wanted: &wanted };
        let ones = Tensor::from_slice(&output.shape, &vec![1.0; output.len()]).unwrap();
        let gradients = op.vjp(&saved, &ones).unwrap();
        gradients[i].as_ref().unwrap().floats().unwrap().to_vec()
    };
    assert_eq!(gradient(&Activate(Activation::Relu), &[&[-1.0, 0.0, 1.0]], 0), [0.0, 0.0, 1.0]);
    assert_eq!(gradient(&Unary::Abs, &[&[-1.0, 0.0, 1.0]], 0), [-1.0, 0.0, 1.0]);
    assert_eq!(gradient(&Unary::Sqrt, &[&[0.0]], 0), [f64::INFINITY]);
    let clamp = Clamp { min: -1.0, max: 1.0 };
    assert_eq!(gradient(&clamp, &[&[-1.5, -1.0, 0.0, 1.0, 1.5]], 0), [0.0, 1.0, 1.0, 1.0, 0.0]);
    assert_eq!(gradient(&WithScalar::Pow(0.0), &[&[0.0, 2.0]], 0), [0.0, 0.0]);
    assert_eq!(gradient(&Binary::Pow, &[&[0.0, 0.0, 2.0], &[0.0, 2.0, 0.0]], 0), [0.0, 0.0, 0.0]);
    assert_eq!(gradient(&Binary::Pow, &[&[0.0, 0.0, 1.0], &[0.0, 2.0, 3.0]], 1), [0.0, 0.0, 0.0]);
    // A row of masked scores has no softmax to move.
    let hidden = [f64::NEG_INFINITY; 2];
    assert_eq!(gradient(&Softmax { dim: 0 }, &[&hidden], 0), [0.0, 0.0]);
}
