//! The embedding of tokens and positions: `y[i] = token table[token i] + position table[place of i
//! in its sequence]`.
//!
//! Backward: each row of dy is added to the gradients of the two rows that it came from.

use super::param::{Param, Trainable};
use super::resources::Resources;
use crate::rng::Rng;
use crate::{Tensor, elementwise};

/// The two tables.
#[derive(Clone, Debug)]
pub struct Embedding {
    /// A row for each token, `[vocabulary, width]`.
    pub token: Param,
    /// A row for each place in a sequence, `[longest sequence, width]`.
    pub position: Param,
}

impl Embedding {
    /// Makes tables of numbers uniform in [-1, 1) for tokens and five times smaller for positions.
    pub fn new(vocabulary: usize, longest: usize, width: usize, rng: &mut Rng) -> Self {
        Self {
            token: Param::uniform(&[vocabulary, width], 1.0, rng),
            position: Param::uniform(&[longest, width], 0.2, rng),
        }
    }

    fn width(&self) -> usize {
        self.token.value.shape()[1]
    }

    /// Returns the rows of `tokens`, sequences of `length` one after the other: `[tokens, width]`.
    ///
    /// # Panics
    /// When a token is not in the vocabulary, or a sequence is longer than the table of positions.
    pub fn forward(&self, tokens: &[u32], length: usize, on: Resources) -> Tensor {
        let width = self.width();
        let mut y = on.scratch(&[tokens.len(), width]);
        for (i, &token) in tokens.iter().enumerate() {
            let (token, position) = (
                row(&self.token.value, token as usize),
                row(&self.position.value, i % length),
            );
            elementwise::add(token, position, &mut y.as_mut_slice()[i * width..][..width]);
        }
        y
    }

    /// Writes the gradients of both tables, given that of the result.
    ///
    /// # Panics
    /// As [`Embedding::forward`], and when `dy` does not hold a row for each token.
    pub fn backward(&mut self, tokens: &[u32], length: usize, dy: &[f32]) {
        let width = self.width();
        assert!(
            dy.len() == tokens.len() * width,
            "`dy` holds {} numbers for {} tokens",
            dy.len(),
            tokens.len()
        );
        self.token.grad.as_mut_slice().fill(0.0);
        self.position.grad.as_mut_slice().fill(0.0);
        for (i, &token) in tokens.iter().enumerate() {
            let dy = &dy[i * width..][..width];
            elementwise::add_in_place(row_mut(&mut self.token.grad, token as usize), dy);
            elementwise::add_in_place(row_mut(&mut self.position.grad, i % length), dy);
        }
    }
}

fn row(table: &Tensor, index: usize) -> &[f32] {
    let width = table.shape()[1];
    &table.as_slice()[index * width..][..width]
}

fn row_mut(table: &mut Tensor, index: usize) -> &mut [f32] {
    let width = table.shape()[1];
    &mut table.as_mut_slice()[index * width..][..width]
}

impl Trainable for Embedding {
    fn visit(&mut self, f: &mut dyn FnMut(&mut Param)) {
        f(&mut self.token);
        f(&mut self.position);
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{Case, shake};
    use super::super::reference;
    use super::*;

    #[test]
    fn gradients_are_those_of_finite_differences() {
        // Tokens that repeat and tokens that never occur; sequences shorter than the table of
        // positions.
        for (tokens, length) in [(&[2_u32, 0, 2, 2, 4, 1][..], 3), (&[1], 1)] {
            let width = 5;
            let mut layer = Embedding::new(6, 4, width, &mut Rng::new(1));
            shake(&mut layer);
            let mut case = Case::new(0, tokens.len() * width);
            let y = layer.forward(tokens, length, Resources::POOLED);
            layer.backward(tokens, length, &case.dy);
            let forward = |_: &[f64], w: &[Vec<f64>]| {
                reference::embedding(tokens, &mut w.iter(), length, width)
            };
            case.check(&mut layer, y.as_slice(), &[], 1e-6, &forward);
        }
    }
}
