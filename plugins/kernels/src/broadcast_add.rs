//! The sum of a matrix and a row.

use crate::checksum::{Checksum, EXACT, HasChecksum};
use crate::inputs::{seed_of, uniform};
use crate::variant::Variant;
use nn::{Rows, Tensor, elementwise};
use orch_sdk::prelude::*;
use std::hint::black_box;

#[derive(Params)]
pub(crate) struct BroadcastAddParams {
    /// Rows of the matrix
    #[param(default = 100, range = 1..=8192)]
    rows: usize,
    /// Columns of the matrix, numbers in the row
    #[param(default = 100, range = 1..=8192)]
    cols: usize,
    /// Implementation
    #[param(default = Variant::Fast)]
    variant: Variant,
    /// Seed of the inputs, uniform in [-1, 1)
    #[param(default = 1)]
    seed: u64,
}

/// A matrix, and a row such as a bias that is added to each of its rows.
pub(crate) struct BroadcastAdd {
    dims: Rows,
    variant: Variant,
    matrix: Tensor,
    row: Tensor,
    out: Tensor,
}

impl Workload for BroadcastAdd {
    const ID: &'static str = "broadcast_add";
    const ABOUT: &'static str =
        "Sum of a matrix [rows, cols] and a row [cols], such as a bias, on one thread";
    const ITERATION: &'static str =
        "the row added to each row of the matrix, into a tensor that is kept";
    const METRICS: &'static [Metric] = &[
        Metric::rate("melem_per_s", "Melem/s", "elements", 1e-6)
            .about("rows cols results over the time of the iteration"),
        Metric::rate("gb_per_s", "GB/s", "elements", 8e-9).about(
            "8 rows cols bytes (the matrix read, the result written; the row stays in the cache \
             and is not counted) over the time of the iteration",
        ),
    ];
    const TAGS: &'static [&'static str] = &["kernel", "elementwise", "broadcast"];
    type Params = BroadcastAddParams;

    fn create(params: BroadcastAddParams) -> Result<Self> {
        let BroadcastAddParams {
            rows,
            cols,
            variant,
            seed,
        } = params;
        Ok(Self {
            dims: Rows { rows, cols },
            variant,
            matrix: uniform(&[rows, cols], seed, 1.0),
            row: uniform(&[cols], seed_of(seed, 1), 1.0),
            out: Tensor::zeros(&[rows, cols]),
        })
    }

    fn run(&mut self) -> Result<()> {
        scope!("BroadcastAdd");
        let (matrix, row) = (
            black_box(self.matrix.as_slice()),
            black_box(self.row.as_slice()),
        );
        let out = black_box(self.out.as_mut_slice());
        match self.variant {
            Variant::Fast => elementwise::broadcast_add(matrix, row, out, self.dims),
            Variant::Reference => {
                elementwise::reference::broadcast_add(matrix, row, out, self.dims)
            }
        }
        count!("elements", self.dims.len());
        Ok(())
    }

    fn digest(&mut self) -> Result<Option<Digest>> {
        Ok(Some(self.checksum().into()))
    }
}

impl HasChecksum for BroadcastAdd {
    fn checksum(&self) -> Checksum {
        Checksum::of(&[self.out.as_slice()], EXACT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::testing::{assert_different, assert_same};
    use orch_sdk::serde_json::json;

    #[test]
    fn variants_agree() {
        for (rows, cols) in [(1, 1), (3, 17), (100, 100)] {
            assert_same::<BroadcastAdd>(&[
                json!({ "rows": rows, "cols": cols }),
                json!({ "rows": rows, "cols": cols, "variant": "reference" }),
            ]);
        }
    }

    #[test]
    fn inputs_and_dimensions_count() {
        assert_different::<BroadcastAdd>(&[
            json!({}),
            json!({ "seed": 2 }),
            json!({ "rows": 50, "cols": 200 }),
            json!({ "cols": 99 }),
        ]);
    }
}
