//! The parameter `variant`: which implementation of one operation is measured.

use orch_sdk::Params;

/// A rung of the ladder from obvious to fast.
#[derive(Params, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// The vectorised kernel
    Fast,
    /// The formula in f64, number by number: what the fast one is checked against
    Reference,
}
