//! Measurements of a worker in each pass.

use super::bounded;
use serde::{Deserialize, Serialize};

/// Timed samples of one process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TimedSamples {
    /// Digest document as the plugin wrote it; empty if it has none.
    #[serde(deserialize_with = "bounded::text::<_, { bounded::MOST_DIGEST }>")]
    pub digest: String,
    /// Iterations in each sample.
    pub iterations: u64,
    /// Durations of the samples, in the order they were taken.
    #[serde(deserialize_with = "bounded::list::<_, _, { bounded::MOST_SAMPLES }>")]
    pub samples_ns: Vec<u64>,
    /// Warm-up before the first sample.
    pub warm_up: WarmUp,
    /// Usage over the time of the samples.
    pub usage: ResourceUsage,
    /// Smallest step of the clock on this machine.
    pub resolution_ns: u64,
}

/// State of a worker of a pair before its first turn.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PairReady {
    /// Digest document as the plugin wrote it; empty if it has none.
    #[serde(deserialize_with = "bounded::text::<_, { bounded::MOST_DIGEST }>")]
    pub digest: String,
    /// Iterations that make a sample long enough, or for which the workload has inputs.
    pub iterations: u64,
    /// Whether the workload may have inputs for no more iterations than these.
    pub is_limited: bool,
    /// Median over the last window of the warm-up.
    pub iteration_ns: f64,
    /// Address of its stack: the same on both sides, unless the system uses random addresses.
    pub stack: u64,
    /// Warm-up of this worker.
    pub warm_up: WarmUp,
}

/// Message to each worker of a pair after both are ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairStart {
    /// Iterations in each sample, the same for both.
    pub iterations: u64,
    /// Whether an untimed sample after each hand-over fills the caches again.
    pub untimed: bool,
    /// Places of this worker in the common order.
    pub places: Vec<u32>,
}

/// Samples of one worker of a pair.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TurnSamples {
    /// Durations of the samples, in the order they were taken.
    #[serde(deserialize_with = "bounded::list::<_, _, { bounded::MOST_SAMPLES }>")]
    pub samples_ns: Vec<u64>,
    /// Usage over the time of the samples.
    pub usage: ResourceUsage,
}

/// One reading of the sentinel kernels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentinelReading {
    /// Durations of the samples of the chain of multiplications, in the order taken.
    #[serde(deserialize_with = "bounded::list::<_, _, { bounded::MOST_SAMPLES }>")]
    pub compute_ns: Vec<u64>,
    /// Durations of the samples of the walk through memory, in the order taken.
    #[serde(deserialize_with = "bounded::list::<_, _, { bounded::MOST_SAMPLES }>")]
    pub memory_ns: Vec<u64>,
    /// Usage over the time of the samples.
    pub usage: ResourceUsage,
}

/// Result of warming up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmUp {
    /// Time in nanoseconds.
    pub ns: u64,
    /// Iterations during the warm-up.
    pub iterations: u64,
    /// Reason why the warm-up ended.
    pub ended: WarmUpEnd,
}

/// Reasons why a warm-up ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarmUpEnd {
    /// Two consecutive windows agreed.
    Steady,
    /// The time was used up before two windows agreed.
    Budget,
}

/// Counters of the operating system over the time of the samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceUsage {
    /// Page faults without reading a disk.
    pub minor_faults: u64,
    /// Page faults that read a disk.
    pub major_faults: u64,
    /// Context switches because the thread waited.
    pub(crate) voluntary_switches: u64,
    /// Context switches because the system took the CPU away.
    pub involuntary_switches: u64,
}

/// The scope trees of some iterations.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ScopeProfile {
    /// Digest document as the plugin wrote it; empty if it has none.
    #[serde(deserialize_with = "bounded::text::<_, { bounded::MOST_DIGEST }>")]
    pub digest: String,
    /// Profiled iterations.
    pub iterations: u64,
    /// Time inside `run` over all iterations, with scopes and counting on.
    pub run_ns: u64,
    /// Median of one of these iterations, in which a disturbed iteration weighs no more than the
    /// others.
    pub iteration_ns: f64,
    /// Outermost scopes.
    #[serde(deserialize_with = "bounded::tree")]
    pub scopes: Vec<ScopeNode>,
    /// Scopes and counters that could not be recorded.
    #[serde(deserialize_with = "bounded::list::<_, _, { bounded::MOST_ITEMS }>")]
    pub complaints: Vec<ScopeComplaint>,
}

