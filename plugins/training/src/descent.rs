//! Training of any model on one batch: the steps, the way back to the first one, and the results.

use nn::threads::Threads;
use nn::train::{Optimizer, Resources, Snapshot, Trainable};
use orch_sdk::{Digest, Metric, Result, count, scope};

/// A model with its batch.
pub(crate) trait Model: Trainable {
    /// Writes the gradients of all parameters and returns the loss, in scopes `Forward`, `Loss` and
    /// `Backward`.
    fn gradients(&mut self, on: Resources) -> f32;

    /// Samples in the batch.
    fn samples(&self) -> usize;

    /// Floating-point operations of one step's products.
    fn flops(&self) -> u64;
}

/// Metrics of every descent.
pub(crate) const METRICS: &[Metric] = &[
    Metric::rate("samples_per_s", "samples/s", "samples", 1.0).about(
        "steps batch samples over the \
        iteration's time",
    ),
    Metric::rate("gflops", "GFLOP/s", "flop", 1e-9).about(
        "2 m k n for each matrix product [m, k] x [k, n], forward and backward, over the \
         iteration's time; activations, normalisation, loss and optimiser take time but count as \
         nothing",
    ),
    Metric::count("first_loss", "1").about("Loss of the iteration's first step, before its update"),
    Metric::count("loss", "1").about("Loss of the iteration's last step, before its update"),
];

/// Tolerated difference between the final losses of two builds: rounding grows with each step.
const TOLERANCE: f64 = 1e-3;

/// A training in progress.
pub(crate) struct Descent<M> {
    model: M,
    optimizer: Box<dyn Optimizer>,
    start: Snapshot,
    steps: usize,
    on: Resources,
    threads: Threads,
}

impl<M: Model> Descent<M> {
    /// Begins a training with `steps` steps in each iteration, from the present state of the model.
    pub(crate) fn new(
        mut model: M,
        optimizer: Box<dyn Optimizer>,
        steps: usize,
        on: Resources,
        threads: Threads,
    ) -> Self {
        let start = Snapshot::of(&mut model);
        Self {
            model,
            optimizer,
            start,
            steps,
            on,
            threads,
        }
    }

    /// Starts the threads.
    pub(crate) fn setup(&self) -> Result<()> {
        self.threads.start()
    }

    /// Returns to the first step.
    pub(crate) fn reset(&mut self) {
        self.start.restore(&mut self.model);
        self.optimizer.reset();
    }

    /// Trains for one iteration.
    pub(crate) fn run(&mut self) {
        scope!("Training");
        for step in 0..self.steps {
            scope!("Step");
            let loss = self.model.gradients(self.on);
            {
                scope!("Update");
                self.optimizer.step(&mut self.model, self.on);
            }
            if step == 0 {
                count!("first_loss", loss);
            }
            if step + 1 == self.steps {
                count!("loss", loss);
            }
        }
        count!("samples", self.steps * self.model.samples());
        count!("flop", self.steps as u64 * self.model.flops());
    }

    /// Returns the loss with the present weights, including all updates.
    pub(crate) fn loss(&mut self) -> f32 {
        self.model.gradients(self.on)
    }

    /// Returns the loss after all steps.
    pub(crate) fn digest(&mut self) -> Digest {
        Digest::number(self.loss().into()).tolerance(TOLERANCE)
    }
}

/// Shared parts of the tests of all models.
#[cfg(test)]
pub(crate) mod testing {
    use super::{Descent, Model};
    use nn::threads::Threads;
    use orch_sdk::prelude::*;
    use orch_sdk::serde_json::{Value, json};

    /// Creates a training from parameters.
    pub(crate) trait Trains: Workload {
        type Model: Model;

        fn with(params: Self::Params, threads: Threads) -> Result<Self>;
        fn descent(&mut self) -> &mut Descent<Self::Model>;
    }

    /// Returns `base` with some parameters changed.
    fn with(base: &Value, changes: &[(&str, Value)]) -> Value {
        let mut params = base.clone();
        for (name, value) in changes {
            params[*name] = value.clone();
        }
        params
    }

    fn make<W: Trains>(params: &Value, threads: Threads) -> W {
        let params = W::Params::from_json(params).expect("the parameters are valid");
        let mut workload = W::with(params, threads).expect("the workload can be created");
        workload.setup().expect("the workload can be set up");
        workload
    }

    /// Returns the loss before and after one iteration from the start.
    fn losses<W: Trains>(workload: &mut W) -> (f32, f32) {
        workload.reset().expect("a reset succeeds");
        let before = workload.descent().loss();
        workload.run().expect("an iteration succeeds");
        (before, workload.descent().loss())
    }

    /// Panics unless each optimiser and activation learns, and gives the same result after a reset,
    /// with and without pooling.
    pub(crate) fn learns<W: Trains>(base: &Value, part: f32) {
        let mut finals = Vec::new();
        for optimizer in ["sgd", "adamw"] {
            for activation in ["gelu_tanh", "gelu_erf", "quick_gelu"] {
                let params = with(
                    base,
                    &[
                        ("optimizer", json!(optimizer)),
                        ("activation", json!(activation)),
                    ],
                );
                let mut workload = make::<W>(&params, Threads::One);
                let (before, after) = losses(&mut workload);
                assert!(after < part * before, "{params}: {before} to {after}");
                // Training continues until the reset.
                workload.run().expect("an iteration succeeds");
                assert_ne!(workload.descent().loss(), after, "{params}");
                assert_eq!(
                    losses(&mut workload),
                    (before, after),
                    "{params}: after a reset"
                );
                let mut plain = make::<W>(&with(&params, &[("pool", json!("off"))]), Threads::One);
                assert_eq!(
                    losses(&mut plain),
                    (before, after),
                    "{params}: without pooling"
                );
                assert!(
                    !finals.contains(&after),
                    "{params} ends like another: {after}"
                );
                finals.push(after);
            }
        }
    }

    /// Panics unless two threads compute the same bits as one.
    pub(crate) fn threads_change_nothing<W: Trains>(base: &Value) {
        let one = losses(&mut make::<W>(base, Threads::One));
        assert_eq!(one, losses(&mut make::<W>(base, Threads::Many(2))));
    }

    /// Panics unless an iteration allocates nothing with pooling, and something without.
    pub(crate) fn training_allocates_only_without_pooling<W: Trains>(base: &Value) {
        for optimizer in ["sgd", "adamw"] {
            let [pooled, plain] = ["on", "off"].map(|pool| {
                let params = with(
                    base,
                    &[("optimizer", json!(optimizer)), ("pool", json!(pool))],
                );
                let mut workload = make::<W>(&params, Threads::One);
                workload.run().expect("an iteration succeeds");
                let iterate = || {
                    workload.reset().expect("a reset succeeds");
                    workload.run().expect("an iteration succeeds");
                };
                allocation_counter::measure(iterate).count_total
            });
            assert_eq!(pooled, 0, "{optimizer}");
            assert!(plain > 0, "{optimizer}");
        }
    }
}
