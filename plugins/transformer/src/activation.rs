//! The parameter `activation`: the formula between the two layers of each MLP.

use nn::gelu::Form;
use orch_sdk::Params;

/// The forms of GELU.
#[derive(Params, Clone, Copy)]
pub(crate) enum Activation {
    /// x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
    GeluTanh,
    /// x/2 (1 + erf(x / sqrt 2)), the definition
    GeluErf,
    /// x / (1 + e^(-1.702 x)), up to 0.021 away from the definition
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
