//! Rows of numbers to probabilities.

use crate::checksum::{Checksum, HasChecksum};
use crate::inputs::uniform;
use crate::variant::Variant;
use nn::{Rows, Tensor, softmax};
use orch_sdk::prelude::*;
use std::hint::black_box;

#[derive(Params)]
pub(crate) struct SoftmaxParams {
    /// Numbers in a row
    #[param(default = 1024, range = 1..=262_144)]
    n: usize,
    /// Rows, each with a distribution of its own
    #[param(default = 1, range = 1..=1024)]
    rows: usize,
    /// Implementation
    #[param(default = Variant::Fast)]
    variant: Variant,
    /// Seed of the inputs, uniform in [-4, 4)
    #[param(default = 1)]
    seed: u64,
}

/// `y = softmax(x)`, row by row.
pub(crate) struct Softmax {
    dims: Rows,
    variant: Variant,
    x: Tensor,
    y: Tensor,
}

impl Workload for Softmax {
    const ID: &'static str = "softmax";
    const ABOUT: &'static str = "Softmax of each row of a matrix [rows, n], on one thread";
    const ITERATION: &'static str = "one softmax of each row, into a tensor that is kept";
    const METRICS: &'static [Metric] = &[
        Metric::rate("melem_per_s", "Melem/s", "elements", 1e-6).about(
            "rows n numbers over the \
            time of the iteration",
        ),
        Metric::rate("gb_per_s", "GB/s", "elements", 8e-9).about(
            "8 rows n bytes (each number read once and its result written once) over the time of \
             the iteration; the kernel sweeps a row three times",
        ),
    ];
    const TAGS: &'static [&'static str] = &["kernel", "softmax"];
    type Params = SoftmaxParams;

    fn create(params: SoftmaxParams) -> Result<Self> {
        let SoftmaxParams {
            n,
            rows,
            variant,
            seed,
        } = params;
        let shape = [rows, n];
        let dims = Rows { rows, cols: n };
        Ok(Self {
            dims,
            variant,
            x: uniform(&shape, seed, 4.0),
            y: Tensor::zeros(&shape),
        })
    }

    fn run(&mut self) -> Result<()> {
        scope!("Softmax");
        let (x, y) = (
            black_box(self.x.as_slice()),
            black_box(self.y.as_mut_slice()),
        );
        match self.variant {
            Variant::Fast => softmax::softmax(x, y, self.dims),
            Variant::Reference => softmax::reference(x, y, self.dims),
        }
        count!("elements", self.dims.len());
        Ok(())
    }

    fn digest(&mut self) -> Result<Option<Digest>> {
        Ok(Some(self.checksum().into()))
    }
}

impl HasChecksum for Softmax {
    fn checksum(&self) -> Checksum {
        // Each probability is off by up to one millionth of itself.
        Checksum::of(&[self.y.as_slice()], 4e-6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::testing::{assert_different, assert_same};
    use orch_sdk::serde_json::json;

    #[test]
    fn variants_agree() {
        for (rows, n) in [(1, 1), (1, 31), (1, 1024), (7, 509), (2, 100_003)] {
            assert_same::<Softmax>(&[
                json!({ "rows": rows, "n": n }),
                json!({ "rows": rows, "n": n, "variant": "reference" }),
            ]);
        }
    }

    #[test]
    fn inputs_and_dimensions_count() {
        assert_different::<Softmax>(&[
            json!({}),
            json!({ "seed": 2 }),
            json!({ "n": 512 }),
            json!({ "rows": 2, "n": 512 }),
        ]);
    }
}
