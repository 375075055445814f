//! The answer of a worker of `orch plugin check`.

use super::CounterSum;
use serde::{Deserialize, Serialize};

/// State after each stage of an instance's life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct InstanceCheck {
    /// Time of create and setup together.
    pub(crate) setup_ns: u64,
    pub(crate) iteration_ns: u64,
    pub(crate) has_digest: bool,
    /// Digest after reset and one iteration, digest after the same once more, and digest after one
    /// more iteration without reset.
    pub(crate) first: String,
    pub(crate) again: String,
    pub(crate) further: String,
    /// Some calls of `run`; empty if they were not requested.
    pub(crate) work: Vec<CallWork>,
    /// Threads besides the driver after setup, after the iterations and after destroy.
    pub(crate) setup_threads: usize,
    pub(crate) run_threads: usize,
    pub(crate) end_threads: usize,
    /// Growth of anonymous resident memory from before create to after the first iterations, and
    /// the bytes that malloc returned in the same time.
    pub(crate) resident_growth: i64,
    pub(crate) counted_peak: u64,
    /// Live bytes after destroy that were not there before create. They include memory that a first
    /// instance allocates for all instances.
    pub(crate) kept_bytes: i64,
}

/// Work of one call of `run`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CallWork {
    pub(crate) iterations: u64,
    pub(crate) allocations: u64,
    pub(crate) counters: Vec<CounterSum>,
}
