//! The parameter `pool`: the origin of the tensors that an iteration needs.

use nn::Pool;
use orch_sdk::Params;

/// Both settings run the same code, so that the difference is measured and never computed.
#[derive(Params, Clone, Copy)]
pub(crate) enum Pooling {
    /// Tensor pool: no allocations after the first iteration
    On,
    /// Allocator: tensors are allocated and freed in every iteration
    Off,
}

impl From<Pooling> for Pool {
    fn from(pooling: Pooling) -> Self {
        match pooling {
            Pooling::On => Self::On,
            Pooling::Off => Self::Off,
        }
    }
}
