//! The parameter `variant`: the measured implementation of an operation.

use orch_sdk::Params;

/// An implementation, from obvious to fast.
#[derive(Params, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// The vectorised kernel
    Fast,
    /// The formula in f64, number by number: what the fast one is checked against
    Reference,
}
