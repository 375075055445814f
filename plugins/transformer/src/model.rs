//! The parameters `model` and `weights`: the dimensions, and the origin of the numbers.

use nn::model::{Config, Gpt, Sizes, Weights};
use orch_sdk::prelude::*;
use orch_sdk::serde_json::{Map, Value, json};
use std::path::PathBuf;

/// A model by name, or by its dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Model {
    Small,
    Medium,
    Explicit(Config),
}

/// Names of the dimensions, each with its maximum and its description.
const DIMENSIONS: [(&str, u64, &str); 5] = [
    ("embed", 8192, "Width of the embedding"),
    ("layers", 128, "Number of blocks"),
    (
        "heads",
        128,
        "Attention heads of each block, a divisor of embed",
    ),
    ("block", 8192, "Longest context in tokens"),
    ("vocab", 262_144, "Number of different tokens"),
];

impl Model {
    pub(crate) fn config(self) -> Config {
        match self {
            Self::Small => Config::SMALL,
            Self::Medium => Config::MEDIUM,
            Self::Explicit(config) => config,
        }
    }
}

impl ParamValue for Model {
    fn schema() -> Value {
        let dimension = |(name, most, about): &(&str, u64, &str)| {
            let schema =
                json!({ "description": about, "type": "integer", "minimum": 1, "maximum": most });
            ((*name).to_owned(), schema)
        };
        let properties: Map<String, Value> = DIMENSIONS.iter().map(dimension).collect();
        let names: Vec<&str> = DIMENSIONS.iter().map(|(name, ..)| *name).collect();
        json!({ "anyOf": [
            { "type": "string", "enum": ["small", "medium"], "x-values": {
                "small": "128 embed, 2 layers, 4 heads, block 64, vocab 256: 470528 parameters",
                "medium": "256 embed, 4 layers, 8 heads, block 128, vocab 512: 3454464 parameters",
            } },
            {
                "type": "object", "properties": properties, "required": names,
                "additionalProperties": false
            },
        ] })
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(name) if name == "small" => Ok(Self::Small),
            Value::String(name) if name == "medium" => Ok(Self::Medium),
            Value::Object(object) => explicit(object).map(Self::Explicit),
            _ => Err(format!(
                "expected 'small', 'medium' or an object of dimensions ({}), got {value}",
                names()
            )),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Small => json!("small"),
            Self::Medium => json!("medium"),
            Self::Explicit(config) => json!({
                "embed": config.embed(),
                "layers": config.layers(),
                "heads": config.heads(),
                "block": config.block(),
                "vocab": config.vocab(),
            }),
        }
    }
}

fn explicit(object: &Map<String, Value>) -> Result<Config, String> {
    if let Some(unknown) = object
        .keys()
        .find(|key| !DIMENSIONS.iter().any(|(name, ..)| name == key))
    {
        return Err(format!(
            "unknown dimension '{unknown}', expected {}",
            names()
        ));
    }
    let mut sizes = [0_usize; 5];
    for (size, (name, most, _)) in sizes.iter_mut().zip(DIMENSIONS) {
        let value = object
            .get(name)
            .ok_or_else(|| format!("dimension '{name}' is missing, expected {}", names()))?;
        let read = value
            .as_u64()
            .filter(|size| (1..=most).contains(size))
            .and_then(|size| usize::try_from(size).ok());
        *size = read.ok_or_else(|| {
            format!("dimension '{name}': expected an integer from 1 to {most}, got {value}")
        })?;
    }
    let [embed, layers, heads, block, vocab] = sizes;
    Config::new(Sizes {
        embed,
        layers,
        heads,
        block,
        vocab,
    })
    .map_err(|error| error.to_string())
}

fn names() -> String {
    DIMENSIONS.map(|(name, ..)| name).join(", ")
}

/// Parameters with which both workloads find their weights.
pub(crate) struct WeightsOrigin {
    pub config: Config,
    pub file: Option<PathBuf>,
    pub seed: u64,
}

impl WeightsOrigin {
    /// Reads the weights from the file, or makes random ones.
    pub(crate) fn weights(&self) -> Result<Weights> {
        match &self.file {
            Some(path) => Weights::load(path, self.config).map_err(Error::params),
            None => Ok(Weights::random(self.config, self.seed)),
        }
    }
}

/// Adds the exact sizes of a model to the current scope's counters; see [`SIZES`].
pub(crate) fn count_sizes(config: Config) {
    count!("parameters", config.parameters());
    count!("tensors", config.tensors());
    count!("weight_bytes", config.parameters() * size_of::<f32>());
}

/// Metrics of the counters of [`count_sizes`].
pub(crate) const SIZES: [Metric; 3] = [
    Metric::count("parameters", "parameters").about("Numbers in all weights"),
    Metric::count("tensors", "tensors").about("Tensors of the weights"),
    Metric::count("weight_bytes", "B")
        .about("4 bytes for each parameter; packing adds padding in the last panels"),
];

/// Returns the mean log-probability of each token of a fixed sequence that depends on the
/// dimensions alone.
pub(crate) fn score(gpt: &mut Gpt) -> f64 {
    /// Long enough for a mean that every part of the model influences.
    const LONGEST: usize = 32;
    let config = gpt.config();
    let tokens = crate::prompt::tokens(LONGEST.min(config.block() + 1), config.vocab(), 0x5C02E);
    gpt.score(&tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(value: Value) -> String {
        Model::from_json(&value).expect_err("it is wrong")
    }

    #[test]
    fn names_and_dimensions() {
        assert_eq!(
            Model::from_json(&json!("small")).map(Model::config),
            Ok(Config::SMALL)
        );
        let medium = json!({ "embed": 256, "layers": 4, "heads": 8, "block": 128, "vocab": 512 });
        assert_eq!(
            Model::from_json(&medium).map(Model::config),
            Ok(Config::MEDIUM)
        );
        assert_eq!(Model::Explicit(Config::MEDIUM).to_json(), medium);
    }

    #[test]
    fn refusals_name_the_wrong_value() {
        assert_eq!(
            refusal(json!("large")),
            "expected 'small', 'medium' or an object of dimensions (embed, layers, heads, block, \
             vocab), got \"large\""
        );
        let with = |name: &str, value: Value| {
            let mut model = json!({ "embed": 8, "layers": 1, "heads": 2, "block": 4, "vocab": 8 });
            model[name] = value;
            model
        };
        assert_eq!(
            refusal(with("embed", json!(0))),
            "dimension 'embed': expected an integer from 1 to 8192, got 0"
        );
        assert_eq!(
            refusal(with("heads", json!(3))),
            "heads (3) do not divide embed (8)"
        );
        assert_eq!(
            refusal(with("n", json!(3))),
            "unknown dimension 'n', expected embed, layers, heads, block, vocab"
        );
        assert_eq!(
            refusal(json!({ "embed": 8 })),
            "dimension 'layers' is missing, expected embed, layers, heads, block, vocab"
        );
    }
}