/// Part of the scopes and counters that a worker could not record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScopeComplaint {
    /// Threads beyond the table of threads.
    Threads {
        /// Number of threads whose scopes were not recorded.
        threads: usize,
    },
    /// Scopes that were closed out of order, or never.
    Unbalanced {
        /// Number of such scopes.
        scopes: u64,
    },
    /// Additions to counters that were not finite, or too large for the sum.
    NotFinite {
        /// Number of such additions.
        additions: u64,
    },
    /// Names beyond the table of names.
    Names {
        /// Size of the table.
        most: usize,
    },
    /// Scopes and counters beyond the places in the tree.
    Places {
        /// Number of scopes and additions that were dropped.
        dropped: u64,
        /// Places in the tree.
        places: usize,
        /// Largest depth of the tree.
        depth: usize,
        /// Counters of a place.
        counters: usize,
    },
    /// Text from an older journal.
    #[serde(untagged)]
    Worded(String),
}

/// A scope in its place in the tree, summed over all iterations of a profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScopeNode {
    /// Name that the plugin gave.
    #[serde(deserialize_with = "bounded::text::<_, { bounded::MOST_NAME }>")]
    pub name: String,
    /// Whether the scope was opened on another thread than the driver. It is then part of no total.
    pub pool: bool,
    /// Number of calls.
    pub calls: u64,
    /// Time of all calls.
    pub total_ns: u64,
    /// Time of all calls without the scopes inside.
    pub self_ns: u64,
    /// Shortest call.
    pub min_ns: u64,
    /// Longest call.
    pub max_ns: u64,
    /// Allocations of all calls, with the scopes inside.
    pub allocations: u64,
    /// Requested bytes of these allocations.
    pub bytes: u64,
    /// Shortest duration of the first, second, ... call of an iteration; empty if iterations differ
    /// in their number of calls.
    #[serde(deserialize_with = "bounded::list::<_, _, { bounded::MOST_SERIES }>")]
    pub series_min_ns: Vec<u64>,
    /// Counters added inside this scope, without the scopes inside.
    #[serde(deserialize_with = "bounded::list::<_, _, { bounded::MOST_COUNTERS }>")]
    pub counters: Vec<CounterSum>,
    /// Scopes inside this one.
    #[serde(deserialize_with = "bounded::list::<_, _, { bounded::MOST_SCOPES }>")]
    pub children: Vec<ScopeNode>,
}

/// The sum of a named counter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CounterSum {
    /// Name that the plugin gave.
    #[serde(deserialize_with = "bounded::text::<_, { bounded::MOST_NAME }>")]
    pub name: String,
    /// Sum of the additions.
    pub sum: f64,
    /// Bound on the effect of rounding on the sum; 0 if the sum is exact.
    #[serde(default)]
    pub rounding: f64,
}

/// Allocations of one process over a fixed number of iterations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AllocationCounts {
    /// Digest document as the plugin wrote it; empty if it has none.
    #[serde(deserialize_with = "bounded::text::<_, { bounded::MOST_DIGEST }>")]
    pub digest: String,
    /// Counted iterations.
    pub iterations: u64,
    /// Successful allocations inside the iterations, on all threads.
    pub allocations: u64,
    /// Requested bytes of these allocations.
    pub bytes: u64,
    /// The highest rise of live bytes within one iteration.
    pub peak_bytes: u64,
    /// Live bytes after the last iteration minus before the first (resets included).
    pub leaked_bytes: i64,
    /// Allocation events (allocations and frees) of threads other than the driver.
    pub elsewhere: u64,
    /// Whether iterations differed in allocations or bytes.
    pub uneven: bool,
    /// Whether the process had one thread from beginning to end.
    pub single_threaded: bool,
    /// Whether there were more live blocks than the table holds. Bytes and counts are then correct,
    /// peak and leak are not.
    pub untracked: bool,
    /// Blocks that the iterations or their resets freed or resized and that no counted call had
    /// returned.
    #[serde(default)]
    pub foreign_blocks: u64,
    /// Growth of resident memory over the iterations. It reveals allocators that bypass malloc.
    pub resident_growth: i64,
    /// Counters of the iterations.
    #[serde(deserialize_with = "bounded::list::<_, _, { bounded::MOST_COUNTERS }>")]
    pub counters: Vec<CounterSum>,
    /// Scopes and counters that could not be recorded.
    #[serde(deserialize_with = "bounded::list::<_, _, { bounded::MOST_ITEMS }>")]
    pub complaints: Vec<ScopeComplaint>,
    /// Entry points of the workload's code, as addresses within the library; empty if the plugin
    /// does not provide them.
    #[serde(
        default,
        deserialize_with = "bounded::list::<_, _, { bounded::MOST_ITEMS }>"
    )]
    pub code: Vec<u64>,
}
