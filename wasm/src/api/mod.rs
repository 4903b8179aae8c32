//! The binding: thin functions over one engine, with handles and numbers for arguments.
//!
//! An error crosses as a string, `kind:message`, from which the TypeScript side makes an exception of the right class.

mod encode;
mod folding;
mod gradients;
mod model_ops;
#[cfg(target_feature = "atomics")]
mod pool;
mod row_ops;
mod tensor_ops;
mod values;
mod weights;

use crate::error::Error;
use crate::heap::{Handle, Heap};
use crate::kernels::Packed;
use crate::kernels::screen::Screen;
use crate::ops::Op;
use crate::ops::model::attention::Geometry;
use crate::tape::{Tape, Value};
use crate::tensor::Tensor;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::JsValue;

#[derive(Default)]
pub(crate) struct Engine {
    values: Heap<Value<f32>>,
    weights: Heap<Rc<Packed<f32>>>,
    geometries: Heap<Geometry>,
    screens: Heap<Rc<Screen>>,
    tape: Tape<f32>,
}

thread_local! {
    static ENGINE: RefCell<Engine> = RefCell::default();
}

type Outcome<R> = std::result::Result<R, JsValue>;

fn thrown(error: Error) -> JsValue {
    let kind = match error {
        Error::Shape(_) => "shape",
        Error::Index(_) => "index",
        Error::Memory { .. } => "memory",
        Error::StaleHandle => "stale",
        Error::Tape(_) => "tape",
    };
    JsValue::from_str(&format!("{kind}:{error}"))
}

/// Runs `f` on the engine. Nothing in the core calls out, so the engine is never borrowed twice.
fn with<R>(f: impl FnOnce(&mut Engine) -> crate::error::Result<R>) -> Outcome<R> {
    ENGINE.with_borrow_mut(|engine| f(engine).map_err(thrown))
}

impl Engine {
    fn value(&self, handle: Handle) -> crate::error::Result<&Value<f32>> {
        self.values.get(handle)
    }

    fn tensor(&self, handle: Handle) -> crate::error::Result<&Tensor<f32>> {
        Ok(&self.value(handle)?.tensor)
    }

    /// An optional operand: handle 0 is "none".
    fn optional(&self, handle: Handle) -> crate::error::Result<Option<Tensor<f32>>> {
        if handle == 0 { Ok(None) } else { Ok(Some(self.tensor(handle)?.clone())) }
    }

    fn weight(&self, handle: Handle) -> crate::error::Result<Rc<Packed<f32>>> {
        Ok(self.weights.get(handle)?.clone())
    }

    fn constant(&mut self, tensor: Tensor<f32>) -> Handle {
        self.values.insert(Value::constant(tensor))
    }

    /// Applies an op to handles; the result lives in the innermost scope.
    fn apply<O: Op<f32> + 'static>(&mut self, op: O, inputs: &[Handle]) -> crate::error::Result<Handle> {
        let values = inputs.iter().map(|&handle| self.values.get(handle)).collect::<crate::error::Result<Vec<_>>>()?;
        let value = self.tape.apply(op, &values)?;
        Ok(self.values.insert(value))
    }
}

fn dims(shape: &[u32]) -> Vec<usize> {
    shape.iter().map(|&n| n as usize).collect()
}
