//! The activation GELU.

use crate::checksum::{Checksum, HasChecksum};
use crate::inputs::uniform;
use crate::variant::Variant;
use nn::Tensor;
use nn::gelu;
use orch_sdk::prelude::*;
use std::hint::black_box;

/// The formula.
#[derive(Params, Clone, Copy)]
pub(crate) enum GeluForm {
    /// x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
    Tanh,
    /// x/2 (1 + erf(x / sqrt 2)), the definition
    Erf,
    /// x / (1 + e^(-1.702 x))
    Quick,
}

impl From<GeluForm> for gelu::Form {
    fn from(form: GeluForm) -> Self {
        match form {
            GeluForm::Tanh => Self::Tanh,
            GeluForm::Erf => Self::Erf,
            GeluForm::Quick => Self::Quick,
        }
    }
}

#[derive(Params)]
pub(crate) struct GeluParams {
    /// Numbers in the tensor
    #[param(default = 10_000, range = 1..=16_777_216)]
    n: usize,
    /// Formula
    #[param(default = GeluForm::Tanh)]
    form: GeluForm,
    /// Implementation of the formula
    #[param(default = Variant::Fast)]
    variant: Variant,
    /// Seed of the inputs, uniform in [-4, 4)
    #[param(default = 1)]
    seed: u64,
}

/// `y = gelu(x)`.
pub(crate) struct Gelu {
    form: gelu::Form,
    variant: Variant,
    x: Tensor,
    y: Tensor,
}

impl Workload for Gelu {
    const ID: &'static str = "gelu";
    const ABOUT: &'static str = "GELU of each number of a tensor, on one thread";
    const ITERATION: &'static str = "one activation of n numbers, into a tensor that is kept";
    const METRICS: &'static [Metric] = &[
        Metric::rate("melem_per_s", "Melem/s", "elements", 1e-6)
            .about("n numbers over the time of the iteration"),
        Metric::rate("gb_per_s", "GB/s", "elements", 8e-9).about(
            "8 n bytes (each number is read and its result written) over the time of the iteration",
        ),
    ];
    const TAGS: &'static [&'static str] = &["kernel", "activation", "elementwise"];
    type Params = GeluParams;

    fn create(params: GeluParams) -> Result<Self> {
        let GeluParams {
            n,
            form,
            variant,
            seed,
        } = params;
        Ok(Self {
            form: form.into(),
            variant,
            x: uniform(&[n], seed, 4.0),
            y: Tensor::zeros(&[n]),
        })
    }

    fn run(&mut self) -> Result<()> {
        scope!("Gelu");
        let (x, y) = (
            black_box(self.x.as_slice()),
            black_box(self.y.as_mut_slice()),
        );
        match self.variant {
            Variant::Fast => gelu::gelu(self.form, x, y),
            Variant::Reference => by_formula(self.form, x, y),
        }
        count!("elements", self.x.as_slice().len());
        Ok(())
    }

    fn digest(&mut self) -> Result<Option<Digest>> {
        Ok(Some(self.checksum().into()))
    }
}

fn by_formula(form: gelu::Form, x: &[f32], y: &mut [f32]) {
    for (x, y) in x.iter().zip(y) {
        *y = gelu::reference(form, f64::from(*x)) as f32;
    }
}

impl HasChecksum for Gelu {
    fn checksum(&self) -> Checksum {
        // Each result has an error of up to 1e-6, and is 1 on average.
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
        for form in ["tanh", "erf", "quick"] {
            for n in [1, 15, 1000, 100_003] {
                assert_same::<Gelu>(&[
                    json!({ "n": n, "form": form }),
                    json!({ "n": n, "form": form, "variant": "reference" }),
                ]);
            }
        }
    }

    #[test]
    fn forms_and_inputs_count() {
        assert_different::<Gelu>(&[
            json!({}),
            json!({ "form": "erf" }),
            json!({ "form": "quick" }),
            json!({ "seed": 2 }),
            json!({ "n": 9_999 }),
        ]);
    }
}
