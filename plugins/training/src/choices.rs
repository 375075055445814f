//! The common parameters of `mlp` and `block`: optimiser and activation.

use nn::gelu::Form;
use nn::train::{self, AdamW, Sgd, Trainable, adamw, sgd};
use orch_sdk::Params;

/// Method of computing steps from gradients.
#[derive(Params, Clone, Copy)]
pub(crate) enum Optimizer {
    /// Stochastic gradient descent: v = momentum v + g, w = w - rate v
    Sgd,
    /// AdamW with decay 0.01, betas 0.9 and 0.999, eps 1e-8 (Loshchilov, Hutter 2019)
    Adamw,
}

/// Hyperparameters of an optimiser.
pub(crate) struct OptimizerSettings {
    /// Learning rate.
    pub(crate) rate: f32,
    /// Momentum of `sgd`.
    pub(crate) momentum: f32,
}

impl Optimizer {
    /// Creates the optimiser of a model.
    pub(crate) fn of(
        self,
        model: &mut dyn Trainable,
        settings: OptimizerSettings,
    ) -> Box<dyn train::Optimizer> {
        let OptimizerSettings { rate, momentum } = settings;
        match self {
            Self::Sgd => Box::new(Sgd::new(sgd::Settings { rate, momentum }, model)),
            Self::Adamw => Box::new(AdamW::new(
                adamw::Settings {
                    rate,
                    ..adamw::Settings::default()
                },
                model,
            )),
        }
    }
}

/// The formula of GELU.
#[derive(Params, Clone, Copy)]
pub(crate) enum Activation {
    /// x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
    GeluTanh,
    /// x/2 (1 + erf(x / sqrt 2)), the definition
    GeluErf,
    /// x / (1 + e^(-1.702 x))
    QuickGelu,
}

impl From<Activation> for Form {
    fn from(activation: Activation) -> Self {
        match activation {
            Activation::GeluTanh => Self::Tanh,
            Activation::GeluErf => Self::Erf,
            Activation::QuickGelu => Self::Quick,
        }
    }
}
