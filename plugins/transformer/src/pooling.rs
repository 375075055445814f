//! The parameter `pool`: the origin of the tensors that an iteration needs.

use nn::Pool;
use orch_sdk::Params;

/// Both settings run the same code, so that the difference is measured and never computed.
#[derive(Params, Clone, Copy)]
pub(crate) enum Pooling {
    /// From the tensor pool: after the first iteration nothing is allocated
    On,
    /// From the allocator, and back to it, for every token
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
