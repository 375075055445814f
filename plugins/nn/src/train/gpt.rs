//! A whole language model to train: embedding, blocks, normalisation, head, cross-entropy.
//!
//! The head has weights of its own (not those of the embedding) and no bias; the perceptrons are
//! four times as wide as the rows.

use orch_sdk::scope;

use super::attention::Shape;
use super::block::{self, Block};
use super::embedding::Embedding;
use super::layer_norm::LayerNorm;
use super::linear::{Linear, Size};
use super::loss;
use super::param::{Param, Trainable};
use super::resources::Resources;
use crate::gelu::Form;
use crate::rng::Rng;
use crate::{Rows, Tensor};

/// The dimensions of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Numbers per position.
    pub width: usize,
    /// Heads, a divisor of the width.
    pub heads: usize,
    /// Blocks.
    pub layers: usize,
    /// Longest sequence.
    pub longest: usize,
    /// Number of different tokens.
    pub vocabulary: usize,
    /// Activation of the perceptrons.
    pub form: Form,
}

/// The parameters of a model.
#[derive(Debug)]
pub struct Gpt {
    config: Config,
    embedding: Embedding,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
    /// Each block's input and saved data, during a step; kept for reuse of the memory.
    saved: Vec<(Tensor, block::Saved)>,
}

impl Gpt {
    /// Makes a model with pseudo-random parameters; equal seeds give equal models.
    ///
    /// # Panics
    /// When the heads do not divide the width.
    pub fn new(config: Config, seed: u64) -> Self {
        let Config {
            width,
            heads,
            layers,
            longest,
            vocabulary,
            form,
        } = config;
        assert!(
            heads > 0 && width.is_multiple_of(heads),
            "{heads} heads do not divide a width of {width}"
        );
        let rng = &mut Rng::new(seed);
        Self {
            config,
            embedding: Embedding::new(vocabulary, longest, width, rng),
            blocks: (0..layers)
                .map(|_| Block::new(width, 4 * width, form, rng))
                .collect(),
            norm: LayerNorm::new(width),
            head: Linear::without_bias(
                Size {
                    inputs: width,
                    outputs: vocabulary,
                },
                rng,
            ),
            saved: Vec::with_capacity(layers),
        }
    }

    /// Writes the gradients of all parameters and returns the loss: the cross-entropy of each
    /// position's logits with its target, for `tokens`, sequences of `length` one after the other.
    ///
    /// # Panics
    /// When `length` does not divide the tokens or is longer than a sequence may be, when there are
    /// not as many targets as tokens, or when one of either is not in the vocabulary.
    pub fn gradients(
        &mut self,
        tokens: &[u32],
        targets: &[u32],
        length: usize,
        on: Resources,
    ) -> f32 {
        let Config {
            width,
            heads,
            vocabulary,
            ..
        } = self.config;
        assert!(
            tokens.len().is_multiple_of(length),
            "{} tokens are no sequences of {length}",
            tokens.len()
        );
        let rows = tokens.len();
        let shape = Shape {
            batch: rows / length,
            length,
            heads,
            head_width: width / heads,
        };

        let (x, normalised, norm, logits) = {
            scope!("Forward");
            let x = self.forward_blocks(tokens, shape, on);
            let (normalised, norm) = self.norm.forward(x.as_slice(), rows, on);
            scope!("Head");
            let logits = self.head.forward(normalised.as_slice(), rows, on);
            (x, normalised, norm, logits)
        };
        let (loss, d_logits) = {
            scope!("Loss");
            let mut gradient = on.scratch(logits.shape());
            let dims = Rows {
                rows,
                cols: vocabulary,
            };
            (
                loss::cross_entropy(logits.as_slice(), targets, gradient.as_mut_slice(), dims),
                gradient,
            )
        };
        scope!("Backward");
        let d_normalised = {
            scope!("Head");
            self.head
                .backward(normalised.as_slice(), d_logits.as_slice(), rows, on)
        };
        let mut dx = self
            .norm
            .backward(x.as_slice(), &norm, d_normalised.as_slice(), on);
        for block in self.blocks.iter_mut().rev() {
            scope!("Block");
            let (x, saved) = self
                .saved
                .pop()
                .expect("the forward pass pushed one for each block");
            dx = block.backward(x.as_slice(), saved, dx.as_slice(), shape, on);
        }
        scope!("Embedding");
        self.embedding.backward(tokens, length, dx.as_slice());
        loss
    }

