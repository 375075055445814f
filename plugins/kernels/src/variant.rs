//! The parameter `variant`: the measured implementation of an operation.

use orch_sdk::Params;

/// An implementation, from obvious to fast.
#[derive(Params, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// Vectorised kernel
    Fast,
    /// Formula in f64, number by number; the reference for the fast kernel
    Reference,
}
