//! Conversion of the workloads' parameters for memory and threads to the types of `nn`.

use nn::Pool;
use nn::threads::Threads;
use nn::train::{self, Resources};
use orch_sdk::Params;

/// Both settings run the same code, so that the difference is measured and never computed.
#[derive(Params, Clone, Copy)]
pub(crate) enum Pooling {
    /// From the tensor pool: after the first step nothing is allocated
    On,
    /// From the allocator, and back to it, in every step
    Off,
}

impl Pooling {
    /// Returns the resources of the steps of a job with these threads.
    pub(crate) fn with(self, threads: Threads) -> Resources {
        let pool = match self {
            Self::On => Pool::On,
            Self::Off => Pool::Off,
        };
        let threads = match threads {
            Threads::One => train::Threads::One,
            Threads::Many(_) => train::Threads::RayonPool,
        };
        Resources { pool, threads }
    }
}
