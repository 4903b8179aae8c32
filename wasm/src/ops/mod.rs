//! Operations: a shape rule, a forward pass and a vector-Jacobian product each, side by side, as pure functions of tensors.
//!
//! An op is a small value that holds its attributes (axes, constants, weights); [`Op::forward`] computes, [`Op::vjp`] gives the
//! gradients of the inputs. The tape keeps what [`Op::saves`] names. Nothing here knows of handles or of the tape.

pub mod axis;
pub mod binary;
pub mod broadcast;
pub mod choose;
pub mod compare;
pub mod dtype;
pub mod gather;
pub mod index;
pub mod matmul;
pub mod model;
pub mod reduce;
pub mod rows;
pub mod select;
pub mod shape;
pub mod softmax;
pub mod unary;

use crate::error::Result;
use crate::kernels::Kernels;
use crate::tensor::Tensor;

/// What a recorded op needs again for its backward pass.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Saves {
    pub inputs: bool,
    pub output: bool,
}

impl Saves {
    pub const NOTHING: Self = Self { inputs: false, output: false };
    pub const INPUTS: Self = Self { inputs: true, output: false };
    pub const OUTPUT: Self = Self { inputs: false, output: true };
    pub const BOTH: Self = Self { inputs: true, output: true };
}

/// The forward pass as the backward pass sees it. Without `Saves::inputs` only the shapes are there.
pub struct Saved<'a, T: Kernels> {
    /// One per input; `None` where values were not kept.
    pub inputs: &'a [Option<Tensor<T>>],
    pub shapes: &'a [Vec<usize>],
    pub output: Option<&'a Tensor<T>>,
    /// Which inputs want a gradient; the others may be skipped.
    pub wanted: &'a [bool],
}

impl<T: Kernels> Saved<'_, T> {
    /// Input `i`'s value. The op asked for it in `saves`, so it is there.
    pub fn input(&self, i: usize) -> &Tensor<T> {
        self.inputs[i].as_ref().expect("saves() names the inputs")
    }

    pub fn output(&self) -> &Tensor<T> {
        self.output.expect("saves() names the output")
    }
}

/// One gradient per input, `None` where none was wanted or none exists (indices, masks).
pub type Gradients<T> = Vec<Option<Tensor<T>>>;

pub trait Op<T: Kernels> {
    fn kind(&self) -> OpKind;
    fn saves(&self) -> Saves;
    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<Tensor<T>>;
    fn vjp(&self, saved: &Saved<T>, grad: &Tensor<T>) -> Result<Gradients<T>>;
}

macro_rules! op_kinds {
    ($($kind:ident),* $(,)?) => {
        /// Every op there is. Tests match on it exhaustively: an op without a gradient case doesn't compile.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum OpKind { $($kind),* }

        impl OpKind {
            pub const ALL: &'static [OpKind] = &[$(OpKind::$kind),*];
        }
    };
}

op_kinds! {
    // binary, unary, dtype
    Add, Sub, Mul, Div, Pow, Neg, Abs, Sqrt, Log, Identity, Relu, GeluNew, Gelu, Silu, Tanh, Sigmoid, Exp,
    AddScalar, MulScalar, DivScalar, PowScalar, Clamp, Cast,
    // compare, choose, reduce
    Eq, Ne, Gt, Ge, Lt, Le, And, Or, Not, Where, Sum, Mean, Any, All,
    // shape, index, gather
    Reshape, Permute, Expand, Cat, Index, IndexPut, Gather, IndexSelect,
    // matmul, softmax
    MatMul, Softmax, LogSoftmax,
    // model/
    Lookup, Linear, LinearAt, LinearHeads, AttnOut, HeadResults, Center, RmsScale, Norm, Rotary, AttendScores, AttendMix, Attention,
    JumpRelu, TopKRelu, Encode, Decode, MergeError,
}
