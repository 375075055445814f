//! The two products of a training step, forward and backward, without anything between them.

use crate::checksum::checksum;
use crate::inputs::{seed_of, uniform};
use crate::resources::Pooling;
use nn::Tensor;
use nn::matmul::Dims;
use nn::threads::Threads;
use nn::train::Resources;
use orch_sdk::prelude::*;
use std::hint::black_box;

/// Whether the backward pass computes the gradient of the batch.
#[derive(Params, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InputGradient {
    /// dX = dH W2^T is computed too, as in a layer with another layer before it
    On,
    /// The batch is data, and its gradient is not needed
    Off,
}

#[derive(Params)]
pub(crate) struct StepParams {
    /// Rows of X: samples of one step
    #[param(default = 32, range = 1..=4096)]
    batch: usize,
    /// Columns of X and of H, rows and columns of W2
    #[param(default = 256, range = 1..=4096)]
    hidden: usize,
    /// Columns of Y and of W3
    #[param(default = 32, range = 1..=4096)]
    outputs: usize,
    /// Steps of one iteration
    #[param(default = 50, range = 1..=100_000)]
    steps: usize,
    /// Whether the gradient of X is computed
    #[param(default = InputGradient::Off)]
    input_gradient: InputGradient,
    /// Source of the tensors of a step: H, Y and the gradients
    #[param(default = Pooling::On)]
    pool: Pooling,
    /// Seed of X and dY, uniform in [-1, 1), and of W2 and W3, smaller by the root of `hidden`
    #[param(default = 1)]
    seed: u64,
}

/// `H = X W2`, `Y = H W3`, and the gradients of both products for a given dY.
pub(crate) struct Step {
    steps: usize,
    input_gradient: InputGradient,
    on: Resources,
    threads: Threads,
    /// Dimensions of `H[batch, hidden] = X[batch, hidden] W2[hidden, hidden]`.
    first: Dims,
    /// Dimensions of `Y[batch, outputs] = H[batch, hidden] W3[hidden, outputs]`.
    second: Dims,
    x: Tensor,
    w2: Tensor,
    w3: Tensor,
    dy: Tensor,
    /// Results of the last step: Y, dW3, dW2 and dX.
    results: Option<[Tensor; 4]>,
}

impl Step {
    fn with(params: StepParams, threads: Threads) -> Self {
        let StepParams {
            batch,
            hidden,
            outputs,
            steps,
            input_gradient,
            pool,
            seed,
        } = params;
        let small = 1.0 / (hidden as f32).sqrt();
        Self {
            steps,
            input_gradient,
            on: pool.with(threads),
            threads,
            first: Dims {
                m: batch,
                k: hidden,
                n: hidden,
            },
            second: Dims {
                m: batch,
                k: hidden,
                n: outputs,
            },
            x: uniform(&[batch, hidden], seed, 1.0),
            w2: uniform(&[hidden, hidden], seed_of(seed, 1), small),
            w3: uniform(&[hidden, outputs], seed_of(seed, 2), small),
            dy: uniform(&[batch, outputs], seed_of(seed, 3), 1.0),
            results: None,
        }
    }

    fn step(&mut self) {
        scope!("Step");
        // The last step's tensors are released first.
        self.results = None;
        let (x, w2, w3) = (
            black_box(self.x.as_slice()),
            black_box(self.w2.as_slice()),
            black_box(self.w3.as_slice()),
        );
        let (h, y) = {
            scope!("Forward");
            let h = {
                scope!("MatMulW2");
                self.on.matmul(x, w2, self.first)
            };
            scope!("MatMulW3");
            let y = self.on.matmul(h.as_slice(), w3, self.second);
            (h, y)
        };
        scope!("Backward");
        let dy = black_box(self.dy.as_slice());
        let dw3 = {
            scope!("GradW3");
            self.weight_gradient(h.as_slice(), dy, self.second)
        };
        let dh = {
            scope!("GradH");
            self.operand_gradient(dy, w3, self.second)
        };
        let dw2 = {
            scope!("GradW2");
            self.weight_gradient(x, dh.as_slice(), self.first)
        };
        let dx = if self.input_gradient == InputGradient::On {
            scope!("GradX");
            self.operand_gradient(dh.as_slice(), w2, self.first)
        } else {
            self.on.scratch(&[0])
        };
        self.results = Some([y, dw3, dw2, dx]);
    }

    /// Computes `dB = A^T dC` for the product `C = A B` with these dimensions.
    fn weight_gradient(&self, a: &[f32], dc: &[f32], product: Dims) -> Tensor {
        let Dims { m, k, n } = product;
        let mut db = self.on.scratch(&[k, n]);
        self.on
            .matmul_at_b(a, dc, db.as_mut_slice(), Dims { m: k, k: m, n });
        db
    }

    /// Computes `dA = dC B^T` for the product `C = A B` with these dimensions.
    fn operand_gradient(&self, dc: &[f32], b: &[f32], product: Dims) -> Tensor {
        let Dims { m, k, n } = product;
        self.on.matmul_a_bt(dc, b, Dims { m, k: n, n: k })
    }

    /// Operations of one step: each product's backward pass consists of two more products of its
    /// size, except for dX if it is not computed.
    fn flops(&self) -> u64 {
        let first = if self.input_gradient == InputGradient::On {
            3
        } else {
            2
        };
        first * self.first.flops() + 3 * self.second.flops()
    }

