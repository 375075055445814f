//! The product of two matrices.

use crate::checksum::{Checksum, HasChecksum};
use crate::inputs::{seed_of, uniform};
use crate::pooling::Pooling;
use crate::variant::Variant;
use nn::matmul::{self, Dims};
use nn::threads::Threads;
use nn::{Pool, Tensor};
use orch_sdk::prelude::*;
use std::hint::black_box;

#[derive(Params)]
pub(crate) struct MatMulParams {
    /// Rows of A and of C
    #[param(default = 256, range = 1..=4096)]
    m: usize,
    /// Columns of A and rows of B, the length of each sum
    #[param(default = 256, range = 1..=4096)]
    k: usize,
    /// Columns of B and of C
    #[param(default = 256, range = 1..=4096)]
    n: usize,
    /// Source of the tensor C of each iteration
    #[param(default = Pooling::On)]
    pool: Pooling,
    /// Implementation of the product; `reference` runs on one thread only
    #[param(default = Variant::Fast)]
    variant: Variant,
    /// Seed of the numbers in A and B, uniform in [-1, 1)
    #[param(default = 1)]
    seed: u64,
}

/// `C = A B`.
pub(crate) struct MatMul {
    dims: Dims,
    pool: Pool,
    variant: Variant,
    threads: Threads,
    a: Tensor,
    b: Tensor,
    /// Result of the last iteration.
    c: Option<Tensor>,
}

impl MatMul {
    fn new(params: MatMulParams, threads: Threads) -> Result<Self> {
        let MatMulParams {
            m,
            k,
            n,
            pool,
            variant,
            seed,
        } = params;
        if variant == Variant::Reference && threads != Threads::One {
            return Err(Error::params(
                "variant 'reference' runs on one thread: give the job 'threads: 1'",
            ));
        }
        let (a, b) = (
            uniform(&[m, k], seed, 1.0),
            uniform(&[k, n], seed_of(seed, 1), 1.0),
        );
        Ok(Self {
            dims: Dims { m, k, n },
            pool: pool.into(),
            variant,
            threads,
            a,
            b,
            c: None,
        })
    }
}

impl Workload for MatMul {
    const ID: &'static str = "matmul";
    const ABOUT: &'static str =
        "Matrix product C[m, n] = A[m, k] B[k, n] of f32, on all threads of the job";
    const ITERATION: &'static str = "one product C = A B, into a new tensor C";
    const METRICS: &'static [Metric] = &[Metric::rate("gflops", "GFLOP/s", "flop", 1e-9).about(
        "2 m k n operations (a multiplication and an addition for each term) over the time \
            of the iteration",
    )];
    const TAGS: &'static [&'static str] = &["kernel", "matmul"];
    type Params = MatMulParams;

    fn create(params: MatMulParams) -> Result<Self> {
        Self::new(params, Threads::asked()?)
    }

    fn setup(&mut self) -> Result<()> {
        self.threads.start()
    }

    fn run(&mut self) -> Result<()> {
        scope!("MatMul");
        let Dims { m, n, .. } = self.dims;
        let c = {
            scope!("Allocate");
            // The last result is dropped first: one block is alive at a time, and the pool hands
            // out the same one again.
            self.c = None;
            self.c.insert(self.pool.scratch(&[m, n]))
        };
        let (a, b, c) = (
            black_box(self.a.as_slice()),
            black_box(self.b.as_slice()),
            black_box(c.as_mut_slice()),
        );
        {
            scope!("Compute");
            match (self.variant, self.threads) {
                (Variant::Reference, _) => matmul::reference(a, b, c, self.dims),
                (Variant::Fast, Threads::One) => matmul::matmul(a, b, c, self.dims),
                (Variant::Fast, Threads::Many(_)) => matmul::matmul_parallel(a, b, c, self.dims),
            }
        }
        count!("flop", self.dims.flops());
        Ok(())
    }

    fn digest(&mut self) -> Result<Option<Digest>> {
        Ok(Some(self.checksum().into()))
    }
}

impl HasChecksum for MatMul {
    fn checksum(&self) -> Checksum {
        let c = self.c.as_ref().map_or(&[][..], Tensor::as_slice);
        Checksum::of(&[c], tolerance(self.dims))
    }
}

/// Tolerated difference between the checksums of two orders of summation, or of fused and separate
/// multiply-adds.
///
/// The rounding error of one sum of k terms grows with the square root of k, and averages out over
/// the `m n` sums.
pub(crate) fn tolerance(dims: Dims) -> f64 {
    let Dims { m, k, n } = dims;
    1e-6 * (1.0 + (k as f64 / (m as f64 * n as f64)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::testing::{assert_different, assert_same, checksum};
    use orch_sdk::serde_json::json;

    #[test]
    fn variants_and_pooling_agree() {
        for (m, k, n) in [
            (1, 1, 1),
            (1, 509, 1),
            (2, 4096, 3),
            (17, 33, 65),
            (64, 64, 64),
            (1, 300, 500),
        ] {
            assert_same::<MatMul>(&[
                json!({ "m": m, "k": k, "n": n }),
                json!({ "m": m, "k": k, "n": n, "pool": "off" }),
                json!({ "m": m, "k": k, "n": n, "variant": "reference" }),
            ]);
        }
    }

    /// The hardest case for a tolerance: few sums of many terms.
    #[test]
    fn rounding_stays_well_inside_the_tolerance() {
        let mut worst = 0.0_f64;
        for seed in 0..200 {
            for (m, k, n) in [(1, 4096, 1), (1, 64, 1), (2, 1000, 2), (8, 512, 8)] {
                let fast = checksum::<MatMul>(json!({ "m": m, "k": k, "n": n, "seed": seed }));
                let slow = checksum::<MatMul>(
                    json!({ "m": m, "k": k, "n": n, "seed": seed, "variant": "reference" }),
                );
                worst = worst.max(fast.distance(slow));
            }
        }
        assert!(worst < 0.5, "{worst} of the tolerance");
    }

    #[test]
    fn inputs_and_dimensions_count() {
        assert_different::<MatMul>(&[
            json!({}),
            json!({ "seed": 2 }),
            json!({ "m": 255 }),
            json!({ "k": 255 }),
            json!({ "n": 255 }),
        ]);
    }

    #[test]
    fn threads_change_nothing() -> Result<()> {
        let params = || MatMulParams::from_json(&json!({ "m": 200, "k": 150, "n": 170 }));
        let (mut one, mut two) = (
            MatMul::new(params()?, Threads::One)?,
            MatMul::new(params()?, Threads::Many(2))?,
        );
        for workload in [&mut one, &mut two] {
            workload.setup()?;
            workload.run()?;
        }
        assert_eq!(one.checksum(), two.checksum());
        Ok(())
    }

    #[test]
    fn reference_has_no_threads() -> Result<()> {
        let params = MatMulParams::from_json(&json!({ "variant": "reference" }))?;
        let error = MatMul::new(params, Threads::Many(2))
            .err()
            .map(|error| error.to_string());
        assert_eq!(
            error.as_deref(),
            Some("variant 'reference' runs on one thread: give the job 'threads: 1'")
        );
        Ok(())
    }

    #[test]
    fn pooled_product_reuses_its_tensor() -> Result<()> {
        let mut workload: MatMul = crate::checksum::testing::after_one(json!({ "m": 64, "n": 64 }));
        let before = nn::pool::stats();
        workload.run()?;
        let after = nn::pool::stats();
        assert_eq!(
            (
                after.allocated - before.allocated,
                after.reused - before.reused
            ),
            (0, 1)
        );
        Ok(())
    }
}
