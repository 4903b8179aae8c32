//! Vector-Jacobian products against central differences, in float64.

use splicer::ops::{Op, Saved};
use splicer::tensor::{Data, Dtype, Tensor};

/// xorshift64*: small, seeded, the same everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Uniform in `[low, high)`.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Uniform in `[low, high)`.
    pub fn within(&mut self, shape: &[usize], low: f64, high: f64) -> Tensor<f64> {
        let values: Vec<f64> = (0..shape.iter().product()).map(|_| self.uniform(low, high)).collect();
        Tensor::from_slice(shape, &values).unwrap()
    }

    /// Of either sign, with magnitudes from 0.2 to 2: a step of differences never crosses the kinks at 0.
    pub fn tensor(&mut self, shape: &[usize]) -> Tensor<f64> {
        let mut values = self.within(shape, 0.2, 2.0);
        for v in values.floats_mut().unwrap() {
            *v *= if self.next() >> 63 == 0 { 1.0 } else { -1.0 };
        }
        values
    }

    pub fn mask(&mut self, shape: &[usize]) -> Tensor<f64> {
        bools(shape, &(0..shape.iter().product()).map(|_| self.below(2) as u8).collect::<Vec<_>>())
    }
}

pub fn ints(shape: &[usize], values: &[i32]) -> Tensor<f64> {
    Tensor::int(shape.to_vec(), splicer::memory::Buf::copied(values).unwrap())
}

pub fn bools(shape: &[usize], values: &[u8]) -> Tensor<f64> {
    Tensor::bool(shape.to_vec(), splicer::memory::Buf::copied(values).unwrap())
}

/// An op on inputs at which it is differentiable.
pub struct Case {
    pub op: Box<dyn Op<f64>>,
    pub inputs: Vec<Tensor<f64>>,
    constants: Vec<usize>,
}

impl Case {
    pub fn new(op: impl Op<f64> + 'static, inputs: &[&Tensor<f64>]) -> Self {
        Self { op: Box::new(op), inputs: inputs.iter().map(|&x| x.clone()).collect(), constants: Vec::new() }
    }

    /// Float inputs that the op treats as constants on purpose: it must give them no gradient.
    pub fn with_constants(mut self, constants: &[usize]) -> Self {
        self.constants = constants.to_vec();
        self
    }

    fn forward(&self, inputs: &[Tensor<f64>]) -> Result<Tensor<f64>, String> {
        self.op.forward(&inputs.iter().collect::<Vec<_>>()).map_err(|error| error.to_string())
    }

    fn vjp(
        &self,
        output: &Tensor<f64>,
        grad: &Tensor<f64>,
        wanted: &[bool],
    ) -> Result<Vec<Option<Tensor<f64>>>, String> {
        let saves = self.op.saves();
        let inputs: Vec<_> = self.inputs.iter().map(|x| saves.inputs.then(|| x.clone())).collect();
        let shapes: Vec<_> = self.inputs.iter().map(|x| x.shape.clone()).collect();
        let saved = Saved { inputs: &inputs, shapes: &shapes, output: saves.output.then_some(output), wanted };
        self.op.vjp(&saved, grad).map_err(|error| error.to_string())
    }

    /// Compares each input's gradient with differences of `Σ cotangent · output`.
    pub fn check(&self, random: &mut Random) -> Result<(), String> {
        let output = self.forward(&self.inputs)?;
        if output.dtype() != Dtype::Float {
            return self.check_has_no_gradient(&output);
        }
        let cotangent = random.tensor(&output.shape);
        let wanted: Vec<bool> = self.inputs.iter().map(is_float).collect();
        let gradients = self.vjp(&output, &cotangent, &wanted)?;
        if gradients.len() != self.inputs.len() {
            return Err(format!("{} gradients for {} inputs", gradients.len(), self.inputs.len()));
        }
        for (i, gradient) in gradients.iter().enumerate() {
            let differentiable = wanted[i] && !self.constants.contains(&i);
            match gradient {
                Some(gradient) if differentiable => self.check_input(i, gradient, &output, &cotangent)?,
                Some(_) => return Err(format!("input {i} has a gradient, none was expected")),
                None if differentiable => return Err(format!("input {i} has no gradient")),
                None => {}
            }
        }
        self.check_each_alone(&output, &cotangent, &gradients)
    }

