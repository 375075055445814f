//! A chain of additions, in place and with a new tensor for each result.

use crate::checksum::{Checksum, EXACT, HasChecksum};
use crate::inputs::{seed_of, uniform};
use crate::pooling::Pooling;
use nn::{Pool, Tensor, elementwise};
use orch_sdk::prelude::*;
use std::hint::black_box;

/// Destination of the result of an addition.
#[derive(Params, Clone, Copy)]
pub(crate) enum AdditionForm {
    /// In place of the first operand
    InPlace,
    /// To a new tensor, while the first operand is released
    Allocating,
}

#[derive(Params)]
pub(crate) struct InPlaceParams {
    /// Additions of one iteration, each to the result of the one before
    #[param(default = 1000, range = 1..=1_000_000)]
    adds: usize,
    /// Numbers in the tensor
    #[param(default = 512, range = 1..=1_048_576)]
    n: usize,
    /// Destination of each result
    #[param(default = AdditionForm::InPlace)]
    form: AdditionForm,
    /// Source of the tensors of form `allocating`; `in_place` obtains none
    #[param(default = Pooling::On)]
    pool: Pooling,
    /// Seed of the inputs, uniform in [-1, 1)
    #[param(default = 1)]
    seed: u64,
}

/// `a + b + b + ...`.
pub(crate) struct InPlace {
    adds: usize,
    form: AdditionForm,
    pool: Pool,
    a: Tensor,
    b: Tensor,
    /// Result of the last iteration.
    sum: Tensor,
}

impl InPlace {
    /// The first addition reads `a` and the others the sum. Thus each iteration begins with the
    /// same numbers, and none of them exceeds `1 + adds`, however many iterations there are.
    fn in_place(&mut self) {
        let b = black_box(self.b.as_slice());
        elementwise::add(black_box(self.a.as_slice()), b, self.sum.as_mut_slice());
        for _ in 1..self.adds {
            elementwise::add_in_place(black_box(self.sum.as_mut_slice()), b);
        }
    }

    fn allocating(&mut self) {
        let b = black_box(self.b.as_slice());
        let next = |operand: &Tensor| {
            let mut sum = self.pool.scratch(operand.shape());
            elementwise::add(black_box(operand.as_slice()), b, sum.as_mut_slice());
            sum
        };
        let mut sum = next(&self.a);
        for _ in 1..self.adds {
            sum = next(&sum);
        }
        self.sum = sum;
    }
}

impl Workload for InPlace {
    const ID: &'static str = "in_place";
    const ABOUT: &'static str = "Adds a tensor of n numbers to another repeatedly, on one thread";
    const ITERATION: &'static str =
        "`adds` additions of n numbers, each to the result of the one before";
    const METRICS: &'static [Metric] = &[
        Metric::rate("melem_per_s", "Melem/s", "elements", 1e-6).about(
            "adds n results over the \
            time of the iteration",
        ),
        Metric::rate("gb_per_s", "GB/s", "elements", 12e-9).about(
            "12 adds n bytes (two numbers read and one written for each result) over the \
                time of the iteration",
        ),
    ];
    const TAGS: &'static [&'static str] = &["memory", "elementwise"];
    type Params = InPlaceParams;

    fn create(params: InPlaceParams) -> Result<Self> {
        let InPlaceParams {
            adds,
            n,
            form,
            pool,
            seed,
        } = params;
        let (a, b) = (
            uniform(&[n], seed, 1.0),
            uniform(&[n], seed_of(seed, 1), 1.0),
        );
        let pool: Pool = pool.into();
        Ok(Self {
            adds,
            form,
            pool,
            a,
            b,
            sum: pool.zeros(&[n]),
        })
    }

    fn run(&mut self) -> Result<()> {
        scope!("InPlace");
        match self.form {
            AdditionForm::InPlace => self.in_place(),
            AdditionForm::Allocating => self.allocating(),
        }
        count!("elements", self.adds * self.a.as_slice().len());
        Ok(())
    }

    fn digest(&mut self) -> Result<Option<Digest>> {
        Ok(Some(self.checksum().into()))
    }
}

impl HasChecksum for InPlace {
    fn checksum(&self) -> Checksum {
        Checksum::of(&[self.sum.as_slice()], EXACT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::testing::{after_one, assert_different, assert_same};
    use orch_sdk::serde_json::json;

    #[test]
    fn forms_and_pooling_agree() {
        for (adds, n) in [(1, 1), (2, 31), (1000, 512)] {
            assert_same::<InPlace>(&[
                json!({ "adds": adds, "n": n }),
                json!({ "adds": adds, "n": n, "form": "allocating" }),
                json!({ "adds": adds, "n": n, "form": "allocating", "pool": "off" }),
            ]);
        }
    }

    #[test]
    fn additions_and_inputs_all_count() {
        assert_different::<InPlace>(&[json!({}), json!({ "adds": 999 }), json!({ "seed": 2 })]);
    }

    #[test]
    fn ten_thousand_iterations_leave_what_one_does() -> Result<()> {
        for form in ["in_place", "allocating"] {
            let mut workload: InPlace = after_one(json!({ "adds": 10, "n": 64, "form": form }));
            let once = workload.checksum();
            for _ in 1..10_000 {
                workload.run()?;
            }
            assert_eq!(once, workload.checksum());
            assert!(
                workload
                    .sum
                    .as_slice()
                    .iter()
                    .all(|number| number.abs() <= 11.0)
            );
            assert!(
                workload
                    .sum
                    .as_slice()
                    .iter()
                    .all(|number| number.is_normal() || *number == 0.0)
            );
        }
        Ok(())
    }

    #[test]
    fn warm_pool_allocates_nothing() -> Result<()> {
        for form in ["in_place", "allocating"] {
            let mut workload: InPlace = after_one(json!({ "form": form }));
            let before = nn::pool::stats();
            workload.run()?;
            assert_eq!(nn::pool::stats().allocated, before.allocated, "{form}");
        }
        Ok(())
    }
}
