//! Creation of a model: its weights, and their packing for speed.

use crate::activation::Activation;
use crate::model::{self, Model, SIZES, WeightsOrigin};
use nn::Pool;
use nn::model::{Caching, Gpt, Options};
use orch_sdk::prelude::*;
use std::path::PathBuf;

#[derive(Params)]
pub(crate) struct CreateParams {
    /// Dimensions: a name, or an object of embed, layers, heads, block and vocab
    #[param(default = Model::Small)]
    model: Model,
    /// `.safetensors` file, read in each iteration; without it the weights are random
    weights: Option<PathBuf>,
    /// Seed of random weights
    #[param(default = 1)]
    seed: u64,
    /// Form of GELU of the model
    #[param(default = Activation::GeluTanh)]
    activation: Activation,
}

/// Creates a model in each iteration.
pub(crate) struct Create {
    params: CreateParams,
    /// Model of the last iteration.
    gpt: Option<Gpt>,
}

impl Workload for Create {
    const ID: &'static str = "create";
    const ABOUT: &'static str = "Makes a GPT that is ready to generate, on one thread: random \
        weights or those of a file, packed for its products";
    const ITERATION: &'static str = "one model, and the release of the previous one";
    const METRICS: &'static [Metric] = &SIZES;
    const TAGS: &'static [&'static str] = &["transformer", "memory"];
    type Params = CreateParams;

    fn create(params: CreateParams) -> Result<Self> {
        Ok(Self { params, gpt: None })
    }

    fn run(&mut self) -> Result<()> {
        scope!("Creation");
        let (origin, options) = {
            scope!("BuilderSetup");
            // One model is alive at a time.
            self.gpt = None;
            let CreateParams {
                model,
                ref weights,
                seed,
                activation,
            } = self.params;
            let options = Options {
                form: activation.into(),
                caching: Caching::On,
                pool: Pool::On,
                threads: 1,
            };
            (
                WeightsOrigin {
                    config: model.config(),
                    file: weights.clone(),
                    seed,
                },
                options,
            )
        };
        let weights = {
            scope!("Weights");
            origin.weights()?
        };
        {
            scope!("Pack");
            self.gpt = Some(Gpt::new(&weights, options));
        }
        model::count_sizes(origin.config);
        Ok(())
    }

    fn digest(&mut self) -> Result<Option<Digest>> {
        let score = self.gpt.as_mut().map(model::score);
        Ok(score.map(|score| Digest::number(score).tolerance(1e-3)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::testing::refusal;
    use orch_sdk::serde_json::{Value, json};

    fn after_one(params: Value) -> Result<Create> {
        let mut workload = Create::create(CreateParams::from_json(&params)?)?;
        workload.run()?;
        Ok(workload)
    }

    #[test]
    fn equal_seeds_make_equal_models() -> Result<()> {
        let digest = |params| after_one(params)?.digest();
        let first = digest(json!({}))?;
        assert!(first.is_some());
        assert_eq!(first, digest(json!({ "seed": 1, "model": "small" }))?);
        assert_ne!(first, digest(json!({ "seed": 2 }))?);
        assert_ne!(first, digest(json!({ "activation": "quick_gelu" }))?);
        Ok(())
    }

    #[test]
    fn file_gives_its_weights() -> Result<()> {
        let weights = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../nn/tests/golden/tiny.safetensors"
        );
        let model = json!({ "embed": 24, "layers": 2, "heads": 3, "block": 16, "vocab": 61 });
        assert!(
            after_one(json!({ "model": model, "weights": weights }))?
                .digest()?
                .is_some()
        );
        let error = refusal(after_one(json!({ "weights": weights })));
        assert!(
            error.ends_with("the metadata says 'n_embd' is 24, the model has 128"),
            "{error}"
        );
        Ok(())
    }
}