    fn check_has_no_gradient(&self, output: &Tensor<f64>) -> Result<(), String> {
        let grad = Tensor::zeros(&output.shape).unwrap();
        let gradients = self.vjp(output, &grad, &vec![true; self.inputs.len()])?;
        match gradients.len() == self.inputs.len() && gradients.iter().all(Option::is_none) {
            true => Ok(()),
            false => Err(format!("a {} output passes a gradient on", output.dtype().name())),
        }
    }

    /// With `f` three times differentiable and inputs of order 1, a central difference of step 1e-5 errs by about
    /// 1e-10 f''' / 6, and by 1e-16 f / 1e-5 = 1e-11 f from rounding. 1e-7 leaves room for third derivatives of a few
    /// hundred, and a wrong term in a vjp is off by far more.
    fn check_input(
        &self,
        i: usize,
        gradient: &Tensor<f64>,
        output: &Tensor<f64>,
        cotangent: &Tensor<f64>,
    ) -> Result<(), String> {
        const STEP: f64 = 1e-5;
        const TOLERANCE: f64 = 1e-7;
        if gradient.shape != self.inputs[i].shape {
            return Err(format!("input {i} is {:?}, its gradient {:?}", self.inputs[i].shape, gradient.shape));
        }
        let gradient = gradient.floats().map_err(|error| error.to_string())?;
        for (at, &got) in gradient.iter().enumerate() {
            let moved = |by: f64| {
                let mut inputs = self.inputs.clone();
                inputs[i].floats_mut().unwrap()[at] += by;
                self.forward(&inputs)
            };
            let (up, down) = (moved(STEP)?, moved(-STEP)?);
            let cells = up.floats().unwrap().iter().zip(down.floats().unwrap()).zip(output.floats().unwrap());
            // Cells at infinity (masked scores) don't move with any input.
            let changes =
                cells.map(|((&up, &down), &out)| if out.is_finite() { (up - down) / (2.0 * STEP) } else { 0.0 });
            let expected: f64 = changes.zip(cotangent.floats().unwrap()).map(|(change, c)| change * c).sum();
            // Written so that a NaN fails too.
            let close = (got - expected).abs() <= TOLERANCE * (1.0 + expected.abs());
            if !close {
                return Err(format!("input {i}, element {at}: the vjp gives {got}, differences give {expected}"));
            }
        }
        Ok(())
    }

    /// A gradient doesn't depend on which others are wanted.
    fn check_each_alone(
        &self,
        output: &Tensor<f64>,
        cotangent: &Tensor<f64>,
        together: &[Option<Tensor<f64>>],
    ) -> Result<(), String> {
        for i in (0..self.inputs.len()).filter(|&i| is_float(&self.inputs[i])) {
            let wanted: Vec<bool> = (0..self.inputs.len()).map(|j| i == j).collect();
            let alone = self.vjp(output, cotangent, &wanted)?;
            let same = match (&alone[i], &together[i]) {
                (Some(a), Some(b)) => a.floats().unwrap() == b.floats().unwrap(),
                (a, b) => a.is_none() && b.is_none(),
            };
            if !same {
                return Err(format!("input {i} has another gradient when it alone is wanted"));
            }
        }
        Ok(())
    }

    /// What the case is, for a failure's message.
    pub fn describe(&self) -> String {
        let shapes: Vec<String> = self.inputs.iter().map(|x| format!("{:?}{}", x.shape, letter(x))).collect();
        format!("{:?} of {}", self.op.kind(), shapes.join(", "))
    }
}

/// Integers and masks never carry gradients, so that none is asked for.
fn is_float(x: &Tensor<f64>) -> bool {
    x.dtype() == Dtype::Float
}

fn letter(x: &Tensor<f64>) -> &'static str {
    match x.data {
        Data::Float(_) | Data::Deferred(_) => "",
        Data::Int(_) => "i",
        Data::Bool(_) => "b",
    }
}
