//! The answer of a worker of `orch plugin check`.

use super::{CounterSum, bounded};
use serde::{Deserialize, Serialize};

/// State after each phase of an instance's life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceCheck {
    /// Time of create and setup together.
    pub setup_ns: u64,
    /// Time of one iteration.
    pub iteration_ns: u64,
    /// Whether the plugin provides digests.
    pub has_digest: bool,
    /// Digest after reset and one iteration, digest after the same once more, and digest after one
    /// more iteration without reset.
    #[serde(deserialize_with = "bounded::text::<_, { bounded::MOST_DIGEST }>")]
    pub first: String,
    /// See `first`.
    #[serde(deserialize_with = "bounded::text::<_, { bounded::MOST_DIGEST }>")]
    pub again: String,
    /// See `first`.
    #[serde(deserialize_with = "bounded::text::<_, { bounded::MOST_DIGEST }>")]
    pub further: String,
    /// Some calls of `run`; empty if they were not requested.
    #[serde(deserialize_with = "bounded::list::<_, _, { bounded::MOST_ITEMS }>")]
    pub work: Vec<CallWork>,
    /// Threads besides the driver after setup, after the iterations and after destroy.
    pub setup_threads: usize,
    /// See `setup_threads`.
    pub run_threads: usize,
    /// See `setup_threads`.
    pub end_threads: usize,
    /// Growth of anonymous resident memory from before create to after the first iterations, and
    /// the bytes that malloc returned in the same time.
    pub resident_growth: i64,
    /// See `resident_growth`.
    pub counted_peak: u64,
    /// Bytes that were allocated after create began and are still live after destroy. They include
    /// memory that a first instance allocates for all instances.
    pub kept_bytes: i64,
}

/// Work of one call of `run`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallWork {
    /// Iterations of the call.
    pub iterations: u64,
    /// Allocations of the call, on all threads.
    pub allocations: u64,
    /// Counters of the call.
    #[serde(deserialize_with = "bounded::list::<_, _, { bounded::MOST_COUNTERS }>")]
    pub counters: Vec<CounterSum>,
}
