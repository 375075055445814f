//! The linear layer `y = x W^T + b`: x `[rows, inputs]`, W `[outputs, inputs]`, b `[outputs]`, y
//! `[rows, outputs]`.
//!
//! Backward, with dy `[rows, outputs]`: `dx = dy W`, `dW = dy^T x`, `db[j] = sum over r of dy[r,
//! j]`.

use super::lanes;
use super::param::{Param, Trainable};
use super::resources::Resources;
use crate::matmul::Dims;
use crate::rng::Rng;
use crate::{Rows, Tensor, elementwise};

/// A linear layer.
#[derive(Clone, Debug)]
pub struct Linear {
    /// W, `[outputs, inputs]`.
    pub weight: Param,
    /// b, `[outputs]`; some linear layers have none.
    pub bias: Option<Param>,
}

/// Number of inputs and outputs of a linear layer, for each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns of x.
    pub inputs: usize,
    /// Columns of y.
    pub outputs: usize,
}

impl Linear {
    /// Makes a layer with weights uniform in `+-sqrt(3 / inputs)` and bias 0.
    ///
    /// The weights' variance `1 / inputs` keeps that of the numbers that pass through.
    /// Source: LeCun, Bottou, Orr, Müller, "Efficient backprop", 1998, section 4.6.
    pub fn new(size: Size, rng: &mut Rng) -> Self {
        Self {
            bias: Some(Param::constant(&[size.outputs], 0.0)),
            ..Self::without_bias(size, rng)
        }
    }

    /// Makes a layer as [`Linear::new`], without a bias.
    pub fn without_bias(size: Size, rng: &mut Rng) -> Self {
        let bound = (3.0 / size.inputs.max(1) as f32).sqrt();
        Self {
            weight: Param::uniform(&[size.outputs, size.inputs], bound, rng),
            bias: None,
        }
    }

    fn size(&self) -> Size {
        match *self.weight.value.shape() {
            [outputs, inputs] => Size { inputs, outputs },
            _ => unreachable!("a weight is a matrix"),
        }
    }

    /// Returns `y = x W^T + b`. The backward pass needs nothing but x.
    ///
    /// # Panics
    /// When `x` does not hold `rows` rows of inputs.
    pub fn forward(&self, x: &[f32], rows: usize, on: Resources) -> Tensor {
        let Size { inputs, outputs } = self.size();
        let mut y = on.matmul_a_bt(
            x,
            self.weight.value.as_slice(),
            Dims {
                m: rows,
                k: inputs,
                n: outputs,
            },
        );
        if let Some(bias) = &self.bias {
            let dims = Rows {
                rows,
                cols: outputs,
            };
            elementwise::broadcast_add_in_place(y.as_mut_slice(), bias.value.as_slice(), dims);
        }
        y
    }

    /// Writes the gradients of W and b, given the forward pass's x and the gradient of y.
    ///
    /// # Panics
    /// When a slice does not hold `rows` rows.
    pub fn gradients(&mut self, x: &[f32], dy: &[f32], rows: usize, on: Resources) {
        let Size { inputs, outputs } = self.size();
        on.matmul_at_b(
            dy,
            x,
            self.weight.grad.as_mut_slice(),
            Dims {
                m: outputs,
                k: rows,
                n: inputs,
            },
        );
        if let Some(bias) = &mut self.bias {
            lanes::column_sums(dy, bias.grad.as_mut_slice());
        }
    }

    /// Writes the gradients of W and b, and returns that of x.
    ///
    /// # Panics
    /// As [`Linear::gradients`].
    pub fn backward(&mut self, x: &[f32], dy: &[f32], rows: usize, on: Resources) -> Tensor {
        self.gradients(x, dy, rows, on);
        let Size { inputs, outputs } = self.size();
        on.matmul(
            dy,
            self.weight.value.as_slice(),
            Dims {
                m: rows,
                k: outputs,
                n: inputs,
            },
        )
    }
}

impl Trainable for Linear {
    fn visit(&mut self, f: &mut dyn FnMut(&mut Param)) {
        f(&mut self.weight);
        self.bias.iter_mut().for_each(f);
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{Case, shake};
    use super::super::reference;
    use super::*;

    #[test]
    fn gradients_are_those_of_finite_differences() {
        for (rows, inputs, outputs) in [(1, 1, 1), (1, 7, 3), (5, 3, 17), (13, 19, 11)] {
            for bias in [true, false] {
                let size = Size { inputs, outputs };
                let rng = &mut Rng::new(3);
                let mut layer = if bias {
                    Linear::new(size, rng)
                } else {
                    Linear::without_bias(size, rng)
                };
                shake(&mut layer);
                let mut case = Case::new(rows * inputs, rows * outputs);
                let y = layer.forward(&case.x, rows, Resources::POOLED);
                let dx = layer.backward(&case.x, &case.dy, rows, Resources::POOLED);
                let forward =
                    |x: &[f64], w: &[Vec<f64>]| reference::linear(x, &mut w.iter(), bias, size);
                case.check(&mut layer, y.as_slice(), dx.as_slice(), 5e-6, &forward);
            }
        }
    }
}