    /// Returns the result of the last block, and leaves each block's input and saved data in
    /// `self.saved`.
    fn forward_blocks(&mut self, tokens: &[u32], shape: Shape, on: Resources) -> Tensor {
        // A panic in the middle of a step may have left some data.
        self.saved.clear();
        let mut x = {
            scope!("Embedding");
            self.embedding.forward(tokens, shape.length, on)
        };
        for block in &self.blocks {
            scope!("Block");
            let (y, saved) = block.forward(x.as_slice(), shape, on);
            self.saved.push((std::mem::replace(&mut x, y), saved));
        }
        x
    }
}

impl Trainable for Gpt {
    fn visit(&mut self, f: &mut dyn FnMut(&mut Param)) {
        self.embedding.visit(f);
        self.blocks.iter_mut().for_each(|block| block.visit(f));
        self.norm.visit(f);
        self.head.visit(f);
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{assert_gradients, shake, wide};
    use super::super::{AdamW, Optimizer, Sgd, adamw, reference, sgd};
    use super::*;

    const CONFIG: Config = Config {
        width: 6,
        heads: 2,
        layers: 2,
        longest: 5,
        vocabulary: 7,
        form: Form::Tanh,
    };

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let batches = [
            (&[1_u32, 4, 4, 0, 6, 2, 4, 3][..], 4),
            (&[5], 1),
            (&[0, 1, 2, 3, 0], 5),
        ];
        for (tokens, length) in batches {
            let targets: Vec<u32> = tokens.iter().map(|token| (token + 1) % 7).collect();
            let mut model = Gpt::new(CONFIG, 4);
            shake(&mut model);
            let loss = model.gradients(tokens, &targets, length, Resources::POOLED);
            let (mut points, mut gradients) = (Vec::new(), Vec::new());
            model.visit(&mut |param| {
                points.push(wide(param.value.as_slice()));
                gradients.push(param.grad.as_slice().to_vec());
            });
            let slow =
                |w: &[Vec<f64>]| reference::gpt(tokens, &targets, &mut w.iter(), CONFIG, length);
            assert!((f64::from(loss) - slow(&points)).abs() < 1e-5, "{loss}");
            assert_gradients(&mut points, &gradients, 5e-5, &slow);
        }
    }

    #[test]
    fn sequence_is_learned_by_heart() {
        let tokens: Vec<u32> = (0..30).map(|i| i * i % 7).collect();
        let (tokens, targets) = (&tokens[..25], &tokens[1..26]);
        for name in ["sgd", "adamw"] {
            let mut model = Gpt::new(CONFIG, 4);
            let mut optimizer: Box<dyn Optimizer> = if name == "sgd" {
                Box::new(Sgd::new(
                    sgd::Settings {
                        rate: 0.05,
                        momentum: 0.9,
                    },
                    &mut model,
                ))
            } else {
                Box::new(AdamW::new(
                    adamw::Settings {
                        rate: 0.01,
                        ..adamw::Settings::default()
                    },
                    &mut model,
                ))
            };
            let losses: Vec<f32> = (0..100)
                .map(|_| {
                    let loss = model.gradients(tokens, targets, 5, Resources::POOLED);
                    optimizer.step(&mut model, Resources::POOLED);
                    loss
                })
                .collect();
            assert!(losses[99] < 0.3 * losses[0], "{name}: {losses:?}");
        }
    }
}
