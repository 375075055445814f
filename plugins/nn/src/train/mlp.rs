//! A perceptron with one hidden layer: `y = down(gelu(up(x)))`.

use orch_sdk::scope;

use super::gelu;
use super::linear::{Linear, Size};
use super::param::{Param, Trainable};
use super::resources::Resources;
use crate::Tensor;
use crate::gelu::Form;
use crate::rng::Rng;

/// Two linear layers with an activation between them.
#[derive(Clone, Debug)]
pub struct Mlp {
    /// To the hidden layer, `[rows, inputs]` to `[rows, hidden]`.
    pub up: Linear,
    /// Activation of the hidden layer.
    pub form: Form,
    /// From the hidden layer, `[rows, hidden]` to `[rows, outputs]`.
    pub down: Linear,
}

/// Data for the backward pass besides x, both `[rows, hidden]`.
#[derive(Debug)]
pub struct Saved {
    /// The hidden layer before its activation.
    before: Tensor,
    /// The hidden layer after its activation.
    after: Tensor,
}

impl Mlp {
    /// Makes both layers as [`Linear::new`] does; `size` has the inputs of the first and the
    /// outputs of the second.
    pub fn new(size: Size, hidden: usize, form: Form, rng: &mut Rng) -> Self {
        let up = Linear::new(
            Size {
                outputs: hidden,
                ..size
            },
            rng,
        );
        Self {
            up,
            form,
            down: Linear::new(
                Size {
                    inputs: hidden,
                    ..size
                },
                rng,
            ),
        }
    }

    /// Returns y, `[rows, outputs]`.
    ///
    /// # Panics
    /// When `x` does not hold `rows` rows of inputs.
    pub fn forward(&self, x: &[f32], rows: usize, on: Resources) -> (Tensor, Saved) {
        let before = {
            scope!("Up");
            self.up.forward(x, rows, on)
        };
        let after = {
            scope!("Gelu");
            gelu::forward(self.form, &before, on)
        };
        scope!("Down");
        let y = self.down.forward(after.as_slice(), rows, on);
        (y, Saved { before, after })
    }

    /// Writes the gradients of all parameters, given that of y.
    ///
    /// # Panics
    /// When a slice does not hold `rows` rows.
    pub fn gradients(&mut self, x: &[f32], saved: Saved, dy: &[f32], rows: usize, on: Resources) {
        let hidden = self.hidden_gradient(saved, dy, rows, on);
        scope!("Up");
        self.up.gradients(x, hidden.as_slice(), rows, on);
    }

    /// Writes the gradients of all parameters and returns that of x.
    ///
    /// # Panics
    /// As [`Mlp::gradients`].
    pub fn backward(
        &mut self,
        x: &[f32],
        saved: Saved,
        dy: &[f32],
        rows: usize,
        on: Resources,
    ) -> Tensor {
        let hidden = self.hidden_gradient(saved, dy, rows, on);
        scope!("Up");
        self.up.backward(x, hidden.as_slice(), rows, on)
    }

    /// Returns the gradient of the hidden layer before its activation.
    fn hidden_gradient(&mut self, saved: Saved, dy: &[f32], rows: usize, on: Resources) -> Tensor {
        let mut hidden = {
            scope!("Down");
            self.down.backward(saved.after.as_slice(), dy, rows, on)
        };
        scope!("Gelu");
        gelu::backward(self.form, &saved.before, &mut hidden, on);
        hidden
    }
}

impl Trainable for Mlp {
    fn visit(&mut self, f: &mut dyn FnMut(&mut Param)) {
        self.up.visit(f);
        self.down.visit(f);
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{Case, shake};
    use super::super::reference;
    use super::*;

    #[test]
    fn gradients_are_those_of_finite_differences() {
        for (form, rows) in [(Form::Tanh, 1), (Form::Erf, 3), (Form::Quick, 5)] {
            let (inputs, hidden, outputs) = (5, 13, 3);
            let mut layer = Mlp::new(Size { inputs, outputs }, hidden, form, &mut Rng::new(5));
            shake(&mut layer);
            let mut case = Case::new(rows * inputs, rows * outputs);
            let (y, saved) = layer.forward(&case.x, rows, Resources::POOLED);
            let dx = layer.backward(&case.x, saved, &case.dy, rows, Resources::POOLED);
            let (up, down) = (
                Size {
                    inputs,
                    outputs: hidden,
                },
                Size {
                    inputs: hidden,
                    outputs,
                },
            );
            let forward =
                |x: &[f64], w: &[Vec<f64>]| reference::mlp(x, &mut w.iter(), form, up, down);
            case.check(&mut layer, y.as_slice(), dx.as_slice(), 1e-5, &forward);
        }
    }

    #[test]
    fn gradients_are_the_same_without_that_of_the_input() {
        let mut whole = Mlp::new(
            Size {
                inputs: 5,
                outputs: 3,
            },
            7,
            Form::Erf,
            &mut Rng::new(5),
        );
        let mut part = whole.clone();
        let Case { x, dy } = Case::new(2 * 5, 2 * 3);
        let saved = [&whole, &part].map(|layer| layer.forward(&x, 2, Resources::POOLED).1);
        let [first, second] = saved;
        whole.backward(&x, first, &dy, 2, Resources::POOLED);
        part.gradients(&x, second, &dy, 2, Resources::POOLED);
        let [mut a, mut b] = [Vec::new(), Vec::new()];
        whole.visit(&mut |param| a.push(param.grad.clone()));
        part.visit(&mut |param| b.push(param.grad.clone()));
        assert_eq!(a, b);
    }
}
