//! Obtaining and releasing tensors, from the pool and from the allocator.

use crate::checksum::{Checksum, HasChecksum};
use crate::pooling::Pooling;
use nn::{Pool, Tensor};
use orch_sdk::prelude::*;
use std::hint::black_box;

/// Initial contents of a new tensor.
#[derive(Params, Clone, Copy)]
pub(crate) enum TensorContents {
    /// Arbitrary numbers, because the caller overwrites them; a plain allocation contains zeros
    Unspecified,
    /// Zeros, written by the pool and by the allocator
    Zeros,
}

#[derive(Params)]
pub(crate) struct TensorPoolParams {
    /// Tensors that one iteration obtains and releases
    #[param(default = 1000, range = 1..=1_000_000)]
    tensors: usize,
    /// Numbers in each tensor
    #[param(default = 512, range = 1..=1_048_576)]
    n: usize,
    /// Tensors that are alive at the same time; each further one replaces the oldest
    #[param(default = 1, range = 1..=1000)]
    alive: usize,
    /// Content of a new tensor
    #[param(default = TensorContents::Unspecified)]
    contents: TensorContents,
    /// Source of the tensors
    #[param(default = Pooling::On)]
    pool: Pooling,
}

/// A sequence of tensors that are obtained and released.
pub(crate) struct TensorPool {
    tensors: usize,
    n: usize,
    contents: TensorContents,
    pool: Pool,
    /// A ring of the tensors that are alive.
    alive: Vec<Option<Tensor>>,
    /// Sum of the numbers that the last iteration read from its tensors.
    sum: f64,
}

impl TensorPool {
    fn obtain(&self) -> Tensor {
        match self.contents {
            TensorContents::Unspecified => self.pool.scratch(&[self.n]),
            TensorContents::Zeros => self.pool.zeros(&[self.n]),
        }
    }

    /// Empties a place of the ring. The numbers written to the tensor are read back, so that the
    /// compiler cannot omit writing them.
    fn release(&mut self, place: usize) {
        if let Some(tensor) = self.alive[place].take() {
            let numbers = black_box(tensor.as_slice());
            self.sum += f64::from(numbers[0]) + f64::from(numbers[numbers.len() - 1]);
        }
    }
}

impl Workload for TensorPool {
    const ID: &'static str = "pool";
    const ABOUT: &'static str = "Obtains and releases tensors of n numbers, on one thread";
    const ITERATION: &'static str = "`tensors` tensors obtained, touched at both ends and released";
    const METRICS: &'static [Metric] = &[Metric::time_per("ns_per_tensor", "ns", "tensors", 1e9)
        .about(
            "Time of the iteration over its number of tensors: obtaining, two writes, two \
            reads, releasing",
        )];
    const TAGS: &'static [&'static str] = &["memory", "pool"];
    type Params = TensorPoolParams;

    fn create(params: TensorPoolParams) -> Result<Self> {
        let TensorPoolParams {
            tensors,
            n,
            alive,
            contents,
            pool,
        } = params;
        let alive = std::iter::repeat_with(|| None).take(alive).collect();
        Ok(Self {
            tensors,
            n,
            contents,
            pool: pool.into(),
            alive,
            sum: 0.0,
        })
    }

    fn run(&mut self) -> Result<()> {
        scope!("TensorPool");
        self.sum = 0.0;
        let mut place = 0;
        for number in 0..self.tensors {
            self.release(place);
            let mut tensor = self.obtain();
            let numbers = black_box(tensor.as_mut_slice());
            numbers[0] = number as f32;
            numbers[self.n - 1] = number as f32;
            self.alive[place] = Some(tensor);
            place = if place + 1 == self.alive.len() {
                0
            } else {
                place + 1
            };
        }
        (0..self.alive.len()).for_each(|place| self.release(place));
        count!("tensors", self.tensors);
        Ok(())
    }

    fn digest(&mut self) -> Result<Option<Digest>> {
        Ok(Some(self.checksum().into()))
    }
}

impl HasChecksum for TensorPool {
    fn checksum(&self) -> Checksum {
        Checksum::exact(self.sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::testing::{after_one, assert_different, assert_same};
    use orch_sdk::serde_json::json;

    #[test]
    fn origin_of_tensors_changes_nothing() {
        assert_same::<TensorPool>(&[
            json!({}),
            json!({ "pool": "off" }),
            json!({ "contents": "zeros" }),
            json!({ "alive": 7 }),
            json!({ "alive": 1000, "pool": "off" }),
            json!({ "n": 1 }),
        ]);
    }

    #[test]
    fn tensors_all_count() {
        assert_different::<TensorPool>(&[json!({}), json!({ "tensors": 999 })]);
    }

    #[test]
    fn sum_is_that_of_the_formula() {
        let workload: TensorPool = after_one(json!({ "tensors": 10 }));
        assert_eq!(workload.sum, 90.0);
    }

    #[test]
    fn warm_pool_allocates_nothing() -> Result<()> {
        for alive in [1, 8] {
            let mut workload: TensorPool = after_one(json!({ "alive": alive }));
            let before = nn::pool::stats();
            workload.run()?;
            let after = nn::pool::stats();
            assert_eq!(
                (
                    after.allocated - before.allocated,
                    after.reused - before.reused
                ),
                (0, 1000),
                "{alive} alive"
            );
        }
        Ok(())
    }
}
