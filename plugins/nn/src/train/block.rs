//! A transformer block that normalises before each part: `x1 = x +
//! projection(attention(qkv(norm1(x))))`, `y = x1 + mlp(norm2(x1))`.
//!
//! The residual paths need no backward pass of their own: a gradient is the sum of the gradients of
//! both paths.
//!
//! Source: Radford et al., "Language models are unsupervised multitask learners", 2019 (GPT-2).

use orch_sdk::scope;

use super::attention::{self, Shape};
use super::layer_norm::{self, LayerNorm};
use super::linear::{Linear, Size};
use super::mlp::{self, Mlp};
use super::param::{Param, Trainable};
use super::resources::Resources;
use crate::gelu::Form;
use crate::rng::Rng;
use crate::{Tensor, elementwise};

/// The parameters of a block.
#[derive(Clone, Debug)]
pub struct Block {
    /// Before attention.
    pub norm1: LayerNorm,
    /// To queries, keys and values, `[3 width, width]`.
    pub qkv: Linear,
    /// After attention, `[width, width]`.
    pub projection: Linear,
    /// Before the perceptron.
    pub norm2: LayerNorm,
    /// The perceptron.
    pub mlp: Mlp,
}

/// Data for the backward pass besides x; every matrix has one row for each position.
#[derive(Debug)]
pub struct Saved {
    norm1: layer_norm::Saved,
    /// `norm1(x)`, `[rows, width]`.
    normalised1: Tensor,
    attention: attention::Saved,
    /// Result of the heads, `[rows, width]`.
    attended: Tensor,
    /// After the first residual, `[rows, width]`.
    middle: Tensor,
    norm2: layer_norm::Saved,
    /// `norm2(x1)`, `[rows, width]`.
    normalised2: Tensor,
    mlp: mlp::Saved,
}

impl Block {
    /// Makes a block for rows of `width` numbers, with `hidden` in the perceptron.
    pub fn new(width: usize, hidden: usize, form: Form, rng: &mut Rng) -> Self {
        let square = Size {
            inputs: width,
            outputs: width,
        };
        Self {
            norm1: LayerNorm::new(width),
            qkv: Linear::new(
                Size {
                    inputs: width,
                    outputs: 3 * width,
                },
                rng,
            ),
            projection: Linear::new(square, rng),
            norm2: LayerNorm::new(width),
            mlp: Mlp::new(square, hidden, form, rng),
        }
    }

    /// Returns y for x, both `[positions, width]`.
    ///
    /// # Panics
    /// When `x` does not hold the positions of `shape`, or the block has another width.
    pub fn forward(&self, x: &[f32], shape: Shape, on: Resources) -> (Tensor, Saved) {
        let rows = shape.rows();
        let (normalised1, norm1) = {
            scope!("LayerNorm1");
            self.norm1.forward(x, rows, on)
        };
        let qkv = {
            scope!("QueryKeyValue");
            self.qkv.forward(normalised1.as_slice(), rows, on)
        };
        let (attended, attention) = {
            scope!("Attention");
            attention::forward(qkv.as_slice(), shape, on)
        };
        drop(qkv);
        let mut middle = {
            scope!("Projection");
            self.projection.forward(attended.as_slice(), rows, on)
        };
        elementwise::add_in_place(middle.as_mut_slice(), x);
        let (normalised2, norm2) = {
            scope!("LayerNorm2");
            self.norm2.forward(middle.as_slice(), rows, on)
        };
        let (mut y, mlp) = {
            scope!("Mlp");
            self.mlp.forward(normalised2.as_slice(), rows, on)
        };
        elementwise::add_in_place(y.as_mut_slice(), middle.as_slice());
        (
            y,
            Saved {
                norm1,
                normalised1,
                attention,
                attended,
                middle,
                norm2,
                normalised2,
                mlp,
            },
        )
    }

    /// Writes the gradients of all parameters and returns that of x.
    ///
    /// # Panics
    /// When a slice does not hold the positions of `shape`.
    pub fn backward(
        &mut self,
        x: &[f32],
        saved: Saved,
        dy: &[f32],
        shape: Shape,
        on: Resources,
    ) -> Tensor {
        let rows = shape.rows();
        let mut d_middle = {
            scope!("Mlp");
            self.mlp
                .backward(saved.normalised2.as_slice(), saved.mlp, dy, rows, on)
        };
        {
            scope!("LayerNorm2");
            d_middle = self.norm2.backward(
                saved.middle.as_slice(),
                &saved.norm2,
                d_middle.as_slice(),
                on,
            );
        }
        elementwise::add_in_place(d_middle.as_mut_slice(), dy);
        let d_attended = {
            scope!("Projection");
            self.projection
                .backward(saved.attended.as_slice(), d_middle.as_slice(), rows, on)
        };
        let d_qkv = {
            scope!("Attention");
            attention::backward(&saved.attention, d_attended.as_slice(), shape, on)
        };
        drop(d_attended);
        let d_normalised = {
            scope!("QueryKeyValue");
            self.qkv
                .backward(saved.normalised1.as_slice(), d_qkv.as_slice(), rows, on)
        };
        drop(d_qkv);
        let mut dx = {
            scope!("LayerNorm1");
            self.norm1
                .backward(x, &saved.norm1, d_normalised.as_slice(), on)
        };
        elementwise::add_in_place(dx.as_mut_slice(), d_middle.as_slice());
        dx
    }

    /// Returns the floating-point operations of the forward pass's products for `shape`; backward
    /// has twice as many.
    pub fn flops(&self, shape: Shape) -> u64 {
        let linear =
            |layer: &Linear| 2 * shape.rows() as u64 * layer.weight.value.as_slice().len() as u64;
        let all = [&self.qkv, &self.projection, &self.mlp.up, &self.mlp.down];
        all.into_iter().map(linear).sum::<u64>() + shape.flops()
    }
}

impl Trainable for Block {
    fn visit(&mut self, f: &mut dyn FnMut(&mut Param)) {
        self.norm1.visit(f);
        self.qkv.visit(f);
        self.projection.visit(f);
        self.norm2.visit(f);
        self.mlp.visit(f);
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{Case, shake};
    use super::super::reference;
    use super::*;

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let cases = [
            (1, 1, 1, 3, Form::Tanh),
            (1, 5, 2, 3, Form::Erf),
            (3, 4, 1, 5, Form::Quick),
        ];
        for (batch, length, heads, head_width, form) in cases {
            let shape = Shape {
                batch,
                length,
                heads,
                head_width,
            };
            let (width, hidden) = (shape.width(), 7);
            let mut layer = Block::new(width, hidden, form, &mut Rng::new(9));
            shake(&mut layer);
            let mut case = Case::new(shape.rows() * width, shape.rows() * width);
            let (y, saved) = layer.forward(&case.x, shape, Resources::POOLED);
            let dx = layer.backward(&case.x, saved, &case.dy, shape, Resources::POOLED);
            let forward =
                |x: &[f64], w: &[Vec<f64>]| reference::block(x, &mut w.iter(), form, shape, hidden);
            case.check(&mut layer, y.as_slice(), dx.as_slice(), 2e-5, &forward);
        }
    }
}
