//! What a worker of `orch plugin check` answers.

use super::CounterSum;
use serde::{Deserialize, Serialize};

/// What the life of an instance left behind at each stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct InstanceCheck {
    /// Create and setup together.
    pub(crate) setup_ns: u64,
    pub(crate) iteration_ns: u64,
    pub(crate) has_digest: bool,
    /// The digest after reset and one iteration, the same once more, and after one iteration more
    /// without reset.
    pub(crate) first: String,
    pub(crate) again: String,
    pub(crate) further: String,
    /// Some calls of `run`; empty if they were not asked for.
    pub(crate) work: Vec<CallWork>,
    /// Threads besides the driver after setup, after the iterations and after destroy.
    pub(crate) setup_threads: usize,
    pub(crate) run_threads: usize,
    pub(crate) end_threads: usize,
    /// Anonymous resident memory from before create to after the first iterations, and what malloc
    /// handed out meanwhile.
    pub(crate) resident_growth: i64,
    pub(crate) counted_peak: u64,
    /// Live bytes after destroy that were not there before create; what a first instance makes for
    /// all is in it.
    pub(crate) kept_bytes: i64,
}

/// What one call of `run` did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CallWork {
    pub(crate) iterations: u64,
    pub(crate) allocations: u64,
    pub(crate) counters: Vec<CounterSum>,
}
