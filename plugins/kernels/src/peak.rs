//! The arithmetic rate that no kernel of this build can exceed on one thread.

use crate::checksum::{Checksum, HasChecksum};
use nn::peak::{FLOPS_PER_ROUND, multiply_adds};
use orch_sdk::prelude::*;
use std::hint::black_box;

#[derive(Params)]
pub(crate) struct PeakParams {
    /// Rounds of one iteration; each multiplies and adds once in every chain
    #[param(default = 10_000, range = 1..=10_000_000)]
    rounds: u64,
}

/// Multiply-adds in registers.
pub(crate) struct Peak {
    rounds: u64,
    result: f32,
}

impl Workload for Peak {
    const ID: &'static str = "peak";
    const ABOUT: &'static str = "Independent multiply-adds in vector registers, on one thread: the \
        ceiling for gflops of every other workload";
    const ITERATION: &'static str = "`rounds` rounds of multiply-adds";
    const METRICS: &'static [Metric] = &[Metric::rate("gflops", "GFLOP/s", "flop", 1e-9).about(
        "2 operations for each number of each chain and round (a multiplication and an addition) \
         over the time of the iteration",
    )];
    const TAGS: &'static [&'static str] = &["machine"];
    type Params = PeakParams;

    fn create(params: PeakParams) -> Result<Self> {
        Ok(Self {
            rounds: params.rounds,
            result: 0.0,
        })
    }

    fn run(&mut self) -> Result<()> {
        scope!("Peak");
        self.result = multiply_adds(black_box(self.rounds));
        count!("flop", self.rounds * FLOPS_PER_ROUND);
        Ok(())
    }

    fn digest(&mut self) -> Result<Option<Digest>> {
        Ok(Some(self.checksum().into()))
    }
}

impl HasChecksum for Peak {
    fn checksum(&self) -> Checksum {
        // The mean of all chains and lanes, because the number of lanes differs between builds. A
        // factor so close to 1 accumulates the rounding of every round, which differs between fused
        // and separate operations.
        Checksum::number(self.result / (FLOPS_PER_ROUND / 2) as f32, 0.05)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::testing::{assert_different, checksum};
    use orch_sdk::serde_json::json;

    #[test]
    fn rounds_count() {
        assert_different::<Peak>(&[
            json!({ "rounds": 1 }),
            json!({ "rounds": 100_000 }),
            json!({ "rounds": 1_000_000 }),
        ]);
    }

    /// Each chain `i` from 0 to 11 follows `x -> 0.999999 x + 0.000001`, which converges to 1.
    #[test]
    fn mean_is_that_of_the_formula() {
        for rounds in [1, 1000, 10_000] {
            let expected = 1.0 + 4.5 * 0.999_999_f64.powi(rounds);
            let expected = Checksum::number(expected as f32, 0.05);
            assert!(
                checksum::<Peak>(json!({ "rounds": rounds })).agrees(expected),
                "{rounds} rounds"
            );
        }
    }
}
