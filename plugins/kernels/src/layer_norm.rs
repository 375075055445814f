//! Layer normalisation, fused and as a sequence of whole-tensor operations.

use crate::checksum::{Checksum, HasChecksum};
use crate::inputs::{seed_of, uniform};
use crate::pooling::Pooling;
use nn::layer_norm::{self, Affine};
use nn::{Pool, Rows, Tensor};
use orch_sdk::prelude::*;
use std::hint::black_box;

/// Division of the operation into sweeps over memory.
#[derive(Params, Clone, Copy)]
pub(crate) enum LayerNormForm {
    /// Row by row, without a tensor between input and output
    Fused,
    /// One operation after another on the whole tensor, with five tensors between them
    Passes,
    /// Formula in f64, row by row; the reference for the other forms
    Reference,
}

#[derive(Params)]
pub(crate) struct LayerNormParams {
    /// Rows, each normalised by its own mean and variance
    #[param(default = 32, range = 1..=16_384)]
    rows: usize,
    /// Numbers in a row
    #[param(default = 512, range = 1..=16_384)]
    cols: usize,
    /// Form of the operation
    #[param(default = LayerNormForm::Fused)]
    form: LayerNormForm,
    /// Source of the tensors between the passes; `fused` and `reference` have none
    #[param(default = Pooling::On)]
    pool: Pooling,
    /// Seed of x, uniform in [-2, 2), and of gamma and beta, in [-1, 1)
    #[param(default = 1)]
    seed: u64,
}

/// `y = layer_norm(x)`.
pub(crate) struct LayerNorm {
    dims: Rows,
    form: LayerNormForm,
    pool: Pool,
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    y: Tensor,
}

impl Workload for LayerNorm {
    const ID: &'static str = "layer_norm";
    const ABOUT: &'static str =
        "Layer normalisation of each row of a matrix [rows, cols], on one thread";
    const ITERATION: &'static str = "one normalisation of each row, into a tensor that is kept";
    const METRICS: &'static [Metric] = &[
        Metric::rate("melem_per_s", "Melem/s", "elements", 1e-6)
            .about("rows cols numbers, divided by the time of the iteration"),
        Metric::rate("gb_per_s", "GB/s", "elements", 8e-9).about(
            "8 rows cols bytes (the least that any form has to move: each number read once, its \
             result written once) over the time of the iteration",
        ),
    ];
    const TAGS: &'static [&'static str] = &["kernel", "layer_norm", "memory"];
    type Params = LayerNormParams;

    fn create(params: LayerNormParams) -> Result<Self> {
        let LayerNormParams {
            rows,
            cols,
            form,
            pool,
            seed,
        } = params;
        Ok(Self {
            dims: Rows { rows, cols },
            form,
            pool: pool.into(),
            x: uniform(&[rows, cols], seed, 2.0),
            gamma: uniform(&[cols], seed_of(seed, 1), 1.0),
            beta: uniform(&[cols], seed_of(seed, 2), 1.0),
            y: Tensor::zeros(&[rows, cols]),
        })
    }

    fn run(&mut self) -> Result<()> {
        scope!("LayerNorm");
        let affine = black_box(Affine {
            gamma: self.gamma.as_slice(),
            beta: self.beta.as_slice(),
        });
        let (x, y) = (
            black_box(self.x.as_slice()),
            black_box(self.y.as_mut_slice()),
        );
        match self.form {
            LayerNormForm::Fused => layer_norm::fused(x, affine, y, self.dims),
            LayerNormForm::Passes => layer_norm::in_passes(x, affine, y, self.dims, self.pool),
            LayerNormForm::Reference => layer_norm::reference(x, affine, y, self.dims),
        }
        count!("elements", self.dims.len());
        Ok(())
    }

    fn digest(&mut self) -> Result<Option<Digest>> {
        Ok(Some(self.checksum().into()))
    }
}

impl HasChecksum for LayerNorm {
    fn checksum(&self) -> Checksum {
        // In a short row, the numbers may be close to their mean and lose digits.
        Checksum::of(&[self.y.as_slice()], 1e-5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::testing::{assert_different, assert_same};
    use orch_sdk::serde_json::json;

    #[test]
    fn forms_and_pooling_agree() {
        for (rows, cols) in [(1, 1), (3, 2), (5, 17), (32, 512), (2, 10_007)] {
            assert_same::<LayerNorm>(&[
                json!({ "rows": rows, "cols": cols }),
                json!({ "rows": rows, "cols": cols, "form": "passes" }),
                json!({ "rows": rows, "cols": cols, "form": "passes", "pool": "off" }),
                json!({ "rows": rows, "cols": cols, "form": "reference" }),
            ]);
        }
    }

    #[test]
    fn inputs_and_dimensions_count() {
        assert_different::<LayerNorm>(&[
            json!({}),
            json!({ "seed": 2 }),
            json!({ "rows": 64, "cols": 256 }),
            json!({ "rows": 31 }),
        ]);
    }
}
