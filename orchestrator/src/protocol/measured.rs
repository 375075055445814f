//! Measurements of a worker in each pass.

use serde::{Deserialize, Serialize};

/// Timed samples of one process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TimedSamples {
    /// Digest document as the plugin wrote it; empty if it has none.
    pub(crate) digest: String,
    /// Iterations in each sample.
    pub(crate) iterations: u64,
    /// Durations of the samples, in the order they were taken.
    pub(crate) samples_ns: Vec<u64>,
    pub(crate) warm_up: WarmUp,
    pub(crate) usage: ResourceUsage,
    /// Smallest step of the clock on this machine.
    pub(crate) resolution_ns: u64,
}

/// State of a worker of a pair before its first turn.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PairReady {
    pub(crate) digest: String,
    /// Iterations that make a sample long enough.
    pub(crate) iterations: u64,
    /// Median over the last window of the warm-up.
    pub(crate) iteration_ns: f64,
    /// Address of its stack: the same on both sides, unless the system insists on random addresses.
    pub(crate) stack: u64,
    pub(crate) warm_up: WarmUp,
}

/// Message to each worker of a pair after both are ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PairStart {
    /// Iterations in each sample, the same for both.
    pub(crate) iterations: u64,
    /// Whether an untimed sample after each hand-over fills the caches again.
    pub(crate) untimed: bool,
    /// Places of this worker in the common order.
    pub(crate) places: Vec<u32>,
}

/// Samples of one worker of a pair.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TurnSamples {
    /// Durations of the samples, in the order they were taken.
    pub(crate) samples_ns: Vec<u64>,
    pub(crate) usage: ResourceUsage,
}

/// One reading of the sentinel kernels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SentinelReading {
    /// Durations of the samples of the chain of multiplications, in the order taken.
    pub(crate) compute_ns: Vec<u64>,
    /// The same for the walk through memory.
    pub(crate) memory_ns: Vec<u64>,
    pub(crate) usage: ResourceUsage,
}

/// Result of warming up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WarmUp {
    pub(crate) ns: u64,
    pub(crate) iterations: u64,
    pub(crate) ended: WarmUpEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WarmUpEnd {
    /// Two consecutive windows agreed.
    Steady,
    /// The time was up before that.
    Budget,
}

/// Counters of the operating system over the time of the samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ResourceUsage {
    pub(crate) minor_faults: u64,
    pub(crate) major_faults: u64,
    pub(crate) voluntary_switches: u64,
    pub(crate) involuntary_switches: u64,
}

/// The scope trees of some iterations.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ScopeProfile {
    pub(crate) digest: String,
    pub(crate) iterations: u64,
    /// Time inside `run` over all iterations, with scopes and counting on.
    pub(crate) run_ns: u64,
    /// Median of one of these iterations, in which a disturbed iteration weighs no more than the
    /// others.
    pub(crate) iteration_ns: f64,
    pub(crate) scopes: Vec<ScopeNode>,
    pub(crate) complaints: Vec<ScopeComplaint>,
}

/// Part of the scopes and counters that a worker could not record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ScopeComplaint {
    /// Threads beyond the table of threads.
    Threads { threads: usize },
    /// Scopes that were closed out of order, or never.
    Unbalanced { scopes: u64 },
    /// Additions to counters that were no finite numbers, or too much for the sum.
    NotFinite { additions: u64 },
    /// Names beyond the table of names.
    Names { most: usize },
    /// Scopes and counters beyond the places in the tree.
    Places {
        dropped: u64,
        places: usize,
        depth: usize,
        counters: usize,
    },
    /// In words, from an older journal.
    #[serde(untagged)]
    Worded(String),
}

/// A scope in its place in the tree, summed over all iterations of a profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScopeNode {
    pub(crate) name: String,
    /// Whether the scope was opened on another thread than the driver; then it is in no total.
    pub(crate) pool: bool,
    pub(crate) calls: u64,
    pub(crate) total_ns: u64,
    pub(crate) self_ns: u64,
    pub(crate) min_ns: u64,
    pub(crate) max_ns: u64,
    pub(crate) allocations: u64,
    pub(crate) bytes: u64,
    /// Shortest duration of the first, second, ... call of an iteration; empty if iterations differ
    /// in their number of calls.
    pub(crate) series_min_ns: Vec<u64>,
    pub(crate) counters: Vec<CounterSum>,
    pub(crate) children: Vec<ScopeNode>,
}

/// The sum of a named counter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CounterSum {
    pub(crate) name: String,
    pub(crate) sum: f64,
    /// Bound on the effect of rounding on the sum; 0 if the sum is exact.
    #[serde(default)]
    pub(crate) rounding: f64,
}

/// Allocations of one process over a fixed number of iterations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AllocationCounts {
    pub(crate) digest: String,
    pub(crate) iterations: u64,
    /// Successful allocations inside the iterations, on all threads.
    pub(crate) allocations: u64,
    /// Requested bytes of these allocations.
    pub(crate) bytes: u64,
    /// The highest rise of live bytes within one iteration.
    pub(crate) peak_bytes: u64,
    /// Live bytes after the last iteration minus before the first (resets included).
    pub(crate) leaked_bytes: i64,
    /// Allocation events (allocations and frees) of threads other than the driver.
    pub(crate) elsewhere: u64,
    /// Whether iterations differed in allocations or bytes.
    pub(crate) uneven: bool,
    /// Whether the process had one thread from beginning to end.
    pub(crate) single_threaded: bool,
    /// Whether there were more live blocks than the table holds. Bytes and counts are then correct,
    /// peak and leak are not.
    pub(crate) untracked: bool,
    /// Blocks that the iterations or their resets freed or resized and that no counted call had
    /// returned.
    #[serde(default)]
    pub(crate) foreign_blocks: u64,
    /// Growth of resident memory over the iterations. It reveals allocators that bypass malloc.
    pub(crate) resident_growth: i64,
    pub(crate) counters: Vec<CounterSum>,
    pub(crate) complaints: Vec<ScopeComplaint>,
    /// Entry points of the workload's code, as addresses within the library; empty if the plugin
    /// does not provide them.
    #[serde(default)]
    pub(crate) code: Vec<u64>,
}
