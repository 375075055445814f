//! Training of a perceptron with one hidden layer.

use crate::choices::{Activation, Optimizer, OptimizerSettings};
use crate::descent::{Descent, METRICS, Model};
use crate::inputs::{UNIT_VARIANCE, seed_of, uniform};
use crate::resources::Pooling;
use nn::Tensor;
use nn::rng::Rng;
use nn::threads::Threads;
use nn::train::linear::Size;
use nn::train::{self, Param, Resources, Trainable, loss};
use orch_sdk::prelude::*;

#[derive(Params)]
pub(crate) struct MlpParams {
    /// Numbers in an input
    #[param(default = 256, range = 1..=4096)]
    inputs: usize,
    /// Numbers in the hidden layer
    #[param(default = 1024, range = 1..=16_384)]
    hidden: usize,
    /// Numbers in an output
    #[param(default = 256, range = 1..=4096)]
    outputs: usize,
    /// Samples in the batch
    #[param(default = 32, range = 1..=4096)]
    batch: usize,
    /// Steps of one iteration
    #[param(default = 50, range = 1..=100_000)]
    steps: usize,
    /// Optimiser
    #[param(default = Optimizer::Adamw)]
    optimizer: Optimizer,
    /// Learning rate
    #[param(default = 2e-4, range = 0.0..=10.0)]
    learning_rate: f32,
    /// Momentum: share of the velocity kept per step; only with sgd, 0 is plain descent
    #[param(default = 0.9, range = 0.0..1.0)]
    momentum: f32,
    /// Activation between the layers
    #[param(default = Activation::GeluTanh)]
    activation: Activation,
    /// Source of the tensors of a step
    #[param(default = Pooling::On)]
    pool: Pooling,
    /// Seed of the weights and of the batch
    #[param(default = 1)]
    seed: u64,
}

/// A perceptron and its task: products of neighbouring inputs.
pub(crate) struct Regression {
    mlp: train::Mlp,
    size: Size,
    hidden: usize,
    batch: usize,
    /// `[batch, inputs]`.
    x: Tensor,
    /// `[batch, outputs]`.
    target: Tensor,
}

impl Regression {
    fn new(params: &MlpParams) -> Self {
        let &MlpParams {
            inputs,
            hidden,
            outputs,
            batch,
            activation,
            seed,
            ..
        } = params;
        let size = Size { inputs, outputs };
        let x = uniform(&[batch, inputs], seed_of(seed, 1), UNIT_VARIANCE);
        let mut target = Tensor::zeros(&[batch, outputs]);
        for (x, target) in x
            .as_slice()
            .chunks_exact(inputs)
            .zip(target.as_mut_slice().chunks_exact_mut(outputs))
        {
            target
                .iter_mut()
                .enumerate()
                .for_each(|(j, t)| *t = x[j % inputs] * x[(j + 1) % inputs]);
        }
        let mlp = train::Mlp::new(size, hidden, activation.into(), &mut Rng::new(seed));
        Self {
            mlp,
            size,
            hidden,
            batch,
            x,
            target,
        }
    }
}

impl Trainable for Regression {
    fn visit(&mut self, f: &mut dyn FnMut(&mut Param)) {
        self.mlp.visit(f);
    }
}

impl Model for Regression {
    fn gradients(&mut self, on: Resources) -> f32 {
        let (x, batch) = (self.x.as_slice(), self.batch);
        let (y, saved) = {
            scope!("Forward");
            self.mlp.forward(x, batch, on)
        };
        let mut dy = on.scratch(y.shape());
        let loss = {
            scope!("Loss");
            loss::squared_error(
                y.as_slice(),
                self.target.as_slice(),
                dy.as_mut_slice(),
                batch,
            )
        };
        scope!("Backward");
        self.mlp.gradients(x, saved, dy.as_slice(), batch, on);
        loss
    }

    fn samples(&self) -> usize {
        self.batch
    }

    fn flops(&self) -> u64 {
        let Size { inputs, outputs } = self.size;
        // Both layers forward, the gradients of their weights, and the gradient of the hidden
        // layer.
        let products = 2 * self.hidden * (inputs + outputs) + self.hidden * outputs;
        2 * (self.batch * products) as u64
    }
}

/// Descends the loss of a [`Regression`].
pub(crate) struct Mlp(Descent<Regression>);

impl Mlp {
    fn with(params: MlpParams, threads: Threads) -> Self {
        let mut model = Regression::new(&params);
        let optimizer = params.optimizer.of(
            &mut model,
            OptimizerSettings {
                rate: params.learning_rate,
                momentum: params.momentum,
            },
        );
        Self(Descent::new(
            model,
            optimizer,
            params.steps,
            params.pool.with(threads),
            threads,
        ))
    }
}

impl Workload for Mlp {
    const ID: &'static str = "mlp";
    const ABOUT: &'static str = "Training of a perceptron y = W2 gelu(W1 x + b1) + b2 on one batch \
        of inputs of variance 1, whose targets are products of neighbouring inputs; loss: half the \
        squared error of an output, mean over the batch; products, activation and update on all \
        threads of the job";
    const ITERATION: &'static str = "`steps` steps from where the training is, the initial weights \
        after a reset; a step is forward, loss, gradients of all weights (none of x) and update";
    const METRICS: &'static [Metric] = METRICS;
    const TAGS: &'static [&'static str] = &["training", "mlp"];
    type Params = MlpParams;

    fn create(params: MlpParams) -> Result<Self> {
        Ok(Self::with(params, Threads::asked()?))
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

    impl Trains for Mlp {
        type Model = Regression;

        fn with(params: MlpParams, threads: Threads) -> Result<Self> {
            Ok(Self::with(params, threads))
        }

        fn descent(&mut self) -> &mut Descent<Regression> {
            &mut self.0
        }
    }

    #[test]
    fn choices_all_learn_and_can_be_repeated() {
        testing::learns::<Mlp>(&json!({ "hidden": 320, "batch": 8, "steps": 20 }), 0.6);
    }

    #[test]
    fn plain_descent_learns() {
        let small = json!({
            "hidden": 320, "batch": 8, "steps": 20, "momentum": 0.0, "learning_rate": 0.001
        });
        testing::learns::<Mlp>(&small, 0.6);
    }

    #[test]
    fn odd_sizes_learn() {
        for (inputs, hidden, outputs, batch) in [(1, 7, 3, 1), (5, 13, 1, 2), (17, 33, 19, 3)] {
            let size = json!({
                "inputs": inputs, "hidden": hidden, "outputs": outputs, "batch": batch,
                "learning_rate": 0.003
            });
            testing::learns::<Mlp>(&size, 0.9);
        }
    }

    #[test]
    fn threads_change_nothing() {
        testing::threads_change_nothing::<Mlp>(&json!({ "steps": 5 }));
    }

    #[test]
    fn training_allocates_only_without_pooling() {
        testing::training_allocates_only_without_pooling::<Mlp>(&json!({ "steps": 3 }));
    }
}
