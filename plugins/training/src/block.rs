//! Training of one transformer block.

use crate::choices::{Activation, Optimizer, OptimizerSettings};
use crate::descent::{Descent, METRICS, Model};
use crate::inputs::{UNIT_VARIANCE, seed_of, uniform};
use crate::resources::Pooling;
use nn::rng::Rng;
use nn::threads::Threads;
use nn::train::attention::Shape;
use nn::train::{self, Param, Resources, Trainable, loss};
use nn::{Tensor, elementwise};
use orch_sdk::prelude::*;

#[derive(Params)]
pub(crate) struct BlockParams {
    /// Width of the embedding of a position, a multiple of the heads
    #[param(default = 128, range = 1..=2048)]
    embed: usize,
    /// Heads of the attention
    #[param(default = 4, range = 1..=64)]
    heads: usize,
    /// Positions in a sequence
    #[param(default = 64, range = 1..=1024)]
    sequence: usize,
    /// Sequences in the batch
    #[param(default = 8, range = 1..=256)]
    batch: usize,
    /// Steps of one iteration
    #[param(default = 10, range = 1..=100_000)]
    steps: usize,
    /// Optimiser
    #[param(default = Optimizer::Adamw)]
    optimizer: Optimizer,
    /// Learning rate; by default 0.01 with sgd, 0.002 with adamw
    #[param(range = 0.0..=10.0)]
    learning_rate: Option<f32>,
    /// Momentum: share of the velocity kept per step; only with sgd, 0 is plain descent
    #[param(default = 0.9, range = 0.0..1.0)]
    momentum: f32,
    /// Activation of the perceptron
    #[param(default = Activation::GeluTanh)]
    activation: Activation,
    /// Source of the tensors of a step
    #[param(default = Pooling::On)]
    pool: Pooling,
    /// Seed of the weights and of the batch
    #[param(default = 1)]
    seed: u64,
}

/// A block and its task: at each position the mean of the inputs so far.
pub(crate) struct RunningMean {
    block: train::Block,
    shape: Shape,
    /// `[batch * sequence, embed]`, as the target.
    x: Tensor,
    target: Tensor,
}

impl RunningMean {
    fn new(params: &BlockParams) -> Result<Self> {
        let &BlockParams {
            embed,
            heads,
            sequence,
            batch,
            activation,
            seed,
            ..
        } = params;
        if !embed.is_multiple_of(heads) {
            return Err(Error::params(format_args!(
                "'embed' is {embed}, which {heads} 'heads' cannot share: give a multiple of {heads}"
            )));
        }
        let shape = Shape {
            batch,
            length: sequence,
            heads,
            head_width: embed / heads,
        };
        let x = uniform(&[shape.rows(), embed], seed_of(seed, 1), UNIT_VARIANCE);
        let mut target = Tensor::zeros(&[shape.rows(), embed]);
        let rows = x
            .as_slice()
            .chunks_exact(embed)
            .zip(target.as_mut_slice().chunks_exact_mut(embed));
        let mut sum = vec![0.0; embed];
        for (i, (x, target)) in rows.enumerate() {
            let place = i % sequence;
            if place == 0 {
                sum.fill(0.0);
            }
            elementwise::add_in_place(&mut sum, x);
            target
                .iter_mut()
                .zip(&sum)
                .for_each(|(target, sum)| *target = sum / (place + 1) as f32);
        }
        let block = train::Block::new(embed, 4 * embed, activation.into(), &mut Rng::new(seed));
        Ok(Self {
            block,
            shape,
            x,
            target,
        })
    }
}

impl Trainable for RunningMean {
    fn visit(&mut self, f: &mut dyn FnMut(&mut Param)) {
        self.block.visit(f);
    }
}

impl Model for RunningMean {
    fn gradients(&mut self, on: Resources) -> f32 {
        let (x, shape) = (self.x.as_slice(), self.shape);
        let (y, saved) = {
            scope!("Forward");
            self.block.forward(x, shape, on)
        };
        let mut dy = on.scratch(y.shape());
        let loss = {
            scope!("Loss");
            loss::squared_error(
                y.as_slice(),
                self.target.as_slice(),
                dy.as_mut_slice(),
                shape.rows(),
            )
        };
        drop(y);
        scope!("Backward");
        self.block.backward(x, saved, dy.as_slice(), shape, on);
        loss
    }

