//! What the workloads' parameters say about memory and threads, in the terms of `nn`.

use nn::Pool;
use nn::threads::Threads;
use nn::train::{self, Resources};
use orch_sdk::Params;

/// With pooling and without run the same code, so that the difference is measured and never
/// computed.
#[derive(Params, Clone, Copy)]
pub(crate) enum Pooling {
    /// From the tensor pool: after the first step nothing is allocated
    On,
    /// From the allocator, and back to it, in every step
    Off,
}

impl Pooling {
    /// What the steps of a job with so many threads may use.
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