    fn checksum(&self) -> f64 {
        let parts: Vec<&[f32]> = self
            .results
            .iter()
            .flatten()
            .map(Tensor::as_slice)
            .collect();
        checksum(&parts)
    }
}

impl Workload for Step {
    const ID: &'static str = "step";
    const ABOUT: &'static str = "The matrix products of a training step for X[batch, hidden], \
        W2[hidden, hidden] and W3[hidden, outputs]: H = X W2 and Y = H W3, then, for a given dY, \
        dW3 = H^T dY, dH = dY W3^T and dW2 = X^T dH; no activation, loss or update; on all threads \
        of the job";
    const ITERATION: &'static str =
        "`steps` times both products forward and backward, always with the same numbers";
    const METRICS: &'static [Metric] = &[
        Metric::rate("samples_per_s", "samples/s", "samples", 1.0)
            .about("steps batch rows of X over the iteration's time"),
        Metric::rate("gflops", "GFLOP/s", "flop", 1e-9).about(
            "steps (4 batch hidden hidden + 6 batch hidden outputs) operations (H, Y, dW3, dH, \
             dW2; with the input's gradient 6 instead of 4) over the iteration's time",
        ),
    ];
    const TAGS: &'static [&'static str] = &["training", "matmul"];
    type Params = StepParams;

    fn create(params: StepParams) -> Result<Self> {
        Ok(Self::with(params, Threads::asked()?))
    }

    fn setup(&mut self) -> Result<()> {
        self.threads.start()
    }

    fn run(&mut self) -> Result<()> {
        scope!("Training");
        for _ in 0..self.steps {
            self.step();
        }
        count!("samples", self.steps * self.first.m);
        count!("flop", self.steps as u64 * self.flops());
        Ok(())
    }

    fn digest(&mut self) -> Result<Option<Digest>> {
        Ok(Some(Digest::number(self.checksum()).tolerance(1e-5)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nn::matmul::{Gradients, matmul_backward, reference};
    use orch_sdk::serde_json::{Value, json};

    fn after_one(params: Value, threads: Threads) -> Result<Step> {
        let mut step = Step::with(StepParams::from_json(&params)?, threads);
        step.setup()?;
        step.run()?;
        Ok(step)
    }

    fn close(a: &[f32], b: &[f32], what: &str) {
        assert_eq!(a.len(), b.len(), "{what}");
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4), "{what}");
    }

    #[test]
    fn results_are_those_of_the_products() -> Result<()> {
        for (batch, hidden, outputs) in [(1, 1, 1), (3, 17, 5), (32, 256, 32)] {
            let size = json!({
                "batch": batch, "hidden": hidden, "outputs": outputs, "input_gradient": "on"
            });
            let step = after_one(size, Threads::One)?;
            let (mut h, mut y) = (vec![0.0; batch * hidden], vec![0.0; batch * outputs]);
            reference(step.x.as_slice(), step.w2.as_slice(), &mut h, step.first);
            reference(&h, step.w3.as_slice(), &mut y, step.second);
            let (mut dh, mut dw3) = (vec![0.0; batch * hidden], vec![0.0; hidden * outputs]);
            let gradients = Gradients {
                a: &mut dh,
                b: &mut dw3,
            };
            matmul_backward(
                &h,
                step.w3.as_slice(),
                step.dy.as_slice(),
                gradients,
                step.second,
            );
            let (mut dx, mut dw2) = (vec![0.0; batch * hidden], vec![0.0; hidden * hidden]);
            let gradients = Gradients {
                a: &mut dx,
                b: &mut dw2,
            };
            matmul_backward(
                step.x.as_slice(),
                step.w2.as_slice(),
                &dh,
                gradients,
                step.first,
            );
            let results = step.results.expect("a step was done");
            for (result, (expected, what)) in
                results
                    .iter()
                    .zip([(y, "Y"), (dw3, "dW3"), (dw2, "dW2"), (dx, "dX")])
            {
                close(result.as_slice(), &expected, what);
            }
        }
        Ok(())
    }

    #[test]
    fn neither_memory_nor_threads_nor_the_number_of_steps_change_the_result() -> Result<()> {
        let expected = after_one(json!({}), Threads::One)?.checksum();
        assert!(expected > 0.0);
        assert_eq!(
            expected,
            after_one(json!({ "pool": "off" }), Threads::One)?.checksum()
        );
        assert_eq!(
            expected,
            after_one(json!({ "steps": 1 }), Threads::One)?.checksum()
        );
        assert_eq!(expected, after_one(json!({}), Threads::Many(2))?.checksum());
        assert_ne!(
            expected,
            after_one(json!({ "seed": 2 }), Threads::One)?.checksum()
        );
        assert_ne!(
            expected,
            after_one(json!({ "input_gradient": "on" }), Threads::One)?.checksum()
        );
        Ok(())
    }

    #[test]
    fn operations_are_counted_as_stated() -> Result<()> {
        assert_eq!(
            after_one(json!({}), Threads::One)?.flops(),
            4 * 32 * 256 * 256 + 6 * 32 * 256 * 32
        );
        Ok(())
    }

    #[test]
    fn step_allocates_only_without_pooling() -> Result<()> {
        for (pool, expected) in [("on", 0), ("off", 7 * 5)] {
            let mut step = after_one(json!({ "steps": 7, "pool": pool }), Threads::One)?;
            let run = || step.run().expect("an iteration succeeds");
            let counted = allocation_counter::measure(run).count_total;
            assert_eq!(counted, expected, "{pool}");
        }
        Ok(())
    }
}