    fn samples(&self) -> usize {
        self.shape.batch
    }

    fn flops(&self) -> u64 {
        3 * self.block.flops(self.shape)
    }
}

/// Descends the loss of a [`RunningMean`].
pub(crate) struct Block(Descent<RunningMean>);

impl Block {
    fn with(params: BlockParams, threads: Threads) -> Result<Self> {
        let mut model = RunningMean::new(&params)?;
        let rate = params.learning_rate.unwrap_or(match params.optimizer {
            Optimizer::Sgd => 0.01,
            Optimizer::Adamw => 0.002,
        });
        let optimizer = params.optimizer.of(
            &mut model,
            OptimizerSettings {
                rate,
                momentum: params.momentum,
            },
        );
        Ok(Self(Descent::new(
            model,
            optimizer,
            params.steps,
            params.pool.with(threads),
            threads,
        )))
    }
}

impl Workload for Block {
    const ID: &'static str = "block";
    const ABOUT: &'static str = "Training of one transformer block (pre-norm, causal, perceptron \
        of 4 embed) on one batch of sequences of inputs of variance 1, whose target at each \
        position is the mean of the inputs so far; loss: half the squared error of a position, \
        mean over all positions; products, attention, activation and update on all threads of the \
        job";
    const ITERATION: &'static str = "`steps` steps from where the training is, the initial weights \
        after a reset; a step is forward, loss, gradients of all weights and of x, and update; a \
        sample is one sequence";
    const METRICS: &'static [Metric] = METRICS;
    const TAGS: &'static [&'static str] = &["training", "transformer", "attention"];
    type Params = BlockParams;

    fn create(params: BlockParams) -> Result<Self> {
        Self::with(params, Threads::asked()?)
    }

    fn setup(&mut self) -> Result<()> {
        self.0.setup()
    }

    fn reset(&mut self) -> Result<()> {
        self.0.reset();
        Ok(())
    }

    fn run(&mut self) -> Result<()> {
        self.0.run();
        Ok(())
    }

    fn digest(&mut self) -> Result<Option<Digest>> {
        Ok(Some(self.0.digest()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descent::testing::{self, Trains};
    use orch_sdk::serde_json::json;

    impl Trains for Block {
        type Model = RunningMean;

        fn with(params: BlockParams, threads: Threads) -> Result<Self> {
            Self::with(params, threads)
        }

        fn descent(&mut self) -> &mut Descent<RunningMean> {
            &mut self.0
        }
    }

    #[test]
    fn choices_all_learn_and_can_be_repeated() {
        testing::learns::<Block>(&json!({ "batch": 2, "steps": 10 }), 0.7);
    }

    #[test]
    fn odd_sizes_learn() {
        for (embed, heads, sequence, batch) in [(3, 1, 1, 1), (6, 2, 5, 3), (15, 5, 17, 1)] {
            let size = json!({
                "embed": embed, "heads": heads, "sequence": sequence, "batch": batch, "steps": 30
            });
            testing::learns::<Block>(&size, 0.95);
        }
    }

    #[test]
    fn threads_change_nothing() {
        testing::threads_change_nothing::<Block>(&json!({ "batch": 3, "steps": 3 }));
    }

    #[test]
    fn training_allocates_only_without_pooling() {
        testing::training_allocates_only_without_pooling::<Block>(
            &json!({ "batch": 2, "steps": 2 }),
        );
    }

    #[test]
    fn heads_have_to_share() {
        let params = BlockParams::from_json(&json!({ "embed": 10 })).unwrap();
        let error = Block::with(params, Threads::One).err().unwrap().to_string();
        assert!(
            error.contains("'embed' is 10, which 4 'heads' cannot share: give a multiple of 4"),
            "{error}"
        );
    }
}
